//! Applications that don't read, and peers that don't.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on")]

mod common;

use std::time::Duration;

use common::{PATIENCE, enter, free_port, next, settings, until};
use zre::{Event, IpcDir, Link, LinkLimits, SendError, SendPolicy, State};

fn narrow() -> LinkLimits {
    LinkLimits {
        queue_bytes_per_peer: 256 << 10,
        inbox_bytes_per_connection: 256 << 10,
        ..LinkLimits::default()
    }
}

/// A node whose application doesn't read holds the sender back, keeps its peers
/// and its beacons, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_read_slows_the_sender_and_loses_nothing() {
    for inproc in [true, false] {
        let port = free_port();
        let with = |name| {
            settings(name, port)
                .ipc(IpcDir::Off)
                .inproc(inproc)
                .link_limits(narrow())
                .event_queue_bytes(256 << 10)
                .evasive(Duration::from_millis(300))
                .expired(Duration::from_millis(1500))
                .send_policy(SendPolicy::Reject)
        };
        let (sender, mut events) = with("sender").start().await.unwrap();
        let (reader, mut unread) = with("reader").start().await.unwrap();
        let peer = enter(&mut events).await;
        assert_eq!(peer.link() == Link::Inproc, inproc);

        let payload = vec![1u8; 16 << 10];
        let mut accepted = 0usize;
        // Full for a while on end: every buffer on the way is full.
        let mut full_since = None;
        loop {
            match sender.try_whisper(&peer, payload.clone()) {
                Ok(()) => {
                    accepted += 1;
                    full_since = None;
                    assert!(accepted < 100_000, "nothing holds the sender back");
                }
                Err(SendError::Full) => {
                    let since = *full_since.get_or_insert_with(std::time::Instant::now);
                    // Past the time after which a silent peer is given up.
                    if since.elapsed() > Duration::from_secs(4) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        // Beacons go on: a newcomer is met by the one that doesn't read.
        let (newcomer, _news) = with("newcomer").start().await.unwrap();
        newcomer.wait_for_peers(2, PATIENCE).await.unwrap();

        let mut received = 0;
        while received < accepted {
            received += until(&mut unread, |event| match event {
                Event::Whisper { message, .. } => {
                    assert_eq!(message.len(), payload.len());
                    Some(1)
                }
                Event::Exit { peer, reason, .. } => panic!("{peer} exits: {reason}"),
                _ => None,
            })
            .await;
        }
        sender.whisper(&peer, "last").await.unwrap();
        until(&mut unread, |event| match event {
            Event::Whisper { message, .. } if message.to_str() == Some("last") => Some(()),
            _ => None,
        })
        .await;
        drop((sender, reader, newcomer));
    }
}

/// A wait for room ends by itself, so that two full nodes can't lock each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_room_has_an_end() {
    let port = free_port();
    let with = |name| {
        settings(name, port)
            .link_limits(narrow())
            .event_queue_bytes(64 << 10)
            .send_policy(SendPolicy::Wait(Duration::from_millis(200)))
    };
    let (sender, mut events) = with("sender").start().await.unwrap();
    let (_reader, _unread) = with("reader").start().await.unwrap();
    let peer = enter(&mut events).await;
    let payload = vec![1u8; 16 << 10];
    let error = loop {
        if let Err(error) = sender.whisper(&peer, payload.clone()).await {
            break error;
        }
    };
    assert_eq!(error, SendError::Full);
    let group = sender.shout("nobody", payload).await.unwrap();
    assert_eq!(group.accepted, 0);
}

/// Sends until the queue stays full; returns how many were accepted.
async fn fill(sender: &zre::Node, peer: &zre::Peer) -> usize {
    let mut accepted = 0;
    loop {
        let patience = SendPolicy::Wait(Duration::from_secs(1));
        match sender
            .whisper_with(peer, vec![1u8; 16 << 10], patience)
            .await
        {
            Ok(()) => accepted += 1,
            Err(SendError::Full) => return accepted,
            Err(error) => panic!("{error}"),
        }
        assert!(accepted < 100_000, "nothing holds the sender back");
    }
}

async fn drain(unread: &mut zre::Events, mut count: usize) {
    while count > 0 {
        count -= until(unread, |event| {
            matches!(event, Event::Whisper { .. }).then_some(1)
        })
        .await;
    }
}

/// Both edges of a full queue are events, each once; a policy counts for one
/// call alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_reported_when_it_is_full_and_when_it_has_room() {
    for inproc in [true, false] {
        let port = free_port();
        let with = |name| {
            settings(name, port)
                .ipc(IpcDir::Off)
                .inproc(inproc)
                .link_limits(narrow())
                .event_queue_bytes(64 << 10)
        };
        let (sender, mut events) = with("sender").start().await.unwrap();
        let (_reader, mut unread) = with("reader").start().await.unwrap();
        let peer = enter(&mut events).await;
        let accepted = fill(&sender, &peer).await;
        let payload = vec![1u8; 16 << 10];
        let at_once = sender
            .whisper_with(&peer, payload.clone(), SendPolicy::Reject)
            .await;
        assert_eq!(at_once, Err(SendError::Full));
        assert!(sender.stats().await.unwrap().queued_bytes > 0);

        let edge = |event| match event {
            Event::Backpressure { peer, on } => Some((peer, on)),
            _ => None,
        };
        // The queue may have been full for a moment before it stayed so: each
        // edge follows the other, and the last one says full.
        let mut full = false;
        while !full {
            let (who, on) = until(&mut events, edge).await;
            assert_eq!(who, peer);
            assert!(on, "no second edge without a first");
            full = true;
            while let Some(event) = events.try_recv() {
                if let Some((_, on)) = edge(event) {
                    assert_ne!(on, full);
                    full = on;
                }
            }
        }
        drain(&mut unread, accepted).await;
        assert_eq!(until(&mut events, edge).await, (peer.clone(), false));
        full = false;
        sender
            .whisper_with(&peer, payload, SendPolicy::Reject)
            .await
            .unwrap();

        // Giving the peer up ends the session while its queue is full: there is
        // no second edge.
        fill(&sender, &peer).await;
        let gone = sender
            .whisper_with(&peer, vec![1u8; 16 << 10], SendPolicy::Disconnect)
            .await;
        assert_eq!(gone, Err(SendError::Gone));
        loop {
            match next(&mut events).await {
                Event::Exit { peer: who, .. } => {
                    assert_eq!(who, peer);
                    break;
                }
                event => {
                    if let Some((_, on)) = edge(event) {
                        assert_ne!(on, full, "each edge follows the other");
                        full = on;
                    }
                }
            }
        }
        assert!(full);
    }
}

/// Who doesn't read shows Busy where that was asked for, and Ready again; a
/// state that the user set stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_full_queue_of_events_is_busy() {
    let port = free_port();
    let with = |name| {
        settings(name, port)
            .link_limits(narrow())
            .event_queue_bytes(64 << 10)
    };
    let (sender, mut events) = with("sender").start().await.unwrap();
    let (reader, mut unread) = with("reader").auto_busy(true).start().await.unwrap();
    let peer = enter(&mut events).await;
    let turn = |event| match event {
        Event::State { from, to, .. } => Some((from, to)),
        _ => None,
    };

    let accepted = fill(&sender, &peer).await;
    let busy = (State::Ready, State::Busy);
    assert_eq!(until(&mut events, turn).await, busy);
    drain(&mut unread, accepted).await;
    let ready = (State::Busy, State::Ready);
    assert_eq!(until(&mut events, turn).await, ready);

    let accepted = fill(&sender, &peer).await;
    assert_eq!(until(&mut events, turn).await, busy);
    // What the user says counts: it stays when the queue is empty again.
    reader.set_state(State::Busy).await.unwrap();
    drain(&mut unread, accepted).await;
    reader.set_state(State::Asleep).await.unwrap();
    let asleep = (State::Busy, State::Asleep);
    assert_eq!(until(&mut events, turn).await, asleep);
    let accepted = fill(&sender, &peer).await;
    drain(&mut unread, accepted).await;
    reader.set_state(State::Ready).await.unwrap();
    let awake = (State::Asleep, State::Ready);
    assert_eq!(until(&mut events, turn).await, awake);
}
