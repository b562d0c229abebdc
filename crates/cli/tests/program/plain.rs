//! `zre node` without `--json`.

use serde_json::json;

use crate::child::{Program, port};

#[test]
fn people_see_what_happens_and_end_it_by_a_signal() {
    let port = port();
    let mut node = Program::start(&["node", "--name", "watch"], &port, &["--group", "lab"]);
    // Its input doesn't matter.
    node.end_input();
    node.line("up", |line| {
        line.starts_with("watch is up at tcp://127.0.0.1:")
    });
    let (mut peer, started) = Program::json("camera", &port, &["--header", "role=lens"]);
    let uuid = started["uuid"].as_str().unwrap();
    node.line("here", |line| {
        line.starts_with("camera is here, at tcp://127.0.0.1:") && line.contains(uuid)
    });
    node.expect("    role: lens");
    peer.event("enter");
    // Until then, nobody there would get a shout.
    assert_eq!(peer.event("join")["group"], "lab");
    peer.say(r#"{"cmd":"join","group":"lab"}"#);
    node.expect("camera joined lab");
    peer.say(&json!({ "cmd": "shout", "group": "lab", "frames": ["a", "b"] }).to_string());
    node.expect("[lab] camera: a | b");
    peer.say(&json!({ "cmd": "whisper", "peer": "watch", "frames": ["c"] }).to_string());
    node.expect("camera whispers: c");
    peer.say(r#"{"cmd":"state","state":"asleep"}"#);
    node.expect("camera is asleep, was ready");
    peer.say(r#"{"cmd":"leave","group":"lab"}"#);
    node.expect("camera left lab");
    peer.say(r#"{"cmd":"stop"}"#);
    node.expect("camera has gone: goodbye");
    node.signal(rustix::process::Signal::INT);
    let (status, _) = node.rest();
    assert_eq!(status.code(), Some(0));
    assert_eq!(node.complaints(), "");
}
