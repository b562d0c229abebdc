//! How nodes find each other: multicast, broadcast, by name of an endpoint.

use zre_tests::{Host, Network, Node, Options, beacon_port, skip, together};

/// Waits until each of them has seen all the others.
fn meet(nodes: &mut [Node]) {
    for index in 0..nodes.len() {
        let (before, rest) = nodes.split_at_mut(index);
        let (node, after) = rest.split_first_mut().unwrap();
        for other in before.iter().chain(&*after) {
            node.expect_enter(other);
        }
    }
}

fn greet(alice: &mut Node, bob: &mut Node) {
    alice.whisper(&bob.uuid, &["hello"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["hello"]);
    bob.whisper(&alice.uuid, &["hello", "yourself"]);
    let answer = alice.expect("whisper", |_| true);
    assert_eq!(answer.frames(), ["hello", "yourself"]);
}

#[test]
fn ten_nodes_on_one_host_see_each_other_by_multicast() {
    let _turn = together();
    let port = beacon_port();
    let mut nodes: Vec<Node> = (0..10)
        .map(|number| {
            Node::options(&format!("node-{number}"), port)
                .with("--broadcast", "off")
                .start()
        })
        .collect();
    meet(&mut nodes);
    for node in &mut nodes {
        assert!(!node.has("exit"), "{} lost somebody", node.name);
    }
}

#[test]
fn two_nodes_on_one_host_meet_by_broadcast_alone() {
    let _turn = together();
    let port = beacon_port();
    let start = |name| {
        Node::options(name, port)
            .with("--multicast", "off")
            .with("--broadcast", "127.255.255.255")
            .start()
    };
    let (mut alice, mut bob) = (start("alice"), start("bob"));
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    greet(&mut alice, &mut bob);
}

#[test]
fn a_node_that_hears_no_beacon_is_found_by_its_endpoint() {
    let _turn = together();
    let mut bob = Node::options("bob", beacon_port())
        .flag("--no-beacon")
        .start();
    let mut alice = Node::options("alice", beacon_port())
        .flag("--no-beacon")
        .with("--peer", &bob.endpoint)
        .start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    greet(&mut alice, &mut bob);
}

#[test]
fn nodes_on_other_ports_stay_strangers() {
    let _turn = together();
    let (here, elsewhere) = (beacon_port(), beacon_port());
    let mut stranger = Node::options("stranger", elsewhere).start();
    let mut alice = Node::options("alice", here).start();
    let mut bob = Node::options("bob", here).start();
    alice.expect_enter(&bob);
    bob.expect_enter(&alice);
    assert!(!stranger.has("enter"));
    assert!(!alice.has("enter") && !bob.has("enter"));
}

/// `one` sees `other` enter, from the host given.
fn entered_from(one: &mut Node, other: &Node, host: &Host) {
    let enter = one.expect_enter(other);
    assert_eq!(enter.text("link"), "tcp");
    let endpoint = enter.text("endpoint");
    assert!(
        endpoint.contains(host.address()) || endpoint.contains("[fe80:"),
        "{endpoint} is not on host {}",
        host.address()
    );
}

/// Two hosts, one node each, started with the options given.
fn two_hosts(options: impl Fn(Options) -> Options) {
    let _turn = together();
    let network = match Network::of(2) {
        Ok(network) => network,
        Err(why) => skip!("two hosts: {why}"),
    };
    let start = |name, index| {
        options(Node::options(name, 5670))
            .on(network.host(index))
            .start()
    };
    let mut alice = start("alice", 0);
    let mut bob = start("bob", 1);
    entered_from(&mut alice, &bob, network.host(1));
    entered_from(&mut bob, &alice, network.host(0));
    greet(&mut alice, &mut bob);
    assert!(bob.stop().success());
    assert_eq!(alice.expect_exit(&bob.uuid).text("reason"), "goodbye");
}

#[test]
fn two_hosts_meet_over_a_bridge() {
    two_hosts(|options| options);
}

#[test]
fn two_hosts_meet_by_multicast_alone() {
    two_hosts(|options| options.with("--broadcast", "off"));
}

#[test]
fn two_hosts_meet_by_broadcast_alone() {
    two_hosts(|options| options.with("--multicast", "off"));
}

#[test]
fn two_hosts_meet_by_ipv6_alone() {
    two_hosts(|options| {
        options
            .with("--multicast", "ff02::77")
            .with("--broadcast", "off")
            // zeromq doesn't say by which interface a link-local peer came.
            .with("--engine", "native")
    });
}
