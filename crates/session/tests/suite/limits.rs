//! What is too large, and too many.

use std::time::Duration;

use bytes::Bytes;
use zre_session::{CloseReason, Engine, Links, OpenError, TrySendError};

use crate::bench::{Node, PATIENCE, body, inproc, limited, send, tcp};
use crate::on_each_engine;

on_each_engine!(
    a_message_that_can_never_be_sent_is_an_error,
    the_receivers_limits_hold_too,
    the_nodes_total_bounds_all_mailboxes,
    peers_that_never_read_leave_room_for_others,
    too_many_connections,
    a_limit_of_nothing_is_refused,
);

async fn a_message_that_can_never_be_sent_is_an_error(engine: Engine) {
    let mut alice = Node::open(limited(tcp(engine, 1), |limits| {
        limits.frame_bytes = 1000;
        limits.message_bytes = 1500;
        limits.parts = 4;
    }))
    .await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    let too_large = |body: &[Bytes]| match mailbox.try_send(b"head", body) {
        Err(TrySendError::TooLarge { what, size, limit }) => (what, size, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(too_large(&[body(1001)]), ("a frame", 1001, 1000));
    assert_eq!(
        too_large(&[body(900), body(900)]),
        ("the message", 1804, 1500)
    );
    let five = vec![Bytes::new(); 4];
    assert_eq!(too_large(&five), ("the number of frames", 4, 3));
    // It has disturbed nothing.
    assert_eq!(mailbox.queued().messages, 0);
    send(&mailbox, b"head", &[body(1000)]).await;
    bob.opened().await;
    bob.messages(1).await;
}

async fn the_receivers_limits_hold_too(engine: Engine) {
    let strict = |number| {
        limited(tcp(engine, number), |limits| {
            limits.frame_bytes = 1000;
            limits.message_bytes = 1500;
            limits.parts = 4;
        })
    };
    let mut bob = Node::open(strict(2)).await;
    let mut alice = Node::open(tcp(engine, 1)).await;
    let cases: [(&'static str, &[Bytes]); 3] = [
        ("frame_bytes", &[body(1001)]),
        ("message_bytes", &[body(900), body(900)]),
        (
            "parts",
            &[Bytes::new(), Bytes::new(), Bytes::new(), Bytes::new()],
        ),
    ];
    for (id, (limit, frames)) in (0..).zip(cases) {
        let (mailbox, _) = alice.reach(id, &bob).await;
        bob.opened().await;
        send(&mailbox, b"fine", &[]).await;
        send(&mailbox, b"bad", frames).await;
        bob.messages(1).await;
        assert_eq!(bob.ended().await.1, CloseReason::Limit(limit));
        let (reason, _) = alice.closed(id).await;
        assert_ne!(reason, CloseReason::Local);
    }
    assert_eq!(bob.links.counters().limited, 3);
}

async fn the_nodes_total_bounds_all_mailboxes(engine: Engine) {
    let mut alice = Node::open(limited(inproc(engine, 71), |limits| {
        limits.queue_bytes_per_peer = 8000;
        limits.queue_bytes_total = 10_000;
        limits.control_reserve_bytes = 0;
    }))
    .await;
    let bob = Node::open(inproc(engine, 72)).await;
    let mut carol = Node::open(inproc(engine, 73)).await;
    let (to_bob, _) = alice.reach(1, &bob).await;
    let (to_carol, _) = alice.reach(2, &carol).await;
    let body = body(1000);
    for mailbox in [&to_bob, &to_carol] {
        while mailbox.try_send(b"", std::slice::from_ref(&body)).is_ok() {}
    }
    assert!(to_bob.queued().bytes > 4000);
    assert!(to_carol.queued().messages >= 1);
    let used = alice.links.queued_bytes();
    assert!(used > 5000 && used <= 10_000, "{used}");
    assert_eq!(used, to_bob.queued().bytes + to_carol.queued().bytes);

    // What one peer's reader frees is room for the other's mailbox.
    assert_eq!(
        to_bob.try_send(b"", std::slice::from_ref(&body)),
        Err(TrySendError::Full)
    );
    let waiting = tokio::spawn({
        let to_carol = to_carol.clone();
        async move { to_carol.writable(1000).await }
    });
    carol.opened().await;
    drop(carol.arrival().await);
    waiting.await.unwrap().unwrap();
    drop((to_bob, to_carol));
    drop((bob, carol));
    assert_eq!(alice.links.queued_bytes(), 0);
}

/// Forty members of a group never read, and the sender fills their queues: any other
/// peer has as much room as each of them.
async fn peers_that_never_read_leave_room_for_others(engine: Engine) {
    let total = 1024 * 1024;
    let mut alice = Node::open(limited(tcp(engine, 1), |limits| {
        limits.queue_bytes_per_peer = 128 * 1024;
        limits.queue_bytes_total = total;
        limits.connect_time = Duration::from_secs(60);
    }))
    .await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (to_bob, _) = alice.reach(1, &bob).await;
    bob.opened().await;
    // A listener that never answers: everything stays in the queue.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = alice.target();
    target.peer = None;
    target.addr = Some(silent.local_addr().unwrap());
    let members: Vec<_> = (100..140)
        .map(|id| alice.links.connect(id, target.clone()))
        .collect();
    // The first ones get all they want before the others ask.
    let small = body(1000);
    for member in &members {
        while member.try_send(b"", std::slice::from_ref(&small)).is_ok() {}
    }
    let least = members.iter().map(|member| member.queued().bytes).min();
    assert!(least > Some(0), "{least:?}");
    let room = total - alice.links.queued_bytes();
    assert!(room >= 1000, "{room}");
    for _ in 0..100 {
        to_bob.try_send(b"", std::slice::from_ref(&small)).unwrap();
        bob.messages(1).await;
    }
}

async fn too_many_connections(engine: Engine) {
    let mut bob = Node::open(limited(tcp(engine, 2), |limits| limits.connections = 2)).await;
    let mut others = Vec::new();
    for number in 81..83 {
        let mut node = Node::open(tcp(engine, number)).await;
        let (mailbox, _) = node.reach(1, &bob).await;
        bob.opened().await;
        others.push((node, mailbox));
    }
    let mut late = Node::open(tcp(engine, 83)).await;
    let _mailbox = late.links.connect(1, bob.target());
    // Whether it had stood for a moment is the engine's business.
    loop {
        if let zre_session::Notice::Closed { reason, .. } = late.notice().await {
            assert_ne!(reason, CloseReason::Local);
            break;
        }
    }
    assert_eq!(bob.links.counters().limited, 1);
    // The accepted peers are still served, and one that leaves makes room.
    for (_, mailbox) in &others {
        send(mailbox, b"hello", &[]).await;
        bob.messages(1).await;
    }
    let (mut leaver, mailbox) = others.remove(0);
    mailbox.close(PATIENCE);
    leaver.closed(1).await;
    bob.ended().await;
    let _mailbox = late.reach(2, &bob).await;
    bob.opened().await;
}

async fn a_limit_of_nothing_is_refused(engine: Engine) {
    let config = limited(tcp(engine, 1), |limits| limits.parts = 0);
    match Links::open(config).await {
        Err(OpenError::Limits { name, value: 0, .. }) => assert_eq!(name, "parts"),
        other => panic!("{other:?}"),
    }
}
