//! Two nodes of one process: everything a user does first.

use std::time::Duration;

use zre::{Event, Events, Link, Node, State};

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(20), events.recv())
        .await
        .expect("an event in time")
        .expect("a node that runs")
}

#[tokio::test]
async fn they_meet_talk_and_part() {
    let port = 28_001;
    let settings = |name: &str| Node::builder().name(name).loopback().beacon_port(port);
    let (alice, mut a) = settings("alice")
        .header("role", "camera")
        .start()
        .await
        .unwrap();
    let (bob, mut b) = settings("bob").group("chat").start().await.unwrap();

    let Event::Enter { peer } = next(&mut b).await else {
        panic!()
    };
    assert_eq!(peer.name(), "alice");
    assert_eq!(peer.header("role"), Some("camera"));
    assert_eq!(peer.headers().len(), 1);
    assert_eq!(peer.link(), Link::Inproc);
    let Event::Enter { peer } = next(&mut a).await else {
        panic!()
    };
    assert_eq!(peer.name(), "bob");
    let Event::Join { group, .. } = next(&mut a).await else {
        panic!()
    };
    assert_eq!(&*group, "chat");

    alice.join("chat").await.unwrap();
    let event = next(&mut b).await;
    assert!(matches!(event, Event::Join { .. }), "{event:?}");

    alice.whisper("bob", ["one", "two"]).await.unwrap();
    let Event::Whisper { peer, message } = next(&mut b).await else {
        panic!()
    };
    assert_eq!(peer.name(), "alice");
    assert_eq!(message.frames(), ["one", "two"]);

    let shouted = bob.shout("chat", "hello").await.unwrap();
    assert_eq!(shouted.accepted, 1);
    let Event::Shout { group, message, .. } = next(&mut a).await else {
        panic!()
    };
    assert_eq!((&*group, message.to_str()), ("chat", Some("hello")));

    bob.set_state(State::Busy).await.unwrap();
    let Event::State { to, .. } = next(&mut a).await else {
        panic!()
    };
    assert_eq!(to, State::Busy);
    assert!(alice.available("chat").is_empty());

    bob.shutdown().await;
    let mut saw = Vec::new();
    loop {
        match next(&mut a).await {
            Event::Exit { peer, reason, .. } => {
                assert_eq!(peer.name(), "bob");
                saw.push(reason.to_string());
                break;
            }
            Event::State { to, .. } => assert_eq!(to, State::Draining),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(saw, ["goodbye"]);
    assert!(alice.peers().is_empty());
    assert!(b.recv().await.is_none());
}
