//! Measures how long nodes take to meet, and to notice that a peer has gone.

use std::time::{Duration, Instant};

use zre::{Event, Events, Link};

use super::child::{ParentLines, TaskError, say, wall_clock};
use super::process::{MeasureError, Process};
use super::task::{Task, free_port};
use super::whisper::entered;

/// A measurement: one node watches while others come and go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meeting<'a> {
    pub(crate) link: Link,
    /// The number of nodes that come.
    pub(crate) visits: usize,
    /// Whether the nodes have keys.
    pub(crate) encrypted: bool,
    /// The directory for unix sockets.
    pub(crate) dir: &'a str,
}

impl Meeting<'_> {
    /// Starts a child with this role and port.
    ///
    /// # Errors
    /// The process can't be started.
    pub(crate) fn start(&self, role: &str, port: u16) -> Result<Process, MeasureError> {
        let task = Task::new(role, self.link, self.dir).encrypted(self.encrypted);
        Process::of(&task.with("port", port))
    }

    /// Milliseconds from just before `start()` to the later one of the two Enters.
    ///
    /// # Errors
    /// A child fails.
    pub(crate) async fn meet(&self) -> Result<Vec<f64>, MeasureError> {
        if self.link == Link::Inproc {
            return self.in_process("met").await;
        }
        let port = free_port()?;
        let mut watcher = self.start("watch", port)?;
        watcher.hear("ready").await?;
        let mut samples = Vec::with_capacity(self.visits);
        for _ in 0..self.visits {
            pause().await;
            let mut visitor = self.start("visit", port)?;
            let begin = clock(&mut visitor, "begin").await?;
            let entered = clock(&mut visitor, "enter").await?;
            let seen = entered.max(clock(&mut watcher, "enter").await?);
            visitor.kill();
            clock(&mut watcher, "exit-disconnected").await?;
            samples.push(milliseconds(begin, seen));
        }
        Ok(samples)
    }

    /// Milliseconds until the watcher's Exit: from just before `shutdown()`, and
    /// from just before SIGKILL (not measured within one process).
    ///
    /// # Errors
    /// A child fails.
    pub(crate) async fn leave(&self) -> Result<[Vec<f64>; 2], MeasureError> {
        if self.link == Link::Inproc {
            return Ok([self.in_process("left").await?, Vec::new()]);
        }
        let port = free_port()?;
        let mut watcher = self.start("watch", port)?;
        watcher.hear("ready").await?;
        let mut samples = [Vec::new(), Vec::new()];
        for _ in 0..self.visits {
            for (kills, samples) in [false, true].into_iter().zip(&mut samples) {
                let mut visitor = self.start("visit", port)?;
                visitor.hear("enter").await?;
                watcher.hear("enter").await?;
                pause().await;
                let (from, word) = if kills {
                    let now = wall_clock();
                    visitor.kill();
                    (now, "exit-disconnected")
                } else {
                    visitor.tell("stop");
                    (clock(&mut visitor, "stop").await?, "exit-goodbye")
                };
                samples.push(milliseconds(from, clock(&mut watcher, word).await?));
            }
        }
        Ok(samples)
    }

    /// The figures that a child reports for visits within one process.
    async fn in_process(&self, word: &str) -> Result<Vec<f64>, MeasureError> {
        let task = Task::new("visit-self", self.link, self.dir)
            .with("port", free_port()?)
            .with("visits", self.visits);
        let mut both = Process::of(&task)?;
        let mut samples = Vec::with_capacity(self.visits);
        for _ in 0..self.visits {
            samples.push(both.hear_number(word).await? / 1e6);
        }
        Ok(samples)
    }
}

/// Waits until earlier activity has ended: it could make the next meeting faster.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(130)).await;
}

/// The milliseconds between two readings of the clock.
pub(crate) fn milliseconds(from: u128, to: u128) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

/// The reading of the clock that a child reports under this word.
///
/// # Errors
/// The child fails, or doesn't report it.
pub(crate) async fn clock(process: &mut Process, word: &str) -> Result<u128, MeasureError> {
    let text = process.hear(word).await?;
    text.parse().map_err(|_| MeasureError::Garbled(text))
}

/// Reports when each peer came, became silent and went.
pub(super) async fn watch(task: &Task) -> Result<(), TaskError> {
    let (_node, mut events) = task.builder("watcher")?.start().await?;
    say("ready", "-")?;
    while let Some(event) = events.recv().await {
        let now = wall_clock();
        match event {
            Event::Enter { peer } => {
                task.check_link(&peer)?;
                say("enter", now)?;
            }
            Event::Exit { reason, .. } => say(&format!("exit-{reason}"), now)?,
            Event::Evasive { .. } => say("evasive", now)?,
            _ => {}
        }
    }
    Err(TaskError::Ended)
}

/// Starts a node, waits for a line of the parent, and leaves.
pub(super) async fn visit(task: &Task, mut parent: ParentLines) -> Result<(), TaskError> {
    let builder = task.builder("visitor")?;
    say("begin", wall_clock())?;
    let (node, mut events) = builder.start().await?;
    entered(task, &mut events).await?;
    say("enter", wall_clock())?;
    parent.recv().await;
    say("stop", wall_clock())?;
    node.shutdown().await;
    Ok(())
}

/// Starts one node after the other in this process, each of which leaves before the
/// next. Reports how many nanoseconds each meeting and each exit took.
pub(super) async fn visit_in_process(task: &Task) -> Result<(), TaskError> {
    let (_node, mut events) = task.builder("watcher")?.start().await?;
    for _ in 0..task.number("visits")? {
        pause().await;
        let builder = task.builder("visitor")?;
        let begin = Instant::now();
        let (node, mut own) = builder.start().await?;
        let here = async { (entered(task, &mut events).await, begin.elapsed()) };
        let there = async { (entered(task, &mut own).await, begin.elapsed()) };
        let ((watcher, seen), (visitor, sees)) = tokio::join!(here, there);
        watcher.and(visitor)?;
        say("met", seen.max(sees).as_nanos())?;
        pause().await;
        let begin = Instant::now();
        let gone = async { (exited(&mut events).await, begin.elapsed()) };
        let ((exit, taken), ()) = tokio::join!(gone, node.shutdown());
        exit?;
        say("left", taken.as_nanos())?;
    }
    Ok(())
}

async fn exited(events: &mut Events) -> Result<(), TaskError> {
    loop {
        match events.recv().await {
            Some(Event::Exit { .. }) => return Ok(()),
            Some(_) => {}
            None => return Err(TaskError::Ended),
        }
    }
}
