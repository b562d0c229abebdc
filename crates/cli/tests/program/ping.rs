//! `zre ping`.

use serde_json::Value;
#[cfg(unix)]
use serde_json::json;

use crate::child::{Program, output, parsed, port};

/// Runs it on loopback to its end: exit code, lines, complaints.
fn ping(port: &str, arguments: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let place = [
        "ping",
        "--interface",
        "lo",
        "--beacon-port",
        port,
        "--wait",
        "20s",
    ];
    let output = output(&[&place, arguments].concat());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let lines = text(output.stdout).lines().map(str::to_owned).collect();
    (output.status.code(), lines, text(output.stderr))
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == kind).collect()
}

#[test]
fn round_trips_and_their_statistics() {
    let port = port();
    let (_bob, started) = Program::json("bob", &port, &[]);
    let quick = ["bob", "--count", "3", "--every", "10ms"];
    let (code, lines, complaints) = ping(&port, &quick);
    assert_eq!((code, complaints.as_str()), (Some(0), ""), "{lines:?}");
    assert!(lines[0].starts_with("bob: number 1, ") && lines[0].ends_with(" ms"));
    let uuid = started["uuid"].as_str().unwrap();
    assert_eq!(lines[3], format!("--- bob ({uuid})"));
    assert_eq!(lines[4], "3 sent, 3 answered, 0% lost");
    assert!(lines[5].starts_with("round trip min/avg/max/mdev = "));

    let (code, lines, _) = ping(&port, &[&quick[..], &["--json"]].concat());
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = lines.iter().map(|line| parsed(line)).collect();
    let pongs = of(&lines, "pong");
    assert_eq!(pongs.len(), 3);
    assert!(pongs.iter().all(|pong| pong["ms"].as_f64() > Some(0.0)));
    let statistics = of(&lines, "statistics")[0];
    assert_eq!(statistics["answered"], 3);
    assert!(statistics["min_ms"].as_f64() <= statistics["avg_ms"].as_f64());
    assert!(statistics["avg_ms"].as_f64() <= statistics["max_ms"].as_f64());
}

#[cfg(unix)]
#[test]
fn everybody_is_pinged_and_who_does_not_answer_is_told() {
    use rustix::process::Signal;

    let port = port();
    let (mut bob, bobs) = Program::json("bob", &port, &[]);
    let (mut carl, carls) = Program::json("carl", &port, &[]);
    bob.event("enter");
    carl.event("enter");
    let directory = tempfile::tempdir().unwrap();
    let control = directory.path().join("control");
    let control = control.to_str().unwrap();
    let (mut hub, _) = Program::json("hub", &port, &["--control", control]);
    hub.event("enter");
    hub.event("enter");
    carl.signal(Signal::STOP);
    let through = [
        "--control",
        control,
        "ping",
        "--all",
        "--count",
        "2",
        "--every",
        "10ms",
        "--timeout",
        "500ms",
        "--json",
    ];
    let done = output(&through);
    assert_eq!(done.status.code(), Some(1));
    let lines: Vec<Value> = String::from_utf8(done.stdout)
        .unwrap()
        .lines()
        .map(parsed)
        .collect();
    for (peer, answered) in [(&bobs, 2), (&carls, 0)] {
        let statistics = of(&lines, "statistics");
        let statistics = statistics.iter().find(|line| line["peer"] == peer["uuid"]);
        let statistics = statistics.unwrap();
        assert_eq!(
            (&statistics["sent"], &statistics["answered"]),
            (&json!(2), &json!(answered)),
            "{lines:#?}"
        );
    }
    assert_eq!(of(&lines, "lost").len(), 2);
    carl.signal(Signal::CONT);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_its_statistics() {
    let port = port();
    let (mut bob, _) = Program::json("bob", &port, &[]);
    let mut pinger = Program::start(&["ping", "bob", "--every", "20ms"], &port, &[]);
    pinger.line("an answer", |line| line.starts_with("bob: number 2, "));
    pinger.signal(rustix::process::Signal::INT);
    let (status, lines) = pinger.rest();
    assert_eq!(status.code(), Some(0));
    assert!(
        lines.iter().any(|line| line.contains("0% lost")),
        "{lines:?}"
    );
    assert_eq!(bob.event("exit")["reason"], "goodbye");
}

#[test]
fn nobody_to_ping_is_a_failure() {
    let port = port();
    for whom in ["bob", "--all"] {
        let output = output(&[
            "ping",
            whom,
            "--interface",
            "lo",
            "--beacon-port",
            &port,
            "--wait",
            "100ms",
        ]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
    }
    assert_eq!(output(&["ping"]).status.code(), Some(2));
    assert_eq!(output(&["ping", "bob", "--all"]).status.code(), Some(2));
}
