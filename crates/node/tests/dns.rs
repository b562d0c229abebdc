//! Nodes that find each other by DNS, with a name server of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "dns/server.rs"]
mod server;

use std::time::Duration;

use server::{Record, Server};
use zre::{Builder, Event, Events, IpcDir, Node, Source, Uuid};

const DEADLINE: Duration = Duration::from_secs(30);

fn quiet(name: &str) -> Builder {
    Node::builder()
        .name(name)
        .loopback()
        .no_beacon()
        .ipc(IpcDir::Off)
        .inproc(false)
}

fn port(node: &Node) -> u16 {
    node.listening()[0].port()
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

async fn enter(events: &mut Events, name: &str) -> zre::Peer {
    expect(events, |event| match event {
        Event::Enter { peer } if peer.name() == name => Some(peer),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_node_in_an_srv_record_is_met() {
    let server = Server::start();
    let (bob, mut at_bob) = quiet("bob").start().await.unwrap();
    server.set(
        "_zre._tcp.house.test",
        vec![
            // What can't be dialled is passed over, and hides nothing.
            Record::srv(60, ".", 1),
            Record::srv(60, "bob.house.test", 0),
            Record::srv(60, "127.0.0.1", port(&bob)),
            Record::srv(60, "nobody.house.test", 9),
            Record::srv(60, "bob.house.test", port(&bob)),
        ],
    );
    server.set("bob.house.test", vec![Record::a(60, [127, 0, 0, 1])]);
    let (_alice, mut at_alice) = quiet("alice")
        .dns("house.test")
        .dns_server(server.addr())
        .start()
        .await
        .unwrap();
    let peer = enter(&mut at_alice, "bob").await;
    assert!(peer.via().contains(&Source::Dns), "{:?}", peer.via());
    enter(&mut at_bob, "alice").await;
}

#[tokio::test]
async fn an_instance_has_a_uuid_and_the_own_one_is_ignored() {
    let server = Server::start();
    let (bob, mut at_bob) = quiet("bob").start().await.unwrap();
    let uuid = Uuid::new_v4();
    let (alice, mut at_alice) = quiet("alice")
        .uuid(uuid)
        .dns("house.test")
        .dns_service("_nodes._tcp")
        .dns_server(server.addr())
        .start()
        .await
        .unwrap();
    // The first answers were "no such name": it asks again within seconds.
    let service = "_nodes._tcp.house.test";
    for (name, who, port) in [
        ("bob", bob.uuid(), port(&bob)),
        ("alice", uuid, port(&alice)),
    ] {
        let instance = format!("{name}.{service}");
        let txt = format!("uuid={}", who.simple());
        let records = vec![
            Record::srv(60, "here.house.test", port),
            Record::txt(60, &["pk=none", &txt]),
        ];
        server.set(&instance, records);
    }
    // Listed without a UUID too: then the handshake tells who it is.
    server.set(
        service,
        vec![
            Record::ptr(60, &format!("alice.{service}")),
            Record::ptr(60, &format!("bob.{service}")),
            Record::srv(60, "here.house.test", port(&alice)),
        ],
    );
    server.set("here.house.test", vec![Record::a(60, [127, 0, 0, 1])]);
    let peer = enter(&mut at_alice, "bob").await;
    assert!(peer.via().contains(&Source::Dns), "{:?}", peer.via());
    let back = enter(&mut at_bob, "alice").await;
    assert_eq!(back.uuid(), uuid);
    assert_eq!(alice.peers().len(), 1);
}

#[cfg(feature = "curve")]
#[tokio::test]
async fn a_node_with_keys_dials_the_key_in_the_txt_record() {
    let server = Server::start();
    let [alice, bob] = [1, 2].map(|number| zre::Keys::from_secret([number; 32]));
    let (node, mut at_bob) = quiet("bob").keys(bob.clone()).start().await.unwrap();
    let service = "_zre._tcp.house.test";
    let instance = format!("bob.{service}");
    server.set(service, vec![Record::ptr(60, &instance)]);
    server.set(
        &instance,
        vec![
            Record::srv(60, "here.house.test", port(&node)),
            Record::txt(60, &[&format!("pk={}", bob.public())]),
        ],
    );
    server.set("here.house.test", vec![Record::a(60, [127, 0, 0, 1])]);
    let alice = quiet("alice").keys(alice).dns("house.test");
    let alice = alice.dns_server(server.addr());
    let (_alice, mut at_alice) = alice.start().await.unwrap();
    let peer = enter(&mut at_alice, "bob").await;
    assert_eq!(peer.key(), Some(bob.public()));
    enter(&mut at_bob, "alice").await;
}

#[tokio::test]
async fn a_missing_answer_removes_nobody_and_a_removed_record_ends_no_session() {
    let server = Server::start();
    let (bob, _at_bob) = quiet("bob").start().await.unwrap();
    let service = "_zre._tcp.house.test";
    server.set("bob.house.test", vec![Record::a(0, [127, 0, 0, 1])]);
    server.set(service, vec![Record::srv(0, "bob.house.test", port(&bob))]);
    let (alice, mut at_alice) = quiet("alice")
        .dns("house.test.")
        .dns_server(server.addr())
        .start()
        .await
        .unwrap();
    enter(&mut at_alice, "bob").await;
    for trouble in [server::Mood::ServFail, server::Mood::Garbage] {
        server.set_mood(trouble);
        // Two questions a round, and again where the answer is none.
        server.asked(service, 3, 2 * DEADLINE).await;
    }
    // And the list is empty now.
    server.set_mood(server::Mood::Good);
    server.set(service, Vec::new());
    server.asked(service, 5, 2 * DEADLINE).await;
    let bob_at_alice = alice.peer(bob.uuid()).expect("still here");
    alice.whisper(&bob_at_alice, "still here?").await.unwrap();
    assert!(at_alice.try_recv().is_none(), "nothing has happened to bob");
}

#[tokio::test]
async fn every_address_of_a_static_peers_name_is_tried() {
    let server = Server::start();
    let (bob, mut at_bob) = quiet("bob").start().await.unwrap();
    // Nobody listens at the other addresses.
    let addrs = [[127, 0, 0, 9], [127, 0, 0, 1], [127, 0, 0, 8]];
    let records = addrs.map(|addr| Record::a(60, addr)).to_vec();
    server.set("bob.house.test", records);
    let endpoint = format!("tcp://bob.house.test:{}", port(&bob));
    let alice = quiet("alice")
        .peer(endpoint.parse().unwrap())
        .dns_server(server.addr());
    let (_alice, mut at_alice) = alice.start().await.unwrap();
    let peer = enter(&mut at_alice, "bob").await;
    assert!(peer.via().contains(&Source::Static), "{:?}", peer.via());
    enter(&mut at_bob, "alice").await;
}
