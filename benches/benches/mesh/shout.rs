//! Shouts to many receivers, which live together in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use zre::{Event, Link, Message, Node};

use crate::options::Options;
use crate::process::Process;
use crate::report::{Report, median, size_name};
use crate::say;
use crate::task::{Task, free_port};

const GROUP: &str = "G";

/// Deliveries that a run aims at.
const DELIVERIES: usize = 2_000_000;

pub(crate) fn all(options: &Options, report: &mut Report, dir: &str) {
    report.section(&format!(
        "shouts: deliveries a second to all receivers together, median of {}",
        options.rounds
    ));
    for size in [16, 1 << 10] {
        for receivers in [1, 4, 16, 64] {
            let mut rates = [Link::Tcp, Link::Ipc, Link::Inproc].map(|link| (link, Vec::new()));
            for _ in 0..options.rounds {
                for (link, rates) in &mut rates {
                    rates.push(once(*link, size, receivers, options, dir));
                }
            }
            let figures = rates.map(|(link, rates)| (link.to_string(), median(&rates), "/s"));
            let figures: Vec<_> = figures
                .iter()
                .map(|(n, v, u)| (n.as_str(), *v, *u))
                .collect();
            let case = format!("{} to {receivers}", size_name(size));
            report.row("shout", &case, &figures, "");
        }
    }
}

fn once(link: Link, size: usize, receivers: usize, options: &Options, dir: &str) -> f64 {
    let count = DELIVERIES / receivers / options.divide;
    let task = |role| {
        Task::new(role, link, dir)
            .with("size", size)
            .with("receivers", receivers)
            .with("count", count)
    };
    let port = free_port();
    let start = |role| Process::ourselves(&task(role).with("port", port).to_args());
    let seconds = if link == Link::Inproc {
        start("shout-to-self").hear_number("seconds")
    } else {
        let mut hearers = start("hear");
        hearers.hear("ready");
        let _shouter = start("shout");
        hearers.hear_number("seconds")
    };
    (count * receivers) as f64 / seconds
}

/// All receivers: their nodes, and what they have seen together.
struct Hearers {
    _nodes: Vec<Node>,
    expected: usize,
    seen: Arc<AtomicUsize>,
    done: Arc<Notify>,
    start: Arc<std::sync::OnceLock<Instant>>,
}

impl Hearers {
    async fn start(task: &Task) -> Hearers {
        let receivers = task.number("receivers");
        let mut hearers = Hearers {
            _nodes: Vec::new(),
            expected: receivers * task.number("count"),
            seen: Arc::default(),
            done: Arc::default(),
            start: Arc::default(),
        };
        for i in 0..receivers {
            let builder = task.builder(&format!("hearer {i}")).group(GROUP);
            let (node, mut events) = builder.start().await.unwrap();
            hearers._nodes.push(node);
            let (seen, done) = (Arc::clone(&hearers.seen), Arc::clone(&hearers.done));
            let (start, expected) = (Arc::clone(&hearers.start), hearers.expected);
            tokio::spawn(async move {
                let mut batch = Vec::with_capacity(1024);
                while events.recv_many(&mut batch, 1024).await > 0 {
                    let shouts = batch
                        .drain(..)
                        .filter(|event| matches!(event, Event::Shout { .. }))
                        .count();
                    if shouts > 0 {
                        start.get_or_init(Instant::now);
                        if seen.fetch_add(shouts, Ordering::AcqRel) + shouts == expected {
                            done.notify_one();
                        }
                    }
                }
            });
        }
        hearers
    }

    async fn finish(&self) {
        self.done.notified().await;
        say("seconds", self.start.get().unwrap().elapsed().as_secs_f64());
    }
}

async fn shout_all(task: &Task, node: &Node) {
    let receivers = task.number("receivers");
    let here = node.wait_for_peers_in(GROUP, receivers, Duration::from_secs(60));
    for peer in here.await.unwrap() {
        assert_eq!(peer.link(), task.link());
    }
    let message = Message::from(vec![7; task.number("size")]);
    for _ in 0..task.number("count") {
        let shouted = node.shout(GROUP, message.clone()).await.unwrap();
        assert_eq!(shouted.accepted, receivers);
    }
}

pub(crate) async fn hear(task: &Task) {
    let hearers = Hearers::start(task).await;
    say("ready", "-");
    hearers.finish().await;
}

pub(crate) async fn shout(task: &Task) {
    let (node, mut events) = task.builder("shouter").start().await.unwrap();
    shout_all(task, &node).await;
    while events.recv().await.is_some() {}
}

pub(crate) async fn shout_in_process(task: &Task) {
    let hearers = Hearers::start(task).await;
    let (node, mut events) = task.builder("shouter").start().await.unwrap();
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    shout_all(task, &node).await;
    hearers.finish().await;
}
