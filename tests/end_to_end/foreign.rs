//! What peers of other implementations get.

use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;
use zre::{Event, Message, Node};
use zre_proto::Command;
use zre_tests::DEADLINE;

use crate::stranger::Stranger;

/// One empty frame: none at all ends pyre's thread and zyre.js's process.
#[tokio::test]
async fn a_message_without_frames_has_one_for_a_peer_that_is_not_ours() {
    let (node, mut events) = Node::builder()
        .loopback()
        .no_beacon()
        .listen_port(0)
        .start()
        .await
        .unwrap();
    let port = node.listening()[0].port();
    let mut stranger = Stranger::new(Uuid::new_v4(), port).await;
    stranger.greet().await;
    stranger
        .say(&Command::Join {
            group: "group".into(),
            status: 1,
        })
        .await;
    let joined = async {
        while let Some(event) = events.recv().await {
            if matches!(event, Event::Join { .. }) {
                return;
            }
        }
    };
    timeout(DEADLINE, joined).await.unwrap();
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
