//! Commands that join the network as a peer, do one thing, and leave.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zre::{Builder, Event, Events, Node, Peer, SendError, Uuid};

use crate::failure::Failure;
use crate::gathering::{Purpose, gather};
use crate::options::Options;
use crate::output::Output;
use crate::signals::Signals;
use crate::values::time;

/// How long leaving may take if a peer doesn't confirm its messages.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The options of all these commands.
#[derive(Args, Debug)]
pub(crate) struct VisitOptions {
    /// The maximum time to look for peers
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub(crate) wait: Duration,

    /// Write JSON lines
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) node: Options,
}

/// A node that runs for one command.
#[derive(Debug)]
pub(crate) struct Visit {
    node: Node,
    begun: Instant,
    /// Changes with every event.
    changes: watch::Receiver<()>,
}

/// What is known of the accepted messages after the node has left.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    /// The peers that went before they had confirmed all messages, each with the
    /// number of unconfirmed messages.
    pub(crate) lost: Vec<(Peer, u64)>,
}

/// Starts the node, does the work, and leaves. A signal ends the work; a second
/// signal ends the program without waiting for the node to leave.
pub(crate) async fn visit<T>(
    builder: Builder,
    work: impl AsyncFnOnce(&Visit) -> Result<T, Failure>,
) -> Result<(T, Departure), Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let (node, events) = tokio::select! {
        started = builder.start() => started?,
        () = signals.recv() => return Err(Failure::Interrupted),
    };
    let (changes, lost) = watch_events(events);
    let visit = Visit {
        node,
        begun: Instant::now(),
        changes,
    };
    let result = tokio::select! {
        result = work(&visit) => result,
        () = signals.recv() => Err(Failure::Interrupted),
    };
    tokio::select! {
        () = visit.node.shutdown_within(PATIENCE) => {}
        () = signals.recv() => return Err(Failure::Hurried),
    }
    let departure = Departure {
        // The events end with the node.
        lost: lost.await.unwrap_or_default(),
    };
    Ok((result?, departure))
}

/// Reads all events, because unread events would hold peers back.
fn watch_events(mut events: Events) -> (watch::Receiver<()>, JoinHandle<Vec<(Peer, u64)>>) {
    let (changed, changes) = watch::channel(());
    let lost = tokio::spawn(async move {
        let mut lost = Vec::new();
        while let Some(event) = events.recv().await {
            if let Event::Exit {
                peer, unconfirmed, ..
            } = event
                && unconfirmed > 0
            {
                lost.push((peer, unconfirmed));
            }
            changed.send_replace(());
        }
        lost
    });
    (changes, lost)
}

impl Visit {
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Calls `look` after each event until it finds something, and a last time when
    /// the time is over.
    pub(crate) async fn until<T>(
        &self,
        wait: Duration,
        mut look: impl FnMut(&Node) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + wait;
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(&self.node) {
                return Some(found);
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return look(&self.node),
            }
        }
    }

    /// Waits until all present peers have been met, at most until `wait` after the
    /// start of the node.
    pub(crate) async fn gather(&self, wait: Duration, purpose: Purpose) {
        gather(&self.node, self.begun, wait, purpose).await;
    }

    /// Waits for the peer with this UUID or name.
    ///
    /// # Errors
    /// The peer didn't come in time, or several peers have this name.
    pub(crate) async fn find(&self, wanted: &str, wait: Duration) -> Result<Peer, Failure> {
        let here = |node: &Node| match node.peer(wanted) {
            Err(SendError::Unknown(_)) => None,
            found => Some(found),
        };
        let absent = || Failure::Absent {
            peer: wanted.to_owned(),
            wait,
        };
        let found = self.until(wait, here).await.ok_or_else(absent)?;
        if Uuid::try_parse(wanted).is_ok() {
            return Ok(found?);
        }
        // Another peer may have the same name.
        self.gather(wait, Purpose::Act).await;
        here(&self.node).ok_or_else(absent)?.map_err(Failure::Send)
    }
}

/// Writes the output of a command.
pub(crate) async fn print(lines: Vec<u8>) -> Result<ExitCode, Failure> {
    let (output, written) = Output::open();
    output.write(lines).await;
    drop(output);
    match written.await {
        Ok(Err(error)) => Err(Failure::Output(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}
