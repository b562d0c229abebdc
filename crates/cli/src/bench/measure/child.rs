//! What all children have in common: a runtime, a way to be told something, a way
//! to say something, and an end.

use std::fmt::Display;
use std::future::Future;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use zre::{Link, SendError, StartError, WaitError};

/// Why a child can't do its task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("{0}: is the loopback interface up? `zre doctor --interface lo` looks")]
    Wait(#[from] WaitError),
    #[error(
        "nobody came in {0:?}: is the loopback interface up? `zre doctor --interface lo` looks"
    )]
    Nobody(Duration),
    #[error("the nodes have met over {met} and not over {wanted}: {wanted} can't be used here")]
    Link { met: Link, wanted: Link },
    #[error("what came isn't what was sent")]
    Altered,
    #[error("a shout went to {accepted} of {receivers}: the messages are too large for so many")]
    Few { accepted: usize, receivers: usize },
    #[error("the node has ended")]
    Ended,
    #[error("nothing to be done: {0}")]
    Words(String),
    #[error("the parent can't be talked to: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("a task of the child has died")]
    Died,
}

/// What the parent says to its child: a line at a time.
pub(crate) struct Told(mpsc::Receiver<()>);

impl Told {
    /// Waits until the parent says something.
    pub(crate) async fn recv(&mut self) {
        // The end: the whole child ends.
        let _ = self.0.recv().await;
    }
}

/// Does some work, and ends when it is done or the parent is gone, however that
/// came about.
pub(crate) fn child<W, F>(work: W) -> ExitCode
where
    W: FnOnce(Told) -> F,
    F: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    match run(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody hears it, the exit code says it.
            let _ = say("failed", error);
            ExitCode::FAILURE
        }
    }
}

fn run<W, F>(work: W) -> Result<(), TaskError>
where
    W: FnOnce(Told) -> F,
    F: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    let (lines, told) = mpsc::channel(1);
    let (alive, gone) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            let _alive = alive;
            for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
                // It may have heard enough.
                let _ = lines.blocking_send(());
            }
        })?;
    // What `#[tokio::main]` gives to those who don't ask for anything else.
    let runtime = tokio::runtime::Runtime::new()?;
    // On a worker, as a program's tasks are.
    let work = runtime.spawn(work(Told(told)));
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => done.unwrap_or(Err(TaskError::Died)),
            _ = gone => Ok(()),
        }
    });
    // The process ends now, whatever its tasks are doing.
    runtime.shutdown_background();
    done
}

/// Says something to the parent.
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
