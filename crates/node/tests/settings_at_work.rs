//! What each setting does, when it is set by its name.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
#[cfg(feature = "dns")]
#[path = "dns/server.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod server;

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::{PATIENCE, enter, free_port, until};
use socket2::{Domain, Protocol, Socket, Type};
use zre::{
    Event, Events, ExitReason, Link, Node, Peer, SendError, Settings, Source, StartError, State,
};
use zre_proto::Beacon;

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// On loopback, with beacons at a port of their own, over tcp.
fn settings(port: u16, pairs: Pairs<'_>) -> Settings {
    let mut settings = Settings::default();
    let port = port.to_string();
    let usual = [("beacon_port", &*port), ("ipc", "off"), ("inproc", "off")];
    for (key, value) in usual.iter().chain(pairs) {
        settings.set(key, value).unwrap();
    }
    if settings.interface.is_none() {
        settings.set("interface", "lo").unwrap();
    }
    settings
}

async fn start(port: u16, pairs: Pairs<'_>) -> (Node, Events) {
    settings(port, pairs).builder().start().await.unwrap()
}

async fn refused(pairs: Pairs<'_>) -> StartError {
    let started = settings(free_port(), pairs).builder().start().await;
    started.map(|(node, _)| node).unwrap_err()
}

/// A node with these settings and a usual one that have met, each as the other
/// sees it.
struct Met {
    node: Node,
    _events: Events,
    other: Peer,
    watcher: Node,
    watched: Events,
    peer: Peer,
}

async fn met(pairs: Pairs<'_>) -> Met {
    let port = free_port();
    let (node, mut events) = start(port, pairs).await;
    let (watcher, mut watched) = start(port, &[]).await;
    let (other, peer) = (enter(&mut events).await, enter(&mut watched).await);
    Met {
        node,
        _events: events,
        other,
        watcher,
        watched,
        peer,
    }
}

/// A socket that hears beacons at the port beside the nodes.
fn listener(port: u16) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    socket.bind(&addr.into()).unwrap();
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Hears beacons of the node until `enough` of them came.
async fn hear(socket: UdpSocket, node: &Node, enough: usize) {
    let uuid = node.uuid();
    let heard = move || {
        let mut count = 0;
        let mut buffer = [0; 2048];
        while count < enough {
            let length = socket.recv(&mut buffer).expect("a beacon in time");
            let beacon = Beacon::decode(&buffer[..length]);
            count += usize::from(beacon.is_ok_and(|beacon| beacon.uuid() == uuid));
        }
    };
    tokio::task::spawn_blocking(heard).await.unwrap();
}

/// Starts a node that stops to answer once it has met somebody.
fn start_one_that_falls_silent(port: u16) {
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let (_node, _events) = runtime.block_on(async {
            let (node, mut events) = start(port, &[]).await;
            enter(&mut events).await;
            (node, events)
        });
        // Its sockets stay open, and nobody serves them.
        std::thread::sleep(PATIENCE);
    });
}

async fn effect(key: &str) {
    match key {
        "name" => assert_eq!(met(&[("name", "camera")]).await.peer.name(), "camera"),
        "uuid" => {
            let uuid = "0a".repeat(16);
            let (node, _events) = start(free_port(), &[("uuid", &uuid)]).await;
            assert_eq!(node.uuid().simple().to_string(), uuid);
        }
        "group" => {
            let mut met = met(&[("group", "lab")]).await;
            until(&mut met.watched, |event| match event {
                Event::Join { group, .. } => (&*group == "lab").then_some(()),
                _ => None,
            })
            .await;
        }
        "contest" => {
            let mut met = met(&[("contest", "lab"), ("group", "lab")]).await;
            met.watcher.join("lab").await.unwrap();
            let leader = until(&mut met.watched, |event| match event {
                Event::Leader { uuid, .. } => Some(uuid),
                _ => None,
            });
            assert_eq!(leader.await, met.node.uuid());
        }
        "header" => {
            let met = met(&[("header", "role=lens")]).await;
            assert_eq!(met.peer.header("role"), Some("lens"));
        }
        "state" => assert_eq!(met(&[("state", "busy")]).await.peer.state(), State::Busy),
        "realm" => {
            let port = free_port();
            let (_stranger, _events) = start(port, &[]).await;
            let (_node, mut events) = start(port, &[("realm", "lab")]).await;
            let (_other, _events) = start(port, &[("realm", "lab"), ("name", "other")]).await;
            assert_eq!(enter(&mut events).await.name(), "other");
        }
        "interface" => {
            let (node, _events) = start(free_port(), &[("interface", "127.0.0.1")]).await;
            let ips: Vec<_> = node.listening().iter().map(SocketAddr::ip).collect();
            assert_eq!(ips, [Ipv4Addr::LOCALHOST]);
        }
        "beacon_port" => {
            let port = free_port();
            let socket = listener(port);
            let (node, _events) = start(port, &[]).await;
            hear(socket, &node, 1).await;
        }
        "multicast" => {
            let port = free_port();
            let socket = listener(port);
            let group = Ipv4Addr::new(239, 1, 2, 3);
            socket
                .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
                .unwrap();
            let groups = format!("{group}:{port}");
            let (node, _events) =
                start(free_port(), &[("multicast", &groups), ("broadcast", "off")]).await;
            hear(socket, &node, 1).await;
        }
        "ttl" => {
            // On loopback no router counts it; one that can't be is refused.
            let mut settings = settings(free_port(), &[("ttl", "7")]);
            settings.ttl += 255;
            let error = settings.builder().start().await.map(drop).unwrap_err();
            assert!(error.to_string().contains("262"), "{error}");
        }
        "broadcast" => {
            let port = free_port();
            let socket = listener(port);
            let to = format!("127.255.255.255:{port}");
            let (node, _events) = start(free_port(), &[("broadcast", &to)]).await;
            hear(socket, &node, 1).await;
        }
        "interval" => {
            let port = free_port();
            let socket = listener(port);
            let begun = Instant::now();
            let (node, _events) = start(port, &[("interval", "20ms")]).await;
            hear(socket, &node, 20).await;
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "as if by default"
            );
        }
        "no_beacon" => {
            // Nobody else can use the port.
            let holder = UdpSocket::bind("0.0.0.0:0").unwrap();
            let port = holder.local_addr().unwrap().port();
            let beacons = settings(port, &[]).builder().start().await.map(drop);
            assert!(beacons.is_err());
            start(port, &[("no_beacon", "on")]).await;
        }
        "peer" => {
            let (node, _events) = start(free_port(), &[("no_beacon", "on")]).await;
            let endpoint = node.endpoint().to_string();
            let pairs = [("no_beacon", "on"), ("peer", &*endpoint)];
            let (_other, mut events) = start(free_port(), &pairs).await;
            assert!(enter(&mut events).await.via().contains(&Source::Static));
        }
        "dns" | "dns_service" | "dns_server" => found_by_dns().await,
        "gossip_bind" | "gossip_connect" => {
            let holder = TcpListener::bind("127.0.0.1:0").unwrap();
            let hub = format!("tcp://{}", holder.local_addr().unwrap());
            drop(holder);
            let pairs = [("no_beacon", "on"), ("gossip_bind", &*hub)];
            let (_node, mut events) = start(free_port(), &pairs).await;
            let pairs = [("no_beacon", "on"), ("gossip_connect", &*hub)];
            let (_other, _events) = start(free_port(), &pairs).await;
            assert!(enter(&mut events).await.via().contains(&Source::Gossip));
        }
        "evasive" | "expired" => {
            let port = free_port();
            let begun = Instant::now();
            let pairs = [("evasive", "300ms"), ("expired", "3s")];
            let (_node, mut events) = start(port, &pairs).await;
            start_one_that_falls_silent(port);
            until(&mut events, |event| {
                matches!(event, Event::Evasive { .. }).then_some(())
            })
            .await;
            let reason = until(&mut events, |event| match event {
                Event::Exit { reason, .. } => Some(reason),
                _ => None,
            })
            .await;
            assert_eq!(reason, ExitReason::Expired);
            assert!(
                begun.elapsed() < Duration::from_secs(25),
                "as if by default"
            );
        }
        "listen" => {
            let holder = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = holder.local_addr().unwrap().port();
            drop(holder);
            let at = format!("tcp://127.0.0.1:{port}");
            let (node, _events) = start(free_port(), &[("listen", &at)]).await;
            assert_eq!(node.listening(), [(Ipv4Addr::LOCALHOST, port).into()]);
        }
        "advertise" => {
            let (node, _events) = start(free_port(), &[("advertise", "tcp://192.0.2.7:9")]).await;
            assert_eq!(node.endpoint().to_string(), "tcp://192.0.2.7:9");
        }
        "ipc" => {
            let directory = tempfile::tempdir().unwrap();
            let ipc = directory.path().join("ipc");
            let ipc = ipc.to_str().unwrap();
            let port = free_port();
            let (_node, mut events) = start(port, &[("ipc", ipc)]).await;
            let (_other, _events) = start(port, &[("ipc", ipc)]).await;
            assert_eq!(enter(&mut events).await.link(), Link::Ipc);
        }
        "inproc" => {
            let port = free_port();
            let (_node, mut events) = start(port, &[("inproc", "on")]).await;
            let (_other, _events) = start(port, &[("inproc", "on")]).await;
            assert_eq!(enter(&mut events).await.link(), Link::Inproc);
        }
        "engine" => {
            if !cfg!(feature = "zeromq") {
                return;
            }
            // The engines differ in the minor version that their greeting names.
            let mut minors = Vec::new();
            for engine in ["native", "zeromq"] {
                let pairs = [("no_beacon", "on"), ("engine", engine)];
                let (node, _events) = start(free_port(), &pairs).await;
                let addr = node.listening()[0];
                let greeting = move || {
                    let mut greeting = [0; 12];
                    TcpStream::connect(addr)
                        .unwrap()
                        .read_exact(&mut greeting)
                        .unwrap();
                    greeting[11]
                };
                minors.push(tokio::task::spawn_blocking(greeting).await.unwrap());
            }
            assert_ne!(minors[0], minors[1]);
        }
        "send_policy" => {
            let queue = "queue_bytes_per_peer=64k";
            let met = met(&[("send_policy", "reject"), ("link_limits", queue)]).await;
            let begun = Instant::now();
            // The other's application doesn't read.
            let error = loop {
                let sent = met.node.whisper(&met.other, vec![0; 60 << 10]).await;
                if let Err(error) = sent {
                    break error;
                }
            };
            assert!(matches!(error, SendError::Full), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(9), "it has waited");
        }
        "event_queue_bytes" | "auto_busy" => {
            let mut met = met(&[("event_queue_bytes", "1"), ("auto_busy", "on")]).await;
            // The first is read by a node that has nothing to do.
            met.watcher.whisper(&met.peer, "unread").await.unwrap();
            met.watcher.whisper(&met.peer, "unread").await.unwrap();
            until(&mut met.watched, |event| match event {
                Event::State { to, .. } => (to == State::Busy).then_some(()),
                _ => None,
            })
            .await;
        }
        "limits" => {
            let error = refused(&[("limits", "name_bytes=3"), ("name", "camera")]).await;
            assert!(matches!(error, StartError::Limit(_)), "{error}");
        }
        "link_limits" => {
            let met = met(&[("link_limits", "frame_bytes=1k")]).await;
            let error = met
                .node
                .whisper(&met.other, vec![0; 2048])
                .await
                .unwrap_err();
            assert!(matches!(error, SendError::TooLarge { .. }), "{error}");
        }
        #[cfg(feature = "curve")]
        "keys" | "trust" => only_trusted_keys_are_met().await,
        #[cfg(feature = "curve")]
        "plain_too" | "plain_group" => plain_peers_are_met_too().await,
        other => panic!("nothing tests what {other} does"),
    }
}

#[cfg(feature = "curve")]
async fn plain_peers_are_met_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own");
    zre::Keys::from_secret([1; 32]).save(&path).unwrap();
    let own = format!("{}_secret", path.display());
    let port = free_port();
    let pairs = [
        ("keys", &*own),
        ("plain_too", "on"),
        ("plain_group", "open"),
        ("group", "open"),
        ("group", "closed"),
    ];
    let (node, mut events) = start(port, &pairs).await;
    // In memory a process trusts itself.
    let pairs = [("inproc", "off"), ("group", "closed"), ("group", "open")];
    let (_plain, _p) = start(port, &pairs).await;
    assert_eq!(enter(&mut events).await.key(), None);
    let joined = async {
        while node.peers_in("open").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, joined).await.unwrap();
    assert!(node.peers_in("closed").is_empty());
}

#[cfg(feature = "curve")]
async fn only_trusted_keys_are_met() {
    let directory = tempfile::tempdir().unwrap();
    let file = |number: u8| {
        let path = directory.path().join(format!("{number}"));
        let keys = zre::Keys::from_secret([number; 32]);
        keys.save(&path).unwrap();
        (format!("{}_secret", path.display()), keys.public())
    };
    let ((own, _), (friend, trusted), (stranger, _)) = (file(1), file(2), file(3));
    let port = free_port();
    let pairs = [("keys", &*own), ("trust", &trusted.to_string())];
    let (node, mut events) = start(port, &pairs).await;
    let (_stranger, _s) = start(port, &[("keys", &stranger)]).await;
    let denied = async {
        while node.stats().await.unwrap().links.denied == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, denied).await.unwrap();
    let (_friend, _f) = start(port, &[("keys", &friend)]).await;
    assert_eq!(enter(&mut events).await.key(), Some(trusted));
    assert_eq!(node.peers().len(), 1);

    let first = directory.path().join("known");
    let text = format!("first-use:{}", first.display());
    let port = free_port();
    let (_node, mut events) = start(port, &[("keys", &*own), ("trust", &text)]).await;
    let (_friend, _f) = start(port, &[("keys", &friend), ("name", "friend")]).await;
    enter(&mut events).await;
    let noted = std::fs::read_to_string(first).unwrap();
    assert_eq!(noted, format!("{trusted} friend\n"));
}

#[cfg(not(feature = "dns"))]
async fn found_by_dns() {}

#[cfg(feature = "dns")]
async fn found_by_dns() {
    let server = server::Server::start();
    let (node, _events) = start(free_port(), &[("no_beacon", "on")]).await;
    let port = node.listening()[0].port();
    let record = server::Record::srv(60, "lens.house.test", port);
    server.set("_lens._tcp.house.test", vec![record]);
    let record = server::Record::a(60, [127, 0, 0, 1]);
    server.set("lens.house.test", vec![record]);
    let addr = server.addr().to_string();
    let pairs = [
        ("no_beacon", "on"),
        ("dns", "house.test"),
        ("dns_service", "_lens._tcp"),
        ("dns_server", &*addr),
    ];
    let (_other, mut events) = start(free_port(), &pairs).await;
    assert!(enter(&mut events).await.via().contains(&Source::Dns));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_does_what_it_says() {
    let effects = Settings::keys().iter().map(|setting| {
        let key = setting.key();
        let effect = tokio::spawn(effect(key));
        async move {
            effect
                .await
                .unwrap_or_else(|error| panic!("{key}: {error}"))
        }
    });
    futures::future::join_all(effects.collect::<Vec<_>>()).await;
}
