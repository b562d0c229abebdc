//! What peers of other implementations get.

use std::cell::Cell;

use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;
use zre::{Event, Events, Message, Node};
use zre_proto::Command;
use zre_tests::DEADLINE;

use crate::stranger::Stranger;

/// A node, and a stranger that has greeted it.
async fn beside_a_stranger() -> (Node, Events, Stranger) {
    let (node, events) = Node::builder()
        .loopback()
        .no_beacon()
        .listen_port(0)
        .start()
        .await
        .unwrap();
    let port = node.listening()[0].port();
    let mut stranger = Stranger::new(Uuid::new_v4(), port).await;
    stranger.greet().await;
    (node, events, stranger)
}

async fn until(events: &mut Events, is_wanted: impl Fn(&Event) -> bool) {
    let wanted = async {
        while let Some(event) = events.recv().await {
            if is_wanted(&event) {
                return;
            }
        }
    };
    timeout(DEADLINE, wanted).await.unwrap();
}

/// One empty frame: none at all ends pyre's thread and zyre.js's process.
#[tokio::test]
async fn a_message_without_frames_has_one_for_a_peer_that_is_not_ours() {
    let (node, mut events, mut stranger) = beside_a_stranger().await;
    stranger
        .say(&Command::Join {
            group: "group".into(),
            status: 1,
        })
        .await;
    until(&mut events, |event| matches!(event, Event::Join { .. })).await;
    let is_empty_frame = |content: &Message| content.frames() == [Bytes::new()];
    node.whisper(stranger.uuid, Message::default())
        .await
        .unwrap();
    stranger
        .hear(|command| match command {
            Command::Whisper { content } => {
                assert!(is_empty_frame(content), "{content:?}");
                true
            }
            _ => false,
        })
        .await;
    let shouted = node.shout("group", Message::default()).await.unwrap();
    assert_eq!(shouted.accepted, 1);
    stranger
        .hear(|command| match command {
            Command::Shout { content, .. } => {
                assert!(is_empty_frame(content), "{content:?}");
                true
            }
            _ => false,
        })
        .await;
}

/// It would take our 65535 for a gap: a PING before the wrap tells how much it has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn before_the_numbers_wrap_a_peer_confirms_what_it_has_read() {
    const MESSAGES: u64 = 65_400;
    let (node, mut events, mut stranger) = beside_a_stranger().await;
    let uuid = stranger.uuid;
    until(&mut events, |event| matches!(event, Event::Enter { .. })).await;
    let sender = node.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            sender.whisper(uuid, "x").await.unwrap();
        }
    });
    let (whispers, pings) = (Cell::new(0), Cell::new(0));
    stranger
        .hear(|command| {
            match command {
                Command::Whisper { .. } => whispers.set(whispers.get() + 1),
                Command::Ping(None) => pings.set(pings.get() + 1),
                _ => {}
            }
            whispers.get() == MESSAGES && pings.get() > 0
        })
        .await;
    for _ in 0..pings.get() {
        stranger.say(&Command::PingOk(None)).await;
    }
    sending.await.unwrap();
    stranger
        .say(&Command::Whisper {
            content: "all".into(),
        })
        .await;
    let answered = async {
        while let Some(event) = events.recv().await {
            if matches!(event, Event::Whisper { .. }) {
                return;
            }
        }
    };
    timeout(DEADLINE, answered).await.unwrap();
    drop(stranger);
    let exit = async {
        while let Some(event) = events.recv().await {
            if let Event::Exit { unconfirmed, .. } = event {
                return unconfirmed;
            }
        }
        panic!("the node has stopped");
    };
    let unconfirmed = timeout(DEADLINE, exit).await.unwrap();
    assert!(unconfirmed < 2_000, "{unconfirmed}");
}
