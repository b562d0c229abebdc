//! Commands that come as a peer, do one thing, and leave.

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

/// How long leaving may take if a peer doesn't confirm what was sent to it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The options of all these commands.
#[derive(Args, Debug)]
pub(crate) struct VisitOptions {
    /// How long to look for peers at most
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub(crate) wait: Duration,

    /// Write JSON lines
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) node: Options,
}

/// A node that stays for the time of one command.
#[derive(Debug)]
pub(crate) struct Visit {
    node: Node,
    begun: Instant,
    /// Changes with every event.
    changes: watch::Receiver<()>,
}

/// What the network said of messages that were accepted.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    /// Peers that went before they had confirmed all, each with the number of
    /// messages in doubt.
    pub(crate) lost: Vec<(Peer, u64)>,
}

/// Starts the node, does the work, and leaves. A signal ends the work, and a
/// second one the leaving.
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

/// Reads events, so that none holds a peer back.
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

    /// Looks again after each event until something is found, and a last time
    /// when the time is over.
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

    /// Waits until everybody who is here has been met, or the time since the node
    /// started is over.
    pub(crate) async fn gather(&self, wait: Duration, purpose: Purpose) {
        gather(&self.node, self.begun, wait, purpose).await;
    }

    /// The peer of that UUID or name.
    ///
    /// # Errors
    /// It didn't come in time, or several have that name.
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
        // Another may have the same name.
        self.gather(wait, Purpose::Act).await;
        here(&self.node).ok_or_else(absent)?.map_err(Failure::Send)
    }
}

/// Writes everything that a command has to say.
pub(crate) async fn print(lines: Vec<u8>) -> Result<ExitCode, Failure> {
    let (output, written) = Output::open().map_err(Failure::System)?;
    output.write(lines).await;
    drop(output);
    match written.await {
        Ok(Err(error)) => Err(Failure::Output(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}
