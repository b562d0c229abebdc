//! Applications that don't read, and peers that don't.

mod common;

use std::time::Duration;

use common::{PATIENCE, enter, free_port, settings, until};
use zre::{Event, IpcDir, Link, LinkLimits, SendError, SendPolicy};

fn narrow() -> LinkLimits {
    let mut limits = LinkLimits::default();
    limits.queue_bytes_per_peer = 256 << 10;
    limits.inbox_bytes_per_connection = 256 << 10;
    limits
}

/// A node whose application doesn't read holds the sender back, keeps its peers
/// and its beacons, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_holds_the_sender_back_and_loses_nothing() {
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
