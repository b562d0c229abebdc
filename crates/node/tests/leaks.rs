//! A thousand nodes start and stop in one process, and leave nothing behind. A
//! test of its own, because it counts what the process has.
#![cfg(target_os = "linux")] // which is read from /proc
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{PATIENCE, free_port, settings};
use zre::{Engine, IpcDir};

/// How many nodes are there at a time, all in touch with each other.
const TOGETHER: usize = 5;

/// How much more memory may be resident after the last 800 nodes than after
/// the first 200. A node that kept a single buffer of 4 KiB would pass it.
const GROWTH: usize = 3 << 20;

/// What the process has, apart from memory.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    tasks: usize,
    threads: usize,
    descriptors: usize,
    files: usize,
}

impl Belongings {
    fn now(dir: &Path) -> Self {
        let entries = |path: &Path| std::fs::read_dir(path).map_or(0, Iterator::count);
        Self {
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
            threads: entries(Path::new("/proc/self/task")),
            descriptors: entries(Path::new("/proc/self/fd")),
            files: entries(dir),
        }
    }

    /// Waits until there is no more of anything than that.
    async fn wait_for(&self, dir: &Path) {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = Self::now(dir);
            if now.tasks <= self.tasks
                && now.threads <= self.threads
                && now.descriptors <= self.descriptors
                && now.files <= self.files
            {
                return;
            }
            assert!(Instant::now() < until, "{now:?}, and at first {self:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

/// Some nodes meet, say something, and go: every other one properly, the rest
/// by being dropped.
async fn round(number: usize, dir: &Path) {
    let port = free_port();
    let engine = match number % 4 {
        #[cfg(feature = "zeromq")]
        3 => Engine::ZeroMq,
        _ => Engine::Native,
    };
    let mut nodes = Vec::new();
    for index in 0..TOGETHER {
        let settings = settings(&format!("n{index}"), port)
            .engine(engine)
            .ipc(IpcDir::Path(dir.to_owned()))
            .inproc(number.is_multiple_of(2))
            .group("G");
        nodes.push(settings.start().await.unwrap());
    }
    for (node, _) in &nodes {
        node.wait_for_peers_in("G", TOGETHER - 1, PATIENCE)
            .await
            .unwrap();
        let shouted = node.shout("G", vec![7u8; 1000]).await.unwrap();
        assert_eq!(shouted.accepted, TOGETHER - 1);
    }
    let mut leaving = Vec::new();
    for (index, (node, events)) in nodes.into_iter().enumerate() {
        if index.is_multiple_of(2) {
            leaving.push(tokio::spawn(async move {
                node.shutdown_within(Duration::from_secs(1)).await;
                drop(events);
            }));
        }
    }
    for node in leaving {
        node.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_nodes_leave_nothing_behind() {
    let dir = tempfile::TempDir::with_prefix("zre-").unwrap();
    let dir = dir.path().join("ipc");
    let warm = 200 / TOGETHER;
    let mut first = None;
    for number in 0..1000 / TOGETHER {
        round(number, &dir).await;
        if number == warm {
            // The beacon's thread and the ipc directory's entries of nodes that
            // were dropped go a moment later.
            let clean = Belongings {
                tasks: 0,
                threads: usize::MAX,
                descriptors: usize::MAX,
                files: usize::MAX,
            };
            clean.wait_for(&dir).await;
            first = Some((Belongings::now(&dir), resident()));
        }
    }
    let (first, memory) = first.unwrap();
    first.wait_for(&dir).await;
    let now = resident();
    println!("{first:?}, {} KiB, then {} KiB", memory >> 10, now >> 10);
    assert!(now < memory + GROWTH, "{memory} bytes, then {now}");
}
