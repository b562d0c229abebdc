//! The JSON lines themselves.

use serde_json::json;
use zre_tests::{Node, beacon_port, fresh_uuid, together};

#[test]
fn a_bad_line_gets_an_error_and_the_node_goes_on() {
    let _turn = together();
    let mut node = Node::options("alice", beacon_port()).start();
    let bad = [
        "this is not JSON",
        "{",
        "[]",
        "42",
        "{\"cmd\":\"dance\"}",
        "{\"cmd\":\"join\"}",
        "{\"cmd\":\"whisper\",\"peer\":\"nobody\",\"frames\":[\"x\"]}",
        "{\"cmd\":\"whisper\",\"peer\":7,\"frames\":[\"x\"]}",
        "{\"cmd\":\"shout\",\"group\":\"G\",\"frames\":[{\"base64\":\"?\"}]}",
        "{\"cmd\":\"state\",\"state\":\"sideways\"}",
    ];
    for line in bad {
        node.write(&format!("{line}\n"));
        let error = node.expect("error", |_| true);
        assert!(!error.text("message").is_empty(), "after {line}: {error:?}");
    }
    let long = format!("{{\"cmd\":\"join\",\"group\":\"{}\"}}\n", "x".repeat(300));
    node.write(&long);
    node.expect("error", |_| true);
    node.tell(&json!({ "cmd": "peers" }));
    node.expect("peers", |_| true);
    assert!(node.stop().success());
}

#[test]
fn frames_that_are_not_text_travel_as_base64() {
    let _turn = together();
    let port = beacon_port();
    let mut alice = Node::options("alice", port).start();
    let mut bob = Node::options("bob", port).start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    let frames = json!(["text", { "base64": "/wD+" }, "", "ä"]);
    alice.tell(&json!({ "cmd": "whisper", "peer": bob.uuid, "frames": frames }));
    assert_eq!(bob.expect("whisper", |_| true).json["frames"], frames);
}

#[test]
fn a_peer_is_whispered_to_by_its_name() {
    let _turn = together();
    let port = beacon_port();
    let mut alice = Node::options("alice", port).start();
    let mut bob = Node::options("bob", port).start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    alice.whisper("bob", &["by name"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["by name"]);

    // A name that two share names neither.
    let twin = Node::options("bob", port).start();
    alice.expect_enter(&twin);
    alice.whisper("bob", &["which?"]);
    alice.expect("error", |_| true);
}

#[test]
fn a_state_is_told_once_for_each_change() {
    let _turn = together();
    let port = beacon_port();
    let mut alice = Node::options("alice", port).start();
    let mut bob = Node::options("bob", port).start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    for (from, to) in [("ready", "busy"), ("busy", "asleep"), ("asleep", "ready")] {
        bob.tell(&json!({ "cmd": "state", "state": to }));
        let change = alice.expect("state", |event| event.text("from") == from);
        assert_eq!(change.text("peer"), bob.uuid);
        assert_eq!(change.text("to"), to);
    }
    // Whatever came late would be before this.
    bob.whisper(&alice.uuid, &["done"]);
    alice.expect("whisper", |_| true);
    assert!(!alice.has("state"), "a change was told twice");
}

#[test]
fn headers_groups_and_state_of_the_start_are_seen() {
    let _turn = together();
    let port = beacon_port();
    let uuid = fresh_uuid();
    let mut alice = Node::options("alice", port)
        .with("--group", "ONE")
        .with("--group", "TWO")
        .with("--header", "role=camera")
        .with("--header", "empty=")
        .with("--uuid", &uuid)
        .with("--state", "busy")
        .start();
    assert_eq!(alice.uuid, uuid);
    let mut bob = Node::options("bob", port).start();
    let enter = bob.expect_enter(&alice);
    assert_eq!(enter.json["headers"]["role"], "camera");
    assert_eq!(enter.json["headers"]["empty"], "");
    for group in ["ONE", "TWO"] {
        let join = bob.expect("join", |event| event.text("group") == group);
        assert_eq!(join.text("peer"), alice.uuid);
    }
    alice.expect_enter(&bob);
    bob.tell(&json!({ "cmd": "peers" }));
    let peers = bob.expect("peers", |_| true);
    let peer = &peers.json["peers"][0];
    assert_eq!(peer["peer"], json!(alice.uuid));
    assert_eq!(peer["state"], "busy");
}
