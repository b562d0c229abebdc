//! `zre watch` where there is no terminal.

use serde_json::json;

use crate::child::{Program, port};

#[test]
fn a_line_an_event() {
    let port = port();
    let mut watch = Program::start(&["watch", "--name", "eye"], &port, &["--group", "lab"]);
    watch.line("up", |line| {
        line.starts_with("eye is up at tcp://127.0.0.1:")
    });
    let mut json = Program::start(&["watch", "--json", "--name", "machine"], &port, &[]);
    json.event("started");
    let (mut bob, started) = Program::json("bob", &port, &["--group", "lab"]);
    watch.line("bob", |line| line.starts_with("bob is here, at "));
    watch.expect("bob joined lab");
    while json.event("enter")["peer"] != started["uuid"] {}
    while bob.event("join")["name"] != "eye" {}
    bob.say(&json!({ "cmd": "shout", "group": "lab", "frames": ["hello"] }).to_string());
    watch.expect("[lab] bob: hello");
    bob.say(r#"{"cmd":"stop"}"#);
    watch.expect("bob has gone: goodbye");
    assert_eq!(json.event("exit")["name"], "bob");
    for program in [&mut watch, &mut json] {
        #[cfg(unix)]
        {
            program.signal(rustix::process::Signal::INT);
            let (status, _) = program.rest();
            assert_eq!(status.code(), Some(0));
        }
        #[cfg(not(unix))]
        program.end_input();
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let port = port();
    let command = Program::command(&["watch", "--json", "--name", "eye"], &port);
    let (mut watch, output) = Program::unread(command);
    let (mut bob, _) = Program::json("bob", &port, &[]);
    bob.event("enter");
    drop(output);
    // The next event shows that nobody reads.
    bob.say(r#"{"cmd":"join","group":"lab"}"#);
    assert_eq!(watch.ended().code(), Some(0));
    assert_eq!(watch.complaints(), "");
    assert_eq!(bob.event("exit")["reason"], "goodbye");
}
