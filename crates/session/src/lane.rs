//! One connection's way into the inbox, and the ends at which it is filled and
//! emptied.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use tokio::sync::Notify;

use crate::budget::Budget;
use crate::intake::{Intake, wake};
use crate::memory::Memory;
use crate::unread::{Piece, Unread};
use crate::{CloseReason, Link, Message, Source};

/// The lane's end was reached; the reason is for the one who feeds it.
#[derive(Clone, Debug)]
pub(crate) struct Gone(pub(crate) CloseReason);

/// Why a message in memory isn't taken.
pub(crate) enum Refused {
    Full,
    Gone,
}

/// One connection's way into the inbox.
pub(crate) struct Lane {
    connection: u64,
    from: Arc<Source>,
    pub(crate) state: Mutex<LaneState>,
    /// What the lane's messages count against. It tells when something was
    /// released.
    total: Arc<Budget>,
}

/// What a lane holds. Its intake looks at it, to put the lane in line.
pub(crate) struct LaneState {
    pub(crate) unread: Unread,
    /// What `unread` costs, and what is in batches that are still held.
    held: usize,
    filler: Filler,
    opened: bool,
    pub(crate) end_told: bool,
    /// In `ready`, or being visited.
    pub(crate) scheduled: bool,
}

/// Who fills a lane, and is told of its end.
///
/// One pointer each: among a thousand nodes of one process there are a million
/// lanes.
enum Filler {
    /// What reads a socket. Told when the lane has ended, and only then: who waits
    /// for the end of a busy lane isn't to be woken for each batch.
    Reader(Arc<Notify>),
    /// A mailbox of this process.
    Mailbox(Weak<Memory>),
    /// Nobody any more: the lane has ended, for this reason.
    Nobody(Box<CloseReason>),
}

/// What a lane has to say next.
pub(crate) enum Visit {
    Opened,
    Batch(Piece),
    Closed(CloseReason),
    Done,
}

impl LaneState {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.filler, Filler::Nobody(_))
    }

    fn reason(&self) -> Option<CloseReason> {
        match &self.filler {
            Filler::Nobody(reason) => Some(CloseReason::clone(reason)),
            _ => None,
        }
    }

    /// Ends it. Only the first reason counts: then there is somebody to tell.
    pub(crate) fn end(&mut self, reason: &CloseReason) -> Option<Ended> {
        if self.has_ended() {
            return None;
        }
        let nobody = Filler::Nobody(Box::new(reason.clone()));
        Some(Ended(std::mem::replace(&mut self.filler, nobody)))
    }
}

/// Who filled a lane that has just ended, and wants to know.
#[must_use]
pub(crate) struct Ended(Filler);

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    pub(crate) fn new(connection: u64, source: Arc<Source>, total: Arc<Budget>) -> Arc<Self> {
        let filler = match source.link {
            Link::Inproc => Filler::Mailbox(Weak::new()),
            _ => Filler::Reader(Arc::default()),
        };
        let state = LaneState {
            unread: Unread::default(),
            held: 0,
            filler,
            opened: false,
            end_told: false,
            scheduled: false,
        };
        Arc::new(Self {
            connection,
            from: source,
            state: Mutex::new(state),
            total,
        })
    }

    /// Tells those who fill the lane that it has ended, with so many messages
    /// in it that nobody will read.
    pub(crate) fn tell_end(&self, ended: &Ended, reason: &CloseReason, unread: u64) {
        self.total.freed().notify_waiters();
        match &ended.0 {
            Filler::Reader(waiting) => waiting.notify_waiters(),
            Filler::Mailbox(mailbox) => {
                if let Some(mailbox) = mailbox.upgrade() {
                    mailbox.lane_ended(reason, unread);
                }
            }
            Filler::Nobody(_) => {}
        }
    }

    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }

    pub(crate) fn from(&self) -> &Arc<Source> {
        &self.from
    }

    /// What the lane has to say next.
    pub(crate) fn visit(&self) -> Visit {
        let mut inner = lock(&self.state);
        if !inner.opened {
            inner.opened = true;
            return Visit::Opened;
        }
        if let Some(piece) = inner.unread.take() {
            return Visit::Batch(piece);
        }
        match inner.reason() {
            Some(reason) if !inner.end_told => {
                inner.end_told = true;
                Visit::Closed(reason)
            }
            _ => Visit::Done,
        }
    }

    /// Gives back what a batch had held.
    fn release(&self, cost: usize) {
        {
            let mut inner = lock(&self.state);
            inner.held = inner.held.saturating_sub(cost);
        }
        self.total.give(cost);
    }

    /// Throws away what nobody will read.
    pub(crate) fn discard(&self) {
        let cost = {
            let mut inner = lock(&self.state);
            std::mem::take(&mut inner.unread).cost()
        };
        self.release(cost);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let waiting = self
            .state
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .unread
            .cost();
        // What was never read still counted against the total.
        if waiting > 0 {
            self.total.give(waiting);
        }
    }
}

/// Keeps what a batch costs counted until it is dropped.
pub(crate) struct Hold {
    lane: Arc<Lane>,
    cost: usize,
}

impl Hold {
    pub(crate) fn new(lane: &Arc<Lane>, cost: usize) -> Self {
        Self {
            lane: Arc::clone(lane),
            cost,
        }
    }

    pub(crate) fn cost(&self) -> usize {
        self.cost
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lane.release(self.cost);
    }
}

/// The end at which a lane is filled. Dropping it ends the lane (`Local`, if
/// nobody had said why).
pub(crate) struct Feeder {
    intake: Arc<Intake>,
    lane: Arc<Lane>,
}

impl Feeder {
    pub(crate) fn new(intake: Arc<Intake>, lane: Arc<Lane>) -> Self {
        Self { intake, lane }
    }

    /// The connection's number.
    pub(crate) fn connection(&self) -> u64 {
        self.lane.connection
    }

    /// Puts messages that have already come in into the lane, whatever the
    /// bounds say. Afterwards [`has_room`](Self::has_room) says whether to read
    /// on.
    pub(crate) fn push(&self, mut messages: Unread) -> Result<(), Gone> {
        let cost = messages.cost();
        let mut inner = lock(&self.lane.state);
        if let Some(reason) = inner.reason() {
            return Err(Gone(reason));
        }
        inner.unread.append(&mut messages);
        inner.held = inner.held.saturating_add(cost);
        self.lane.total.force(cost);
        let reader = self.intake.schedule(&self.lane, &mut inner);
        drop(inner);
        wake(reader);
        Ok(())
    }

    /// Puts a message into the lane if it keeps within `limit` for the lane
    /// and within the lane's total, each with `reserve` added. One that is
    /// larger than `limit` is taken when the lane holds nothing. The inbox's
    /// reader, if there is one to wake, is the caller's to wake.
    pub(crate) fn try_push(
        &self,
        message: impl FnOnce() -> Message,
        cost: usize,
        limit: usize,
        reserve: usize,
    ) -> Result<Option<Waker>, Refused> {
        let mut inner = lock(&self.lane.state);
        if inner.has_ended() {
            return Err(Refused::Gone);
        }
        let fits =
            inner.held == 0 || inner.held.saturating_add(cost) <= limit.saturating_add(reserve);
        if !fits || !self.lane.total.take(cost, reserve) {
            return Err(Refused::Full);
        }
        inner.unread.push(message(), cost);
        inner.held = inner.held.saturating_add(cost);
        Ok(self.intake.schedule(&self.lane, &mut inner))
    }

    /// Has the mailbox that fills the lane told of its end, or says why it has
    /// ended already.
    pub(crate) fn tell(&self, sender: Weak<Memory>) -> Result<(), Gone> {
        let mut inner = lock(&self.lane.state);
        if let Some(reason) = inner.reason() {
            return Err(Gone(reason));
        }
        inner.filler = Filler::Mailbox(sender);
        Ok(())
    }

    /// What the lane's messages count against.
    pub(crate) fn total(&self) -> &Budget {
        &self.lane.total
    }

    /// Whether more of this connection may be read: from the socket, that is.
    pub(crate) fn has_room(&self) -> bool {
        let held = lock(&self.lane.state).held;
        held < self.intake.limits().inbox_bytes_per_connection.max(1) && self.lane.total.has(1)
    }

    /// Waits until more of this connection may be read, or its lane has ended.
    ///
    /// Cancel safe: nothing is taken.
    pub(crate) async fn room(&self) -> Result<(), Gone> {
        loop {
            let freed = self.lane.total.freed().notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(reason) = self.end() {
                return Err(Gone(reason));
            }
            if self.has_room() {
                return Ok(());
            }
            freed.await;
        }
    }

    /// Waits until the lane, which is of a connection over a socket, has ended
    /// from the inside.
    pub(crate) async fn gone(&self) -> CloseReason {
        let ended = match &lock(&self.lane.state).filler {
            Filler::Reader(ended) => Arc::clone(ended),
            Filler::Mailbox(_) => Arc::default(),
            Filler::Nobody(reason) => return CloseReason::clone(reason),
        };
        loop {
            let ended = ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Some(reason) = self.end() {
                return reason;
            }
            ended.await;
        }
    }

    /// Why the lane has ended, if it has.
    pub(crate) fn end(&self) -> Option<CloseReason> {
        lock(&self.lane.state).reason()
    }

    /// How much of it is held, and in how many unread messages.
    pub(crate) fn held(&self) -> (usize, usize) {
        let inner = lock(&self.lane.state);
        (inner.unread.len(), inner.held)
    }

    /// Whether the lane has ended.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.lane.state).has_ended()
    }

    /// Ends the lane: its reader gets what is in it, then this reason.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.intake.finish(&self.lane, reason);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.intake.finish(&self.lane, CloseReason::Local);
    }
}
