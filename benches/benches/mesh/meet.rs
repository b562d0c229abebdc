//! How long it takes to meet, and to notice that somebody has gone.

use std::time::Duration;

use zre::{Event, Link};

use crate::options::Options;
use crate::process::Process;
use crate::pyre::Pyre;
use crate::report::{Report, median};
use crate::say;
use crate::task::{Task, free_port, told, wall_clock};

/// Says of everybody when they came, fell silent and went.
pub(crate) async fn watch(task: &Task) {
    let (_node, mut events) = task.builder("watcher").start().await.unwrap();
    say("ready", "-");
    while let Some(event) = events.recv().await {
        let now = wall_clock();
        match event {
            Event::Enter { peer } => {
                assert_eq!(peer.link(), task.link());
                say("enter", now);
            }
            Event::Exit { reason, .. } => say(&format!("exit-{reason}"), now),
            Event::Evasive { .. } => say("evasive", now),
            _ => {}
        }
    }
}

/// Comes, stays until told, and leaves.
pub(crate) async fn visit(task: &Task) {
    let builder = task.builder("visitor");
    say("begin", wall_clock());
    let (node, mut events) = builder.start().await.unwrap();
    while !matches!(events.recv().await, Some(Event::Enter { .. })) {}
    say("enter", wall_clock());
    told().await;
    say("stop", wall_clock());
    node.shutdown().await;
}

fn task(role: &str, link: Link, dir: &str, port: u16) -> Process {
    Process::ourselves(&Task::new(role, link, dir).with("port", port).to_args())
}

/// Milliseconds between two readings of the clock.
fn between(from: u128, to: u128) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

fn clock(process: &mut Process, word: &str) -> u128 {
    process.hear(word).parse().unwrap()
}

/// Lets things calm down, so that a newcomer isn't met by chance.
fn pause() {
    std::thread::sleep(Duration::from_millis(130));
}

pub(crate) fn discover(options: &Options, report: &mut Report, dir: &str) {
    let times = if options.quick { 5 } else { 20 };
    report.section(&format!(
        "milliseconds from start() to Enter on both sides, of {times} newcomers"
    ));
    for link in [Link::Tcp, Link::Ipc] {
        let port = free_port();
        let mut watcher = task("watch", link, dir, port);
        watcher.hear("ready");
        let mut samples: Vec<f64> = (0..times)
            .map(|_| {
                pause();
                let mut visitor = task("visit", link, dir, port);
                let begin = clock(&mut visitor, "begin");
                let seen = clock(&mut visitor, "enter").max(clock(&mut watcher, "enter"));
                visitor.kill();
                clock(&mut watcher, "exit-disconnected");
                between(begin, seen)
            })
            .collect();
        show(report, "discover", &link.to_string(), &mut samples);
    }
    if options.has("pyre") {
        match Pyre::new() {
            Ok(pyre) => pyre_discover(report, &pyre, times.min(5)),
            Err(why) => report.note(&format!("pyre skipped: {why}")),
        }
    }
}

fn pyre_discover(report: &mut Report, pyre: &Pyre, times: usize) {
    let mut samples: Vec<f64> = (0..times)
        .map(|_| {
            let mut watcher = pyre.child(0, "watch", 0, 0, 0);
            watcher.hear("ready");
            pause();
            let mut visitor = pyre.child(1, "visit", 0, 0, 0);
            let begin = clock(&mut visitor, "begin");
            let seen = clock(&mut visitor, "enter").max(clock(&mut watcher, "enter"));
            between(begin, seen)
        })
        .collect();
    show(report, "discover", "pyre tcp", &mut samples);
}

fn show(report: &mut Report, what: &'static str, case: &str, samples: &mut [f64]) {
    samples.sort_by(f64::total_cmp);
    let last = samples.len() - 1;
    let figures = [
        ("median", median(samples), "ms"),
        ("best", samples[0], "ms"),
        ("worst", samples[last], "ms"),
    ];
    report.row(what, case, &figures, "");
}

pub(crate) fn leave(options: &Options, report: &mut Report, dir: &str) {
    report.section("milliseconds until a peer's end is noticed");
    let times = if options.quick { 5 } else { 20 };
    for link in [Link::Tcp, Link::Ipc] {
        let port = free_port();
        let mut watcher = task("watch", link, dir, port);
        watcher.hear("ready");
        let mut samples = [Vec::new(), Vec::new()];
        for _ in 0..times {
            for (how, samples) in ["stop", "kill"].iter().zip(&mut samples) {
                let mut visitor = task("visit", link, dir, port);
                visitor.hear("enter");
                watcher.hear("enter");
                pause();
                let (from, word) = if *how == "stop" {
                    visitor.tell("stop");
                    (clock(&mut visitor, "stop"), "exit-goodbye")
                } else {
                    let now = wall_clock();
                    visitor.kill();
                    (now, "exit-disconnected")
                };
                samples.push(between(from, clock(&mut watcher, word)));
            }
        }
        let [mut stopped, mut killed] = samples;
        show(report, "leave", &format!("{link} stop"), &mut stopped);
        show(report, "leave", &format!("{link} kill -9"), &mut killed);
    }
    if !options.quick {
        frozen(report, dir);
    }
}

/// Peers that stand still (SIGSTOP), all at once: the timers take half a minute.
fn frozen(report: &mut Report, dir: &str) {
    const PEERS: usize = 5;
    let port = free_port();
    let mut watcher = task("watch", Link::Tcp, dir, port);
    watcher.hear("ready");
    // Each alone with the watcher would take minutes; but they know each other,
    // and what the watcher says of them is in the order of their freezing.
    let mut visitors = Vec::new();
    for _ in 0..PEERS {
        let mut visitor = task("visit", Link::Tcp, dir, port);
        visitor.hear("enter");
        watcher.hear("enter");
        visitors.push(visitor);
    }
    let mut frozen = Vec::new();
    for visitor in &visitors {
        let pid = rustix::process::Pid::from_raw(visitor.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        frozen.push(wall_clock());
    }
    for (case, word) in [
        ("frozen, evasive", "evasive"),
        ("frozen, exit", "exit-expired"),
    ] {
        let mut samples: Vec<f64> = frozen
            .iter()
            .map(|from| between(*from, clock(&mut watcher, word)))
            .collect();
        show(report, "leave", case, &mut samples);
    }
}
