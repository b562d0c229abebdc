//! A node that takes another name and other headers while it runs.

mod common;

use common::{enter, free_port, settings, until};
use zre::{CommandError, Event, Events, Peer};

async fn update(events: &mut Events) -> (Peer, String) {
    until(events, |event| match event {
        Event::Update { peer, old_name } => Some((peer, old_name)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn peers_see_the_new_name_and_headers_in_events_lists_and_look_ups() {
    let port = free_port();
    let alice = settings("alice", port).header("load", "0");
    let (alice, mut a) = alice.group("chat").start().await.unwrap();
    let (bob, mut b) = settings("bob", port).group("chat").start().await.unwrap();
    let before = enter(&mut b).await;
    enter(&mut a).await;
    bob.wait_for_peers_in("chat", 1, common::PATIENCE)
        .await
        .unwrap();
    alice.whisper("bob", "first").await.unwrap();
    let mut roster = bob.roster();

    assert!(alice.set_name("alba").await.unwrap());
    assert!(!alice.set_name("alba").await.unwrap());
    assert_eq!(alice.name(), "alba");
    let (peer, old_name) = update(&mut b).await;
    assert_eq!((peer.name(), old_name.as_str()), ("alba", "alice"));
    assert_eq!(before, peer, "the same session");
    assert_eq!((before.name(), before.header("load")), ("alice", Some("0")));
    assert!(roster.changed().await);
    assert_eq!(roster.named("alba").count(), 1);
    assert_eq!(bob.peer("alba").unwrap(), before);
    assert!(bob.peer("alice").is_err());
    assert_eq!(bob.peers()[0].name(), "alba");
    assert_eq!(bob.peers_in("chat")[0].name(), "alba");

    // Whispers before and after it have the name that was true then.
    alice.whisper("bob", "second").await.unwrap();
    let sender = until(&mut b, |event| match event {
        Event::Whisper { peer, .. } => Some(peer),
        _ => None,
    });
    assert_eq!(sender.await.name(), "alba");

    assert!(alice.set_header("load", "7").await.unwrap());
    assert!(alice.set_header("lens", "wide").await.unwrap());
    assert!(alice.remove_header("load").await.unwrap());
    assert!(!alice.remove_header("load").await.unwrap());
    assert_eq!(alice.headers().len(), 1);
    loop {
        // Changes in quick succession may come as one.
        let (peer, old_name) = update(&mut b).await;
        assert_eq!(old_name, "alba");
        if peer.headers().len() == 1 && peer.header("lens") == Some("wide") {
            break;
        }
    }
    drop(alice);
    let gone = until(&mut b, |event| match event {
        Event::Exit { peer, .. } => Some(peer),
        _ => None,
    });
    assert_eq!(gone.await.name(), "alba");
}

#[tokio::test]
async fn a_peer_that_comes_later_hears_them_from_the_start() {
    let port = free_port();
    let (alice, _a) = settings("alice", port).start().await.unwrap();
    alice.set_name("alba").await.unwrap();
    alice.set_header("load", "7").await.unwrap();
    let (_bob, mut b) = settings("bob", port).start().await.unwrap();
    let peer = enter(&mut b).await;
    assert_eq!((peer.name(), peer.header("load")), ("alba", Some("7")));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let (node, _events) = settings("alice", free_port()).start().await.unwrap();
    for (key, value) in [("X-ZRE-STATE", "1"), ("", "1"), ("key", "a\0")] {
        let set = node.set_header(key, value).await;
        assert!(matches!(set, Err(CommandError::Limit(_))), "{key}");
    }
    let long = "n".repeat(256);
    for name in ["", "a\0b", long.as_str()] {
        let set = node.set_name(name).await;
        assert!(matches!(set, Err(CommandError::Limit(_))), "{name}");
    }
    assert_eq!((node.name().as_str(), node.headers().len()), ("alice", 0));
    node.shutdown().await;
    let late = node.set_name("late").await;
    assert!(matches!(late, Err(CommandError::Stopped)));
}
