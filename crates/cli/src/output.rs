//! What goes to standard output.

use std::io::{ErrorKind, Write};

use tokio::sync::{mpsc, oneshot};

/// How many pieces may wait for standard output to take them.
const AHEAD: usize = 4;

/// The way to standard output. Whoever reads it slowly makes senders wait, and
/// nothing else: the writing happens on a thread of its own.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pieces: mpsc::Sender<Vec<u8>>,
}

/// Tells once how the writing ended: all was written, nobody reads it any more
/// (no error), or it can't be written.
pub(crate) type Written = oneshot::Receiver<std::io::Result<()>>;

impl Output {
    pub(crate) fn open() -> std::io::Result<(Self, Written)> {
        Self::to(|lines| {
            let mut output = std::io::stdout().lock();
            output.write_all(lines)?;
            output.flush()
        })
    }

    /// The same way, to wherever `put` puts whole lines.
    pub(crate) fn to(
        put: impl FnMut(&[u8]) -> std::io::Result<()> + Send + 'static,
    ) -> std::io::Result<(Self, Written)> {
        let (pieces, queue) = mpsc::channel(AHEAD);
        let (sender, written) = oneshot::channel();
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                let result = match write(queue, put) {
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                    result => result,
                };
                let _ = sender.send(result);
            })?;
        Ok((Self { pieces }, written))
    }

    /// Writes whole lines. False once nobody takes them.
    pub(crate) async fn write(&self, lines: Vec<u8>) -> bool {
        lines.is_empty() || self.pieces.send(lines).await.is_ok()
    }

    /// Completes when nobody reads the output any more, as far as a write has
    /// shown it.
    pub(crate) async fn closed(&self) {
        self.pieces.closed().await;
    }
}

fn write(
    mut queue: mpsc::Receiver<Vec<u8>>,
    mut put: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    while let Some(lines) = queue.blocking_recv() {
        put(&lines)?;
    }
    Ok(())
}
