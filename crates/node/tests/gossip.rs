//! Nodes that find each other by gossip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use zre::{
    Builder, Endpoint, Event, Events, ExitReason, Gossip, GossipError, IpcDir, Node, Peer, Source,
};

const DEADLINE: Duration = Duration::from_secs(30);

fn quiet(name: &str) -> Builder {
    Node::builder()
        .name(name)
        .loopback()
        .no_beacon()
        .ipc(IpcDir::Off)
        .inproc(false)
}

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap()
}

async fn expect<T>(events: &mut Events, mut judge: impl FnMut(Event) -> Option<T>) -> T {
    tokio::time::timeout(DEADLINE, async {
        loop {
            let event = events.recv().await.expect("the node runs");
            if let Some(found) = judge(event) {
                return found;
            }
        }
    })
    .await
    .expect("it happens in time")
}

async fn enters(events: &mut Events, count: usize) -> Vec<Peer> {
    let mut peers = Vec::new();
    while peers.len() < count {
        peers.push(
            expect(events, |event| match event {
                Event::Enter { peer } => Some(peer),
                _ => None,
            })
            .await,
        );
    }
    peers
}

fn names(peers: &[Peer]) -> BTreeSet<&str> {
    peers.iter().map(Peer::name).collect()
}

#[tokio::test]
async fn two_that_know_one_meet_each_other() {
    let hub = free();
    let endpoint = Endpoint::from(hub);
    // Dialled before anybody listens.
    let early = quiet("early").gossip_connect(endpoint.clone());
    let (_early, mut at_early) = early.start().await.unwrap();
    let (_hub, mut at_hub) = quiet("hub").gossip_bind(hub).start().await.unwrap();
    let late = quiet("late").gossip_connect(endpoint);
    let (late, mut at_late) = late.start().await.unwrap();
    assert_eq!(
        names(&enters(&mut at_early, 2).await),
        ["hub", "late"].into()
    );
    assert_eq!(
        names(&enters(&mut at_hub, 2).await),
        ["early", "late"].into()
    );
    let met = enters(&mut at_late, 2).await;
    assert_eq!(names(&met), ["early", "hub"].into());
    for peer in &met {
        assert!(peer.via().contains(&Source::Gossip), "{:?}", peer.via());
    }
    late.shutdown().await;
    for events in [&mut at_early, &mut at_hub] {
        let reason = expect(events, |event| match event {
            Event::Exit { peer, reason, .. } if peer.name() == "late" => Some(reason),
            _ => None,
        });
        assert_eq!(reason.await, ExitReason::Goodbye);
    }
}

#[tokio::test]
async fn gossip_goes_along_a_chain_and_round_a_ring() {
    let addrs = [free(), free(), free()];
    let mut nodes = Vec::new();
    for (index, addr) in addrs.iter().enumerate() {
        let next = addrs[(index + 1) % addrs.len()];
        let node = quiet(&format!("n{index}"))
            .gossip_bind(*addr)
            .gossip_connect(Endpoint::from(next));
        nodes.push(node.start().await.unwrap());
    }
    let end = quiet("end").gossip_connect(Endpoint::from(addrs[0]));
    nodes.push(end.start().await.unwrap());
    for (_, events) in &mut nodes {
        assert_eq!(enters(events, 3).await.len(), 3);
    }
}

#[tokio::test]
async fn strangers_do_no_harm() {
    let hub = free();
    let (node, mut events) = quiet("hub").gossip_bind(hub).start().await.unwrap();
    let (alice, _at_alice) = quiet("alice").start().await.unwrap();
    let told = tokio::task::spawn_blocking(move || {
        // Not ZMTP at all, and one that stays silent.
        let mut noise = TcpStream::connect(hub).unwrap();
        let _ = noise.write_all(&[0x55; 4096]);
        let _silent = TcpStream::connect(hub).unwrap();

        let mut client = Client::connect(hub);
        // Before HELLO nobody is listened to.
        client.publish("nobody", "tcp://127.0.0.1:1");
        assert_eq!(client.read()[2], 5, "INVALID");
        client.send(&[0xaa, 0xa0, 1, 1]);
        assert_eq!(client.read()[2], 2, "PUBLISH");
        client.send(&[0xaa, 0xa0, 3, 1]);
        assert_eq!(client.read()[2], 4, "PONG");
        let uuid = |number: u32| format!("{number:032X}");
        for (number, value) in [
            "nonsense",
            "ipc:///tmp/x",
            "tcp://0.0.0.0:1",
            "tcp://127.0.0.1:1",
            "tcp://127.0.0.1:99999",
            "tcp://:5",
            "",
        ]
        .into_iter()
        .enumerate()
        {
            client.publish(&uuid(u32::try_from(number).unwrap() + 1), value);
        }
        // More than the table holds, and keys that are no UUIDs.
        for number in 0..6000 {
            client.publish(&format!("key {number}"), "anything");
        }
        // Back and forth.
        for number in 0..2000 {
            client.publish("key 1", &number.to_string());
        }
        client.send(&[0xaa, 0xa0, 3, 1]);
        assert_eq!(client.read()[2], 4, "PONG");
        client
    });
    let client = told.await.unwrap();
    drop(client);
    // It goes on as if nothing had been: but the table is full, so that a node
    // is met by what it says itself, not by its tuple.
    let late = quiet("late")
        .gossip_connect(Endpoint::from(hub))
        .start()
        .await;
    let (_late, mut at_late) = late.unwrap();
    assert_eq!(names(&enters(&mut at_late, 1).await), ["hub"].into());
    assert_eq!(names(&enters(&mut events, 1).await), ["late"].into());
    assert_eq!(node.peers().len(), 1);
    assert!(alice.peers().is_empty());
}

/// A DEALER by hand.
struct Client(TcpStream);

impl Client {
    fn connect(hub: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(hub).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut greeting = [0u8; 64];
        greeting[0] = 0xff;
        greeting[9] = 0x7f;
        greeting[10] = 3;
        greeting[12..16].copy_from_slice(b"NULL");
        stream.write_all(&greeting).unwrap();
        stream.read_exact(&mut greeting).unwrap();
        let ready = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER";
        stream.write_all(ready).unwrap();
        let mut client = Self(stream);
        assert_eq!(&client.read()[1..6], b"READY");
        client
    }

    fn send(&mut self, body: &[u8]) {
        let mut frame = vec![0, u8::try_from(body.len()).unwrap()];
        frame.extend_from_slice(body);
        self.0.write_all(&frame).unwrap();
    }

    fn publish(&mut self, key: &str, value: &str) {
        let mut body = vec![0xaa, 0xa0, 2, 1, u8::try_from(key.len()).unwrap()];
        body.extend_from_slice(key.as_bytes());
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend([0; 4]);
        self.send(&body);
    }

    fn read(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut body = vec![0; head[1].into()];
        self.0.read_exact(&mut body).unwrap();
        body
    }
}

async fn value_of(gossip: &Gossip, key: &str, wanted: Option<&str>) {
    tokio::time::timeout(DEADLINE, async {
        while gossip.tuples().await.unwrap().get(key).map(String::as_str) != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{key} becomes {wanted:?}"));
}

#[tokio::test]
async fn tuples_of_an_application_are_passed_on_and_expire() {
    let hub = free();
    let (alice, _a) = quiet("alice").gossip_bind(hub).start().await.unwrap();
    let (bob, mut events) = quiet("bob")
        .gossip_connect(Endpoint::Tcp(hub))
        .start()
        .await
        .unwrap();
    enters(&mut events, 1).await;
    let (hers, his) = (alice.gossip().unwrap(), bob.gossip().unwrap());

    hers.publish("printer", "third floor", None).await.unwrap();
    value_of(&his, "printer", Some("third floor")).await;
    hers.publish("printer", "second floor", None).await.unwrap();
    // At once it is taken for a quarrel, and believed when it is told again.
    value_of(&his, "printer", Some("second floor")).await;
    let short = Some(Duration::from_secs(1));
    hers.publish("tea", "ready", short).await.unwrap();
    value_of(&his, "tea", Some("ready")).await;
    value_of(&his, "tea", None).await;
    value_of(&hers, "tea", None).await;
    assert_eq!(hers.unpublish("printer").await, Ok(true));
    assert_eq!(hers.unpublish("printer").await, Ok(false));
    assert!(!hers.tuples().await.unwrap().contains_key("printer"));

    // A tuple that names a node introduces it.
    let (carol, mut heard) = quiet("carol").start().await.unwrap();
    let key = carol.uuid().simple().to_string();
    his.publish(key, carol.endpoint().to_string(), None)
        .await
        .unwrap();
    assert_eq!(names(&enters(&mut heard, 2).await).len(), 2);

    let own = alice.uuid().to_string();
    assert_eq!(hers.publish(own, "x", None).await, Err(GossipError::Own));
    let long = "x".repeat(256);
    let refused = hers.publish(long, "x", None).await;
    assert_eq!(refused, Err(GossipError::Key(256)));
    let forever = Some(Duration::MAX);
    let refused = hers.publish("x", "x", forever).await;
    assert_eq!(refused, Err(GossipError::Ttl(Duration::MAX)));
    assert!(carol.gossip().is_none());
    alice.shutdown().await;
    assert_eq!(hers.tuples().await, Err(GossipError::Stopped));
}
