//! What stands behind a mailbox: its queue, already in wire form.
//!
//! # Who writes
//!
//! A message that finds the queue idle is written at once, in the caller's
//! thread: the socket doesn't block, so this costs one system call and no
//! switch of tasks. A message that comes soon after the last write, or after
//! many to other peers ([`Pace`]), is left to the task instead, together with
//! what follows it, and so a stream of small messages shares its system calls; a
//! caller that keeps filling the
//! queue writes what has come together every [`BATCH`] bytes. Once the kernel
//! takes no more, only the task writes, when it does again.
//!
//! Encoding happens under the queue's lock, sealing and writing never: the one who writes
//! takes what is queued along (the [`Flight`]), others go on queueing behind. A
//! caller may write later than it queues ([`PendingWrite`]); while it is expected
//! to, nobody else is woken for that.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use zre_zmtp::{Encoder, READ_CHUNK, Sealer};

use super::pool;
use super::stream::Stream;
use super::unsealed::Unsealed;
use crate::budget::Budget;
use crate::mailbox::{Class, Outlet, PendingWrite, Queued, measure};
use crate::notices::Reporter;
use crate::pace::{Moment, Pace};
use crate::{CloseReason, Closed, Identity, Link, LinkLimits, TrySendError};

/// How many queued bytes make a caller write.
const BATCH: usize = 64 << 10;

/// Most bytes that are written before others get their turn.
const TURN: usize = 1 << 20;

/// A buffer up to this size stays with an idle mailbox: enough for the small
/// messages that keep a session alive.
const IDLE_BUFFER: usize = 512;

/// The queue of one mailbox, and what writes it.
pub(super) struct Outbound {
    state: Mutex<State>,
    changed: Notify,
    /// Told when there is something to do for the task.
    work: Notify,
    budget: Arc<Budget>,
    pace: Arc<Pace>,
    limits: LinkLimits,
    report: Reporter,
}

struct State {
    /// What is queued, and what that costs.
    open: Open,
    open_cost: usize,
    /// What is being written; `None` while someone writes it.
    flight: Option<Flight>,
    /// What the flight still costs, wherever it is.
    flight_cost: usize,
    /// Accepted and not handed to the kernel.
    messages: usize,
    /// The kernel takes no more; the task waits until it does.
    blocked: bool,
    /// The task has been told and hasn't looked yet.
    told: bool,
    /// A caller is about to write what is queued.
    promised: bool,
    /// PONGs in `open`: one at a time.
    answered: bool,
    last_write: Moment,
    stage: Stage,
    link: Option<Link>,
    /// No more is accepted; what is here goes out until then.
    closing: Option<tokio::time::Instant>,
    /// Why writing failed; the task ends the mailbox with it.
    failed: Option<CloseReason>,
    lost: u64,
}

/// What is queued and nobody writes yet.
enum Open {
    /// In wire form.
    Encoded(Encoder),
    /// As it was sent: the one who writes it seals it.
    Unsealed(Unsealed),
}

impl Open {
    fn new(seals: bool) -> Self {
        match seals {
            false => Self::Encoded(Encoder::default()),
            true => Self::Unsealed(Unsealed::default()),
        }
    }

    fn push_message(&mut self, head: &[u8], body: &[Bytes]) {
        match self {
            Self::Encoded(encoder) => encoder.push_message(head, body),
            Self::Unsealed(unsealed) => unsealed.push_message(head, body),
        }
    }

    fn push_pong(&mut self, context: &[u8]) {
        match self {
            Self::Encoded(encoder) => encoder.push_pong(context),
            Self::Unsealed(unsealed) => unsealed.push_pong(context),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Encoded(encoder) => encoder.is_empty(),
            Self::Unsealed(unsealed) => unsealed.is_empty(),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Encoded(encoder) => encoder.bytes(),
            Self::Unsealed(unsealed) => unsealed.bytes(),
        }
    }

    fn messages(&self) -> usize {
        match self {
            Self::Encoded(encoder) => encoder.messages(),
            Self::Unsealed(unsealed) => unsealed.messages(),
        }
    }

    /// Gets room for many messages, if there is none yet.
    fn make_room(&mut self) {
        if let Self::Encoded(encoder) = self
            && encoder.capacity() < READ_CHUNK
        {
            encoder.lend(pool::take());
        }
    }

    /// Gives up the memory of what is empty, if it is much.
    fn release(&mut self) -> Option<BytesMut> {
        match self {
            Self::Encoded(encoder) => encoder.release(IDLE_BUFFER),
            Self::Unsealed(unsealed) => {
                unsealed.release();
                None
            }
        }
    }
}

impl State {
    fn new(seals: bool) -> Self {
        Self {
            open: Open::new(seals),
            open_cost: 0,
            flight: None,
            flight_cost: 0,
            messages: 0,
            blocked: false,
            told: false,
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

    /// What is accepted and not written costs.
    fn held(&self) -> usize {
        self.open_cost.saturating_add(self.flight_cost)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Up,
    Ended,
}

/// The right to write, and what is to be written first.
pub(super) struct Flight {
    encoder: Encoder,
    /// What goes into the encoder when there is room, if the mechanism seals.
    unsealed: Unsealed,
    /// What all of it cost, and how many bytes that was, when it was taken.
    cost: usize,
    bytes: u64,
    stream: Arc<Stream>,
}

impl Flight {
    fn is_empty(&self) -> bool {
        self.encoder.is_empty() && self.unsealed.is_empty()
    }

    fn messages(&self) -> usize {
        let unsealed = self.unsealed.messages();
        self.encoder.messages().saturating_add(unsealed)
    }

    /// Bytes still to be written, without what sealing adds to those that aren't
    /// sealed.
    fn left(&self) -> u64 {
        self.encoder.bytes().saturating_add(self.unsealed.bytes())
    }
}

/// What the task is to do next.
pub(super) enum Next {
    /// Everything is written, or someone else writes: wait to be told.
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
    /// `seals`: whether what is queued is to be sealed before it is written.
    pub(super) fn new(
        seals: bool,
        limits: LinkLimits,
        budget: Arc<Budget>,
        pace: Arc<Pace>,
        report: Reporter,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(seals)),
            changed: Notify::new(),
            work: Notify::new(),
            budget,
            pace,
            limits,
            report,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told when the task has something to do.
    pub(super) fn work(&self) -> &Notify {
        &self.work
    }

    /// The connection stands: messages may flow.
    pub(super) fn up(
        &self,
        stream: &Arc<Stream>,
        sealer: Option<Box<dyn Sealer>>,
        identity: Option<Identity>,
    ) {
        let addresses: (Option<SocketAddr>, Option<SocketAddr>) = (stream.local(), stream.remote());
        {
            let mut state = self.lock();
            state.stage = Stage::Up;
            state.link = Some(stream.link());
            state.flight = Some(Flight {
                encoder: Encoder::new(sealer),
                unsealed: Unsealed::default(),
                cost: 0,
                bytes: 0,
                stream: Arc::clone(stream),
            });
        }
        self.report
            .up(stream.link(), addresses.0, addresses.1, identity);
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
            // What a caller is just writing can't be said to be lost.
            let flying = state.flight.as_ref().map_or(0, Flight::messages);
            state.lost = state.open.messages().saturating_add(flying) as u64;
            let cost = state.held();
            let open = std::mem::replace(&mut state.open, Open::new(false));
            (state.open_cost, state.flight_cost) = (0, 0);
            (state.lost, cost, (open, state.flight.take()))
        };
        // The socket is closed with its last holder, not under the lock.
        drop(dropped);
        self.budget.give(cost);
        self.report.closed(reason, lost);
        self.changed.notify_waiters();
    }

    /// When the time for what is left is up, if the mailbox was closed.
    pub(super) fn closing(&self) -> Option<tokio::time::Instant> {
        self.lock().closing
    }

    /// Whether the mailbox was closed with nothing left to send.
    pub(super) fn is_done(&self) -> bool {
        let state = self.lock();
        state.closing.is_some() && state.messages == 0
    }

    /// Answers a PING. While an answer is still queued, further ones are
    /// dropped: whoever floods us with PINGs hears that we live all the same.
    pub(super) fn answer(&self, context: &[u8]) {
        let mut state = self.lock();
        if state.answered || state.stage != Stage::Up {
            return;
        }
        state.answered = true;
        state.open.push_pong(context);
    }

    /// Writes what is queued, as far as the socket and the others' turn let it.
    pub(super) fn pump(&self) -> Next {
        let mut written = 0;
        loop {
            let flight = {
                let mut state = self.lock();
                state.told = false;
                state.blocked = false;
                if let Some(reason) = &state.failed {
                    return Next::Failed(reason.clone());
                }
                let Some(flight) = take_flight(&mut state) else {
                    let all = state.flight.is_some() && state.messages == 0;
                    return match state.closing {
                        Some(_) if all => Next::Done,
                        _ => Next::Rest,
                    };
                };
                flight
            };
            let (flight, result) = fly(flight, TURN.saturating_sub(written));
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
    /// tells the task.
    fn land(&self, mut flight: Flight, result: &io::Result<usize>, task: bool) -> Landed {
        let bytes = flight.left();
        let empty = flight.is_empty();
        let mut tell = false;
        let mut spare = [None, None];
        let (given, landed) = {
            let mut state = self.lock();
            if state.stage == Stage::Ended {
                return Landed::Failed(CloseReason::Local);
            }
            if empty && state.open.is_empty() {
                // Idle. While there is more to write the buffers stay, however
                // large: new memory would have to be got for what follows.
                flight.unsealed.release();
                spare = [flight.encoder.release(IDLE_BUFFER), state.open.release()];
            }
            // What is written gives its share of the cost back.
            let left = match bytes {
                0 => 0,
                _ => share(flight.cost, bytes, flight.bytes),
            };
            let given = state.flight_cost.saturating_sub(left);
            state.flight_cost = state.flight_cost.saturating_sub(given);
            let flying = flight.messages();
            state.messages = state.open.messages().saturating_add(flying);
            state.last_write = self.pace.note_write();
            state.flight = Some(flight);
            let landed = match result {
                Ok(_) => {
                    state.blocked = !empty;
                    let more = !empty || !state.open.is_empty() || state.closing.is_some();
                    if !task && more && !state.told {
                        state.told = true;
                        tell = true;
                    }
                    Landed::Ok
                }
                Err(error) => {
                    let reason = CloseReason::from_io(error);
                    state.failed = Some(reason.clone());
                    tell = !task;
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
        if tell {
            self.work.notify_one();
        }
        landed
    }
}

enum Landed {
    Ok,
    Failed(CloseReason),
}

/// `cost * bytes / all`, rounded up, and `cost` at most.
fn share(cost: usize, bytes: u64, all: u64) -> usize {
    let cost_of_all = (cost as u128).saturating_mul(u128::from(bytes));
    let share = cost_of_all.div_ceil(u128::from(all.max(1)));
    usize::try_from(share).unwrap_or(cost).min(cost)
}

/// Takes the right to write if it is free and there is something to write.
fn take_flight(state: &mut State) -> Option<Flight> {
    let flight = state.flight.as_mut()?;
    if flight.is_empty() {
        if state.open.is_empty() {
            return None;
        }
        match &mut state.open {
            Open::Encoded(encoder) => std::mem::swap(&mut flight.encoder, encoder),
            Open::Unsealed(unsealed) => std::mem::swap(&mut flight.unsealed, unsealed),
        }
        flight.cost = std::mem::take(&mut state.open_cost);
        flight.bytes = flight.left();
        state.flight_cost = flight.cost;
        state.answered = false;
    }
    state.flight.take()
}

/// Seals what is to be sealed, and writes until the socket takes no more, or
/// `turn` bytes are written; says how many were.
fn fly(mut flight: Flight, turn: usize) -> (Flight, io::Result<usize>) {
    let mut written = 0usize;
    while !flight.is_empty() && written < turn {
        flight.unsealed.seal(&mut flight.encoder, BATCH as u64);
        let most = turn.saturating_sub(written);
        match flight.stream.try_write_encoded(&mut flight.encoder, most) {
            Ok(n) => written = written.saturating_add(n),
            Err(error) => return (flight, Err(error)),
        }
        if !flight.encoder.is_empty() {
            break;
        }
    }
    (flight, Ok(written))
}

impl Outlet for Outbound {
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError> {
        let cost = measure(head, body, &self.limits)?;
        let reserve = match class {
            Class::Data => 0,
            Class::Control => self.limits.control_reserve_bytes,
        };
        let bound = self.limits.queue_bytes_per_peer.saturating_add(reserve);
        let mut state = self.lock();
        if state.stage == Stage::Ended || state.closing.is_some() {
            return Err(TrySendError::Closed);
        }
        let held = state.held();
        let fits = state.messages == 0 || held.saturating_add(cost) <= bound;
        if !fits || !self.budget.take(cost, reserve) {
            return Err(TrySendError::Full);
        }
        let up = state.stage == Stage::Up;
        let idle = state.open.is_empty();
        let at_once =
            up && idle && !state.blocked && self.pace.is_slow(self.pace.now(), state.last_write);
        if up && idle && !at_once {
            state.open.make_room();
        }
        state.open.push_message(head, body);
        state.open_cost = state.open_cost.saturating_add(cost);
        state.messages = state.messages.saturating_add(1);
        let somebody_writes = state.flight.is_none() || state.promised;
        if !up || state.blocked || somebody_writes {
            return Ok(PendingWrite::by_others());
        }
        if at_once || state.open.bytes() >= BATCH as u64 {
            state.promised = true;
            return Ok(PendingWrite::by_caller(self));
        }
        if state.told {
            return Ok(PendingWrite::by_others());
        }
        state.told = true;
        Ok(PendingWrite::by_task(&self.work))
    }

    fn write_pending(&self) {
        let flight = {
            let mut state = self.lock();
            state.promised = false;
            take_flight(&mut state)
        };
        // The task may have been faster.
        if let Some(flight) = flight {
            let (flight, result) = fly(flight, TURN);
            // A failure is the task's to report; the message was accepted.
            let _ = self.land(flight, &result, false);
        }
    }

    fn room(&self, cost: usize) -> Result<bool, Closed> {
        let state = self.lock();
        if state.stage == Stage::Ended || state.closing.is_some() {
            return Err(Closed);
        }
        let held = state.held();
        let fits =
            state.messages == 0 || held.saturating_add(cost) <= self.limits.queue_bytes_per_peer;
        Ok(fits && self.budget.has(cost.min(self.budget.limit())))
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
        let until = crate::mailbox::after(linger);
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
