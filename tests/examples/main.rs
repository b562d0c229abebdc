//! The examples, run as their readers run them. Other nodes on this host may use
//! the same port: every node here has a unique name.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod files;

use std::sync::atomic::{AtomicU32, Ordering};

use zre_tests::{Node, Program, example};

/// A name that no other node on this host has.
fn own(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{count}", std::process::id())
}

fn start(program: &str, arguments: &[&str]) -> Program {
    Program::start(example(program), arguments)
}

#[test]
fn quickstart() {
    let (status, lines) = start("quickstart", &[]).finish();
    assert!(status.success(), "{lines:#?}");
    for said in [
        "alice: bob is here, by inproc",
        "alice: 2 peers will hear it",
        "alice: carol is busy, was ready",
        "alice: ready for lunch is bob",
        "-- the end",
    ] {
        assert!(lines.iter().any(|line| line == said), "{said}: {lines:#?}");
    }
}

#[test]
fn broker() {
    let (status, lines) = start("broker", &[]).finish();
    assert!(status.success(), "{lines:#?}");
    for job in 1..=6 {
        let result = format!("broker: job {job} gave {},", job * job);
        let given = lines.iter().filter(|line| line.starts_with(&result));
        assert_eq!(given.count(), 1, "{result}: {lines:#?}");
    }
    assert!(lines.iter().any(|line| line == "all jobs are done"));
}

#[test]
fn a_worker_survives_whatever_peers_whisper() {
    let name = own("anna");
    let mut worker = start("broker", &[&name]);
    let mut node = Node::options(&own("broker"), 5670).start();
    let enter = node.expect("enter", |event| event.text("name") == name);
    let worker_uuid = enter.text("peer").to_owned();
    node.whisper(&worker_uuid, &["hello"]);
    worker.expect("isn't a job");
    node.whisper(&worker_uuid, &["70000", "and more"]);
    worker.expect("isn't a job");
    node.whisper(&worker_uuid, &["70000"]);
    let result = node.expect("whisper", |event| event.text("peer") == worker_uuid);
    assert_eq!(result.frames(), ["4900000000"]);
    let (status, lines) = worker.interrupt();
    assert!(status.success(), "{lines:#?}");
}

#[test]
fn chat() {
    let (alice, bob) = (own("alice"), own("bob"));
    let mut first = start("chat", &[&alice]);
    let mut second = start("chat", &[&bob]);
    first.expect(&format!("* {bob} is here"));
    second.expect(&format!("* {alice} is here"));
    first.say("lunch at noon?");
    second.expect(&format!("{alice}: lunch at noon?"));
    second.say("yes");
    first.expect(&format!("{bob}: yes"));

    let (status, lines) = first.end_input();
    assert!(status.success(), "{lines:#?}");
    second.expect(&format!("* {alice} has gone"));
    let (status, lines) = second.interrupt();
    assert!(status.success(), "{lines:#?}");
}

#[test]
fn sensors() {
    let (kitchen, attic) = (own("kitchen"), own("attic"));
    let early = start("sensors", &[&kitchen]);
    let mut dashboard = start("sensors", &[]);
    let late = start("sensors", &[&attic]);
    let line = dashboard.line("both", |line| {
        line.contains(&kitchen) && line.contains(&attic)
    });
    for name in [&kitchen, &attic] {
        let cell = line.split(" | ").find(|cell| cell.starts_with(name));
        let words: Vec<_> = cell.expect("a cell").split(' ').collect();
        let degrees: f64 = words[1].parse().expect("a number");
        assert!((15.0..=25.0).contains(&degrees), "{line}");
        assert_eq!(words[2], "°C", "{line}");
    }
    let (status, lines) = early.interrupt();
    assert!(status.success(), "{lines:#?}");
    dashboard.line("the attic alone", |line| {
        line.contains(&attic) && !line.contains(&kitchen)
    });
    for program in [late, dashboard] {
        let (status, lines) = program.interrupt();
        assert!(status.success(), "{lines:#?}");
    }
}

#[test]
fn presence() {
    let (alice, bob) = (own("alice"), own("bob"));
    let mut first = start("presence", &[&alice]);
    let mut second = start("presence", &[&bob]);
    first.expect(&format!("{bob}: ready"));
    second.expect(&format!("{alice}: ready"));
    for (typed, shown) in [("busy", "busy"), ("lunch", "at lunch"), ("ready", "ready")] {
        second.say(typed);
        second.expect(&format!("{bob} (you): {shown}"));
        first.expect(&format!("{bob}: {shown}"));
    }
    second.say("exit");
    second.expect("(say ready, busy, asleep or lunch)");

    let (status, lines) = second.end_input();
    assert!(status.success(), "{lines:#?}");
    first.line("a board without bob", |line| !line.contains(&bob));
    let (status, lines) = first.interrupt();
    assert!(status.success(), "{lines:#?}");
}
