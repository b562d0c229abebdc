//! Connections that end, and those that never stand.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zre_session::{
    Arrival, CloseReason, Engine, Flushed, Link, Notice, OpenError, SameHost, Target, TrySendError,
};

use crate::bench::{Node, PATIENCE, identity, inproc, ipc, limited, number, send, soon, tcp};
use crate::on_each_engine;

on_each_engine!(
    close_lingers_until_all_is_out,
    dropping_the_last_handle_lingers,
    a_linger_that_is_too_short_reports_the_lost_messages,
    one_thread_is_enough,
    a_refused_connection_is_reported_at_once,
    a_silent_listener_times_out,
    a_target_without_a_route,
    somebody_else_answers,
    a_killed_reader_is_noticed_at_once,
    a_killed_sender_is_noticed_at_once,
    a_new_connection_replaces_the_old,
    a_replaced_link_in_memory_is_reported,
    a_dropped_inbox_ends_links_in_memory,
    dropped_links_end_everything_that_comes_in,
    one_closed_for_each_connect,
);

async fn close_lingers_until_all_is_out(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    for at in 0..5000u64 {
        send(&mailbox, &at.to_be_bytes(), &[]).await;
    }
    mailbox.close(PATIENCE);
    mailbox.close(PATIENCE * 2);
    assert_eq!(mailbox.try_send(b"late", &[]), Err(TrySendError::Closed));
    assert!(mailbox.writable(1).await.is_err());
    bob.opened().await;
    let numbers: Vec<u64> = bob.messages(5000).await.iter().map(number).collect();
    assert_eq!(numbers, (0..5000).collect::<Vec<u64>>());
    assert_eq!(bob.ended().await.1, CloseReason::PeerClosed);
    assert_eq!(alice.closed(1).await, (CloseReason::Local, 0));
    assert_eq!(mailbox.flush(PATIENCE).await, Flushed::All);
    assert!(mailbox.is_closed());
}

async fn dropping_the_last_handle_lingers(engine: Engine) {
    let mut alice = Node::open(limited(tcp(engine, 1), |limits| limits.linger = PATIENCE)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    let other = mailbox.clone();
    drop(mailbox);
    for at in 0..1000u64 {
        send(&other, &at.to_be_bytes(), &[]).await;
    }
    drop(other);
    bob.opened().await;
    bob.messages(1000).await;
    assert_eq!(bob.ended().await.1, CloseReason::PeerClosed);
    assert_eq!(alice.closed(1).await, (CloseReason::Local, 0));
}

async fn a_linger_that_is_too_short_reports_the_lost_messages(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    // A peer that shakes hands and then stops reading.
    let bob = Node::open(limited(tcp(engine, 2), |limits| {
        limits.inbox_bytes_per_connection = 1000;
    }))
    .await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    let body = crate::bench::body(64 * 1024);
    crate::bench::fill(&mailbox, &body).await;
    let queued = mailbox.queued().messages as u64;
    assert!(queued > 100, "{queued} are queued");
    let began = Instant::now();
    mailbox.close(PATIENCE);
    mailbox.close(Duration::from_millis(100));
    let (reason, lost) = alice.closed(1).await;
    assert_eq!(reason, CloseReason::Local);
    assert!(lost > 0 && lost <= queued, "{lost} of {queued}");
    assert!(began.elapsed() < PATIENCE / 2);
    assert_eq!(mailbox.flush(PATIENCE).await, Flushed::Left(lost));
}

async fn one_thread_is_enough(engine: Engine) {
    // On a thread of its own, because a runtime doesn't block inside another.
    let story = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut alice = Node::open(tcp(engine, 1)).await;
            let mut bob = Node::open(tcp(engine, 2)).await;
            let (mailbox, _) = alice.reach(1, &bob).await;
            for at in 0..1000u64 {
                send(&mailbox, &at.to_be_bytes(), &[]).await;
            }
            bob.opened().await;
            bob.messages(1000).await;
            drop(mailbox);
            assert_eq!(bob.ended().await.1, CloseReason::PeerClosed);
            // The rest is dropped after its runtime has gone.
            (alice, bob)
        })
    };
    let ended = std::thread::spawn(story);
    soon(tokio::task::spawn_blocking(move || ended.join()))
        .await
        .unwrap()
        .unwrap();
}

async fn a_refused_connection_is_reported_at_once(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    // Bound, so that nobody else takes the address; nobody listens at it.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    bound.bind(&any.into()).unwrap();
    let addr = bound.local_addr().unwrap().as_socket().unwrap();
    let began = Instant::now();
    let mailbox = alice.links.connect(5, Target::default().addr(addr));
    // The end may be quicker than we are.
    let accepted = u64::from(mailbox.try_send(b"lost", &[]).is_ok());
    assert_eq!(alice.closed(5).await, (CloseReason::Refused, accepted));
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let left = mailbox.flush(PATIENCE).await;
    assert_eq!(left == Flushed::All, accepted == 0);
    assert_eq!(mailbox.link(), None);
}

async fn a_silent_listener_times_out(engine: Engine) {
    let mut alice = Node::open(limited(tcp(engine, 1), |limits| {
        limits.connect_time = Duration::from_millis(300);
    }))
    .await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::default().addr(silent.local_addr().unwrap());
    let _mailbox = alice.links.connect(5, target);
    assert_eq!(alice.closed(5).await, (CloseReason::TimedOut, 0));
}

async fn a_target_without_a_route(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let nowhere = Target::default().peer(identity(99));
    let mailbox = alice.links.connect(3, nowhere);
    assert_eq!(alice.closed(3).await, (CloseReason::NoRoute, 0));
    assert_eq!(mailbox.try_send(b"x", &[]), Err(TrySendError::Closed));
}

async fn somebody_else_answers(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let bob = Node::open(tcp(engine, 2)).await;
    let mistaken = bob.target().peer(identity(3));
    let _mailbox = alice.links.connect(1, mistaken);
    match alice.closed(1).await {
        (CloseReason::Handshake(_), 0) => {}
        other => panic!("{other:?}"),
    }
    // A node that doesn't know whom to expect learns the identity.
    let mut unknown = bob.target();
    unknown.peer = None;
    let _mailbox = alice.links.connect(2, unknown);
    match alice.notice().await {
        Notice::Up {
            identity, remote, ..
        } => {
            assert_eq!(identity.as_ref(), Some(bob.links.identity()));
            assert_eq!(remote, Some(bob.addr()));
        }
        other => panic!("{other:?}"),
    }
}

/// Not a test by itself: the other process of the tests below. It listens, prints
/// its address, connects to the address that it reads, and waits to be killed.
#[test]
fn other_process() {
    let Ok(engine) = std::env::var("ZRE_SESSION_TEST_PEER") else {
        return;
    };
    let engine = match engine.as_str() {
        #[cfg(feature = "zeromq")]
        "ZeroMq" => Engine::ZeroMq,
        _ => Engine::Native,
    };
    crate::bench::run(async move {
        let mut node = Node::open(tcp(engine, 77)).await;
        println!("listening {}", node.addr());
        let mut mailbox = None;
        if let Ok(addr) = std::env::var("ZRE_SESSION_TEST_ADDR") {
            let target = Target::default()
                .addr(addr.parse().unwrap())
                .same_host(SameHost::Never);
            mailbox = Some(node.links.connect(1, target));
            node.up(1).await;
        }
        // Until it is killed, or its parent has gone for good.
        tokio::time::sleep(PATIENCE).await;
        drop(mailbox);
    });
}

/// A process that runs `other_process`, killed when dropped.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn other(
    engine: Engine,
    connect_to: Option<std::net::SocketAddr>,
) -> (Other, std::net::SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["ends::other_process", "--exact", "--nocapture"])
        .env("ZRE_SESSION_TEST_PEER", format!("{engine:?}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(addr) = connect_to {
        command.env("ZRE_SESSION_TEST_ADDR", addr.to_string());
    }
    let mut child = command.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let addr = stdout
        .lines()
        .find_map(|line| {
            let line = line.unwrap();
            let (_, addr) = line.split_once("listening ")?;
            Some(addr.parse().unwrap())
        })
        .expect("the other process has ended");
    (Other(child), addr)
}

async fn a_killed_reader_is_noticed_at_once(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let (mut other, addr) = other(engine, None);
    let target = Target::default().addr(addr);
    let mailbox = alice.links.connect(1, target);
    alice.up(1).await;
    other.0.kill().unwrap();
    let killed = Instant::now();
    let (reason, lost) = alice.closed(1).await;
    let took = killed.elapsed();
    println!("{engine:?}: a killed reader was noticed after {took:?}");
    assert!(
        matches!(reason, CloseReason::PeerClosed | CloseReason::Reset),
        "{reason:?}"
    );
    assert_eq!(lost, 0);
    // It should take a tenth of a second; the rest is for a busy machine.
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(mailbox.try_send(b"late", &[]), Err(TrySendError::Closed));
}

async fn a_killed_sender_is_noticed_at_once(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let (mut other, _) = other(engine, Some(alice.addr()));
    let (connection, from) = alice.opened().await;
    assert_eq!(from.identity, identity(77));
    other.0.kill().unwrap();
    let killed = Instant::now();
    let (ended, reason) = alice.ended().await;
    let took = killed.elapsed();
    println!("{engine:?}: a killed sender was noticed after {took:?}");
    assert_eq!(ended, connection);
    assert!(
        matches!(reason, CloseReason::PeerClosed | CloseReason::Reset),
        "{reason:?}"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
}

async fn a_new_connection_replaces_the_old(engine: Engine) {
    let mut bob = Node::open(tcp(engine, 2)).await;
    let mut first = Node::open(tcp(engine, 1)).await;
    let mut second = Node::open(tcp(engine, 1)).await;
    for _ in 0..20 {
        let (old, _) = first.reach(1, &bob).await;
        let (one, from) = bob.opened().await;
        send(&old, &1u64.to_be_bytes(), &[]).await;
        bob.messages(1).await;

        let (new, _) = second.reach(1, &bob).await;
        send(&new, &2u64.to_be_bytes(), &[]).await;
        assert_eq!(bob.ended().await, (one, CloseReason::Replaced));
        let (two, again) = bob.opened().await;
        assert_ne!(one, two);
        assert_eq!(from.identity, again.identity);
        match bob.arrival().await {
            Arrival::Batch(batch) => {
                assert_eq!(batch.connection, two);
                assert_eq!(number(&batch.messages[0]), 2);
            }
            other => panic!("{other:?}"),
        }
        // The one that lost its place knows.
        first.closed(1).await;
        new.close(PATIENCE);
        assert_eq!(second.closed(1).await.0, CloseReason::Local);
        assert_eq!(bob.ended().await.0, two);
    }
    assert_eq!(bob.links.counters().replaced, 20);
    assert_eq!(bob.links.counters().opened, 40);
}

async fn a_replaced_link_in_memory_is_reported(engine: Engine) {
    let mut bob = Node::open(inproc(engine, 22)).await;
    let mut first = Node::open(inproc(engine, 21)).await;
    let (old, link) = first.reach(1, &bob).await;
    assert_eq!(link, Link::Inproc);
    send(&old, b"12345678", &[]).await;
    let (new, _) = first.reach_again(2, &bob).await;
    assert_eq!(first.pending_close(1).await, CloseReason::Replaced);
    assert_eq!(old.try_send(b"late", &[]), Err(TrySendError::Closed));
    let (one, _) = bob.opened().await;
    bob.messages(1).await;
    assert_eq!(bob.ended().await, (one, CloseReason::Replaced));
    bob.opened().await;
    send(&new, b"12345678", &[]).await;
    bob.messages(1).await;
}

impl Node {
    /// Connects to a node to which we have a mailbox already: the end of the old
    /// mailbox is reported first.
    async fn reach_again(&mut self, id: u64, other: &Self) -> (zre_session::Mailbox, Link) {
        let mailbox = self.links.connect(id, other.target());
        let link = mailbox.link().unwrap();
        (mailbox, link)
    }

    /// The reason of an end that may come with other notices before it.
    async fn pending_close(&mut self, number: u64) -> CloseReason {
        loop {
            if let Notice::Closed { id, reason, .. } = self.notice().await
                && id == number
            {
                return reason;
            }
        }
    }
}

async fn a_dropped_inbox_ends_links_in_memory(engine: Engine) {
    let mut alice = Node::open(inproc(engine, 31)).await;
    let mut bob = Node::open(inproc(engine, 32)).await;
    let (mailbox, link) = alice.reach(1, &bob).await;
    assert_eq!(link, Link::Inproc);
    bob.opened().await;
    for _ in 0..3 {
        send(&mailbox, b"unread", &[]).await;
    }
    drop(bob.inbox);
    assert_eq!(alice.closed(1).await, (CloseReason::PeerClosed, 3));
    assert_eq!(mailbox.try_send(b"late", &[]), Err(TrySendError::Closed));
    assert_eq!(mailbox.flush(PATIENCE).await, Flushed::Left(3));
    drop(mailbox);
    assert_eq!(alice.links.queued_bytes(), 0);
}

async fn dropped_links_end_everything_that_comes_in(engine: Engine) {
    let dir = crate::bench::private_dir();
    let mut alice = Node::open(inproc(engine, 41)).await;
    let mut carol = Node::open(ipc(engine, 43, dir.path())).await;
    let mut config = ipc(engine, 42, dir.path());
    config.inproc = true;
    let mut bob = Node::open(config).await;
    let (_in_memory, link) = alice.reach(1, &bob).await;
    assert_eq!(link, Link::Inproc);
    let (_over_ipc, link) = carol.reach(1, &bob).await;
    // Only Unix has ipc.
    let nearest = if cfg!(unix) { Link::Ipc } else { Link::Tcp };
    assert_eq!(link, nearest);
    bob.opened().await;
    bob.opened().await;
    let Node {
        links, mut inbox, ..
    } = bob;
    drop(links);
    assert_eq!(alice.closed(1).await.0, CloseReason::PeerClosed);
    let (reason, _) = carol.closed(1).await;
    assert!(
        matches!(reason, CloseReason::PeerClosed | CloseReason::Reset),
        "{reason:?}"
    );
    for _ in 0..2 {
        assert!(matches!(
            soon(inbox.recv()).await,
            Some(Arrival::Closed { .. })
        ));
    }
    assert!(soon(inbox.recv()).await.is_none());
}

async fn one_closed_for_each_connect(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let bob = Node::open(tcp(engine, 2)).await;
    for id in 0..50 {
        let mailbox = alice.links.connect(id, bob.target());
        // At some point of its life, whichever.
        if id % 3 == 0 {
            mailbox.try_send(b"x", &[]).unwrap();
        }
        mailbox.close(Duration::from_millis(id % 5));
    }
    let mut closed = [0; 50];
    while closed.iter().sum::<usize>() < 50 {
        match alice.notice().await {
            Notice::Up { id, .. } => assert_eq!(closed[id as usize], 0),
            Notice::Closed { id, .. } => closed[id as usize] += 1,
            other @ Notice::Panicked { .. } => panic!("{other:?}"),
        }
    }
    assert_eq!(closed, [1; 50]);
    assert!(alice.notices.try_recv().is_none());
}

#[test]
fn a_port_in_use_is_an_error() {
    crate::bench::run(async {
        let bob = Node::open(tcp(Engine::default(), 2)).await;
        let mut config = tcp(Engine::default(), 3);
        config.listen = vec![bob.addr()];
        match zre_session::Links::open(config).await {
            Err(OpenError::InUse(addr)) => assert_eq!(addr, bob.addr()),
            other => panic!("{other:?}"),
        }
    });
}
