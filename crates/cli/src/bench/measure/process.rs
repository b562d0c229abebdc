//! Children, and what they say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;

use super::task::Task;

/// How long a child may say nothing that is waited for: longer than anything takes
/// on a machine that isn't hopelessly slow.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long the cause of a failure may come after its effect.
const CAUSE: Duration = Duration::from_secs(5);

/// How many lines may wait to be heard.
const AHEAD: usize = 64;

/// Why something can't be measured.
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

/// A child that is ended when it isn't wanted any more: dropping it kills it, and
/// waits until it is gone.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// This program again, with a task.
    ///
    /// # Errors
    /// The system refuses a process.
    pub(crate) fn of(task: &Task) -> Result<Process, MeasureError> {
        let program = std::env::current_exe().map_err(MeasureError::Start)?;
        let mut command = Command::new(program);
        command.args(task.to_args());
        // Ctrl-C is for the parent: such a child ends when its parent has ended.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Process::start(&mut command)
    }

    /// # Errors
    /// The system refuses a process.
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

    /// The value that the child says under this word; other words are skipped.
    ///
    /// # Errors
    /// It fails, ends, or keeps silent for too long.
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

    /// As `hear`, with a number for a value.
    ///
    /// # Errors
    /// As `hear`, and it isn't one.
    pub(crate) async fn hear_number(&mut self, word: &str) -> Result<f64, MeasureError> {
        let value = self.hear(word).await?;
        value.parse().map_err(|_| MeasureError::Garbled(value))
    }

    /// As `hear_number`, where the child depends on another, which has nothing to
    /// say but that it failed.
    ///
    /// # Errors
    /// As `hear_number`; also if the other fails or ends first.
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
        // The other may have failed only because its peer is gone. Then that is
        // what should be told.
        let first = tokio::time::timeout(CAUSE, self.hear_number(word)).await;
        first.unwrap_or(failed)
    }

    /// Gives the child a line to read.
    pub(crate) fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.child.stdin {
            // A child that doesn't hear it has ended, and won't say what is
            // waited for next.
            let _ = writeln!(input, "{line}");
        }
    }

    /// Ends the child without a warning: SIGKILL.
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
