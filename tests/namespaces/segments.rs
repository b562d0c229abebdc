//! Two subnets with a router between them: by multicast where the router
//! forwards it, by name, by address and by gossip where no datagram gets across.

use std::io::Write as _;
use std::process::Command;

use zre_tests::{Network, Node, skip, together};

/// Where `bob` listens, behind the router.
const BOB: &str = "tcp://10.81.0.1:49152";

/// The group of our beacons.
const GROUP: &str = "239.90.82.69";

/// Hosts 0 and 1, each on a subnet of its own, and host 2 that routes between
/// them; or why there are none.
fn two_subnets() -> Result<Network, String> {
    let network = Network::of(3)?;
    network.connect(0, 2, "lan0", "10.80.0");
    network.connect(1, 2, "lan1", "10.81.0");
    for index in 0..3 {
        network.host(index).set_link(false);
    }
    network.host(0).ip("route add default via 10.80.0.2");
    network.host(1).ip("route add default via 10.81.0.2");
    let router = network.host(2).namespace();
    let forwards = Command::new("ip")
        .args(["netns", "exec", router, "sh", "-c"])
        .arg("echo 1 > /proc/sys/net/ipv4/ip_forward")
        .status()
        .map_err(|error| format!("the command `ip` (iproute2): {error}"))?;
    if forwards.success() {
        Ok(network)
    } else {
        Err("the kernel won't forward".into())
    }
}

fn meet(alice: &mut Node, bob: &mut Node, via: &str) {
    let enter = alice.expect_enter(bob);
    assert_eq!(enter.text("link"), "tcp");
    assert!(enter.json["via"].to_string().contains(via), "{enter:?}");
    bob.expect_enter(alice);
    alice.whisper(&bob.uuid, &["over there?"]);
    assert_eq!(bob.expect("whisper", |_| true).frames(), ["over there?"]);
    bob.whisper(&alice.uuid, &["here"]);
    assert_eq!(alice.expect("whisper", |_| true).frames(), ["here"]);
}

#[test]
fn a_multicast_router_carries_beacons_with_a_ttl_of_two_and_none_of_one() {
    let _turn = together();
    let network = match two_subnets() {
        Ok(network) => network,
        Err(why) => skip!("two subnets: {why}"),
    };
    if Command::new("smcrouted").arg("-v").output().is_err() {
        skip!("the multicast router smcrouted (Debian: smcroute) isn't installed");
    }
    let mut rules = tempfile::NamedTempFile::new().expect("a temporary file");
    for (from, to) in [("lan0", "lan1"), ("lan1", "lan0")] {
        writeln!(rules, "mgroup from {from} group {GROUP}").expect("written");
        writeln!(rules, "mroute from {from} group {GROUP} to {to}").expect("written");
    }
    let rules = rules.into_temp_path();
    let path = rules.to_str().expect("an ordinary path");
    let pid = format!("{path}.pid");
    let socket = format!("{path}.sock");
    let options = ["-n", "-f", path, "-P", &pid, "-u", &socket];
    let _router = network
        .host(2)
        .run("smcrouted", &options)
        .expect("the router runs");
    let start = |name, host, port, ttl| {
        Node::options(name, port)
            .with("--ttl", ttl)
            .with("--multicast", GROUP)
            .with("--broadcast", "off")
            .on(network.host(host))
            .start()
    };
    let mut near = [start("near-0", 0, 5671, 1), start("near-1", 1, 5671, 1)];
    let mut alice = start("alice", 0, 5672, 2);
    let mut bob = start("bob", 1, 5672, 2);
    meet(&mut alice, &mut bob, "multicast");
    // Their beacons have passed the same router for longer.
    for node in &mut near {
        assert!(!node.has("enter"), "a TTL of 1 got across");
    }
}

#[test]
fn a_node_that_no_datagram_reaches_is_found_by_its_address() {
    let _turn = together();
    let network = match two_subnets() {
        Ok(network) => network,
        Err(why) => skip!("two subnets: {why}"),
    };
    // Dialled before anybody is there.
    let mut alice = Node::options("alice", 5670)
        .with("--peer", BOB)
        .on(network.host(0))
        .start();
    let bob = || {
        Node::options("bob", 5670)
            .with("--listen", "49152-49160")
            .on(network.host(1))
            .start()
    };
    let mut first = bob();
    meet(&mut alice, &mut first, "static");
    // It is dialled again once it is back.
    let uuid = first.uuid.clone();
    first.kill();
    alice.expect_exit(&uuid);
    let mut second = bob();
    meet(&mut alice, &mut second, "static");
}

#[test]
fn a_node_that_no_datagram_reaches_is_found_by_dns() {
    let _turn = together();
    let network = match two_subnets() {
        Ok(network) => network,
        Err(why) => skip!("two subnets: {why}"),
    };
    let zone =
        "10.80.0.2:5353 _zre._tcp.house.test srv bob.house.test 49152 bob.house.test a 10.81.0.1";
    let arguments: Vec<&str> = zone.split_whitespace().collect();
    let _names = network
        .host(2)
        .run(env!("CARGO_BIN_EXE_name_server"), &arguments)
        .expect("the name server runs");
    let mut alice = Node::options("alice", 5670)
        .with("--dns", "house.test")
        .with("--dns-server", "10.80.0.2:5353")
        .on(network.host(0))
        .start();
    let mut bob = Node::options("bob", 5670)
        .with("--listen", "49152")
        .on(network.host(1))
        .start();
    meet(&mut alice, &mut bob, "dns");
}

#[test]
fn a_node_that_no_datagram_reaches_is_found_by_gossip() {
    let _turn = together();
    let network = match two_subnets() {
        Ok(network) => network,
        Err(why) => skip!("two subnets: {why}"),
    };
    let mut alice = Node::options("alice", 5670)
        .with("--gossip-connect", "tcp://10.81.0.1:5680")
        .on(network.host(0))
        .start();
    let mut bob = Node::options("bob", 5670)
        .with("--gossip-bind", "tcp://10.81.0.1:5680")
        .on(network.host(1))
        .start();
    meet(&mut alice, &mut bob, "gossip");
}
