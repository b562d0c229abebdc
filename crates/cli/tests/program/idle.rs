//! What a node takes while nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use crate::child::{Program, port};

/// It passes in full only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until only the node's own thread and that of beacons are left, or until there are
/// others.
fn until_idle(idle: bool, node: &Program) {
    let until = Instant::now() + DEADLINE;
    while (node.threads() <= 2) != idle {
        let threads = node.threads();
        assert!(Instant::now() < until, "it keeps {threads} threads");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_idle_node_has_a_thread_for_itself_and_one_for_beacons() {
    let (mut node, _) = Program::json("node", &port(), &[]);
    for tag in ["one", "two"] {
        until_idle(true, &node);
        node.say(&format!(
            r#"{{"cmd":"state","state":"busy","tag":"{tag}"}}"#
        ));
        node.expect(&format!(r#"{{"event":"done","tag":"{tag}"}}"#));
    }
    until_idle(true, &node);
    node.begin(r#"{"cmd":"state","state":"ready","#);
    until_idle(false, &node);
    node.say(r#""tag":"three"}"#);
    node.expect(r#"{"event":"done","tag":"three"}"#);
    until_idle(true, &node);
    node.end_input();
    assert!(node.rest().0.success());
}
