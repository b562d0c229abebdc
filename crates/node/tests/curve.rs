//! Nodes with keys: who meets whom, and who can't.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{PATIENCE, enter, free_port, links, settings, until};
use uuid::Uuid;
use zre::{Ask, Builder, Endpoint, Event, IpcDir, Keys, Node, PublicKey, StartError, State, Trust};
use zre_curve::{Anyone, Curve};
use zre_proto::{Command, Hello};
use zre_session::{
    Arrival, Config, Identity, Inbox, Links, Mechanism, Notice, Notices, Null, SameHost, Target,
};

fn keys(number: u8) -> Keys {
    Keys::from_secret([number; 32])
}

fn public(number: u8) -> PublicKey {
    keys(number).public()
}

/// A node with keys that reaches others of this process over tcp.
fn keyed(name: &str, port: u16, number: u8) -> Builder {
    settings(name, port)
        .inproc(false)
        .ipc(IpcDir::Off)
        .keys(keys(number))
}

#[tokio::test]
async fn they_meet_by_beacons_and_know_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = dir.path().join("ipc");
    for (link, ipc, inproc) in links(&sockets) {
        let port = free_port();
        let with = |name, number| keyed(name, port, number).ipc(ipc.clone()).inproc(inproc);
        let (alice, mut a) = with("alice", 1).start().await.unwrap();
        let (bob, mut b) = with("bob", 2).start().await.unwrap();
        let (at_alice, at_bob) = (enter(&mut a).await, enter(&mut b).await);
        assert_eq!((at_alice.link(), at_bob.link()), (link, link));
        assert_eq!(at_alice.key(), Some(public(2)), "{link}");
        assert_eq!(at_bob.key(), Some(public(1)), "{link}");
        // As C Zyre has it.
        let header = at_bob.header("X-PUBLICKEY").map(str::to_owned);
        assert_eq!(header, Some(public(1).to_string()));
        alice.whisper("bob", "secret").await.unwrap();
        let message = until(&mut b, |event| match event {
            Event::Whisper { message, .. } => Some(message),
            _ => None,
        })
        .await;
        assert_eq!(message.to_str(), Some("secret"));
        bob.set_state(State::Busy).await.unwrap();
        until(&mut a, |event| {
            matches!(event, Event::State { .. }).then_some(())
        })
        .await;
        bob.shutdown().await;
        until(&mut a, |event| {
            matches!(event, Event::Exit { .. }).then_some(())
        })
        .await;
        alice.shutdown().await;
    }
}

#[tokio::test]
async fn a_peer_that_changes_its_headers_keeps_its_key() {
    let (alice, mut a) = alone("alice", 1).start().await.unwrap();
    let (bob, _b) = alone("bob", 2)
        .peer_with_key(at(&alice), public(1))
        .start()
        .await
        .unwrap();
    enter(&mut a).await;
    let updated = async |events: &mut zre::Events| {
        until(events, |event| match event {
            Event::Update { peer, .. } => Some(peer),
            _ => None,
        })
        .await
    };
    let shown = public(2).to_string();
    bob.set_header("role", "lens").await.unwrap();
    let peer = updated(&mut a).await;
    assert_eq!(peer.header("role"), Some("lens"));
    assert_eq!(peer.header("X-PUBLICKEY"), Some(&*shown));
    // What HELLO has shown doesn't change any more.
    bob.set_header("X-PUBLICKEY", &public(9).to_string())
        .await
        .unwrap();
    bob.set_header("role", "mirror").await.unwrap();
    let peer = loop {
        let peer = updated(&mut a).await;
        if peer.header("role") == Some("mirror") {
            break peer;
        }
    };
    assert_eq!(peer.header("X-PUBLICKEY"), Some(&*shown));
    assert_eq!(peer.key(), Some(public(2)));
}

#[tokio::test]
async fn a_node_with_keys_and_one_without_do_not_meet() {
    let port = free_port();
    let plain = settings("plain", port).inproc(false).ipc(IpcDir::Off);
    let interval = Duration::from_millis(50);
    let (plain, mut p) = plain.interval(interval).start().await.unwrap();
    let node = |name, number| keyed(name, port, number).interval(interval);
    let (alice, mut a) = node("alice", 1).start().await.unwrap();
    // Each hears of the other, and of the reason.
    for events in [&mut p, &mut a] {
        let reason = until(events, |event| match event {
            Event::Unreachable { reason, .. } => Some(reason),
            Event::Enter { peer } => panic!("{peer} has entered"),
            _ => None,
        })
        .await;
        assert!(
            reason.contains("CURVE") && reason.contains("NULL"),
            "{reason}"
        );
    }
    let (_bob, _b) = node("bob", 2).start().await.unwrap();
    assert_eq!(enter(&mut a).await.name(), "bob");
    assert_eq!((plain.peers().len(), alice.peers().len()), (0, 1));
    assert!(alice.stats().await.unwrap().links.handshakes_failed > 0);
}

#[tokio::test]
async fn only_keys_that_are_trusted_are_let_in() {
    let port = free_port();
    let trust = Trust::Keys([public(2)].into());
    let interval = Duration::from_millis(50);
    let alice = keyed("alice", port, 1).trust(trust).interval(interval);
    let (alice, mut a) = alice.start().await.unwrap();
    let (stranger, _s) = keyed("stranger", port, 3).start().await.unwrap();
    let denied = async {
        while alice.stats().await.unwrap().links.denied == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, denied).await.unwrap();
    let (_bob, _b) = keyed("bob", port, 2).start().await.unwrap();
    assert_eq!(enter(&mut a).await.name(), "bob");
    assert_eq!(alice.peers().len(), 1);
    assert!(!stranger.peers().iter().any(|peer| peer.name() == "alice"));
}

fn alone(name: &str, number: u8) -> Builder {
    keyed(name, 0, number).no_beacon()
}

fn at(node: &Node) -> Endpoint {
    node.endpoint()
}

#[tokio::test]
async fn a_configured_peer_is_believed_by_its_key_alone() {
    let (bob, mut b) = alone("bob", 2).start().await.unwrap();
    // Who answers there holds another key.
    let (wrong, mut w) = alone("wrong", 1)
        .peer_with_key(at(&bob), public(3))
        .start()
        .await
        .unwrap();
    let failed = async {
        while bob.stats().await.unwrap().links.handshakes_failed == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.unwrap();
    let text = format!("{}#{}", at(&bob), public(2));
    let mut settings = alone("right", 1).settings().clone();
    settings.set("peer", &text).unwrap();
    assert_eq!(settings.get("peer").unwrap(), [text]);
    let (_right, mut r) = settings.builder().start().await.unwrap();
    assert_eq!(enter(&mut r).await.key(), Some(public(2)));
    assert_eq!(enter(&mut b).await.name(), "right");
    assert!(wrong.peers().is_empty() && w.try_recv().is_none());
}

#[tokio::test]
async fn settings_that_would_not_do_are_refused() {
    let endpoint: Endpoint = "tcp://127.0.0.1:9".parse().unwrap();
    let code = |builder: Builder| async { builder.start().await.unwrap_err() };
    let error = code(alone("a", 1).peer(endpoint.clone())).await;
    assert!(matches!(&error, StartError::PeerKey(at) if *at == endpoint));
    let error = code(alone("a", 1).gossip_connect(endpoint.clone())).await;
    assert!(matches!(error, StartError::PeerKey(_)));
    let plain = || settings("a", 0).no_beacon();
    let error = code(plain().peer_with_key(endpoint, public(2))).await;
    assert!(matches!(error, StartError::NoKeys));
    let error = code(plain().trust(Trust::Keys([public(2)].into()))).await;
    assert!(matches!(error, StartError::NoKeys));
    let error = code(plain().plain_too()).await;
    assert!(matches!(error, StartError::NoKeys));
    for builder in [plain(), plain().plain_too(), alone("a", 1)] {
        let error = code(builder.plain_group("g")).await;
        assert!(matches!(error, StartError::PlainGroup));
    }
    let error = code(plain().keys("/nonexistent/keys")).await;
    assert!(matches!(error, StartError::Keys(_)), "{error}");
}

#[cfg(feature = "zeromq")]
#[tokio::test]
async fn the_zeromq_engine_refuses_keys_and_says_why() {
    let node = alone("a", 1).engine(zre::Engine::ZeroMq);
    let error = node.start().await.unwrap_err();
    assert!(matches!(error, StartError::Inbox(_)));
    let text = error.to_string();
    assert!(
        text.contains("CURVE") && text.contains("native engine"),
        "{text}"
    );
}

#[tokio::test]
async fn another_key_cannot_take_over_the_uuid_of_a_live_peer() {
    let (alice, mut a) = alone("alice", 1).start().await.unwrap();
    let uuid = Uuid::from_u128(77);
    let to_alice = |name, number| {
        alone(name, number)
            .uuid(uuid)
            .peer_with_key(at(&alice), public(1))
    };
    let (bob, _b) = to_alice("bob", 2).start().await.unwrap();
    let peer = enter(&mut a).await;
    let (_thief, _t) = to_alice("thief", 3).start().await.unwrap();
    let claimed = until(&mut a, |event| match event {
        Event::Conflict { uuid } => Some(uuid),
        Event::Exit { .. } | Event::Enter { .. } => panic!("{event:?}"),
        _ => None,
    })
    .await;
    assert_eq!(claimed, uuid);
    bob.whisper("alice", "it is me").await.unwrap();
    let (from, message) = until(&mut a, |event| match event {
        Event::Whisper { peer, message } => Some((peer, message)),
        Event::Exit { .. } | Event::Enter { .. } => panic!("{event:?}"),
        _ => None,
    })
    .await;
    assert_eq!((from, message.to_str()), (peer, Some("it is me")));
    assert!(alice.stats().await.unwrap().links.denied > 0);
}

#[tokio::test]
async fn gossip_carries_keys() {
    let hub_port = free_tcp_port();
    let bind = ([127, 0, 0, 1], hub_port).into();
    let (_hub, mut h) = alone("hub", 1).gossip_bind(bind).start().await.unwrap();
    let node = |name, number| {
        let mut settings = alone(name, number).settings().clone();
        let text = format!("tcp://127.0.0.1:{hub_port}#{}", public(1));
        settings.set("gossip_connect", &text).unwrap();
        settings.builder()
    };
    let (_one, mut o) = node("one", 2).start().await.unwrap();
    assert_eq!(enter(&mut h).await.key(), Some(public(2)));
    let (_two, mut t) = node("two", 3).start().await.unwrap();
    for events in [&mut o, &mut t] {
        let mut met = [enter(events).await, enter(events).await];
        met.sort_by_key(|peer| peer.name().to_owned());
        assert_eq!(met[0].key(), Some(public(1)));
    }
}

fn free_tcp_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Links by hand, under this UUID.
async fn by_hand(uuid: Uuid, mechanism: Arc<dyn Mechanism>) -> (Links, Inbox, Notices) {
    let identity = [&[1][..], uuid.as_bytes()].concat();
    let mut config = Config::new(Identity::new(identity).unwrap());
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.ipc = IpcDir::Off;
    config.inproc = false;
    config.mechanism = mechanism;
    Links::open(config).await.unwrap()
}

/// A peer by hand, which says of its key what it likes.
async fn greets_as(node: &Node, number: u8, header: Option<String>) -> ByHand {
    let curve = Curve::new(keys(number), Arc::new(Anyone));
    let links = by_hand(Uuid::new_v4(), Arc::new(curve.clone())).await;
    let mechanism = Arc::new(curve.to(public(1)));
    greet(node, links, mechanism, &format!("by hand {number}"), header).await
}

/// A peer by hand that has no key.
async fn greets_plainly(node: &Node, uuid: Uuid, name: &str, header: Option<String>) -> ByHand {
    let links = by_hand(uuid, Arc::new(Null)).await;
    greet(node, links, Arc::new(Null), name, header).await
}

async fn greet(
    node: &Node,
    (links, inbox, mut notices): (Links, Inbox, Notices),
    mechanism: Arc<dyn Mechanism>,
    name: &str,
    header: Option<String>,
) -> ByHand {
    let target = Target::default()
        .addr(at(node).socket_addr().unwrap())
        .same_host(SameHost::Never)
        .mechanism(mechanism);
    let mailbox = links.connect(1, target);
    let hello = Command::Hello(Hello {
        endpoint: format!("tcp://{}", links.listening()[0]),
        groups: vec![],
        status: 0,
        name: name.into(),
        headers: header
            .map(|key| ("X-PUBLICKEY".into(), key))
            .into_iter()
            .collect(),
    });
    let mut frames = hello.encode(1).into_iter();
    let head = frames.next().unwrap();
    mailbox
        .try_send(&head, &frames.collect::<Vec<_>>())
        .unwrap();
    let ended = tokio::spawn(async move {
        let _mailbox = mailbox;
        loop {
            if let Some(Notice::Closed { .. }) | None = notices.recv().await {
                return;
            }
        }
    });
    ByHand {
        _links: links,
        inbox,
        ended,
    }
}

struct ByHand {
    _links: Links,
    inbox: Inbox,
    /// Ends with the connection to the node.
    ended: tokio::task::JoinHandle<()>,
}

impl ByHand {
    /// The node has ended its connection to this peer.
    async fn left(&mut self) {
        let left =
            async { while !matches!(self.inbox.recv().await, Some(Arrival::Closed { .. })) {} };
        tokio::time::timeout(PATIENCE, left).await.unwrap();
    }
}

#[tokio::test]
async fn a_hello_that_names_another_key_is_refused() {
    let (alice, mut a) = alone("alice", 1).start().await.unwrap();
    let mut liar = greets_as(&alice, 2, Some(public(9).to_string())).await;
    // It is answered, and then given up.
    liar.left().await;
    let _honest = greets_as(&alice, 3, Some(public(3).to_string())).await;
    let peer = enter(&mut a).await;
    assert_eq!((peer.name(), peer.key()), ("by hand 3", Some(public(3))));
    let _silent = greets_as(&alice, 4, None).await;
    assert_eq!(enter(&mut a).await.key(), Some(public(4)));
    assert_eq!(alice.peers().len(), 2);
}

/// Somebody answers where we dial, under a UUID of another, and never greets us. That
/// other one isn't taken for them when it does.
#[tokio::test]
async fn what_is_for_a_peer_goes_to_no_other_key() {
    let uuid = Uuid::from_u128(78);
    let thief = Curve::new(keys(3), Arc::new(Anyone));
    let (links, mut inbox, _notices) = by_hand(uuid, Arc::new(thief)).await;
    let there = Endpoint::from(links.listening()[0]);
    let alice = alone("alice", 1).peer_with_key(there, public(3));
    let (alice, mut a) = alice.start().await.unwrap();
    let greeted = async { while !matches!(inbox.recv().await, Some(Arrival::Batch(_))) {} };
    tokio::time::timeout(PATIENCE, greeted).await.unwrap();
    let bob = alone("bob", 2)
        .uuid(uuid)
        .peer_with_key(at(&alice), public(1));
    let (_bob, mut b) = bob.start().await.unwrap();
    let peer = enter(&mut a).await;
    assert_eq!((peer.uuid(), peer.key()), (uuid, Some(public(2))));
    alice.whisper(&peer, "for bob").await.unwrap();
    let message = until(&mut b, |event| match event {
        Event::Whisper { message, .. } => Some(message),
        _ => None,
    })
    .await;
    assert_eq!(message.to_str(), Some("for bob"));
    while let Some(arrival) = inbox.try_recv() {
        assert!(matches!(arrival, Arrival::Closed { .. }), "{arrival:?}");
    }
}

async fn exit(events: &mut zre::Events) {
    until(events, |event| {
        matches!(event, Event::Exit { .. }).then_some(())
    })
    .await;
}

/// Waits until the node has refused somebody for such a reason.
async fn refused_because(node: &Node, part: &str) {
    let refused = async {
        loop {
            let why = node.stats().await.unwrap().last_refusal;
            if why.is_some_and(|why| why.contains(part)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn a_directory_of_keys_is_watched() {
    let dir = tempfile::tempdir().unwrap();
    let friends = dir.path().join("friends");
    std::fs::create_dir(&friends).unwrap();
    let trust = || Trust::Directory(friends.clone());
    let port = free_port();
    let interval = Duration::from_millis(50);
    let alice = keyed("alice", port, 1).interval(interval).trust(trust());
    let (alice, mut a) = alice.start().await.unwrap();
    let (_bob, mut b) = keyed("bob", port, 2)
        .interval(interval)
        .start()
        .await
        .unwrap();
    refused_because(&alice, &public(2).to_string()).await;
    assert!(alice.peers().is_empty());

    // A file lets it in.
    keys(2).save(dir.path().join("bob")).unwrap();
    std::fs::rename(dir.path().join("bob"), friends.join("bob")).unwrap();
    assert_eq!(enter(&mut a).await.key(), Some(public(2)));
    enter(&mut b).await;
    // Without it, both sides see the end of their sessions.
    std::fs::remove_file(friends.join("bob")).unwrap();
    let begin = std::time::Instant::now();
    exit(&mut a).await;
    assert!(begin.elapsed() < Duration::from_secs(5));
    exit(&mut b).await;
    assert_eq!(alice.stats().await.unwrap().refused, 1);
    assert!(alice.peers().is_empty());

    let absent = Trust::Directory(dir.path().join("absent"));
    let error = alone("a", 1).trust(absent).start().await.unwrap_err();
    assert!(matches!(error, StartError::Trust(_)), "{error}");
}

/// A question, and the keys that it is asked for, each with a way to answer.
fn question() -> (
    Ask,
    tokio::sync::mpsc::UnboundedReceiver<(PublicKey, tokio::sync::oneshot::Sender<bool>)>,
) {
    let (sender, asked) = tokio::sync::mpsc::unbounded_channel();
    let ask = Ask::new(move |key| {
        let (answer, answered) = tokio::sync::oneshot::channel();
        sender.send((key, answer)).unwrap();
        async move { answered.await.unwrap() }
    });
    (ask, asked)
}

#[tokio::test]
async fn the_application_decides_who_is_let_in() {
    let port = free_port();
    let node = |name, number, ask: &Ask| {
        keyed(name, port, number)
            .interval(Duration::from_millis(50))
            .trust(Trust::Ask(ask.clone()))
    };
    let ((of_alice, mut asks), (of_bob, mut bob_asks)) = (question(), question());
    let (alice, mut a) = node("alice", 1, &of_alice).start().await.unwrap();
    let (bob, mut b) = node("bob", 2, &of_bob).start().await.unwrap();
    let next = async |asked: &mut tokio::sync::mpsc::UnboundedReceiver<_>| {
        let next = tokio::time::timeout(PATIENCE, asked.recv());
        next.await.unwrap().unwrap()
    };
    // Each proves its key to the other, although neither knows the other's.
    let (key, answer) = next(&mut asks).await;
    assert_eq!(key, public(2));
    let (key, bobs_answer) = next(&mut bob_asks).await;
    assert_eq!(key, public(1));
    bobs_answer.send(true).unwrap();
    let why = alice.stats().await.unwrap().last_refusal.unwrap();
    assert!(why.contains(&public(2).to_string()), "{why}");
    assert!(alice.peers().is_empty() && bob.peers().is_empty());
    answer.send(true).unwrap();
    assert_eq!(enter(&mut a).await.key(), Some(public(2)));
    assert_eq!(enter(&mut b).await.key(), Some(public(1)));
    assert!(asks.is_empty() && bob_asks.is_empty(), "each asks once");

    // Alice has changed her mind, and is asked again.
    of_alice.forget(&public(2));
    exit(&mut a).await;
    exit(&mut b).await;
    let (key, answer) = next(&mut asks).await;
    assert_eq!(key, public(2));
    answer.send(false).unwrap();
    refused_because(&alice, "the application doesn't trust").await;
    assert!(alice.peers().is_empty());
}

#[tokio::test]
async fn a_question_that_panics_is_a_no_and_ends_nothing() {
    let ask = Ask::new(|key| async move { panic!("no table of keys: {key}") });
    let (alice, _a) = alone("alice", 1)
        .trust(Trust::Ask(ask))
        .start()
        .await
        .unwrap();
    let to_alice = alone("bob", 2).peer_with_key(at(&alice), public(1));
    let (_bob, _b) = to_alice.start().await.unwrap();
    refused_because(&alice, "doesn't trust").await;
    assert!(alice.peers().is_empty());
}

#[tokio::test]
async fn a_name_belongs_to_the_key_that_was_first_met_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known");
    let alice = alone("alice", 1).trust(Trust::FirstUse(file.clone()));
    let (alice, mut a) = alice.start().await.unwrap();
    let to_alice = |name: &str, number| alone(name, number).peer_with_key(at(&alice), public(1));
    let (bob, _b) = to_alice("bob", 2).start().await.unwrap();
    assert_eq!(enter(&mut a).await.name(), "bob");
    bob.shutdown().await;
    exit(&mut a).await;

    let (_thief, mut t) = to_alice("bob", 3).start().await.unwrap();
    let refused = async {
        while alice.stats().await.unwrap().refused == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    let why = alice.stats().await.unwrap().last_refusal.unwrap();
    for part in ["bob", &public(2).to_string(), &public(3).to_string()] {
        assert!(why.contains(part), "{why}");
    }
    // The right one comes again.
    let (_bob, _b) = to_alice("bob", 2).start().await.unwrap();
    let peer = enter(&mut a).await;
    assert_eq!((peer.name(), peer.key()), ("bob", Some(public(2))));
    assert_eq!(alice.peers().len(), 1);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("{} bob\n", public(2)));
    while let Some(event) = t.try_recv() {
        assert!(!matches!(event, Event::Whisper { .. }));
    }
}

/// Whoever is trusted no longer may keep its own connection open: the node ends it.
#[tokio::test]
async fn both_connections_end_with_the_trust_in_a_key() {
    let dir = tempfile::tempdir().unwrap();
    for number in [2, 3] {
        let path = dir.path().join(number.to_string());
        std::fs::write(path, public(number).to_string()).unwrap();
    }
    let trust = Trust::Directory(dir.path().into());
    let (alice, mut a) = alone("alice", 1).trust(trust).start().await.unwrap();
    let mut bob = greets_as(&alice, 2, None).await;
    let peer = enter(&mut a).await;
    let friend = greets_as(&alice, 3, None).await;
    enter(&mut a).await;

    std::fs::remove_file(dir.path().join("2")).unwrap();
    bob.left().await;
    tokio::time::timeout(PATIENCE, bob.ended)
        .await
        .unwrap()
        .unwrap();
    let gone = until(&mut a, |event| match event {
        Event::Exit { peer, .. } => Some(peer),
        _ => None,
    })
    .await;
    assert_eq!(gone, peer);
    let stats = alice.stats().await.unwrap();
    assert_eq!((stats.refused, stats.links.denied), (1, 1));
    assert!(!friend.ended.is_finished());
    assert_eq!(alice.peers().len(), 1);
}

fn plain(name: &str, port: u16) -> Builder {
    settings(name, port).inproc(false).ipc(IpcDir::Off)
}

/// The next `count` peers that enter, by their names.
async fn entered(events: &mut zre::Events, count: usize) -> BTreeMap<String, zre::Peer> {
    let mut peers = BTreeMap::new();
    while peers.len() < count {
        let peer = enter(events).await;
        peers.insert(peer.name().to_owned(), peer);
    }
    peers
}

#[tokio::test]
async fn a_node_meets_plain_nodes_if_its_user_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for (link, ipc, _) in links(&dir.path().join("ipc")) {
        if link == zre::Link::Inproc {
            continue;
        }
        let port = free_port();
        let interval = Duration::from_millis(50);
        let node = |builder: Builder| builder.interval(interval).ipc(ipc.clone());
        let both = |name, number| node(keyed(name, port, number).plain_too());
        let (_alice, mut a) = both("alice", 1).start().await.unwrap();
        let (_bob, mut b) = both("bob", 2).start().await.unwrap();
        let (_plain, mut p) = node(plain("plain", port)).start().await.unwrap();
        let (strict, mut s) = node(keyed("strict", port, 4)).start().await.unwrap();
        let shown = |peers: &BTreeMap<String, zre::Peer>| {
            let shown = peers.values().map(|peer| {
                assert_eq!(peer.link(), link, "{peer}");
                (peer.name().to_owned(), peer.key())
            });
            shown.collect::<Vec<_>>()
        };
        let of = |name: &str, number| (name.to_owned(), Some(public(number)));
        let none = |name: &str| (name.to_owned(), None);
        let peers = entered(&mut a, 3).await;
        assert_eq!(
            shown(&peers),
            [of("bob", 2), none("plain"), of("strict", 4)]
        );
        let peers = entered(&mut b, 3).await;
        assert_eq!(
            shown(&peers),
            [of("alice", 1), none("plain"), of("strict", 4)]
        );
        let peers = entered(&mut p, 2).await;
        assert_eq!(shown(&peers), [none("alice"), none("bob")]);
        let peers = entered(&mut s, 2).await;
        assert_eq!(shown(&peers), [of("alice", 1), of("bob", 2)]);
        assert_eq!(strict.peers().len(), 2);
    }
}

/// All that a plain peer hears is what was meant for its like.
#[tokio::test]
async fn groups_are_closed_to_plain_peers_unless_they_are_opened() {
    let port = free_port();
    let in_both = |builder: Builder| builder.group("open").group("closed");
    let both = |name, number| in_both(keyed(name, port, number).plain_too().plain_group("open"));
    let (alice, mut a) = both("alice", 1).start().await.unwrap();
    let (_bob, mut b) = both("bob", 2).start().await.unwrap();
    let (plain, mut p) = in_both(plain("plain", port)).start().await.unwrap();
    entered(&mut b, 2).await;
    entered(&mut p, 2).await;
    let met = async {
        while alice.peers_in("closed").is_empty()
            || alice.peers_in("open").len() < 2
            || plain.peers_in("closed").len() < 2
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, met).await.unwrap();
    assert_eq!(alice.peers_in("closed")[0].name(), "bob");
    for group in ["closed", "open"] {
        let _ = alice.shout(group, group).await.unwrap();
        let _ = plain.shout(group, group).await.unwrap();
    }
    plain.whisper("alice", "end").await.unwrap();
    alice.whisper("plain", "end").await.unwrap();
    let heard = async |events: &mut zre::Events| {
        let mut heard = Vec::new();
        loop {
            let event = until(events, Some).await;
            match event {
                Event::Shout { group, .. } => heard.push(group.to_string()),
                Event::Whisper { .. } => return heard,
                _ => {}
            }
        }
    };
    assert_eq!(heard(&mut p).await, ["open"]);
    assert_eq!(heard(&mut a).await, ["open"]);
    assert!(alice.stats().await.unwrap().protocol.plain > 0);
}

/// Whoever has shown a key under a UUID is never taken for somebody without one.
#[tokio::test]
async fn a_uuid_that_has_proved_a_key_is_never_met_without_it() {
    let alice = alone("alice", 1).plain_too();
    let (alice, mut a) = alice.start().await.unwrap();
    let uuid = Uuid::from_u128(79);
    let bob = alone("bob", 2)
        .uuid(uuid)
        .peer_with_key(at(&alice), public(1));
    let (bob, _b) = bob.start().await.unwrap();
    let peer = enter(&mut a).await;
    let conflict = async |events: &mut zre::Events| {
        until(events, |event| match event {
            Event::Conflict { uuid } => Some(uuid),
            Event::Enter { .. } | Event::Exit { .. } => panic!("{event:?}"),
            _ => None,
        })
        .await
    };
    let claim = greets_plainly(&alice, uuid, "bob", None).await;
    tokio::time::timeout(PATIENCE, claim.ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(conflict(&mut a).await, uuid);
    bob.whisper("alice", "it is me").await.unwrap();
    let from = until(&mut a, |event| match event {
        Event::Whisper { peer, .. } => Some(peer),
        Event::Enter { .. } | Event::Exit { .. } => panic!("{event:?}"),
        _ => None,
    })
    .await;
    assert_eq!(from, peer);
    // Not even when it is gone.
    bob.shutdown().await;
    exit(&mut a).await;
    let claim = greets_plainly(&alice, uuid, "bob", None).await;
    tokio::time::timeout(PATIENCE, claim.ended)
        .await
        .unwrap()
        .unwrap();
    let _other = greets_plainly(&alice, Uuid::from_u128(80), "other", None).await;
    let peer = enter(&mut a).await;
    assert_eq!((peer.name(), peer.key()), ("other", None));
    assert_eq!(alice.peers().len(), 1);
    assert!(alice.stats().await.unwrap().refused > 0);
}

/// A claim without a key keeps nobody out who has one.
#[tokio::test]
async fn a_key_takes_a_uuid_from_a_peer_without_one() {
    let (alice, mut a) = alone("alice", 1).plain_too().start().await.unwrap();
    let uuid = Uuid::from_u128(81);
    let mut thief = greets_plainly(&alice, uuid, "bob", None).await;
    assert_eq!(enter(&mut a).await.key(), None);
    let bob = alone("bob", 2)
        .uuid(uuid)
        .peer_with_key(at(&alice), public(1));
    let (bob, mut b) = bob.start().await.unwrap();
    exit(&mut a).await;
    let peer = enter(&mut a).await;
    enter(&mut b).await;
    assert_eq!((peer.uuid(), peer.key()), (uuid, Some(public(2))));
    thief.left().await;
    tokio::time::timeout(PATIENCE, thief.ended)
        .await
        .unwrap()
        .unwrap();
    bob.whisper("alice", "it is me").await.unwrap();
    let from = until(&mut a, |event| match event {
        Event::Whisper { peer, .. } => Some(peer),
        Event::Exit { .. } => panic!("{event:?}"),
        _ => None,
    })
    .await;
    assert_eq!(from.key(), Some(public(2)));
}

/// Nodes that find each other without hearing of their keys don't stay without them.
#[tokio::test]
async fn two_nodes_with_keys_never_meet_without() {
    let (alice, mut a) = alone("alice", 1).plain_too().start().await.unwrap();
    let bob = alone("bob", 2).plain_too().peer(at(&alice));
    let (_bob, mut b) = bob.start().await.unwrap();
    assert_eq!(enter(&mut a).await.key(), Some(public(2)));
    assert_eq!(enter(&mut b).await.key(), Some(public(1)));
    // Nor does one enter that says in the clear that it has one.
    let shown = Some(public(3).to_string());
    let liar = greets_plainly(&alice, Uuid::from_u128(82), "liar", shown).await;
    tokio::time::timeout(PATIENCE, liar.ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(alice.peers().len(), 1);
}

#[tokio::test]
async fn a_name_with_a_key_is_no_name_for_a_peer_without() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known");
    std::fs::write(&file, format!("{} bob\n", public(2))).unwrap();
    let alice = alone("alice", 1).plain_too().trust(Trust::FirstUse(file));
    let (alice, mut a) = alice.start().await.unwrap();
    let mut thief = greets_plainly(&alice, Uuid::from_u128(83), "bob", None).await;
    thief.left().await;
    let _carol = greets_plainly(&alice, Uuid::from_u128(84), "carol", None).await;
    assert_eq!(enter(&mut a).await.name(), "carol");
    let why = alice.stats().await.unwrap().last_refusal.unwrap();
    assert!(why.contains("bob") && why.contains("none"), "{why}");
}
