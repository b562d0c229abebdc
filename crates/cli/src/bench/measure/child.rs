//! The common part of all child processes: a runtime, messages from and to the
//! parent, and the end.

use std::fmt::Display;
use std::future::Future;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use zre::{KeyError, Link, SendError, StartError, WaitError};

/// Why a child can't do its task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("{0}: is the loopback interface up? `zre doctor --interface lo` looks")]
    Wait(#[from] WaitError),
    #[error(
        "no peer came in {0:?}: is the loopback interface up? `zre doctor --interface lo` looks"
    )]
    Nobody(Duration),
    #[error("the nodes have met over {met} and not over {wanted}: {wanted} can't be used here")]
    Link { met: Link, wanted: Link },
    #[error("a received message differs from the sent one")]
    Altered,
    #[error("a shout went to {accepted} of {receivers}: the messages are too large for so many")]
    Few { accepted: usize, receivers: usize },
    #[error("the node has ended")]
    Ended,
    #[error("unknown task: {0}")]
    Words(String),
    #[error("the connection to the parent failed: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("a task of the child has died")]
    Died,
}

/// The lines that the parent sends to its child.
pub(crate) struct ParentLines(mpsc::Receiver<()>);

impl ParentLines {
    /// Waits for a line of the parent.
    pub(crate) async fn recv(&mut self) {
        // `None` at the end, when the whole child ends.
        let _ = self.0.recv().await;
    }
}

/// Runs `work`, and ends when it is done or the parent is gone for any reason.
pub(crate) fn child<W, F>(work: W) -> ExitCode
where
    W: FnOnce(ParentLines) -> F,
    F: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    match run(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If the parent is gone, only the exit code reports the failure.
            let _ = say("failed", error);
            ExitCode::FAILURE
        }
    }
}

fn run<W, F>(work: W) -> Result<(), TaskError>
where
    W: FnOnce(ParentLines) -> F,
    F: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    let (lines, received) = mpsc::channel(1);
    let (alive, gone) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            let _alive = alive;
            for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
                // The task may not wait for lines any more.
                let _ = lines.blocking_send(());
            }
        })?;
    // The same runtime as `#[tokio::main]` builds by default.
    let runtime = tokio::runtime::Runtime::new()?;
    // On a worker thread, as the tasks of a program are.
    let work = runtime.spawn(work(ParentLines(received)));
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => done.unwrap_or(Err(TaskError::Died)),
            _ = gone => Ok(()),
        }
    });
    // The process ends now, without waiting for its tasks.
    runtime.shutdown_background();
    done
}

/// Sends a line to the parent.
///
/// # Errors
/// The parent is gone.
pub(crate) fn say(word: &str, value: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word} {value}")?;
    out.flush()
}

/// The clock that all processes of the host share, in nanoseconds.
pub(crate) fn wall_clock() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos())
}
