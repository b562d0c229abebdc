//! Messages: order, shape, size, bounds, flush.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use zre_session::{CloseReason, Engine, Flushed, Link, TrySendError};

#[cfg(unix)]
use crate::bench::ipc;
use crate::bench::{Node, PATIENCE, body, fill, inproc, limited, number, send, soon, tcp};
use crate::on_each_engine;

on_each_engine!(
    order_and_shape_over_tcp,
    #[cfg(unix)] // Only Unix has ipc.
    order_and_shape_over_ipc,
    order_and_shape_in_memory,
    numbered_under_a_lock_and_written_after_it,
    numbered_under_a_lock_and_written_after_it_in_memory,
    a_dropped_pending_write_is_written,
    messages_may_be_sent_before_the_link_stands,
    a_mebibyte_each_way,
    a_reader_that_stops_holds_the_sender_back,
    a_held_batch_holds_the_sender_back_in_memory,
    writable_wakes_when_the_reader_goes_on,
    control_messages_have_a_reserve,
    flush_then_nothing_is_queued,
    shutdown_delivers_ten_thousand,
    many_senders_that_come_and_go,
);

async fn order_and_shape_over_tcp(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    order_and_shape(&mut alice, &mut bob, Link::Tcp).await;
}

#[cfg(unix)]
async fn order_and_shape_over_ipc(engine: Engine) {
    let dir = crate::bench::private_dir();
    let mut alice = Node::open(ipc(engine, 1, dir.path())).await;
    let mut bob = Node::open(ipc(engine, 2, dir.path())).await;
    order_and_shape(&mut alice, &mut bob, Link::Ipc).await;
}

async fn order_and_shape_in_memory(engine: Engine) {
    let mut alice = Node::open(inproc(engine, 11)).await;
    let mut bob = Node::open(inproc(engine, 12)).await;
    order_and_shape(&mut alice, &mut bob, Link::Inproc).await;
}

async fn order_and_shape(alice: &mut Node, bob: &mut Node, expected: Link) {
    let (mailbox, link) = alice.reach(7, bob).await;
    assert_eq!(link, expected);
    let (_, from) = bob.opened().await;
    assert_eq!(&from.identity, alice.links.identity());
    assert_eq!(from.link, expected);
    assert_eq!(from.addr.is_some(), expected == Link::Tcp);

    let bodies: [&[Bytes]; 5] = [
        &[],
        &[Bytes::new()],
        &[Bytes::from_static(b"one"), Bytes::new(), Bytes::new()],
        &[body(255), body(256), body(257)],
        &[body(70_000), Bytes::from_static(b"tail")],
    ];
    let rounds = 500u64;
    for round in 0..rounds {
        for (shape, body) in bodies.iter().enumerate() {
            let head = (round * bodies.len() as u64 + shape as u64).to_be_bytes();
            send(&mailbox, &head, body).await;
        }
        if round % 100 == 99 {
            let base = (round - 99) * bodies.len() as u64;
            for (at, message) in bob.messages(100 * bodies.len()).await.iter().enumerate() {
                assert_eq!(number(message), base + at as u64);
                assert_eq!(message.body[..], *bodies[at % bodies.len()]);
            }
        }
    }

    // A head without bytes, and nothing else: the shortest message there is.
    send(&mailbox, b"", &[]).await;
    let messages = bob.messages(1).await;
    assert_eq!(messages[0], zre_session::Message::new(b"", &[]));
}

async fn numbered_under_a_lock_and_written_after_it(engine: Engine) {
    let alice = Node::open(tcp(engine, 1)).await;
    let bob = Node::open(tcp(engine, 2)).await;
    numbered_by_many(alice, bob).await;
}

async fn numbered_under_a_lock_and_written_after_it_in_memory(engine: Engine) {
    let alice = Node::open(inproc(engine, 15)).await;
    let bob = Node::open(inproc(engine, 16)).await;
    numbered_by_many(alice, bob).await;
}

/// Threads share a counter: what they number in turn has to arrive in turn,
/// although each writes when it likes.
async fn numbered_by_many(mut alice: Node, mut bob: Node) {
    const SENDERS: u64 = 4;
    const EACH: u64 = 3_000;
    let (mailbox, _) = alice.reach(1, &bob).await;
    bob.opened().await;
    let counter = Arc::new(Mutex::new(0u64));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (mailbox, counter) = (mailbox.clone(), Arc::clone(&counter));
            // Small ones are batched, large ones written at once.
            let body = body(if sender == 0 { 70_000 } else { 10 });
            std::thread::spawn(move || {
                let mut left = if sender == 0 { EACH / 30 } else { EACH };
                while left > 0 {
                    let pending = {
                        let mut counter = counter.lock().unwrap();
                        let head = counter.to_be_bytes();
                        match mailbox.enqueue(&head, std::slice::from_ref(&body)) {
                            Ok(pending) => {
                                *counter += 1;
                                left -= 1;
                                pending
                            }
                            Err(TrySendError::Full) => continue,
                            Err(error) => panic!("{error}"),
                        }
                    };
                    pending.write();
                }
            })
        })
        .collect();
    let total = EACH / 30 + (SENDERS - 1) * EACH;
    let mut expected = 0;
    while expected < total {
        for message in bob.messages_some().await {
            assert_eq!(number(&message), expected);
            expected += 1;
        }
    }
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(mailbox.flush(PATIENCE).await, Flushed::All);
}

async fn a_dropped_pending_write_is_written(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    bob.opened().await;
    let first = mailbox.enqueue(b"1", &[]).unwrap();
    // Others queue behind it meanwhile.
    let second = mailbox.enqueue_control(b"2", &[]).unwrap();
    drop(second);
    drop(first);
    let messages = bob.messages(2).await;
    assert_eq!(
        (&messages[0].head[..], &messages[1].head[..]),
        (&b"1"[..], &b"2"[..])
    );
}

async fn messages_may_be_sent_before_the_link_stands(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let mailbox = alice.links.connect(1, bob.target());
    for at in 0..100u64 {
        mailbox.try_send(&at.to_be_bytes(), &[]).unwrap();
    }
    bob.opened().await;
    let numbers: Vec<u64> = bob.messages(100).await.iter().map(number).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
    assert_eq!(alice.up(1).await, Link::Tcp);
}

async fn a_mebibyte_each_way(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (to_bob, _) = alice.reach(1, &bob).await;
    let (to_alice, _) = bob.reach(1, &alice).await;
    alice.opened().await;
    bob.opened().await;
    let body = body(1024 * 1024);
    for at in 0..20u64 {
        send(&to_bob, &at.to_be_bytes(), std::slice::from_ref(&body)).await;
        send(&to_alice, &at.to_be_bytes(), std::slice::from_ref(&body)).await;
        for node in [&mut alice, &mut bob] {
            let message = &node.messages(1).await[0];
            assert_eq!(number(message), at);
            assert_eq!(message.body[0], body);
        }
    }
}

async fn a_reader_that_stops_holds_the_sender_back(engine: Engine) {
    let bound = 1024 * 1024;
    let mut alice = Node::open(limited(tcp(engine, 1), |limits| {
        limits.queue_bytes_per_peer = bound;
    }))
    .await;
    let mut bob = Node::open(limited(tcp(engine, 2), |limits| {
        limits.inbox_bytes_per_connection = 64 * 1024;
    }))
    .await;
    let (mailbox, _) = alice.reach(1, &bob).await;

    let accepted = fill(&mailbox, &body(16 * 1024)).await;
    assert!(mailbox.queued().bytes <= bound);
    assert_eq!(
        mailbox.try_send(b"", &[body(bound)]),
        Err(TrySendError::Full)
    );

    bob.opened().await;
    let mut expected = 0;
    while expected < accepted {
        for message in bob.messages_some().await {
            assert_eq!(number(&message), expected);
            expected += 1;
        }
    }
    assert_eq!(expected, accepted);
    assert_eq!(soon(mailbox.flush(PATIENCE)).await, Flushed::All);
}

impl Node {
    /// The messages of one batch.
    async fn messages_some(&mut self) -> Vec<zre_session::Message> {
        match self.arrival().await {
            zre_session::Arrival::Batch(batch) => batch.messages,
            other => panic!("instead of a batch: {other:?}"),
        }
    }
}

async fn a_held_batch_holds_the_sender_back_in_memory(engine: Engine) {
    let mut alice = Node::open(limited(inproc(engine, 13), |limits| {
        limits.queue_bytes_per_peer = 10_000;
    }))
    .await;
    let mut bob = Node::open(inproc(engine, 14)).await;
    let (mailbox, link) = alice.reach(1, &bob).await;
    assert_eq!(link, Link::Inproc);
    let body = body(1000);
    let mut accepted = 0u64;
    while mailbox
        .try_send(&accepted.to_be_bytes(), std::slice::from_ref(&body))
        .is_ok()
    {
        accepted += 1;
    }
    assert!((5..=10).contains(&accepted), "{accepted}");
    bob.opened().await;
    let zre_session::Arrival::Batch(batch) = bob.arrival().await else {
        panic!("no batch");
    };
    assert_eq!(batch.messages.len() as u64, accepted);
    assert_eq!(mailbox.queued().bytes, batch.cost());
    // Taken, but not done with: no room yet.
    assert_eq!(
        mailbox.try_send(b"x", std::slice::from_ref(&body)),
        Err(TrySendError::Full)
    );
    drop(batch);
    soon(mailbox.writable(body.len())).await.unwrap();
    mailbox.try_send(b"x", &[body]).unwrap();
    assert_eq!(mailbox.queued().messages, 1);
}

async fn writable_wakes_when_the_reader_goes_on(engine: Engine) {
    let mut alice = Node::open(limited(tcp(engine, 1), |limits| {
        limits.queue_bytes_per_peer = 256 * 1024;
    }))
    .await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    bob.opened().await;
    let total = 40_000u64;
    let body = body(1000);
    let writer = tokio::spawn(async move {
        for at in 0..total {
            send(&mailbox, &at.to_be_bytes(), std::slice::from_ref(&body)).await;
        }
        mailbox
    });
    let mut expected = 0;
    while expected < total {
        for message in bob.messages_some().await {
            assert_eq!(number(&message), expected);
            expected += 1;
        }
    }
    let mailbox = soon(writer).await.unwrap();
    assert_eq!(mailbox.flush(PATIENCE).await, Flushed::All);
}

async fn control_messages_have_a_reserve(engine: Engine) {
    let alice = Node::open(limited(tcp(engine, 1), |limits| {
        limits.queue_bytes_per_peer = 4096;
        limits.control_reserve_bytes = 1024;
        limits.connect_time = Duration::from_secs(20);
    }))
    .await;
    // A listener that never answers: everything stays in the queue.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = alice.target();
    target.peer = None;
    target.addr = Some(silent.local_addr().unwrap());
    let mailbox = alice.links.connect(1, target);
    while mailbox.try_send(&[0; 100], &[]).is_ok() {}
    let data = mailbox.queued();
    assert!(data.bytes > 3500 && data.bytes <= 4096, "{data:?}");
    let mut control = 0;
    while mailbox.try_send_control(&[0; 100], &[]).is_ok() {
        control += 1;
    }
    assert!((5..=8).contains(&control), "{control}");
    assert_eq!(
        mailbox.try_send_control(&[0; 100], &[]),
        Err(TrySendError::Full)
    );
    assert_eq!(alice.links.queued_bytes(), mailbox.queued().bytes);
    mailbox.close(Duration::ZERO);
    let mut alice = alice;
    let (reason, lost) = alice.closed(1).await;
    assert_eq!(reason, CloseReason::Local);
    assert_eq!(lost, data.messages as u64 + control);
    assert_eq!(alice.links.queued_bytes(), 0);
}

async fn flush_then_nothing_is_queued(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    bob.opened().await;
    for at in 0..1000u64 {
        send(&mailbox, &at.to_be_bytes(), &[]).await;
    }
    assert_eq!(mailbox.flush(PATIENCE).await, Flushed::All);
    assert_eq!(mailbox.queued().messages, 0);
    assert_eq!(mailbox.queued().bytes, 0);
    bob.messages(1000).await;
}

async fn shutdown_delivers_ten_thousand(engine: Engine) {
    let mut alice = Node::open(tcp(engine, 1)).await;
    let mut bob = Node::open(tcp(engine, 2)).await;
    let (mailbox, _) = alice.reach(1, &bob).await;
    let body = body(100);
    for at in 0..10_000u64 {
        mailbox
            .try_send(&at.to_be_bytes(), std::slice::from_ref(&body))
            .unwrap();
    }
    let links = alice.links.clone();
    let shutdown = tokio::spawn(async move { links.shutdown(PATIENCE).await });
    bob.opened().await;
    let numbers: Vec<u64> = bob.messages(10_000).await.iter().map(number).collect();
    assert_eq!(numbers, (0..10_000).collect::<Vec<u64>>());
    assert_eq!(soon(shutdown).await.unwrap().lost, 0);
    assert_eq!(bob.ended().await.1, CloseReason::PeerClosed);
    assert_eq!(alice.closed(1).await, (CloseReason::Local, 0));
    assert!(soon(alice.inbox.recv()).await.is_none());
    assert_eq!(mailbox.try_send(b"late", &[]), Err(TrySendError::Closed));
    // What is opened after a shutdown has ended already.
    let late = alice.links.connect(2, bob.target());
    assert_eq!(late.try_send(b"late", &[]), Err(TrySendError::Closed));
    assert_eq!(alice.closed(2).await, (CloseReason::Local, 0));
}

async fn many_senders_that_come_and_go(engine: Engine) {
    const SENDERS: u8 = 6;
    const ROUNDS: u64 = 60;
    let mut bob = Node::open(limited(inproc(engine, 100), |limits| {
        limits.inbox_bytes_per_connection = 16 * 1024;
    }))
    .await;
    let target = bob.target();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let target = target.clone();
            tokio::spawn(async move {
                let config = limited(inproc(engine, 101 + sender), |limits| {
                    limits.queue_bytes_per_peer = 4096;
                });
                let mut node = Node::open(config).await;
                let mut accepted = 0;
                for round in 0..ROUNDS {
                    let mailbox = node.links.connect(round, target.clone());
                    for at in 0..50 + round {
                        send(&mailbox, &at.to_be_bytes(), &[]).await;
                        accepted += 1;
                    }
                    if round % 2 == 0 {
                        mailbox.close(PATIENCE);
                    }
                    drop(mailbox);
                    // The next one would take this one's place, as it may.
                    if round % 3 == 0 {
                        while node.notices.recv().await.is_some_and(|notice| {
                            !matches!(notice, zre_session::Notice::Closed { id, .. } if id == round)
                        }) {}
                    }
                }
                accepted
            })
        })
        .collect();

    let mut open = std::collections::HashMap::new();
    let mut received = 0u64;
    let mut ended = 0;
    while ended < u64::from(SENDERS) * ROUNDS {
        match bob.arrival().await {
            zre_session::Arrival::Opened { connection, .. } => {
                assert_eq!(open.insert(connection, 0), None);
            }
            zre_session::Arrival::Batch(batch) => {
                let next = open.get_mut(&batch.connection).unwrap();
                for message in &batch.messages {
                    assert_eq!(number(message), *next);
                    *next += 1;
                    received += 1;
                }
            }
            zre_session::Arrival::Denied { from } => panic!("{from:?}"),
            zre_session::Arrival::Closed { connection, .. } => {
                open.remove(&connection).unwrap();
                ended += 1;
            }
        }
    }
    assert!(open.is_empty());
    let mut accepted = 0;
    for sender in senders {
        accepted += soon(sender).await.unwrap();
    }
    assert_eq!(received, accepted);
}
