//! Writes to standard output.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// How many batches of lines may wait to be written.
const AHEAD: usize = 4;

/// How many bytes are written at once: progress is seen after each such part.
const PART: usize = 64 * 1024;

/// How long the reader may take for one part when the program is to end.
const STUCK: Duration = Duration::from_secs(1);

/// Standard output. A slow reader makes only the senders wait, because a thread of its
/// own does the writing.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    batches: mpsc::Sender<Vec<u8>>,
    /// Parts whose writing has begun, and ended: odd while one is being written.
    progress: Arc<AtomicU64>,
}

/// Gets the result of the writing once it has ended: everything was written, the reader
/// has gone (no error), or it failed.
pub(crate) type Written = oneshot::Receiver<std::io::Result<()>>;

impl Output {
    pub(crate) fn open() -> std::io::Result<(Self, Written)> {
        Self::to(|lines| {
            let mut output = std::io::stdout().lock();
            output.write_all(lines)?;
            output.flush()
        })
    }

    /// The same, but `put` takes the lines.
    pub(crate) fn to(
        put: impl FnMut(&[u8]) -> std::io::Result<()> + Send + 'static,
    ) -> std::io::Result<(Self, Written)> {
        let (batches, queue) = mpsc::channel(AHEAD);
        let (sender, written) = oneshot::channel();
        let progress = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&progress);
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                let result = match write(queue, put, &counter) {
                    Err(error) if reader_has_gone(&error) => Ok(()),
                    result => result,
                };
                let _ = sender.send(result);
            })?;
        Ok((Self { batches, progress }, written))
    }

    /// Writes whole lines. False once the reader has gone.
    pub(crate) async fn write(&self, lines: Vec<u8>) -> bool {
        lines.is_empty() || self.batches.send(lines).await.is_ok()
    }

    /// Completes when the reader has taken nothing for a second although something
    /// waits for it.
    pub(crate) fn stuck(&self) -> impl Future<Output = ()> + use<> {
        let progress = Arc::clone(&self.progress);
        async move {
            loop {
                let before = progress.load(Ordering::Relaxed);
                tokio::time::sleep(STUCK).await;
                if before % 2 == 1 && before == progress.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }

    /// Completes when the reader has gone, as far as a write has shown it.
    pub(crate) async fn closed(&self) {
        self.batches.closed().await;
    }
}

/// Windows has three errors for that; Rust knows two of them (109 and 232), this is
/// ERROR_PIPE_NOT_CONNECTED.
fn reader_has_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe || (cfg!(windows) && error.raw_os_error() == Some(233))
}

fn write(
    mut queue: mpsc::Receiver<Vec<u8>>,
    mut put: impl FnMut(&[u8]) -> std::io::Result<()>,
    progress: &AtomicU64,
) -> std::io::Result<()> {
    while let Some(lines) = queue.blocking_recv() {
        for part in lines.chunks(PART) {
            progress.fetch_add(1, Ordering::Relaxed);
            put(part)?;
            progress.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
