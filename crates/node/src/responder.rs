use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zre_proto::reply_header;

use crate::delivery::{deliver, try_deliver};
use crate::open_requests::OpenRequests;
use crate::{Message, Peer, ReplyError, SendPolicy};

/// Answers one request: once.
///
/// When it and all its clones are dropped without an answer, the peer learns at
/// once that no answer will come, unless the queue to the peer is full: then the
/// peer waits until its own time limit. A responder may be held for as long as the
/// answer takes; the peer decides how long it waits, and discards a late answer.
#[derive(Clone)]
pub struct Responder {
    call: Arc<Call>,
}

/// A request that isn't answered yet.
pub(crate) struct Call {
    peer: Peer,
    /// The peer's number for it, which its answer repeats.
    their_id: u64,
    /// Our number for it, unique among the requests of all peers.
    id: u64,
    /// Whether an answer is in the queue, or about to be.
    answered: AtomicBool,
    policy: SendPolicy,
    requests: Arc<OpenRequests>,
}

impl Responder {
    pub(crate) fn new(
        peer: Peer,
        their_id: u64,
        policy: SendPolicy,
        requests: &Arc<OpenRequests>,
    ) -> Self {
        let call = requests.open(|id| Call {
            peer,
            their_id,
            id,
            answered: AtomicBool::new(false),
            policy,
            requests: requests.clone(),
        });
        Self { call }
    }

    /// The number under which [`Node::reply`](crate::Node::reply) answers this
    /// request. No other request to this node has the same.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.call.id
    }

    /// Keeps the request open although its responders are dropped: until
    /// [`Node::reply`](crate::Node::reply) answers it by its [`id`](Self::id), or its
    /// peer exits.
    ///
    /// A node keeps up to 1,024 requests of a peer, and gives up that peer's oldest
    /// one for a further one. It keeps up to 65,536 of all peers. Beyond that, or if the
    /// request is answered, its peer has exited or the node has stopped, this returns
    /// false and keeps nothing.
    #[allow(clippy::must_use_candidate, reason = "there is little to do about it")]
    pub fn keep(&self) -> bool {
        self.call.requests.keep(&self.call)
    }

    /// Sends the answer. `Ok` means that it is in the queue to the peer; if that is
    /// full, the node's [`SendPolicy`] decides.
    ///
    /// # Errors
    /// The peer has gone, the answer finds no room or is too large, or a clone has
    /// answered already. Nothing was sent; if there is no other clone and the
    /// request isn't [kept](Self::keep), the peer learns that no answer will come.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, no answer was sent.
    pub async fn reply(self, message: impl Into<Message>) -> Result<(), ReplyError> {
        let turn = self.call.turn()?;
        let mut header = reply_header(self.call.their_id, true, 0);
        let policy = self.call.policy;
        deliver(&self.call.peer, &mut header, &message.into(), policy).await?;
        turn.done();
        Ok(())
    }

    /// Like [`reply`](Self::reply), but never waits: a full queue is an error,
    /// whatever the policy.
    ///
    /// # Errors
    /// The same as for [`reply`](Self::reply).
    pub fn try_reply(self, message: impl Into<Message>) -> Result<(), ReplyError> {
        let turn = self.call.turn()?;
        let mut header = reply_header(self.call.their_id, true, 0);
        try_deliver(&self.call.peer, &mut header, &message.into())?;
        turn.done();
        Ok(())
    }

    /// The responder for a request that is open.
    pub(crate) fn of(call: Arc<Call>) -> Self {
        Self { call }
    }
}

/// The right to answer, given back when it is dropped.
struct Turn<'a>(Option<&'a Call>);

impl Turn<'_> {
    /// The answer is in the queue.
    fn done(mut self) {
        if let Some(call) = self.0.take() {
            call.requests.close(call.peer.uuid(), call.id);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.0 {
            call.answered.store(false, Ordering::Release);
        }
    }
}

impl Call {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// # Errors
    /// A clone answers, or has answered.
    fn turn(&self) -> Result<Turn<'_>, ReplyError> {
        if self.answered.swap(true, Ordering::AcqRel) {
            return Err(ReplyError::Answered);
        }
        Ok(Turn(Some(self)))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.requests.close(self.peer.uuid(), self.id);
        if *self.answered.get_mut() {
            return;
        }
        let mut header = reply_header(self.their_id, false, 0);
        if let Err(error) = try_deliver(&self.peer, &mut header, &Message::new()) {
            tracing::debug!(uuid = %self.peer.uuid(), id = self.their_id, %error,
                "couldn't tell the peer that no answer will come");
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("peer", &self.peer.uuid())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The request that an answer is for: its [`Responder`], or its
/// [number](Responder::id).
///
/// ```no_run
/// # async fn run(node: zre::Node, responder: zre::Responder) -> Result<(), zre::ReplyError> {
/// let id = responder.id();
/// responder.keep();
/// drop(responder);
/// // Later, perhaps in another task:
/// node.reply(id, "here it is").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub enum RequestRef {
    /// The responder itself.
    Responder(Responder),
    /// The number of a request that is open: one of its responders exists, or it
    /// was [kept](Responder::keep).
    Id(u64),
}

impl From<Responder> for RequestRef {
    fn from(responder: Responder) -> Self {
        Self::Responder(responder)
    }
}

impl From<u64> for RequestRef {
    fn from(id: u64) -> Self {
        Self::Id(id)
    }
}
