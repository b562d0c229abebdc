//! Two nodes of one process: everything a user does first.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{enter, free_port, links, next, settings, until};
use zre::{Event, ExitReason, IpcDir, Link, State};

#[tokio::test]
async fn an_address_can_be_added_and_removed_while_a_node_runs() {
    let silent = |name| settings(name, free_port()).no_beacon().inproc(false);
    let (alice, mut a) = silent("alice").ipc(IpcDir::Off).start().await.unwrap();
    let bob = silent("bob").ipc(IpcDir::Off);
    let (bob, mut b) = bob.start().await.unwrap();
    let endpoint = bob.endpoint();
    alice.add_peer(endpoint.clone(), None).await.unwrap();
    alice.add_peer(endpoint.clone(), None).await.unwrap();
    assert_eq!(enter(&mut a).await.uuid(), bob.uuid());
    assert_eq!(enter(&mut b).await.uuid(), alice.uuid());
    assert_eq!(alice.stats().await.unwrap().bootstraps, 1);
    alice.remove_peer(endpoint.clone()).await.unwrap();
    assert_eq!(alice.stats().await.unwrap().bootstraps, 0);
    assert_eq!(alice.peers().len(), 1, "the session goes on");

    // An address of a node that is known by its UUID.
    let carol = silent("carol").ipc(IpcDir::Off);
    let (carol, mut c) = carol.start().await.unwrap();
    carol.add_peer(endpoint.clone(), bob.uuid()).await.unwrap();
    assert_eq!(enter(&mut c).await.uuid(), bob.uuid());
    carol.shutdown().await;
    let refused = carol.add_peer(endpoint.clone(), None).await.unwrap_err();
    assert_eq!(refused.code(), "stopped");
    assert!(carol.remove_peer(endpoint).await.is_err());
}

#[tokio::test]
async fn they_meet_talk_and_part() {
    let port = free_port();
    let alice = settings("alice", port).header("role", "camera");
    let (alice, mut a) = alice.start().await.unwrap();
    let (bob, mut b) = settings("bob", port).group("chat").start().await.unwrap();

    let peer = enter(&mut b).await;
    assert_eq!(peer.name(), "alice");
    assert_eq!(peer.header("role"), Some("camera"));
    assert_eq!(peer.headers().len(), 1);
    assert_eq!(peer.link(), Link::Inproc);
    assert_eq!(enter(&mut a).await.name(), "bob");
    let group = until(&mut a, |event| match event {
        Event::Join { group, .. } => Some(group),
        _ => None,
    })
    .await;
    assert_eq!(&*group, "chat");

    assert!(alice.join("chat").await.unwrap());
    assert!(!alice.join("chat").await.unwrap());
    until(&mut b, |event| {
        matches!(event, Event::Join { .. }).then_some(())
    })
    .await;
    assert_eq!(alice.own_groups(), bob.own_groups());
    assert_eq!(bob.peers_in("chat"), bob.peers());

    alice.whisper("bob", ["one", "two"]).await.unwrap();
    let message = until(&mut b, |event| match event {
        Event::Whisper { message, .. } => Some(message),
        _ => None,
    })
    .await;
    assert_eq!(message.frames(), ["one", "two"]);

    let shouted = bob.shout("chat", "hello").await.unwrap();
    assert_eq!(shouted.accepted, 1);
    let (group, message) = until(&mut a, |event| match event {
        Event::Shout { group, message, .. } => Some((group, message)),
        _ => None,
    })
    .await;
    assert_eq!((&*group, message.to_str()), ("chat", Some("hello")));

    assert_eq!(alice.available("chat").len(), 1);
    bob.set_state(State::Busy).await.unwrap();
    until(&mut a, |event| {
        matches!(
            event,
            Event::State {
                to: State::Busy,
                ..
            }
        )
        .then_some(())
    })
    .await;
    assert!(alice.available("chat").is_empty());

    bob.shutdown().await;
    let reason = until(&mut a, |event| match event {
        Event::Exit {
            reason,
            unconfirmed,
            ..
        } => Some((reason, unconfirmed)),
        _ => None,
    })
    .await;
    // Bob was asked while it drained whether the whisper had arrived.
    assert_eq!(reason, (ExitReason::Goodbye, 0));
    assert!(alice.peers().is_empty());
    while b.recv().await.is_some() {}
    assert!(bob.whisper("alice", "too late").await.is_err());
}

#[tokio::test]
async fn each_link_carries_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = dir.path().join("made-by-the-node");
    for (link, ipc, inproc) in links(&sockets) {
        let port = free_port();
        let with = |name| settings(name, port).ipc(ipc.clone()).inproc(inproc);
        let (left, mut l) = with("left").start().await.unwrap();
        let (right, mut r) = with("right").start().await.unwrap();
        if link == Link::Ipc {
            assert_eq!(
                left.ipc_path().map(std::path::Path::parent),
                Ok(Some(sockets.as_path()))
            );
        }
        assert_eq!(enter(&mut l).await.link(), link);
        assert_eq!(enter(&mut r).await.link(), link);
        let frames = vec![Bytes::new(), vec![7u8; 1 << 20].into(), "end".into()];
        left.whisper("right", frames.clone()).await.unwrap();
        let Event::Whisper { message, .. } = next(&mut r).await else {
            panic!("over {link}")
        };
        assert_eq!(message.frames(), frames);
        right.shutdown().await;
        left.shutdown().await;
    }
}

#[tokio::test]
async fn a_node_whose_last_handle_is_dropped_says_exit_once() {
    let port = free_port();
    let (stays, mut events) = settings("stays", port).start().await.unwrap();
    let (goes, inner) = settings("goes", port).start().await.unwrap();
    enter(&mut events).await;
    let clone = goes.clone();
    drop(goes);
    clone.whisper("stays", "still here").await.unwrap();
    until(&mut events, |event| {
        matches!(event, Event::Whisper { .. }).then_some(())
    })
    .await;
    drop(clone);
    let reason = until(&mut events, |event| match event {
        Event::Exit { reason, .. } => Some(reason),
        _ => None,
    })
    .await;
    assert!(
        matches!(reason, ExitReason::Goodbye | ExitReason::Disconnected),
        "{reason}"
    );
    drop(inner);
    stays.shutdown().await;
}

#[tokio::test]
async fn a_shared_name_is_no_address() {
    let port = free_port();
    let (node, _events) = settings("one", port).start().await.unwrap();
    let (first, _) = settings("twin", port).start().await.unwrap();
    let (second, _) = settings("twin", port).start().await.unwrap();
    node.wait_for_peers(2, common::PATIENCE).await.unwrap();
    assert_eq!(
        node.whisper("twin", "which?").await,
        Err(zre::SendError::Ambiguous {
            name: "twin".into(),
            count: 2
        })
    );
    node.whisper(first.uuid(), "you").await.unwrap();
    node.whisper(second.uuid().simple().to_string(), "and you")
        .await
        .unwrap();
    assert_eq!(
        node.whisper("nobody", "?").await,
        Err(zre::SendError::Unknown("nobody".into()))
    );
}

#[tokio::test]
async fn messages_that_no_peer_accepts_are_refused_before_anything_is_sent() {
    let port = free_port();
    let long = "x".repeat(256);
    assert!(settings(&long, port).start().await.is_err());
    let with_header = settings("n", port).header(long.clone(), "v");
    assert!(with_header.start().await.is_err());
    let (node, _events) = settings("n", port).start().await.unwrap();
    assert!(node.join("").await.is_err());
    assert!(node.join(long.as_str()).await.is_err());
    assert!(node.shout(&long, "x").await.is_err());
    assert!(node.set_state(State::Exit).await.is_err());
    assert!(node.set_state(State::Other(7)).await.is_err());
    node.set_state(State::Other(200)).await.unwrap();
}

#[tokio::test]
async fn a_missing_resource_of_the_host_is_an_error() {
    let port = free_port();
    let unknown = settings("n", port)
        .interfaces(zre::Interfaces::Named(vec!["nosuch0".into()]))
        .start()
        .await
        .unwrap_err();
    assert!(unknown.to_string().contains("nosuch0"), "{unknown}");

    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    let in_use = settings("n", port)
        .listen_port(taken)
        .start()
        .await
        .unwrap_err();
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    drop(held);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let long = dir.path().join("x".repeat(100));
    for (unusable, why) in [(file, "not a directory"), (long, "longer than")] {
        // A directory for unix sockets is never of use elsewhere.
        let why = if cfg!(unix) {
            why
        } else {
            "isn't available on this system"
        };
        let node = settings("n", port).ipc(IpcDir::Path(unusable));
        let refused = node.start().await.unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
    for endpoint in [
        "tcp://0.0.0.0:1",
        "tcp://[::]:1",
        "tcp://224.0.0.1:1",
        "tcp://[ff02::1]:1",
        "tcp://255.255.255.255:1",
    ] {
        let node = settings("n", port).advertise(endpoint.parse().unwrap());
        let refused = node.start().await.unwrap_err();
        assert!(
            refused.to_string().contains("can't be advertised"),
            "{refused}"
        );
    }
}

/// Sends the beacon of a node with that port of its inbox until the task is aborted.
fn announce(beacon_port: u16, uuid: zre::Uuid, port: u16) -> tokio::task::JoinHandle<()> {
    let mut config = zre_beacon::Config::default();
    config.port = beacon_port;
    config.interfaces = zre::Interfaces::Loopback;
    config.groups = vec![zre::MULTICAST_V4.parse().unwrap()];
    let (sender, datagrams) = zre_beacon::Beacon::open(config).unwrap();
    let beacon = zre_proto::Beacon::Classic { uuid, port }.encode();
    tokio::spawn(async move {
        let _datagrams = datagrams;
        loop {
            sender.send(zre_beacon::Cast::Groups, &beacon);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}

#[tokio::test]
async fn a_node_that_is_heard_and_cannot_be_dialled_is_reported() {
    let port = free_port();
    let (node, mut events) = settings("n", port).start().await.unwrap();
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = closed.local_addr().unwrap();
    drop(closed);
    let uuid = zre::Uuid::new_v4();
    let beaconing = announce(port, uuid, addr.port());
    let (reported, endpoint, reason) = until(&mut events, |event| match event {
        Event::Unreachable {
            uuid,
            endpoint,
            reason,
        } => Some((uuid, endpoint, reason)),
        _ => None,
    })
    .await;
    beaconing.abort();
    assert_eq!(reported, uuid);
    assert_eq!(endpoint.to_string(), format!("tcp://{addr}"));
    assert!(reason.contains("refused"), "{reason}");
    assert_eq!(node.peers(), []);
}

/// As if a firewall kept its connections from us: it takes our greeting and is silent.
#[tokio::test]
async fn a_node_that_is_reached_and_does_not_greet_back_is_reported_once() {
    let port = free_port();
    let (node, mut events) = settings("n", port).start().await.unwrap();
    let uuid = zre::Uuid::new_v4();
    let identity = [&[1][..], uuid.as_bytes()].concat();
    let mut config = zre_session::Config::new(identity[..].try_into().unwrap());
    config.ipc = IpcDir::Off;
    config.inproc = false;
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let (links, mut inbox, _notices) = zre_session::Links::open(config).await.unwrap();
    let addr = links.listening()[0];
    let beaconing = announce(port, uuid, addr.port());
    let reports = |event| match event {
        Event::OneWay {
            uuid,
            endpoint,
            reason,
        } => Some((uuid, endpoint, reason)),
        Event::Unreachable { reason, .. } => panic!("{reason}"),
        _ => None,
    };
    let greetings = async {
        let mut greetings = 0;
        while let Some(arrival) = inbox.recv().await {
            if let zre_session::Arrival::Batch(batch) = arrival {
                greetings += batch.messages.len();
                if greetings == 2 {
                    break;
                }
            }
        }
    };
    // The second greeting goes out after the first is given up.
    let ((reported, endpoint, reason), ()) = tokio::join!(until(&mut events, reports), greetings);
    assert_eq!(reported, uuid);
    assert_eq!(endpoint.to_string(), format!("tcp://{addr}"));
    let own = node.endpoint().to_string();
    assert!(
        reason.contains("doesn't greet back") && reason.contains(&own),
        "{reason}"
    );
    beaconing.abort();
    node.shutdown().await;
    while let Some(event) = events.recv().await {
        assert!(!matches!(event, Event::OneWay { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn as_many_frames_as_the_error_says_are_taken() {
    let port = free_port();
    let with = |name| settings(name, port).ipc(IpcDir::Off).inproc(false);
    let (left, mut at_left) = with("left").start().await.unwrap();
    let (_right, mut at_right) = with("right").start().await.unwrap();
    let peer = enter(&mut at_left).await;
    let frames = |count: usize| zre::Message::from(vec![b"x".to_vec(); count]);
    let refused = left.whisper(&peer, frames(1025)).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the number of frames is 1025, more than the limit of 1024"),
        "{refused}"
    );
    left.whisper(&peer, frames(1024)).await.unwrap();
    let count = until(&mut at_right, |event| match event {
        Event::Whisper { message, .. } => Some(message.frames().len()),
        _ => None,
    });
    assert_eq!(count.await, 1024);
}
