//! Opening and closing leaves nothing behind. A process of its own, because it
//! counts what the process has.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::time::{Duration, Instant};

use zre_session::{
    Arrival, Config, Engine, Identity, Inbox, IpcDir, Link, Links, Notice, Notices, Target,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn entries(dir: &str) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

/// Memory that the process has touched and not given back, in kB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse().unwrap()
}

async fn open(
    engine: Engine,
    round: usize,
    number: u8,
    dir: &std::path::Path,
    inproc: bool,
) -> (Links, Inbox, Notices) {
    let identity = [&[number][..], &round.to_be_bytes()].concat();
    let mut config = Config::new(Identity::new(identity).unwrap());
    config.engine = engine;
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.ipc = IpcDir::Path(dir.to_path_buf());
    config.inproc = inproc;
    Links::open(config).await.unwrap()
}

/// Two nodes meet over the link, one message goes, and both leave: properly,
/// or by being dropped.
async fn meet(engine: Engine, dir: &std::path::Path, round: usize) {
    // New names each time: dropped links keep their name in the ipc directory for a
    // moment.
    let want = [Link::Tcp, Link::Ipc, Link::Inproc][round % 3];
    let (alice, inbox, mut notices) = open(engine, round, 1, dir, want == Link::Inproc).await;
    let (bob, mut bobs_inbox, bobs_notices) =
        open(engine, round, 2, dir, want == Link::Inproc).await;
    let mut target = Target::default().addr(bob.listening()[0]);
    target.peer = (want != Link::Tcp).then(|| bob.identity().clone());
    let mailbox = alice.connect(1, target);
    mailbox.try_send(b"hello", &[]).unwrap();
    match notices.recv().await {
        Some(Notice::Up { link, .. }) => assert_eq!(link, want),
        other => panic!("{other:?}"),
    }
    loop {
        match bobs_inbox.recv().await {
            Some(Arrival::Opened { .. }) => {}
            Some(Arrival::Batch(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    if round.is_multiple_of(2) {
        assert_eq!(alice.shutdown(PATIENCE).await.lost, 0);
        assert_eq!(bob.shutdown(PATIENCE).await.lost, 0);
    }
    drop((alice, inbox, notices, mailbox));
    drop((bob, bobs_inbox, bobs_notices));
}

fn rounds(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("zre");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let count = || {
        (
            entries("/proc/self/fd"),
            entries("/proc/self/task"),
            runtime.metrics().num_alive_tasks(),
        )
    };
    let round = |round| {
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, meet(engine, &home, round))
                .await
                .expect("a round takes too long");
        });
    };
    // What is made once (a resolver's thread, an allocator's arena) comes first.
    (0..30).for_each(round);
    let settled = |limit: (usize, usize, usize)| {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = count();
            let files = entries(home.to_str().unwrap());
            let within = now.0 <= limit.0 && now.1 <= limit.1 && now.2 <= limit.2;
            if (within && files == 0) || Instant::now() > until {
                return (now, files);
            }
            // What was dropped closes in the background.
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
        }
    };
    let threads = count().1;
    let (before, files) = settled((usize::MAX, threads, 0));
    assert_eq!((before.2, files), (0, 0));
    let memory = resident();
    (0..200).for_each(round);
    let (after, files) = settled(before);
    let grown = resident().saturating_sub(memory);
    println!("{engine:?}: descriptors, threads, tasks {before:?} -> {after:?}; {grown} kB more");
    assert_eq!(files, 0, "files were left behind");
    assert!(
        after.0 <= before.0,
        "descriptors: {} -> {}",
        before.0,
        after.0
    );
    assert!(after.1 <= before.1, "threads: {} -> {}", before.1, after.1);
    assert_eq!(after.2, 0, "tasks were left behind");
    // 200 rounds with two nodes each: 10 kB a node would be 4 MB.
    assert!(grown < 4000, "{grown} kB more than before");
}

#[test]
fn two_hundred_meetings_leave_nothing_behind() {
    rounds(Engine::Native);
    #[cfg(feature = "zeromq")]
    rounds(Engine::ZeroMq);
}
