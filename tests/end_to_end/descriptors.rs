//! Nodes with few file descriptors.

use zre_tests::{Node, beacon_port, together};

/// Twelve peers: more than 24 descriptors can serve.
fn peers(port: u16) -> Vec<Node> {
    let peer = |number| Node::options(&format!("peer{number}"), port).start();
    (0..12).map(peer).collect()
}

#[test]
fn the_soft_limit_is_raised() {
    let _turn = together();
    let port = beacon_port();
    let mut node = Node::options("few", port).after("ulimit -Sn 24").start();
    for peer in &peers(port) {
        node.expect_enter(peer);
    }
}

#[test]
fn a_node_without_descriptors_says_so() {
    let _turn = together();
    let port = beacon_port();
    let mut node = Node::options("few", port).after("ulimit -n 24").start();
    let peers = peers(port);
    node.expect_log("raise the limit on open files");
    node.expect("enter", |event| {
        peers.iter().any(|peer| peer.uuid == event.text("peer"))
    });
    node.stop();
}
