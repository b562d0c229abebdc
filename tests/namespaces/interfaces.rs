//! Interfaces: two at once, and those that come, go and change.

use zre_tests::{Host, Network, Node, Options, skip, together};

/// Hosts, or the end of the test.
macro_rules! hosts {
    ($count:expr) => {
        match Network::of($count) {
            Ok(network) => network,
            Err(why) => skip!("{} hosts: {why}", $count),
        }
    };
}

fn hasty(options: Options) -> Options {
    options.with("--evasive", "500ms").with("--expired", "4s")
}

/// Waits for word of an address that came into use (`true`) or went out of it.
fn expect_discovery(node: &mut Node, up: bool, address: &str) {
    let event = node.expect("discovery", |event| {
        event.json["up"] == up && event.text("address") == address
    });
    assert_eq!(event.text("interface"), "eth0");
    assert!(!event.text("reason").is_empty());
}

#[test]
fn a_peer_on_two_interfaces_is_one_peer() {
    let _turn = together();
    let network = hosts!(2);
    network.connect(0, 1, "eth1", "10.79.0");
    let mut alice = Node::options("alice", 5670).on(network.host(0)).start();
    let mut bob = Node::options("bob", 5670).on(network.host(1)).start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    // Several beacons go over both interfaces meanwhile, and change nothing.
    for count in 0..20 {
        let text = count.to_string();
        alice.whisper(&bob.uuid, &[&text]);
        assert_eq!(bob.expect("whisper", |_| true).frames(), [&text]);
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    for node in [&mut alice, &mut bob] {
        for kind in ["enter", "exit", "evasive", "conflict"] {
            assert!(!node.has(kind), "{}: {kind}", node.name);
        }
    }
}

#[test]
fn one_of_two_interfaces_goes_and_the_peer_is_reached_over_the_other() {
    let _turn = together();
    let network = hosts!(2);
    network.connect(0, 1, "eth1", "10.79.0");
    let start = |name, index| {
        hasty(Node::options(name, 5670))
            .on(network.host(index))
            .start()
    };
    let mut alice = start("alice", 0);
    let mut bob = start("bob", 1);
    let enter = alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    let endpoint = enter.text("endpoint").to_owned();
    // Link-local addresses say by their scope over which interface they go.
    let scope = endpoint
        .split_once('%')
        .map(|(_, rest)| rest.starts_with("3]"));
    let first = endpoint.contains("10.78.0.") || scope == Some(false);
    let cable = if first { "eth0" } else { "eth1" };
    network.host(1).ip(&format!("link set {cable} down"));
    // Whether the session ends first or is found a new address is all the same.
    let again = alice.expect("enter", |event| {
        event.text("peer") == bob.uuid && event.text("endpoint") != endpoint
    });
    assert_ne!(again.text("endpoint"), endpoint);
    alice.whisper(&bob.uuid, &["still there?"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["still there?"]);
}

#[test]
fn an_interface_goes_down_and_comes_back() {
    let _turn = together();
    let network = hosts!(2);
    let start = |name, index| {
        hasty(Node::options(name, 5670))
            .on(network.host(index))
            .start()
    };
    let mut alice = start("alice", 0);
    let mut bob = start("bob", 1);
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    network.host(1).set_link(false);
    expect_discovery(&mut bob, false, "10.78.0.2");
    alice.expect_exit(&bob.uuid);
    bob.expect_exit(&alice.uuid);
    network.host(1).set_link(true);
    expect_discovery(&mut bob, true, "10.78.0.2");
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    alice.whisper(&bob.uuid, &["welcome back"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["welcome back"]);
}

#[test]
fn a_node_that_starts_without_a_network_is_met_when_it_has_one() {
    let _turn = together();
    let network = hosts!(2);
    network.host(1).set_link(false);
    let mut alice = Node::options("alice", 5670).on(network.host(0)).start();
    let mut bob = Node::options("bob", 5670).on(network.host(1)).start();
    assert!(!alice.has("enter"));
    network.host(1).set_link(true);
    expect_discovery(&mut bob, true, "10.78.0.2");
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
}

#[test]
fn a_peer_whose_address_changes_is_followed() {
    let _turn = together();
    let network = hosts!(2);
    // IPv4 alone: a link-local IPv6 address would stay as it is.
    let start = |name, index| {
        hasty(Node::options(name, 5670))
            .with("--multicast", "off")
            .on(network.host(index))
            .start()
    };
    let mut alice = start("alice", 0);
    let mut bob = start("bob", 1);
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    let host = network.host(1);
    host.ip("addr del 10.78.0.2/24 dev eth0");
    expect_discovery(&mut bob, false, "10.78.0.2");
    host.ip("addr add 10.78.0.22/24 broadcast 10.78.0.255 dev eth0");
    expect_discovery(&mut bob, true, "10.78.0.22");
    let moved = alice.expect("enter", |event| {
        event.text("endpoint").contains("10.78.0.22:")
    });
    assert_eq!(moved.text("peer"), bob.uuid);
    alice.whisper(&bob.uuid, &["found you"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["found you"]);
}

#[test]
fn a_named_interface_gets_another_address() {
    let _turn = together();
    let network = hosts!(2);
    // IPv4 alone: a link-local IPv6 address would stay as it is.
    let start = |name, index| {
        hasty(Node::options(name, 5670))
            .with("--interface", "eth0")
            .with("--multicast", "off")
            .on(network.host(index))
            .start()
    };
    let mut bob = start("bob", 1);
    let host = network.host(1);
    host.ip("addr del 10.78.0.2/24 dev eth0");
    expect_discovery(&mut bob, false, "10.78.0.2");
    host.ip("addr add 10.78.0.22/24 broadcast 10.78.0.255 dev eth0");
    expect_discovery(&mut bob, true, "10.78.0.22");
    // Only now is there anybody who could greet first: bob is dialled where he
    // didn't listen when he started.
    let mut alice = start("alice", 0);
    let enter = alice.expect_enter(&bob);
    assert!(enter.text("endpoint").contains("10.78.0.22:"));
    bob.expect_enter(&alice);
    alice.whisper(&bob.uuid, &["found you"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["found you"]);
}

/// Takes away every address of the host.
fn strip(host: &Host) {
    host.ip("addr flush dev eth0");
    host.ip("link set lo down");
    host.ip("addr flush dev lo");
}

#[test]
fn interfaces_without_an_address_are_waited_for() {
    let _turn = together();
    let network = hosts!(2);
    let mut alice = Node::options("alice", 5670).on(network.host(0)).start();
    let host = network.host(1);
    // Named, named beside one that doesn't exist, and not named at all.
    for interfaces in [vec!["eth0"], vec!["eth7", "eth0"], vec![]] {
        strip(host);
        let mut options = Node::options("bob", 5670).with("--multicast", "off");
        for name in &interfaces {
            options = options.with("--interface", name);
        }
        let mut bob = options.on(host).start();
        host.ip("addr add 10.78.0.2/24 broadcast 10.78.0.255 dev eth0");
        expect_discovery(&mut bob, true, "10.78.0.2");
        alice.expect_enter(&bob);
        bob.expect_enter(&alice);
        alice.whisper(&bob.uuid, &["there you are"]);
        assert_eq!(bob.expect("whisper", |_| true).frames(), ["there you are"]);
        bob.stop();
        alice.expect_exit(&bob.uuid);
    }
}

#[test]
fn a_node_on_loopback_waits_for_it() {
    let _turn = together();
    let network = hosts!(1);
    let host = network.host(0);
    strip(host);
    let start = |name| {
        let options = Node::options(name, 5670).with("--interface", "lo");
        options.on(host).start()
    };
    let (mut alice, mut bob) = (start("alice"), start("bob"));
    host.ip("addr add 127.0.0.1/8 dev lo");
    host.ip("link set lo up");
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
}
