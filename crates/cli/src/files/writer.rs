//! Writes one received file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use zre::json::Member;
use zre::{Node, Peer};

use super::packet::{Id, Packet, WINDOW};
use super::store::{Opened, Store, StoreError};
use crate::bars::Bars;

/// How long a sender may be silent before its transfer is ended for the benefit of
/// other senders.
const IDLE: Duration = Duration::from_secs(60);

/// The number of written bytes after which an acknowledgement is sent.
const ACK_AFTER: u64 = WINDOW / 8;

/// An event of a transfer, in the format for scripts.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
pub(crate) struct Progress {
    #[serde(flatten)]
    pub(super) what: What,
    #[serde(flatten)]
    pub(super) peer: Member,
    pub(super) file: String,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum What {
    Receiving {
        size: u64,
        offset: u64,
    },
    Received {
        path: String,
        size: u64,
        sha256: String,
    },
    Refused {
        why: String,
    },
    Broken {
        offset: u64,
    },
}

/// An event from the thread that writes a file.
pub(super) struct WriteUpdate {
    pub(super) id: Id,
    pub(super) number: u64,
    pub(super) progress: Progress,
}

pub(super) fn progress(peer: &Peer, file: &str, what: What) -> Progress {
    Progress {
        what,
        peer: peer.into(),
        file: file.to_owned(),
    }
}

/// Writes one file on a thread of its own, because disks may be slow.
pub(super) struct Job {
    pub(super) node: Node,
    pub(super) peer: Peer,
    pub(super) directory: PathBuf,
    pub(super) file: String,
    pub(super) id: Id,
    pub(super) size: u64,
    pub(super) overwrite: bool,
    pub(super) number: u64,
    pub(super) pieces: mpsc::Receiver<(u64, Bytes)>,
    /// Whether the pieces end because another sender needs the place.
    pub(super) evicted: Arc<AtomicBool>,
    pub(super) updates: mpsc::UnboundedSender<WriteUpdate>,
    pub(super) bars: Bars,
    /// Dropped when the job ends, which closes the channel.
    pub(super) _over: oneshot::Sender<()>,
}

impl Job {
    pub(super) fn run(mut self, handle: &Handle) {
        let what = match self.take(handle) {
            Ok(what) => what,
            Err(why) => {
                let id = self.id.clone();
                let refusal = Packet::Refuse {
                    id,
                    why: why.clone(),
                };
                self.send(handle, &refusal);
                What::Refused { why }
            }
        };
        self.report(what);
    }

    /// # Errors
    /// The reason why the file isn't accepted, or no longer.
    fn take(&mut self, handle: &Handle) -> Result<What, String> {
        loop {
            let opened = Store::open(
                &self.directory,
                &self.file,
                self.id.clone(),
                self.size,
                self.overwrite,
            );
            let mut store = match opened.map_err(|error| error.to_string())? {
                Opened::Begun(store) => store,
                Opened::Complete => {
                    self.send_done(handle);
                    return Ok(self.received(&self.directory.join(&self.file)));
                }
            };
            let inherited = store.written() > 0;
            if !self.fill(handle, &mut store)? {
                let offset = store.written();
                return Ok(What::Broken { offset });
            }
            match store.finish() {
                // What lay here may be another sender's. It is deleted, and this sender
                // begins anew.
                Err(StoreError::Checksum) if inherited => {}
                finished => {
                    let path = finished.map_err(|error| error.to_string())?;
                    self.send_done(handle);
                    return Ok(self.received(&path));
                }
            }
        }
    }

    /// Receives what is missing. False if the sender has gone.
    fn fill(&mut self, handle: &Handle, store: &mut Store) -> Result<bool, String> {
        let id = self.id.clone();
        let (size, offset) = (self.size, store.written());
        self.report(What::Receiving { size, offset });
        let accept = Packet::Accept {
            id: id.clone(),
            offset,
        };
        self.send(handle, &accept);
        let bar = self.bars.bytes(&format!("receiving {}", self.file), size);
        let mut acknowledged = offset;
        while !store.is_complete() {
            bar.set_position(store.written());
            let piece = handle.block_on(tokio::time::timeout(IDLE, self.pieces.recv()));
            let Ok(piece) = piece else {
                bar.finish_and_clear();
                return Err(format!("nothing came for {IDLE:?}"));
            };
            let Some((offset, bytes)) = piece else {
                bar.finish_and_clear();
                if self.evicted.load(Ordering::Relaxed) {
                    return Err("another sender needed its place: try again later".into());
                }
                return Ok(false);
            };
            let fits = store.append(offset, &bytes);
            if !fits.map_err(|error| error.to_string())? {
                return Err("some bytes are missing or were sent twice".into());
            }
            let offset = store.written();
            if offset - acknowledged >= ACK_AFTER {
                acknowledged = offset;
                let id = id.clone();
                self.send(handle, &Packet::Ack { id, offset });
            }
        }
        bar.finish_and_clear();
        Ok(true)
    }

    fn send_done(&mut self, handle: &Handle) {
        // The sender may offer the same content again at once, under another name.
        self.pieces.close();
        let name = Some(self.file.clone());
        let id = self.id.clone();
        self.send(handle, &Packet::Done { id, name });
    }

    fn received(&self, path: &Path) -> What {
        What::Received {
            path: path.to_string_lossy().into_owned(),
            size: self.size,
            sha256: self.id.as_str().to_owned(),
        }
    }

    /// Errors are ignored: if the sender is gone, its exit ends the transfer.
    fn send(&self, handle: &Handle, packet: &Packet) {
        let sent = self.node.whisper(&self.peer, packet.message());
        let _ = handle.block_on(sent);
    }

    fn report(&self, what: What) {
        let _ = self.updates.send(WriteUpdate {
            id: self.id.clone(),
            number: self.number,
            progress: progress(&self.peer, &self.file, what),
        });
    }
}
