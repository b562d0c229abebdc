//! Child processes, and their reports.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;

use super::task::Task;

/// How long to wait for a report of a child: longer than any measurement takes, even
/// on a slow machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long the cause of a failure may come after its effect.
const CAUSE: Duration = Duration::from_secs(5);

/// How many lines of a child may wait to be read.
const AHEAD: usize = 64;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    #[error("another process of this program can't be started: {0}")]
    Start(std::io::Error),
    #[error("there is no UDP port on loopback: {0}")]
    Port(std::io::Error),
    #[error("a process of the benchmark has failed: {0}")]
    Failed(String),
    #[error("process {id} of the benchmark has ended before it said {word:?}")]
    Ended { id: u32, word: String },
    #[error("no {word:?} from process {id} of the benchmark in {PATIENCE:?}: --quick sends less")]
    Silent { id: u32, word: String },
    #[error("a process of the benchmark said {0:?}, which is no number")]
    Garbled(String),
}

/// A child process. Dropping it kills the process and waits for its end.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts this program again, with a task.
    ///
    /// # Errors
    /// The process can't be started.
    pub(crate) fn of(task: &Task) -> Result<Process, MeasureError> {
        let program = std::env::current_exe().map_err(MeasureError::Start)?;
        let mut command = Command::new(program);
        command.args(task.to_args());
        // Ctrl-C must reach the parent only; the child ends when its parent has ended.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Process::start(&mut command)
    }

    /// # Errors
    /// The process can't be started.
    pub(crate) fn start(command: &mut Command) -> Result<Process, MeasureError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(MeasureError::Start)?;
        let (sender, lines) = mpsc::channel(AHEAD);
        let out = child.stdout.take();
        let process = Process { child, lines };
        std::thread::Builder::new()
            .name("child".into())
            .spawn(move || {
                let lines = out.map(|out| BufReader::new(out).lines());
                for line in lines.into_iter().flatten().map_while(Result::ok) {
                    if sender.blocking_send(line).is_err() {
                        return;
                    }
                }
            })
            .map_err(MeasureError::Start)?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the value that the child reports under this word; skips other words.
    ///
    /// # Errors
    /// The child fails, ends, or is silent for too long.
    pub(crate) async fn hear(&mut self, word: &str) -> Result<String, MeasureError> {
        let id = self.id();
        let hear = async {
            while let Some(line) = self.lines.recv().await {
                match line.split_once(' ') {
                    Some((said, value)) if said == word => return Ok(value.to_owned()),
                    Some(("failed", why)) => return Err(MeasureError::Failed(why.to_owned())),
                    _ => {}
                }
            }
            let word = word.to_owned();
            Err(MeasureError::Ended { id, word })
        };
        match tokio::time::timeout(PATIENCE, hear).await {
            Ok(heard) => heard,
            Err(_) => {
                let word = word.to_owned();
                Err(MeasureError::Silent { id, word })
            }
        }
    }

    /// Like `hear`, with a number as the value.
    ///
    /// # Errors
    /// Those of `hear`, and a value that isn't a number.
    pub(crate) async fn hear_number(&mut self, word: &str) -> Result<f64, MeasureError> {
        let value = self.hear(word).await?;
        value.parse().map_err(|_| MeasureError::Garbled(value))
    }

    /// Like `hear_number`, for a child that depends on another one. The other child
    /// reports nothing except a failure.
    ///
    /// # Errors
    /// Those of `hear_number`; also if the other child fails or ends first.
    pub(crate) async fn hear_number_beside(
        &mut self,
        word: &str,
        other: &mut Process,
    ) -> Result<f64, MeasureError> {
        let failed = tokio::select! {
            biased;
            number = self.hear_number(word) => return number,
            nothing = other.hear_number(word) => nothing,
        };
        // The other child may have failed only because its peer is gone. Then the
        // failure of the peer is the cause to report.
        let first = tokio::time::timeout(CAUSE, self.hear_number(word)).await;
        first.unwrap_or(failed)
    }

    /// Sends a line to the child.
    pub(crate) fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.child.stdin {
            // If that fails, the child has ended, and the next `hear` reports it.
            let _ = writeln!(input, "{line}");
        }
    }

    /// Kills the child (SIGKILL).
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
