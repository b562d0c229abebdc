//! Nodes with little memory.

use std::io::Write;
use std::net::TcpStream;

use uuid::Uuid;
use zre_tests::beacon::port_of;
use zre_tests::{Node, beacon_port, together};

use crate::hostile::opening;

/// `ulimit -v`, in KiB: about 150 MiB more than a node takes at its start.
const LIMIT: &str = "ulimit -v 460000";

/// Less than the bound on unread bytes by default: the bound follows the limit.
#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_address_space_is_no_way_to_end_a_node() {
    let _turn = together();
    let port = beacon_port();
    let mut node = Node::options("small", port).after(LIMIT).start();
    let mut other = Node::options("other", port).start();
    node.expect_enter(&other);
    let inbox = port_of(&node.endpoint);
    // Eight messages of 60 MiB, of which two thirds come.
    let mut halves: Vec<TcpStream> = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(("127.0.0.1", inbox)).unwrap();
        stream.write_all(&opening(Uuid::new_v4())).unwrap();
        let mut frame = vec![2];
        frame.extend_from_slice(&(60u64 << 20).to_be_bytes());
        frame.resize(40 << 20, 0xAA);
        // The node may close it.
        let _ = stream.write_all(&frame);
        halves.push(stream);
    }
    assert!(node.runs());
    other.whisper("small", &["still here?"]);
    node.expect("whisper", |_| true);
    assert!(node.stop().success());
}
