//! Shouts to many receivers, which run together in one process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use zre::{Event, Link, Message, Node};

use super::child::{TaskError, say};
use super::figures::per_second;
use super::process::{MeasureError, Process};
use super::task::{Task, free_port};

const GROUP: &str = "G";

/// How long all nodes may take to meet.
const MEETING: Duration = Duration::from_secs(60);

/// A measurement: two processes, or one for links in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shouts<'a> {
    pub(crate) link: Link,
    /// The size of a message, in bytes.
    pub(crate) size: usize,
    pub(crate) receivers: usize,
    /// The total of messages to all receivers.
    pub(crate) deliveries: usize,
    /// Whether the nodes have keys.
    pub(crate) encrypted: bool,
    /// The directory for unix sockets.
    pub(crate) dir: &'a str,
}

impl Shouts<'_> {
    /// Measures the deliveries per second, from the first to the last.
    ///
    /// # Errors
    /// A child fails.
    pub(crate) async fn rate(&self) -> Result<f64, MeasureError> {
        let count = (self.deliveries / self.receivers).max(1);
        let port = free_port()?;
        let start = |role| {
            let task = Task::new(role, self.link, self.dir)
                .encrypted(self.encrypted)
                .with("size", self.size)
                .with("receivers", self.receivers)
                .with("count", count)
                .with("port", port);
            Process::of(&task)
        };
        let seconds = if self.link == Link::Inproc {
            start("shout-to-self")?.hear_number("seconds").await?
        } else {
            let mut hearers = start("hear")?;
            hearers.hear("ready").await?;
            let mut shouter = start("shout")?;
            hearers.hear_number_beside("seconds", &mut shouter).await?
        };
        Ok(per_second(count * self.receivers, seconds))
    }
}

/// All receivers: their nodes, and their common counters.
struct Hearers {
    _nodes: Vec<Node>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    shouts: AtomicUsize,
    first: OnceLock<Instant>,
    all: Notify,
}

impl Hearers {
    async fn start(task: &Task) -> Result<Hearers, TaskError> {
        let receivers = task.number("receivers")?;
        let expected = receivers * task.number("count")?;
        let mut hearers = Hearers {
            _nodes: Vec::new(),
            seen: Arc::default(),
        };
        for i in 0..receivers {
            let builder = task.builder(&format!("hearer {i}"))?.group(GROUP);
            let (node, mut events) = builder.start().await?;
            hearers._nodes.push(node);
            let seen = Arc::clone(&hearers.seen);
            tokio::spawn(async move {
                let mut batch = Vec::with_capacity(1024);
                while events.recv_many(&mut batch, 1024).await > 0 {
                    let shouts = batch
                        .drain(..)
                        .filter(|event| matches!(event, Event::Shout { .. }))
                        .count();
                    if shouts > 0 {
                        seen.first.get_or_init(Instant::now);
                        if seen.shouts.fetch_add(shouts, Ordering::AcqRel) + shouts == expected {
                            seen.all.notify_one();
                        }
                    }
                }
            });
        }
        Ok(hearers)
    }

    async fn finish(&self) -> Result<(), TaskError> {
        self.seen.all.notified().await;
        let first = self.seen.first.get();
        let taken = first.map_or(Duration::ZERO, Instant::elapsed);
        say("seconds", taken.as_secs_f64())?;
        Ok(())
    }
}

async fn shout_all(task: &Task, node: &Node) -> Result<(), TaskError> {
    let receivers = task.number("receivers")?;
    for peer in node.wait_for_peers_in(GROUP, receivers, MEETING).await? {
        task.check_link(&peer)?;
    }
    let message = Message::from(vec![7; task.number("size")?]);
    for _ in 0..task.number("count")? {
        let accepted = node.shout(GROUP, message.clone()).await?.accepted;
        if accepted != receivers {
            return Err(TaskError::Few {
                accepted,
                receivers,
            });
        }
    }
    Ok(())
}

pub(super) async fn hear(task: &Task) -> Result<(), TaskError> {
    let hearers = Hearers::start(task).await?;
    say("ready", "-")?;
    hearers.finish().await
}

pub(super) async fn shout(task: &Task) -> Result<(), TaskError> {
    let (node, mut events) = task.builder("shouter")?.start().await?;
    shout_all(task, &node).await?;
    while events.recv().await.is_some() {}
    Err(TaskError::Ended)
}

pub(super) async fn shout_in_process(task: &Task) -> Result<(), TaskError> {
    let hearers = Hearers::start(task).await?;
    let (node, mut events) = task.builder("shouter")?.start().await?;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    shout_all(task, &node).await?;
    hearers.finish().await
}
