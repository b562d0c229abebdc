//! Which link carries what two processes on one host say.

use serde_json::json;
use zre_tests::{Node, beacon_port, ipc_directory, sockets, together};

/// `one` sees `other` enter, by the link named.
fn entered(one: &mut Node, other: &Node, link: &str) {
    let enter = one.expect_enter(other);
    assert_eq!(enter.text("link"), link);
    assert_eq!(enter.text("name"), other.name);
    assert_eq!(enter.json["headers"]["side"], json!(other.name));
}

/// `one` whispers to `other`.
fn whispered(one: &mut Node, other: &mut Node) {
    one.whisper(&other.uuid, &["two", "frames"]);
    let whisper = other.expect("whisper", |_| true);
    assert_eq!(whisper.text("peer"), one.uuid);
    assert_eq!(whisper.frames(), ["two", "frames"]);
}

/// Both see the other, by the link named, and a conversation runs over it.
fn converse(alice: &mut Node, bob: &mut Node, link: &str) {
    entered(alice, bob, link);
    entered(bob, alice, link);
    whispered(alice, bob);
    whispered(bob, alice);
    alice.tell(&json!({ "cmd": "join", "group": "TALK" }));
    bob.expect("join", |event| event.text("group") == "TALK");
    bob.shout("TALK", &["one", "", "three"]);
    let shout = alice.expect("shout", |_| true);
    assert_eq!(shout.text("group"), "TALK");
    assert_eq!(shout.frames(), ["one", "", "three"]);
    alice.tell(&json!({ "cmd": "leave", "group": "TALK" }));
    bob.expect("leave", |event| event.text("group") == "TALK");
}

fn pair(ipc: &str) -> (Node, Node) {
    let port = beacon_port();
    let start = |name| {
        Node::options(name, port)
            .with("--ipc", ipc)
            .with("--header", format!("side={name}"))
            .start()
    };
    (start("alice"), start("bob"))
}

#[test]
fn two_processes_talk_over_tcp() {
    let _turn = together();
    let (mut alice, mut bob) = pair("off");
    converse(&mut alice, &mut bob, "tcp");
    // The same look that finds nothing in the next test finds these two.
    assert_eq!(sockets::tcp_between(alice.pid(), bob.pid()).len(), 2);
}

#[test]
fn two_processes_talk_over_ipc_and_share_no_tcp_connection() {
    let _turn = together();
    let (_directory, ipc) = ipc_directory();
    let (mut alice, mut bob) = pair(ipc.to_str().unwrap());
    converse(&mut alice, &mut bob, "ipc");
    assert_eq!(sockets::tcp_between(alice.pid(), bob.pid()), []);
}

#[test]
fn a_peer_that_offers_no_ipc_is_reached_by_tcp() {
    let _turn = together();
    let port = beacon_port();
    let (_directory, ipc) = ipc_directory();
    let mut alice = Node::options("alice", port)
        .with("--ipc", ipc.display())
        .start();
    let mut bob = Node::options("bob", port).with("--ipc", "off").start();
    assert_eq!(alice.expect_enter(&bob).text("link"), "tcp");
    bob.expect_enter(&alice);
    alice.whisper(&bob.uuid, &["still heard"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["still heard"]);
}
