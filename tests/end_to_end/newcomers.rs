//! Strangers that take places and say nothing, and newcomers that are met all the same.

use std::io::{Read, Write};
use std::net::TcpStream;

use uuid::Uuid;
use zre_tests::beacon::port_of;
use zre_tests::{Node, beacon_port, together};

use crate::hostile::opening;

/// So many connections that finish their handshake and never greet.
fn silent(inbox: u16, count: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", inbox)).unwrap();
        stream.write_all(&opening(Uuid::new_v4())).unwrap();
        // The greeting of the other side; one that has no place left gets none.
        let _ = stream.read(&mut [0; 64]);
        stream
    };
    (0..count).map(connect).collect()
}

/// A newcomer meets the node, and they talk.
fn meets(node: &mut Node, newcomer: &mut Node) {
    node.expect_enter(newcomer);
    newcomer.expect_enter(node);
    newcomer.whisper(&node.uuid, &["hello"]);
    node.expect("whisper", |_| true);
    assert!(!node.has("exit"));
}

#[test]
fn connections_that_never_greet_keep_no_newcomer_out() {
    let _turn = together();
    let port = beacon_port();
    let mut node = Node::options("node", port)
        .with("--link-limits", "connections=64")
        .with("--ipc", "off")
        .start();
    let _silent = silent(port_of(&node.endpoint), 200);
    let mut newcomer = Node::options("newcomer", port).with("--ipc", "off").start();
    meets(&mut node, &mut newcomer);
}

#[test]
fn nor_do_they_where_descriptors_are_few() {
    let _turn = together();
    let port = beacon_port();
    let mut node = Node::options("node", port).after("ulimit -n 64").start();
    let _silent = silent(port_of(&node.endpoint), 100);
    let mut newcomer = Node::options("newcomer", port).start();
    meets(&mut node, &mut newcomer);
}

#[test]
fn silent_gossip_clients_keep_no_newcomer_out() {
    let _turn = together();
    let hub = format!("tcp://127.0.0.1:{}", free());
    let start = |name: &str, option: &str| {
        let options = Node::options(name, beacon_port()).flag("--no-beacon");
        options.with(option, &hub).with("--ipc", "off").start()
    };
    zre_session::raise_descriptor_limit().unwrap();
    let mut node = start("hub", "--gossip-bind");
    let _silent = silent(port_of(&hub), 1100);
    let mut newcomer = start("newcomer", "--gossip-connect");
    meets(&mut node, &mut newcomer);
}

/// A port that was free a moment ago.
fn free() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}
