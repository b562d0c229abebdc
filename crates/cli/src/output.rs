//! Writes to standard output.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

/// How many batches of lines may wait to be written.
const AHEAD: usize = 4;

/// How many bytes are written at once: progress is seen after each such part.
const PART: usize = 64 * 1024;

/// How long the reader may take for one part when the program is to end.
const STUCK: Duration = Duration::from_secs(1);

/// Standard output. A slow reader makes only the senders wait: threads for what blocks do
/// the writing, and end when nothing has come for a while.
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
    /// Must be called inside the runtime, as `to`.
    pub(crate) fn open() -> (Self, Written) {
        Self::to(|lines| {
            let mut output = std::io::stdout().lock();
            output.write_all(lines)?;
            output.flush()
        })
    }

    /// The same, but `put` takes the lines.
    pub(crate) fn to(
        put: impl FnMut(&[u8]) -> std::io::Result<()> + Send + 'static,
    ) -> (Self, Written) {
        let (batches, queue) = mpsc::channel(AHEAD);
        let (sender, written) = oneshot::channel();
        let progress = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&progress);
        tokio::spawn(async move {
            let result = match write_all(queue, put, counter).await {
                Err(error) if reader_has_gone(&error) => Ok(()),
                result => result,
            };
            let _ = sender.send(result);
        });
        (Self { batches, progress }, written)
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

async fn write_all(
    mut queue: mpsc::Receiver<Vec<u8>>,
    mut put: impl FnMut(&[u8]) -> std::io::Result<()> + Send + 'static,
    progress: Arc<AtomicU64>,
) -> std::io::Result<()> {
    while let Some(mut lines) = queue.recv().await {
        let counter = Arc::clone(&progress);
        let writing = spawn_blocking(move || {
            loop {
                for part in lines.chunks(PART) {
                    counter.fetch_add(1, Ordering::Relaxed);
                    put(part)?;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                match queue.try_recv() {
                    Ok(more) => lines = more,
                    Err(_) => return Ok::<_, std::io::Error>((queue, put)),
                }
            }
        });
        (queue, put) = writing.await.map_err(std::io::Error::other)??;
    }
    Ok(())
}
