//! zre-session: its own engine, or the zeromq crate behind the same seam.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zre_session::{
    Arrival, Config, Engine, Identity, Inbox, IpcDir, Links, Mailbox, Notice, Notices, SameHost,
    Target, TrySendError,
};

use crate::case::{Contestant, Job, Role, Transport};
use crate::{memory, say, say_trips};

pub(crate) fn work(job: &Job) {
    // As `#[tokio::main]` makes it by default.
    let mut builder = match std::env::var_os("LINKS_ONE_THREAD") {
        Some(_) => tokio::runtime::Builder::new_current_thread(),
        None => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().unwrap();
    match std::env::var_os("LINKS_ONE_THREAD") {
        Some(_) => runtime.block_on(dispatch(job.clone())),
        // On a worker, as a program's tasks are.
        None => runtime
            .block_on(runtime.spawn(dispatch(job.clone())))
            .unwrap(),
    }
}

async fn dispatch(job: Job) {
    match job.role {
        Role::Receive => receive(&job).await,
        Role::Send => send(&job).await,
        Role::Echo => echo(&job).await,
        Role::Ping => ping(&job).await,
        Role::Many => many(&job).await,
    }
}

async fn open(job: &Job) -> (Links, Inbox, Notices, String) {
    let mut identity = vec![1u8; 17];
    identity[1..5].copy_from_slice(&std::process::id().to_be_bytes());
    let mut config = Config::new(Identity::new(identity).unwrap());
    config.engine = match job.case.contestant {
        Contestant::Native => Engine::Native,
        _ => Engine::ZeroMq,
    };
    config.inproc = false;
    config.ipc = IpcDir::Off;
    match job.case.transport {
        Transport::Tcp => config.listen = vec!["127.0.0.1:0".parse().unwrap()],
        Transport::Ipc => config.ipc = IpcDir::Path(PathBuf::from(&job.dir).join("ipc")),
    }
    let (links, inbox, notices) = Links::open(config).await.unwrap();
    let endpoint = match job.case.transport {
        Transport::Tcp => links.listening()[0].to_string(),
        Transport::Ipc => links.ipc_path().unwrap().display().to_string(),
    };
    (links, inbox, notices, endpoint)
}

fn target(job: &Job, endpoint: &str) -> Target {
    let mut target = Target::default().same_host(SameHost::Never);
    match job.case.transport {
        Transport::Tcp => target.addr = Some(endpoint.parse().unwrap()),
        Transport::Ipc => target.ipc = Some(endpoint.into()),
    }
    target
}

async fn connect(links: &Links, notices: &mut Notices, id: u64, target: Target) -> Mailbox {
    let mailbox = links.connect(id, target);
    match notices.recv().await {
        Some(Notice::Up { .. }) => mailbox,
        other => panic!("not connected: {other:?}"),
    }
}

async fn push(mailbox: &Mailbox, head: &[u8], body: &[Bytes]) {
    loop {
        match mailbox.try_send(head, body) {
            Ok(()) => return,
            Err(TrySendError::Full) => {
                let bytes = head.len() + body.iter().map(Bytes::len).sum::<usize>();
                mailbox.writable(bytes).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn receive(job: &Job) {
    let (_links, mut inbox, _notices, endpoint) = open(job).await;
    say("ready", endpoint);
    let mut start = None;
    let mut seen = 0;
    while let Some(arrival) = inbox.recv().await {
        if let Arrival::Batch(batch) = arrival {
            let start = *start.get_or_insert_with(Instant::now);
            for message in &batch.messages {
                let shape = (message.bytes(), message.parts());
                assert_eq!(shape, (job.case.size, job.case.frames));
            }
            seen += batch.messages.len();
            if seen >= job.case.count {
                say("seconds", start.elapsed().as_secs_f64());
                return;
            }
        }
    }
}

async fn send(job: &Job) {
    let (links, _inbox, mut notices, _) = open(job).await;
    let mailbox = connect(&links, &mut notices, 1, target(job, &job.to)).await;
    let (head, body) = job.case.head_and_body();
    for _ in 0..job.case.count {
        push(&mailbox, &head, &body).await;
    }
    let _ = mailbox.flush(Duration::from_secs(60)).await;
    // Stay until the receiver has everything.
    while notices
        .recv()
        .await
        .is_some_and(|n| matches!(n, Notice::Up { .. }))
    {}
}

async fn next(inbox: &mut Inbox) -> Option<Vec<zre_session::Message>> {
    loop {
        match inbox.recv().await? {
            Arrival::Batch(mut batch) => return Some(std::mem::take(&mut batch.messages)),
            Arrival::Closed { .. } => return None,
            Arrival::Opened { .. } | Arrival::Denied { .. } => {}
        }
    }
}

async fn echo(job: &Job) {
    let (links, mut inbox, mut notices, endpoint) = open(job).await;
    say("ready", endpoint);
    let first = next(&mut inbox).await.unwrap();
    let back = std::str::from_utf8(&first[0].head).unwrap().to_owned();
    let mailbox = connect(&links, &mut notices, 1, target(job, &back)).await;
    mailbox.try_send(b"connected", &[]).unwrap();
    while let Some(messages) = next(&mut inbox).await {
        for message in messages {
            mailbox.try_send(&message.head, &message.body).unwrap();
        }
    }
}

async fn ping(job: &Job) {
    let (links, mut inbox, mut notices, endpoint) = open(job).await;
    let mailbox = connect(&links, &mut notices, 1, target(job, &job.to)).await;
    mailbox.try_send(endpoint.as_bytes(), &[]).unwrap();
    next(&mut inbox).await.unwrap();
    let (head, body) = job.case.head_and_body();
    let mut samples = Vec::with_capacity(job.case.count);
    for _ in 0..job.case.count {
        let start = Instant::now();
        mailbox.try_send(&head, &body).unwrap();
        next(&mut inbox).await.unwrap();
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}

/// `count` mailboxes of one process to one inbox in another. Our own memory
/// and the inbox's (its process number is in `size`) are read before and after.
async fn many(job: &Job) {
    let other = job.case.size as u32;
    let us = std::process::id();
    let mut nodes = Vec::new();
    for i in 0..job.case.count {
        // Each with an identity of its own, or they would replace each other.
        let mut identity = vec![1u8; 17];
        identity[1..9].copy_from_slice(&(i as u64).to_be_bytes());
        let mut config = Config::new(Identity::new(identity).unwrap());
        config.engine = match job.case.contestant {
            Contestant::Native => Engine::Native,
            _ => Engine::ZeroMq,
        };
        config.inproc = false;
        config.ipc = IpcDir::Off;
        nodes.push(Links::open(config).await.unwrap());
    }
    let before = (memory::resident(us), memory::resident(other));
    let mut mailboxes = Vec::new();
    for (links, _, notices) in &mut nodes {
        mailboxes.push(connect(links, notices, 1, target(job, &job.to)).await);
    }
    let body = [Bytes::from_static(b"hello")];
    let shout = |n: u8| {
        let start = Instant::now();
        for mailbox in &mailboxes {
            mailbox.try_send(&[n; 8], &body).unwrap();
        }
        start.elapsed()
    };
    shout(0);
    for mailbox in &mailboxes {
        let _ = mailbox.flush(Duration::from_secs(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = (memory::resident(us), memory::resident(other));
    let each = |a: u64, b: u64| a.saturating_sub(b) / job.case.count as u64;
    say("sender", each(after.0, before.0));
    say("receiver", each(after.1, before.1));
    let mut times: Vec<_> = (1..=20).map(shout).collect();
    times.sort();
    let median = times[times.len() / 2];
    say("fanout", job.case.count as f64 / median.as_secs_f64());
}
