//! Whispers between two nodes: as many as possible, or one at a time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use zre::{Event, Events, Link, Message, Node, Peer};

use super::child::{TaskError, say};
use super::figures::{per_second, say_trips};
use super::process::{MeasureError, Process};
use super::task::{Task, free_port};

/// How many events are read at once.
const BATCH: usize = 1024;

/// How long two nodes may take to meet, which takes milliseconds.
const MEETING: Duration = Duration::from_secs(30);

/// A measurement: two processes, or one for links in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whispers<'a> {
    pub(crate) link: Link,
    /// The link engine: native, or zeromq.
    pub(crate) engine: &'static str,
    /// The size of a message, in bytes.
    pub(crate) size: usize,
    /// The number of frames of a message, 1 or 2.
    pub(crate) frames: usize,
    /// How many tasks of the sending node send in parallel.
    pub(crate) senders: usize,
    /// The number of messages or round trips.
    pub(crate) count: usize,
    /// Whether the nodes have keys.
    pub(crate) encrypted: bool,
    /// The directory for unix sockets.
    pub(crate) dir: &'a str,
}

impl Whispers<'_> {
    fn task(&self, role: &str, port: u16) -> Task {
        Task::new(role, self.link, self.dir)
            .encrypted(self.encrypted)
            .with("engine", self.engine)
            .with("port", port)
            .with("size", self.size)
            .with("frames", self.frames)
            .with("senders", self.senders)
            .with("count", self.total())
    }

    /// The number of messages of each task.
    fn total(&self) -> usize {
        (self.count / self.senders).max(1) * self.senders
    }

    async fn pair(&self, first: &str, second: &str) -> Result<(Process, Process), MeasureError> {
        let port = free_port()?;
        let mut waiting = Process::of(&self.task(first, port))?;
        waiting.hear("ready").await?;
        Ok((waiting, Process::of(&self.task(second, port))?))
    }

    /// Measures the messages per second, from the first arrival to the last.
    ///
    /// # Errors
    /// A child fails.
    pub(crate) async fn rate(&self) -> Result<f64, MeasureError> {
        let seconds = if self.link == Link::Inproc {
            let mut both = Process::of(&self.task("send-to-self", free_port()?))?;
            both.hear_number("seconds").await?
        } else {
            let (mut receiver, mut sender) = self.pair("receive", "send").await?;
            receiver.hear_number_beside("seconds", &mut sender).await?
        };
        Ok(per_second(self.total(), seconds))
    }

    /// Measures round trips, in microseconds: p50, p99 and p99.9 of the second half.
    ///
    /// # Errors
    /// A child fails.
    pub(crate) async fn trip(&self) -> Result<[f64; 3], MeasureError> {
        let (_echo, mut ping) = if self.link == Link::Inproc {
            let task = self.task("ping-self", free_port()?);
            (None, Process::of(&task)?)
        } else {
            let (echo, ping) = self.pair("echo", "ping").await?;
            (Some(echo), ping)
        };
        let mut trips = [0.0; 3];
        for (trip, word) in trips.iter_mut().zip(["p50", "p99", "p99.9"]) {
            *trip = ping.hear_number(word).await? / 1e3;
        }
        Ok(trips)
    }
}

pub(super) fn message(task: &Task) -> Result<Message, TaskError> {
    let size = task.number("size")?;
    // With two frames, the first one is a header, as in many programs.
    let head = size.min(8);
    Ok(match task.number("frames")? {
        1 => Message::from(vec![7; size]),
        _ => Message::from(vec![
            Bytes::from(vec![7; head]),
            Bytes::from(vec![8; size - head]),
        ]),
    })
}

/// Waits for the peer. It must be met over the measured link.
pub(super) async fn entered(task: &Task, events: &mut Events) -> Result<Peer, TaskError> {
    let enter = async {
        loop {
            match events.recv().await {
                Some(Event::Enter { peer }) => return Ok(peer),
                Some(_) => {}
                None => return Err(TaskError::Ended),
            }
        }
    };
    let entered = tokio::time::timeout(MEETING, enter).await;
    let peer = entered.unwrap_or(Err(TaskError::Nobody(MEETING)))?;
    task.check_link(&peer)?;
    Ok(peer)
}

pub(super) async fn take_all(
    events: &mut Events,
    message: &Message,
    count: usize,
) -> Result<(), TaskError> {
    let mut start: Option<Instant> = None;
    let mut seen = 0;
    let mut batch = Vec::with_capacity(BATCH);
    while seen < count {
        batch.clear();
        if events.recv_many(&mut batch, BATCH).await == 0 {
            return Err(TaskError::Ended);
        }
        for event in &batch {
            if let Event::Whisper { message: got, .. } = event {
                start.get_or_insert_with(Instant::now);
                if (got.len(), got.frame_count()) != (message.len(), message.frame_count()) {
                    return Err(TaskError::Altered);
                }
                seen += 1;
            }
        }
    }
    let taken = start.map_or(Duration::ZERO, |start| start.elapsed());
    say("seconds", taken.as_secs_f64())?;
    Ok(())
}

/// Sends all messages, in the number of tasks that the parent chose; this task is one
/// of the senders if there is only one.
async fn send_all(task: &Task, node: &Node, peer: &Peer) -> Result<(), TaskError> {
    let message = message(task)?;
    let senders = task.number("senders")?;
    let count = task.number("count")? / senders;
    let mut others = JoinSet::new();
    for _ in 1..senders {
        let (node, peer, message) = (node.clone(), peer.clone(), message.clone());
        others.spawn(async move { send_some(&node, &peer, &message, count).await });
    }
    send_some(node, peer, &message, count).await?;
    while let Some(sent) = others.join_next().await {
        sent.unwrap_or(Err(TaskError::Died))?;
    }
    Ok(())
}

pub(super) async fn send_some(
    node: &Node,
    peer: &Peer,
    message: &Message,
    count: usize,
) -> Result<(), TaskError> {
    for _ in 0..count {
        node.whisper(peer, message.clone()).await?;
    }
    Ok(())
}

pub(super) async fn receive(task: &Task) -> Result<(), TaskError> {
    let (_node, mut events) = task.builder("receiver")?.start().await?;
    say("ready", "-")?;
    take_all(&mut events, &message(task)?, task.number("count")?).await
}

pub(super) async fn send(task: &Task) -> Result<(), TaskError> {
    let (node, mut events) = task.builder("sender")?.start().await?;
    let peer = entered(task, &mut events).await?;
    send_all(task, &node, &peer).await?;
    // Waits until the receiver has all messages.
    while events.recv().await.is_some() {}
    Err(TaskError::Ended)
}

pub(super) async fn send_in_process(task: &Task) -> Result<(), TaskError> {
    let (node, mut events) = task.builder("sender")?.start().await?;
    let (_other, mut others) = task.builder("receiver")?.start().await?;
    let peer = entered(task, &mut events).await?;
    let (expected, count) = (message(task)?, task.number("count")?);
    let taken = tokio::spawn(async move { take_all(&mut others, &expected, count).await });
    send_all(task, &node, &peer).await?;
    taken.await.unwrap_or(Err(TaskError::Died))
}

async fn echo_all(node: Node, mut events: Events) -> Result<(), TaskError> {
    while let Some(event) = events.recv().await {
        if let Event::Whisper { peer, message } = event {
            node.whisper(&peer, message).await?;
        }
    }
    Err(TaskError::Ended)
}

async fn ping_all(task: &Task, node: &Node, mut events: Events) -> Result<(), TaskError> {
    let peer = entered(task, &mut events).await?;
    let message = message(task)?;
    let count = task.number("count")?;
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        node.whisper(&peer, message.clone()).await?;
        loop {
            match events.recv().await {
                Some(Event::Whisper { .. }) => break,
                Some(Event::Exit { .. }) | None => return Err(TaskError::Ended),
                Some(_) => {}
            }
        }
        let taken = start.elapsed().as_nanos();
        samples.push(u64::try_from(taken).unwrap_or(u64::MAX));
    }
    say_trips(samples)?;
    Ok(())
}

pub(super) async fn echo(task: &Task) -> Result<(), TaskError> {
    let (node, events) = task.builder("echo")?.start().await?;
    say("ready", "-")?;
    echo_all(node, events).await
}

pub(super) async fn ping(task: &Task) -> Result<(), TaskError> {
    let (node, events) = task.builder("ping")?.start().await?;
    ping_all(task, &node, events).await
}

pub(super) async fn ping_in_process(task: &Task) -> Result<(), TaskError> {
    let (other, others) = task.builder("echo")?.start().await?;
    tokio::spawn(echo_all(other, others));
    let (node, events) = task.builder("ping")?.start().await?;
    ping_all(task, &node, events).await
}
