use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zre_proto::reply_header;

use crate::delivery::{deliver, try_deliver};
use crate::{Message, Peer, ReplyError, SendPolicy};

/// Answers one request: once.
///
/// Dropping it, and all its clones, without an answer tells the peer at once
/// that there won't be one, unless the queue to it is full: then the peer waits
/// until its patience ends. It may be kept for as long as the answer takes; the
/// peer says how long it waits, and a late answer is thrown away there.
#[derive(Clone)]
pub struct Responder {
    call: Arc<Call>,
}

struct Call {
    peer: Peer,
    id: u64,
    /// Whether an answer is in the queue, or about to be.
    answered: AtomicBool,
    policy: SendPolicy,
}

impl Responder {
    pub(crate) fn new(peer: Peer, id: u64, policy: SendPolicy) -> Self {
        Self {
            call: Arc::new(Call {
                peer,
                id,
                answered: AtomicBool::new(false),
                policy,
            }),
        }
    }

    /// Sends the answer. `Ok` says that it is in the queue to the peer; where
    /// that is full, the node's [`SendPolicy`] decides.
    ///
    /// # Errors
    /// The peer is gone, the answer finds no room or is too large, or a clone
    /// has answered already. It went nowhere; where there is no other clone, the
    /// peer is told that there is no answer.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, no answer was sent.
    pub async fn reply(self, message: impl Into<Message>) -> Result<(), ReplyError> {
        let Some(turn) = self.call.turn() else {
            return Err(ReplyError::Answered);
        };
        let mut header = reply_header(self.call.id, true, 0);
        let policy = self.call.policy;
        deliver(&self.call.peer, &mut header, &message.into(), policy).await?;
        turn.done();
        Ok(())
    }

    /// As [`reply`](Self::reply), but never waits: a full queue is an error,
    /// whatever the policy.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub fn try_reply(self, message: impl Into<Message>) -> Result<(), ReplyError> {
        let Some(turn) = self.call.turn() else {
            return Err(ReplyError::Answered);
        };
        let mut header = reply_header(self.call.id, true, 0);
        try_deliver(&self.call.peer, &mut header, &message.into())?;
        turn.done();
        Ok(())
    }
}

/// The right to answer, given back when it is dropped.
struct Turn<'a>(Option<&'a AtomicBool>);

impl Turn<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(answered) = self.0 {
            answered.store(false, Ordering::Release);
        }
    }
}

impl Call {
    /// `None` where somebody else has it, or has used it.
    fn turn(&self) -> Option<Turn<'_>> {
        let taken = self.answered.swap(true, Ordering::AcqRel);
        (!taken).then_some(Turn(Some(&self.answered)))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if *self.answered.get_mut() {
            return;
        }
        let mut header = reply_header(self.id, false, 0);
        if let Err(error) = try_deliver(&self.peer, &mut header, &Message::new()) {
            tracing::debug!(uuid = %self.peer.uuid(), id = self.id, %error,
                "couldn't say that there is no answer");
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("peer", &self.call.peer.uuid())
            .field("id", &self.call.id)
            .finish_non_exhaustive()
    }
}
