//! A peer whose HELLO came and that doesn't have ours yet.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::bounds::HELD_FRAME;
use super::remote_hello::RemoteHello;
use crate::hello_headers::is_reserved;
use crate::{Frames, Hello, MessageLimits};

/// A peer that has greeted us and that we haven't greeted.
#[derive(Debug)]
pub(super) struct PendingPeer {
    pub(super) hello: RemoteHello,
    pub(super) name: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) held: HeldMessages,
}

impl PendingPeer {
    pub(super) fn new(remote: RemoteHello, hello: Hello, held: HeldMessages) -> Self {
        let mut headers = hello.headers;
        headers.retain(|key, _| !is_reserved(key));
        if headers.is_empty() {
            // An emptied map keeps half a kilobyte for its next entry.
            headers = BTreeMap::new();
        }
        Self {
            hello: remote,
            name: hello.name,
            headers,
            held,
        }
    }
}

/// Messages that wait for our mailbox to open.
#[derive(Debug)]
pub(super) struct HeldMessages {
    messages: Vec<(Box<[u8]>, Frames)>,
    bytes: usize,
    /// Bytes that are held for all peers together.
    total: Arc<AtomicUsize>,
}

impl HeldMessages {
    pub(super) fn new(total: &Arc<AtomicUsize>) -> Self {
        Self {
            messages: Vec::new(),
            bytes: 0,
            total: total.clone(),
        }
    }

    /// Returns false, and holds nothing more, if that would exceed a limit.
    pub(super) fn push(&mut self, header: &[u8], content: Frames, limits: &MessageLimits) -> bool {
        let frames = content.iter().map(Bytes::len).chain([header.len()]);
        let bytes = frames
            .map(|len| len.saturating_add(HELD_FRAME))
            .fold(0, usize::saturating_add);
        let own = self.bytes.saturating_add(bytes);
        let total = self.total.load(Ordering::Relaxed).saturating_add(bytes);
        if own > limits.held_bytes_per_peer || total > limits.held_bytes {
            return false;
        }
        self.bytes = own;
        self.total.store(total, Ordering::Relaxed);
        self.messages.push((header.into(), content));
        true
    }

    pub(super) fn take(&mut self) -> Vec<(Box<[u8]>, Frames)> {
        mem::take(&mut self.messages)
    }
}

impl Drop for HeldMessages {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
