//! Whispers from many nodes, which run together in one process, to one node.

use std::time::Duration;

use tokio::task::JoinSet;
use zre::{Link, Message, Node, Peer};

use super::child::{TaskError, say};
use super::figures::per_second;
use super::process::{MeasureError, Process};
use super::task::{Task, free_port};
use super::whisper::{message, send_some, take_all};

/// The group of the receiver, by which the senders know it.
const GROUP: &str = "receiver";

/// How long all nodes may take to meet the receiver.
const MEETING: Duration = Duration::from_secs(60);

/// A measurement: two processes, or one for links in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FanIn<'a> {
    pub(crate) link: Link,
    /// The size of a message, in bytes.
    pub(crate) size: usize,
    /// The number of nodes that send.
    pub(crate) nodes: usize,
    /// The number of messages of all nodes together.
    pub(crate) count: usize,
    /// Whether the nodes have keys.
    pub(crate) encrypted: bool,
    /// The directory for unix sockets.
    pub(crate) dir: &'a str,
}

impl FanIn<'_> {
    /// Measures the messages per second at the receiver, from the first arrival to the
    /// last.
    ///
    /// # Errors
    /// A child fails.
    pub(crate) async fn rate(&self) -> Result<f64, MeasureError> {
        let count = (self.count / self.nodes).max(1) * self.nodes;
        let port = free_port()?;
        let start = |role| {
            let task = Task::new(role, self.link, self.dir)
                .encrypted(self.encrypted)
                .with("size", self.size)
                .with("frames", 1)
                .with("nodes", self.nodes)
                .with("count", count)
                .with("port", port);
            Process::of(&task)
        };
        let seconds = if self.link == Link::Inproc {
            start("gather-from-self")?.hear_number("seconds").await?
        } else {
            let mut receiver = start("gather")?;
            receiver.hear("ready").await?;
            let mut senders = start("send-from-many")?;
            receiver.hear_number_beside("seconds", &mut senders).await?
        };
        Ok(per_second(count, seconds))
    }
}

/// All senders. Each has met the receiver.
struct Senders {
    nodes: Vec<(Node, Peer)>,
}

impl Senders {
    async fn start(task: &Task) -> Result<Senders, TaskError> {
        let mut started = Vec::new();
        for i in 0..task.number("nodes")? {
            // The senders meet each other, too, in memory because that costs least.
            let builder = task.builder(&format!("sender {i}"))?.inproc(true);
            let (node, mut events) = builder.start().await?;
            tokio::spawn(async move { while events.recv().await.is_some() {} });
            started.push(node);
        }
        let mut nodes = Vec::new();
        for node in started {
            let met = node.wait_for_peers_in(GROUP, 1, MEETING).await?;
            let receiver = met.into_iter().next().ok_or(TaskError::Ended)?;
            task.check_link(&receiver)?;
            nodes.push((node, receiver));
        }
        Ok(Senders { nodes })
    }

    /// Sends all messages, in a task of each node.
    async fn send(&self, message: &Message, count: usize) -> Result<(), TaskError> {
        let each = count / self.nodes.len();
        let mut tasks = JoinSet::new();
        for (node, receiver) in self.nodes.clone() {
            let message = message.clone();
            tasks.spawn(async move { send_some(&node, &receiver, &message, each).await });
        }
        while let Some(sent) = tasks.join_next().await {
            sent.unwrap_or(Err(TaskError::Died))?;
        }
        Ok(())
    }
}

pub(super) async fn gather(task: &Task) -> Result<(), TaskError> {
    let builder = task.builder("receiver")?.group(GROUP);
    let (_node, mut events) = builder.start().await?;
    say("ready", "-")?;
    take_all(&mut events, &message(task)?, task.number("count")?).await
}

pub(super) async fn send_from_many(task: &Task) -> Result<(), TaskError> {
    let senders = Senders::start(task).await?;
    senders.send(&message(task)?, task.number("count")?).await?;
    // Until the receiver has all messages, and the parent ends this process.
    std::future::pending().await
}

pub(super) async fn gather_in_process(task: &Task) -> Result<(), TaskError> {
    let builder = task.builder("receiver")?.group(GROUP);
    let (_node, mut events) = builder.start().await?;
    let (message, count) = (message(task)?, task.number("count")?);
    let expected = message.clone();
    let taken = tokio::spawn(async move { take_all(&mut events, &expected, count).await });
    let senders = Senders::start(task).await?;
    senders.send(&message, count).await?;
    taken.await.unwrap_or(Err(TaskError::Died))
}
