//! Every way in which a program ends.

#[cfg(unix)]
use rustix::process::Signal;
use serde_json::json;

#[cfg(target_os = "linux")]
use crate::child::clean;
use crate::child::{Program, parsed, port};

#[test]
fn the_end_of_input_stops_the_node_after_the_commands_before_it() {
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &[]);
    let (mut bob, _) = Program::json("bob", &port, &[]);
    alice.event("enter");
    bob.event("enter");
    alice.say(r#"{"cmd":"whisper","peer":"bob","frames":["last words"]}"#);
    alice.end_input();
    assert_eq!(bob.event("whisper")["frames"], json!(["last words"]));
    assert_eq!(bob.event("exit")["reason"], "goodbye");
    let (status, lines) = alice.rest();
    assert!(status.success());
    assert_eq!(parsed(lines.last().unwrap())["event"], "stopped");
    assert_eq!(alice.complaints(), "");
}

#[cfg(unix)]
#[test]
fn signals_let_it_leave_properly_while_its_input_is_open() {
    let port = port();
    let (mut watcher, _) = Program::json("watcher", &port, &[]);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (mut node, started) = Program::json("node", &port, &[]);
        watcher.event("enter");
        node.event("enter");
        node.signal(signal);
        let (status, lines) = node.rest();
        assert_eq!(status.code(), Some(0), "{signal:?}: {lines:?}");
        assert_eq!(parsed(lines.last().unwrap())["event"], "stopped");
        let exit = watcher.event("exit");
        assert_eq!(exit["peer"], started["uuid"]);
        assert_eq!(exit["reason"], "goodbye");
    }
}

/// As coreutils' `timeout` sends them.
#[cfg(unix)]
#[test]
fn two_signals_at_once_are_one_wish() {
    let port = port();
    let (mut watcher, _) = Program::json("watcher", &port, &[]);
    for _ in 0..5 {
        let (mut node, _) = Program::json("node", &port, &[]);
        watcher.event("enter");
        node.event("enter");
        node.signal(Signal::TERM);
        std::thread::sleep(std::time::Duration::from_millis(1));
        node.signal(Signal::TERM);
        assert_eq!(node.rest().0.code(), Some(0), "{}", node.complaints());
        assert_eq!(watcher.event("exit")["reason"], "goodbye");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_it_quietly_and_properly() {
    use std::io::{BufRead as _, BufReader};

    let port = port();
    let (mut watcher, _) = Program::json("watcher", &port, &[]);
    let command = Program::command(&["node", "--json", "--name", "node"], &port);
    let (mut node, output) = Program::unread(command);
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(parsed(&line)["event"], "started");
    watcher.event("enter");
    drop(output);
    node.say(r#"{"cmd":"peers"}"#);
    assert_eq!(node.ended().code(), Some(0));
    assert_eq!(node.complaints(), "");
    assert_eq!(watcher.event("exit")["reason"], "goodbye");
}

/// Whoever started it reads nothing, and writes more than the pipe holds.
#[cfg(unix)]
#[test]
fn a_signal_ends_it_although_nobody_reads_its_output() {
    let port = port();
    let (mut watcher, _) = Program::json("watcher", &port, &[]);
    let command = Program::command(&["node", "--json", "--name", "node"], &port);
    let (mut node, _output) = Program::unread(command);
    watcher.event("enter");
    let line = "x".repeat(100_000);
    for _ in 0..20 {
        // The answer repeats the word.
        node.say(&format!(r#"{{"cmd":"{line}"}}"#));
    }
    node.signal(Signal::TERM);
    assert_eq!(watcher.event("exit")["reason"], "goodbye");
    assert_eq!(node.ended().code(), Some(1));
    assert!(node.complaints().contains("takes no more"));
}

/// Events wait up to their bound, so the node hears nothing more of its peers, which it
/// has to do to leave properly.
#[cfg(unix)]
#[test]
fn a_signal_ends_it_within_seconds_although_all_queues_are_full() {
    let port = port();
    let bound = ["--event-queue-bytes", "65536"];
    let (mut talker, _) = Program::json("talker", &port, &["--send-policy", "reject"]);
    let mut command = Program::command(&["node", "--json", "--name", "node"], &port);
    command.args(bound);
    let (mut node, _output) = Program::unread(command);
    talker.event("enter");
    let text = "x".repeat(60_000);
    // Until the talker's queue to it is full, too.
    loop {
        talker.say(&format!(
            r#"{{"cmd":"whisper","peer":"node","frames":["{text}"],"tag":"t"}}"#
        ));
        let is_answer = |line: &str| parsed(line)["tag"] == "t";
        if parsed(&talker.line("answer", is_answer))["event"] == "error" {
            break;
        }
    }
    let start = std::time::Instant::now();
    node.signal(Signal::TERM);
    assert_eq!(node.ended().code(), Some(1));
    // It waits a second for its reader. Five more would pass for peers that it can't hear.
    let took = start.elapsed();
    assert!(took < std::time::Duration::from_secs(4), "{took:?}");
    assert_eq!(talker.event("exit")["reason"], "goodbye");
}

/// It writes what comes until a signal, and would wait for the next one.
#[cfg(unix)]
#[test]
fn one_signal_ends_a_watcher_although_nobody_reads() {
    let port = port();
    let (mut watcher, _output) = Program::unread(Program::command(&["watch", "--json"], &port));
    let (mut flapper, _) = Program::json("flapper", &port, &[]);
    flapper.event("enter");
    // More than the pipe and the queue before it hold.
    let group = "g".repeat(200);
    for _ in 0..1000 {
        for command in ["join", "leave"] {
            flapper.say(&format!(r#"{{"cmd":"{command}","group":"{group}"}}"#));
        }
    }
    flapper.say(r#"{"cmd":"ping","peer":"nobody","tag":"last"}"#);
    flapper.line("the last answer", |line| parsed(line)["tag"] == "last");
    watcher.signal(Signal::TERM);
    assert_eq!(watcher.ended().code(), Some(1));
    assert_eq!(flapper.event("exit")["reason"], "goodbye");
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let port = port();
    let to_full = "exec \"$@\" 2>/dev/full";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", to_full, "sh", env!("CARGO_BIN_EXE_zre")]);
    let arguments = [
        "node",
        "--json",
        "--interface",
        "lo",
        "--beacon-port",
        &port,
    ];
    let mut command = clean(command, &arguments);
    command.env("ZRE_LOG", "trace");
    let mut mute = Program::spawn(command);
    mute.event("started");
    let (mut other, _) = Program::json("other", &port, &[]);
    mute.event("enter");
    other.event("enter");
    mute.say(r#"{"cmd":"whisper","peer":"other","frames":["still here"]}"#);
    assert_eq!(other.event("whisper")["frames"], json!(["still here"]));
    mute.say(r#"{"cmd":"stop"}"#);
    let (status, lines) = mute.rest();
    assert!(status.success(), "{lines:?}");
    assert_eq!(other.event("exit")["reason"], "goodbye");
}
