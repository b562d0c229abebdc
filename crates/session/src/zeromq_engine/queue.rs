//! The queue between a mailbox and the task that owns its socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::budget::{Budget, Share};
use crate::engine::QueueParts;
use crate::reporter::Reporter;
use crate::send_queue::{Class, SendQueue, deadline_after};
use crate::sync::Notify;
use crate::{
    CloseReason, Closed, Identity, Link, LinkLimits, Message, PendingWrite, Queued, TrySendError,
};

/// A frame up to this size is copied into the queue: a shared one costs an
/// atomic count at each end, and keeps the whole buffer of which it is a part.
const COPY_BYTES: usize = 256;

/// Messages that a mailbox has accepted, bounded in what they cost until the
/// engine is done with them (not merely until it has taken them).
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    /// Notified when there is something to do for the task that owns the socket.
    work: Notify,
    budget: Share,
    limits: Arc<LinkLimits>,
    report: Reporter,
}

struct State {
    waiting: VecDeque<Message>,
    /// Messages that wait or are with the engine.
    messages: usize,
    /// What they cost.
    bytes: usize,
    link: Option<Link>,
    /// Set while closing: nothing more is accepted, and the queue is sent until
    /// then.
    closing: Option<Instant>,
    ended: bool,
    /// Messages that were here when it ended.
    lost: u64,
}

/// A message on its way out, counted until this is dropped.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    cost: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.release(self.cost);
    }
}

impl Queue {
    pub(crate) fn new(limits: Arc<LinkLimits>, parts: QueueParts) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                messages: 0,
                bytes: 0,
                link: None,
                closing: None,
                ended: false,
                lost: 0,
            }),
            changed: Notify::new(),
            work: Notify::new(),
            budget: Share::new(parts.budget),
            limits,
            report: parts.report,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is up. The library doesn't tell our end's address.
    pub(crate) fn up(&self, link: Link, remote: Option<SocketAddr>, identity: Option<Identity>) {
        self.lock().link = Some(link);
        self.report.up(link, None, remote, identity, None);
        self.changed.notify_waiters();
    }

    /// The connection, or the attempt, has ended. Only the first call counts.
    pub(crate) fn end(&self, reason: CloseReason) {
        let (lost, cost) = {
            let mut state = self.lock();
            if state.ended {
                return;
            }
            state.ended = true;
            state.lost = state.messages as u64;
            let waiting = std::mem::take(&mut state.waiting);
            let cost = waiting.iter().map(cost_of).sum::<usize>();
            state.messages = state.messages.saturating_sub(waiting.len());
            state.bytes = state.bytes.saturating_sub(cost);
            (state.lost, cost)
        };
        self.budget.give(cost);
        self.report.closed(reason, lost);
        self.changed.notify_waiters();
        self.work.notify_one();
    }

    /// The next message, unless as many as `in_flight` are with the engine.
    pub(crate) fn take(self: &Arc<Self>, in_flight: usize) -> Option<(Message, Ticket)> {
        let mut state = self.lock();
        if state.messages.saturating_sub(state.waiting.len()) >= in_flight {
            return None;
        }
        let message = state.waiting.pop_front()?;
        let ticket = Ticket {
            queue: Arc::clone(self),
            cost: cost_of(&message),
        };
        Some((message, ticket))
    }

    /// When the time for what is left is up, if the mailbox was closed.
    pub(crate) fn closing(&self) -> Option<Instant> {
        self.lock().closing
    }

    /// Notified when messages wait, when the engine may take more, and when the
    /// mailbox was closed. For one task.
    pub(crate) fn work(&self) -> &Notify {
        &self.work
    }

    fn release(&self, cost: usize) {
        let wake = {
            let mut state = self.lock();
            state.messages = state.messages.saturating_sub(1);
            state.bytes = state.bytes.saturating_sub(cost);
            state.closing.is_some() || !state.waiting.is_empty()
        };
        self.budget.give(cost);
        self.changed.notify_waiters();
        if wake {
            self.work.notify_one();
        }
    }
}

fn cost_of(message: &Message) -> usize {
    LinkLimits::cost(&message.head, &message.body)
}

impl SendQueue for Queue {
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError> {
        let cost = self.limits.cost_to_send(head, body)?;
        let mut state = self.lock();
        if state.ended || state.closing.is_some() {
            return Err(TrySendError::Closed);
        }
        if !self.limits.admit(&self.budget, class, cost, state.bytes) {
            return Err(TrySendError::Full);
        }
        let body = body.iter().map(|frame| {
            if frame.len() <= COPY_BYTES {
                Bytes::copy_from_slice(frame)
            } else {
                frame.clone()
            }
        });
        let message = Message {
            head: head.into(),
            body: body.collect(),
        };
        let idle = state.waiting.is_empty();
        state.waiting.push_back(message);
        state.messages = state.messages.saturating_add(1);
        state.bytes = state.bytes.saturating_add(cost);
        drop(state);
        // While messages wait, the task has been notified already.
        Ok(match idle {
            true => PendingWrite::by_task(&self.work),
            false => PendingWrite::by_others(),
        })
    }

    fn room(&self, cost: usize) -> Result<bool, Closed> {
        let state = self.lock();
        if state.ended || state.closing.is_some() {
            return Err(Closed);
        }
        Ok(self.limits.has_room(&self.budget, cost, state.bytes))
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }

    fn unsent(&self) -> u64 {
        let state = self.lock();
        if state.ended {
            state.lost
        } else {
            state.messages as u64
        }
    }

    fn ended(&self) -> bool {
        self.lock().ended
    }

    fn close(&self, linger: Duration) {
        let until = deadline_after(linger);
        {
            let mut state = self.lock();
            if state.closing.is_some_and(|already| already <= until) {
                return;
            }
            state.closing = Some(until);
        }
        self.changed.notify_waiters();
        self.work.notify_one();
    }

    fn queued(&self) -> Queued {
        let state = self.lock();
        Queued {
            messages: state.messages,
            bytes: state.bytes,
        }
    }

    fn link(&self) -> Option<Link> {
        self.lock().link
    }
}
