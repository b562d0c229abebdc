//! What a mailbox reports of itself.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::mailbox_registry::{MailboxRegistry, Slot};
use crate::sync::{AtomicU32, Mutex};
use crate::{CloseReason, Identity, Link, Notice};

/// How far a mailbox has come, as its notices tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Up,
    Closed,
}

/// Reports on one mailbox. It keeps what [`Notice`] promises: one `Up` at most,
/// exactly one `Closed`, nothing after it. Dropping the reporter of a mailbox
/// that hasn't ended reports that it was closed here: its task has died with its
/// runtime.
pub(crate) struct Reporter {
    id: u64,
    /// Where it is reported, and the mailbox's slot there.
    registry: Arc<MailboxRegistry>,
    slot: Slot,
    stage: Mutex<Stage>,
    /// Messages that were accepted and weren't handed over, once it has closed.
    lost: AtomicU32,
}

impl Reporter {
    pub(crate) fn new(id: u64, registry: &Arc<MailboxRegistry>, slot: Slot) -> Self {
        Self {
            id,
            registry: Arc::clone(registry),
            slot,
            stage: Mutex::new(Stage::Connecting),
            lost: AtomicU32::new(0),
        }
    }

    /// Reports that the mailbox is connected.
    pub(crate) fn up(
        &self,
        link: Link,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
        identity: Option<Identity>,
        key: Option<[u8; 32]>,
    ) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage != Stage::Connecting {
            return;
        }
        *stage = Stage::Up;
        self.registry.notify(Notice::Up {
            id: self.id,
            link,
            local,
            remote,
            identity,
            key,
        });
    }

    /// Reports that the mailbox has ended. Only the first call counts.
    pub(crate) fn closed(&self, reason: CloseReason, lost: u64) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage == Stage::Closed {
            return;
        }
        *stage = Stage::Closed;
        self.lost
            .store(u32::try_from(lost).unwrap_or(u32::MAX), Ordering::Release);
        tracing::debug!(id = self.id, %reason, lost, "mailbox ended");
        let id = self.id;
        // Under the lock: no `Up` can come after it.
        self.registry.notify(Notice::Closed { id, reason, lost });
        drop(stage);
        self.registry.remove(self.slot);
    }

    /// How many messages [`closed`](Self::closed) reported as lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire).into()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.closed(CloseReason::Local, 0);
    }
}
