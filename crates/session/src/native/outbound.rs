//! The queue of one mailbox, and who writes it.
//!
//! # Who writes
//!
//! A message that finds the queue idle is written at once, in the caller's
//! thread: the socket doesn't block, so that this is one system call without a
//! switch of tasks. A message that comes soon after the last write, or after
//! writes to many other peers ([`Pace`]), is left to the task, together with the
//! messages that follow it: a stream of small messages shares its system calls.
//! A caller that keeps filling the queue writes after every [`BATCH`] bytes. Once
//! the kernel takes no more, only the task writes, when the kernel does again.
//!
//! Messages are encoded under the queue's lock; nothing is sealed or written under
//! it. The writer takes the queue along (the [`Flight`]), and others go on queueing
//! behind it. A caller may write later than it queues ([`PendingWrite`]); until it
//! does, nobody else is woken to write.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use zre_zmtp::Sealer;

use super::flight::Flight;
use super::pool;
use super::queue::Queue;
use super::stream::Stream;
use crate::budget::{Budget, Share};
use crate::engine::{LocalSide, QueueParts};
use crate::pace::{Moment, Pace};
use crate::reporter::Reporter;
use crate::send_queue::{Class, SendQueue, deadline_after};
use crate::sync::{Mutex, MutexGuard, Notify};
use crate::{CloseReason, Closed, Identity, Link, LinkLimits, PendingWrite, Queued, TrySendError};

/// How many queued bytes make a caller write.
const BATCH: u64 = 64 << 10;

/// The most bytes that are written before others get their turn.
const TURN: usize = 1 << 20;

/// The queue of one mailbox, and what writes it.
pub(super) struct Outbound {
    state: Mutex<State>,
    changed: Notify,
    /// Notified when there is something to do for the task.
    work: Notify,
    budget: Share,
    pace: Arc<Pace>,
    limits: Arc<LinkLimits>,
    report: Reporter,
}

struct State {
    /// What is queued behind the flight, and what that costs.
    queue: Queue,
    queue_cost: usize,
    /// What is written next; `None` while somebody writes it, and before the
    /// connection is up.
    flight: Option<Flight>,
    /// What the flight still costs, wherever it is.
    flight_cost: usize,
    /// Messages that were accepted and not handed to the kernel.
    messages: usize,
    /// The kernel takes no more; the task waits until it does.
    blocked: bool,
    /// The task has been notified and hasn't looked yet.
    notified: bool,
    /// A caller is about to write what is queued.
    promised: bool,
    /// There is a PONG in the queue. One at a time is enough.
    answered: bool,
    last_write: Moment,
    stage: Stage,
    link: Option<Link>,
    /// Set while closing: nothing more is accepted, and the queue is written until
    /// then.
    closing: Option<Instant>,
    /// Why writing failed; the task ends the mailbox with it.
    failed: Option<CloseReason>,
    lost: u64,
}

impl State {
    fn new(seals: bool) -> Self {
        Self {
            queue: Queue::new(seals),
            queue_cost: 0,
            flight: None,
            flight_cost: 0,
            messages: 0,
            blocked: false,
            notified: false,
            promised: false,
            answered: false,
            last_write: Moment::default(),
            stage: Stage::Connecting,
            link: None,
            closing: None,
            failed: None,
            lost: 0,
        }
    }

    /// What all messages cost that were accepted and not written.
    fn held(&self) -> usize {
        self.queue_cost.saturating_add(self.flight_cost)
    }

    /// Takes the right to write, if nobody else has it and there is something to
    /// write.
    fn take_flight(&mut self) -> Option<Flight> {
        let flight = self.flight.as_mut()?;
        if flight.is_empty() {
            if self.queue.is_empty() {
                return None;
            }
            self.flight_cost = std::mem::take(&mut self.queue_cost);
            flight.load(&mut self.queue, self.flight_cost);
            self.answered = false;
        }
        self.flight.take()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Up,
    Ended,
}

/// What the task has to do next.
pub(super) enum Next {
    /// Everything is written, or somebody else writes: wait to be notified.
    Rest,
    /// Wait until the socket is writable.
    Blocked,
    /// There is more: let others have their turn, then go on.
    Turn,
    /// Everything is written and the mailbox was closed.
    Done,
    /// Writing failed.
    Failed(CloseReason),
}

impl Outbound {
    pub(super) fn new(local: &LocalSide, parts: QueueParts) -> Arc<Self> {
        let QueueParts {
            budget,
            pace,
            report,
        } = parts;
        Arc::new(Self {
            state: Mutex::new(State::new(local.mechanism.seals())),
            changed: Notify::new(),
            work: Notify::new(),
            budget: Share::new(budget),
            pace,
            limits: Arc::clone(&local.limits),
            report,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notified when the task has something to do.
    pub(super) fn work(&self) -> &Notify {
        &self.work
    }

    /// The connection is up: messages may flow.
    pub(super) fn up(
        &self,
        stream: &Arc<Stream>,
        sealer: Option<Box<dyn Sealer>>,
        identity: Option<Identity>,
        key: Option<[u8; 32]>,
    ) {
        let (local, remote) = (stream.local(), stream.remote());
        {
            let mut state = self.lock();
            state.stage = Stage::Up;
            state.link = Some(stream.link());
            state.flight = Some(Flight::new(Arc::clone(stream), sealer));
        }
        self.report.up(stream.link(), local, remote, identity, key);
        self.changed.notify_waiters();
    }

    /// The connection, or the attempt, has ended. Only the first call counts.
    pub(super) fn end(&self, reason: CloseReason) {
        let (lost, cost, dropped) = {
            let mut state = self.lock();
            if state.stage == Stage::Ended {
                return;
            }
            state.stage = Stage::Ended;
            // A caller may be writing the flight: then it isn't known to be lost.
            let flying = state.flight.as_ref().map_or(0, Flight::messages);
            state.lost = state.queue.messages().saturating_add(flying) as u64;
            let cost = state.held();
            let queue = std::mem::replace(&mut state.queue, Queue::new(false));
            (state.queue_cost, state.flight_cost) = (0, 0);
            (state.lost, cost, (queue, state.flight.take()))
        };
        // The last holder closes the socket, not under the lock.
        drop(dropped);
        self.budget.give(cost);
        self.report.closed(reason, lost);
        self.changed.notify_waiters();
    }

    /// The deadline for what is still queued, if the mailbox was closed.
    pub(super) fn closing(&self) -> Option<Instant> {
        self.lock().closing
    }

    /// Whether the mailbox was closed with nothing left to send.
    pub(super) fn is_done(&self) -> bool {
        let state = self.lock();
        state.closing.is_some() && state.messages == 0
    }

    /// Answers a PING. While an answer is still queued, further ones are
    /// dropped: a peer that floods us with PINGs still hears that we live.
    pub(super) fn answer(&self, context: &[u8]) {
        let mut state = self.lock();
        if state.answered || state.stage != Stage::Up {
            return;
        }
        state.answered = true;
        state.queue.push_pong(context);
    }

    /// Writes what is queued, as far as the socket and the turn of others allow.
    pub(super) fn pump(&self) -> Next {
        let mut written = 0;
        loop {
            let mut flight = {
                let mut state = self.lock();
                state.notified = false;
                state.blocked = false;
                if let Some(reason) = &state.failed {
                    return Next::Failed(reason.clone());
                }
                let Some(flight) = state.take_flight() else {
                    let all = state.flight.is_some() && state.messages == 0;
                    return match state.closing {
                        Some(_) if all => Next::Done,
                        _ => Next::Rest,
                    };
                };
                flight
            };
            let result = flight.write(TURN.saturating_sub(written));
            written = written.saturating_add(*result.as_ref().unwrap_or(&0));
            let left = !flight.is_empty();
            match self.land(flight, &result, true) {
                Landed::Failed(reason) => return Next::Failed(reason),
                Landed::Ok if left && written < TURN => return Next::Blocked,
                Landed::Ok if written >= TURN => return Next::Turn,
                Landed::Ok => {}
            }
        }
    }

    /// Gives the right to write back. A caller that leaves something behind
    /// notifies the task.
    fn land(&self, mut flight: Flight, result: &io::Result<usize>, task: bool) -> Landed {
        let cost_left = flight.cost_left();
        let empty = flight.is_empty();
        let mut notify = false;
        let mut spare = [None, None];
        let (given, landed) = {
            let mut state = self.lock();
            if state.stage == Stage::Ended {
                return Landed::Failed(CloseReason::Local);
            }
            if empty && state.queue.is_empty() {
                // Idle. While there is more to write the buffers stay, however
                // large: what follows would need new memory.
                spare = [flight.release(), state.queue.release()];
            }
            // Written bytes give their share of the cost back.
            let given = state.flight_cost.saturating_sub(cost_left);
            state.flight_cost = state.flight_cost.saturating_sub(given);
            let flying = flight.messages();
            state.messages = state.queue.messages().saturating_add(flying);
            state.last_write = self.pace.note_write();
            state.flight = Some(flight);
            let landed = match result {
                Ok(_) => {
                    state.blocked = !empty;
                    let more = !empty || !state.queue.is_empty() || state.closing.is_some();
                    if !task && more && !state.notified {
                        state.notified = true;
                        notify = true;
                    }
                    Landed::Ok
                }
                Err(error) => {
                    // The kernel tells the reason once. Another caller may have failed since.
                    let reason = CloseReason::from_io(error);
                    let reason = state.failed.get_or_insert(reason).clone();
                    notify = !task;
                    Landed::Failed(reason)
                }
            };
            (given, landed)
        };
        spare.into_iter().flatten().for_each(pool::put);
        if given > 0 {
            self.budget.give(given);
        }
        self.changed.notify_waiters();
        if notify {
            self.work.notify_one();
        }
        landed
    }
}

enum Landed {
    Ok,
    Failed(CloseReason),
}

impl SendQueue for Outbound {
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError> {
        let cost = self.limits.cost_to_send(head, body)?;
        let mut state = self.lock();
        if state.stage == Stage::Ended || state.closing.is_some() {
            return Err(TrySendError::Closed);
        }
        if !self.limits.admit(&self.budget, class, cost, state.held()) {
            return Err(TrySendError::Full);
        }
        let up = state.stage == Stage::Up;
        let idle = state.queue.is_empty();
        let at_once =
            up && idle && !state.blocked && self.pace.is_slow(self.pace.now(), state.last_write);
        if up && idle && !at_once {
            state.queue.make_room();
        }
        state.queue.push_message(head, body);
        state.queue_cost = state.queue_cost.saturating_add(cost);
        state.messages = state.messages.saturating_add(1);
        let somebody_writes = state.flight.is_none() || state.promised;
        if !up || state.blocked || somebody_writes {
            return Ok(PendingWrite::by_others());
        }
        if at_once || state.queue.bytes() >= BATCH {
            state.promised = true;
            return Ok(PendingWrite::by_caller(self));
        }
        if state.notified {
            return Ok(PendingWrite::by_others());
        }
        state.notified = true;
        Ok(PendingWrite::by_task(&self.work))
    }

    fn write_pending(&self) {
        let flight = {
            let mut state = self.lock();
            state.promised = false;
            state.take_flight()
        };
        // The task may have been faster.
        if let Some(mut flight) = flight {
            let result = flight.write(TURN);
            // The task reports a failure; the message was accepted.
            let _ = self.land(flight, &result, false);
        }
    }

    fn room(&self, cost: usize) -> Result<bool, Closed> {
        let state = self.lock();
        if state.stage == Stage::Ended || state.closing.is_some() {
            return Err(Closed);
        }
        Ok(self.limits.has_room(&self.budget, cost, state.held()))
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }

    fn unsent(&self) -> u64 {
        let state = self.lock();
        match state.stage {
            Stage::Ended => state.lost,
            _ => state.messages as u64,
        }
    }

    fn ended(&self) -> bool {
        self.lock().stage == Stage::Ended
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
            bytes: state.held(),
        }
    }

    fn link(&self) -> Option<Link> {
        self.lock().link
    }
}

#[cfg(test)]
mod threads;

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::pin::pin;
    use std::sync::Weak;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;
    use tokio::sync::mpsc;
    use zre_zmtp::Null;

    use super::*;
    use crate::mailbox_registry::MailboxRegistry;

    /// More than a socket takes at once.
    const LARGE: usize = 8 << 20;

    /// A mailbox that is up, without the task that writes for it, and the other end.
    fn mailbox() -> (Arc<Outbound>, Arc<Stream>, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a pair");
        let (notices, _) = mpsc::unbounded_channel();
        let registry = Arc::new(MailboxRegistry::new(notices));
        let slot = registry.reserve();
        let limits = Arc::new(LinkLimits::default());
        let parts = QueueParts {
            budget: Arc::new(Budget::new(limits.queue_bytes_total)),
            pace: Arc::new(Pace::new()),
            report: Reporter::new(1, &registry, slot),
        };
        let local = LocalSide {
            identity: Identity::new("test").expect("short"),
            mechanism: Arc::new(Null),
            limits,
            admission: None,
        };
        let outbound = Outbound::new(&local, parts);
        let queue: Weak<Outbound> = Arc::downgrade(&outbound);
        registry.register(slot, queue);
        let stream = Arc::new(Stream::Unix(near));
        outbound.up(&stream, None, None, None);
        (outbound, stream, far)
    }

    fn send(outbound: &Outbound, bytes: usize) -> PendingWrite<'_> {
        let body = [Bytes::from(vec![7; bytes])];
        outbound.enqueue(&[], &body, Class::Data).expect("room")
    }

    /// Whether the task has been woken since the last call.
    fn woken(outbound: &Outbound) -> bool {
        pin!(outbound.work().notified()).enable()
    }

    #[tokio::test]
    async fn a_caller_that_leaves_something_wakes_the_task() {
        let (outbound, stream, mut far) = mailbox();
        send(&outbound, LARGE).write();
        assert!(woken(&outbound), "the socket is full");
        assert!(matches!(outbound.pump(), Next::Blocked));

        // The task writes the rest as the other end reads.
        let reader = tokio::spawn(async move {
            let mut read = vec![0; LARGE];
            far.read_exact(&mut read).await.unwrap();
        });
        while !matches!(outbound.pump(), Next::Rest) {
            stream.writable().await.unwrap();
        }
        reader.await.unwrap();
        assert_eq!(outbound.unsent(), 0);
        assert!(!woken(&outbound));
    }

    #[tokio::test]
    async fn every_message_is_written_or_wakes_the_task() {
        let (outbound, _stream, _far) = mailbox();
        for _ in 0..10 {
            send(&outbound, 10).write();
            if woken(&outbound) {
                assert!(matches!(outbound.pump(), Next::Rest));
            }
            assert_eq!(outbound.unsent(), 0);
        }
    }

    #[tokio::test]
    async fn what_is_queued_while_a_caller_writes_wakes_the_task() {
        let (outbound, _stream, _far) = mailbox();
        let pending = send(&outbound, 10);
        let mut flight = outbound.lock().take_flight().unwrap();
        let result = flight.write(TURN);
        send(&outbound, 10).write();
        assert!(!woken(&outbound), "another one writes");
        assert_eq!(outbound.unsent(), 2);
        assert!(matches!(outbound.land(flight, &result, false), Landed::Ok));
        assert!(woken(&outbound));
        assert!(matches!(outbound.pump(), Next::Rest));
        assert_eq!(outbound.unsent(), 0);
        drop(pending);
    }

    #[tokio::test]
    async fn a_mailbox_that_is_closed_while_a_caller_writes_ends() {
        let (outbound, _stream, _far) = mailbox();
        let pending = send(&outbound, 10);
        let mut flight = outbound.lock().take_flight().unwrap();
        let result = flight.write(TURN);
        outbound.close(Duration::from_secs(1));
        assert!(woken(&outbound));
        assert!(matches!(outbound.pump(), Next::Rest), "another one writes");
        outbound.land(flight, &result, false);
        assert!(woken(&outbound), "nobody else looks whether all is written");
        assert!(matches!(outbound.pump(), Next::Done));
        drop(pending);
    }

    #[tokio::test]
    async fn a_failed_write_of_a_caller_ends_the_mailbox() {
        let (outbound, _stream, far) = mailbox();
        drop(far);
        send(&outbound, 10).write();
        assert!(woken(&outbound));
        assert!(matches!(outbound.pump(), Next::Failed(_)));
        // The task knows of its own failures.
        let (outbound, _stream, far) = mailbox();
        drop(far);
        let pending = send(&outbound, 10);
        assert!(matches!(outbound.pump(), Next::Failed(_)));
        assert!(!woken(&outbound));
        drop(pending);
    }
}
