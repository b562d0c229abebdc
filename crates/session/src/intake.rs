//! Behind the inbox: one lane for each connection, filled by an engine's
//! readers or by a sender in this process, emptied by the inbox's owner.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::budget::Budget;
use crate::{CloseReason, Counters, Frames, Identity, Limits, Source};

/// Is told when a lane ends from the inside: the receiver has gone, or another
/// connection took its place.
pub(crate) trait LaneWatcher: Send + Sync {
    /// `unread` messages of it were never read and never will be.
    fn lane_ended(&self, reason: &CloseReason, unread: u64);
}

/// All lanes of an inbox, and the order in which they have something to say.
pub(crate) struct Intake {
    state: Mutex<State>,
    /// What all connections over sockets may hold.
    total: Arc<Budget>,
    limits: Limits,
}

struct State {
    /// Lanes that have something to say; each is in it once at most.
    ready: VecDeque<Arc<Lane>>,
    waker: Option<Waker>,
    lanes: HashMap<Identity, Arc<Lane>>,
    by_addr: HashMap<IpAddr, usize>,
    last_connection: u64,
    stage: Stage,
    counters: Counters,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The links were shut: what is here can be read, nothing more comes.
    Shut,
    /// The inbox was dropped: nobody reads.
    Abandoned,
}

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
    state: Mutex<LaneState>,
    /// Told when something was released, and when the lane has ended.
    changed: Notify,
    total: Arc<Budget>,
    watcher: Option<Weak<dyn LaneWatcher>>,
}

#[derive(Default)]
struct LaneState {
    messages: Vec<Frames>,
    /// What `messages` cost.
    waiting: usize,
    /// `waiting`, and what is in batches that are still held.
    held: usize,
    opened: bool,
    end: Option<CloseReason>,
    end_told: bool,
    /// In `ready`, or being visited.
    scheduled: bool,
}

/// What a lane has to say next.
pub(crate) enum Visit {
    Opened,
    Batch(Vec<Frames>, usize),
    Closed(CloseReason),
    Done,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Intake {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ready: VecDeque::new(),
                waker: None,
                lanes: HashMap::new(),
                by_addr: HashMap::new(),
                last_connection: 0,
                stage: Stage::Open,
                counters: Counters::default(),
            }),
            total: Arc::new(Budget::new(limits.inbox_bytes_total)),
            limits: limits.clone(),
        })
    }

    /// Lets a connection in whose peer has said who it is. A lane of the same
    /// identity ends (`Replaced`), with all that came over it delivered first.
    ///
    /// # Errors
    /// The limit that was reached, or `Local` when the inbox is shut.
    pub(crate) fn open(self: &Arc<Self>, source: Source) -> Result<Feeder, CloseReason> {
        self.open_watched(source, Arc::clone(&self.total), None)
    }

    /// [`open`](Self::open) for a sender in this process: what it sends counts
    /// against `total`, and `watcher` is told of the lane's end.
    pub(crate) fn open_watched(
        self: &Arc<Self>,
        source: Source,
        total: Arc<Budget>,
        watcher: Option<Weak<dyn LaneWatcher>>,
    ) -> Result<Feeder, CloseReason> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return Err(CloseReason::Local);
        }
        let known = state.lanes.contains_key(&source.identity);
        if !known && state.lanes.len() >= self.limits.connections {
            state.counters.limited += 1;
            return Err(CloseReason::Limit("connections"));
        }
        let ip = source.addr.map(|addr| addr.ip());
        if let Some(ip) = ip {
            let here = state.by_addr.get(&ip).copied().unwrap_or(0);
            // A successor doesn't add to the number, if it comes from there too.
            let spared = state
                .lanes
                .get(&source.identity)
                .is_some_and(|lane| lane.from.addr.map(|addr| addr.ip()) == Some(ip));
            if here >= self.limits.connections_per_addr && !spared {
                state.counters.limited += 1;
                return Err(CloseReason::Limit("connections_per_addr"));
            }
            *state.by_addr.entry(ip).or_default() += 1;
        }
        state.last_connection += 1;
        state.counters.opened += 1;
        let lane = Arc::new(Lane {
            connection: state.last_connection,
            from: Arc::new(source),
            state: Mutex::new(LaneState::default()),
            changed: Notify::new(),
            total,
            watcher,
        });
        let older = state
            .lanes
            .insert(lane.from.identity.clone(), Arc::clone(&lane));
        drop(state);
        // The older lane's end is scheduled before the new lane's beginning.
        if let Some(older) = older {
            self.finish(&older, CloseReason::Replaced);
        }
        self.schedule(&lane, &mut lock(&lane.state));
        Ok(Feeder {
            intake: Arc::clone(self),
            lane,
        })
    }

    /// Counts a connection that never became a lane, or why one ended.
    pub(crate) fn count(&self, reason: &CloseReason) {
        lock(&self.state).counters.add(reason);
    }

    /// What all connections over sockets hold.
    pub(crate) fn total(&self) -> &Arc<Budget> {
        &self.total
    }

    /// Says which limits hold.
    #[allow(dead_code, reason = "for engines that read sockets themselves")]
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has happened so far.
    pub(crate) fn counters(&self) -> Counters {
        lock(&self.state).counters
    }

    /// The links were shut: every connection ends, and what is here can be read.
    pub(crate) fn shut(&self) {
        self.end_all(Stage::Shut);
    }

    /// The inbox was dropped: every connection ends, and nobody reads.
    pub(crate) fn abandon(&self) {
        self.end_all(Stage::Abandoned);
        let ready = std::mem::take(&mut lock(&self.state).ready);
        for lane in ready {
            lane.discard();
        }
    }

    fn end_all(&self, stage: Stage) {
        let lanes: Vec<Arc<Lane>> = {
            let mut state = lock(&self.state);
            if state.stage != Stage::Abandoned {
                state.stage = stage;
            }
            state.lanes.values().cloned().collect()
        };
        for lane in lanes {
            self.finish(&lane, CloseReason::Local);
        }
        let waker = lock(&self.state).waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends a lane. Only the first reason counts.
    fn finish(&self, lane: &Arc<Lane>, reason: CloseReason) {
        let abandoned = {
            let mut state = lock(&self.state);
            if state
                .lanes
                .get(&lane.from.identity)
                .is_some_and(|current| Arc::ptr_eq(current, lane))
            {
                state.lanes.remove(&lane.from.identity);
            }
            state.stage == Stage::Abandoned
        };
        let unread = {
            let mut inner = lock(&lane.state);
            if inner.end.is_some() {
                return;
            }
            inner.end = Some(reason.clone());
            self.schedule(lane, &mut inner);
            if abandoned {
                inner.messages.len() as u64
            } else {
                0
            }
        };
        {
            let mut state = lock(&self.state);
            state.counters.add(&reason);
            if let Some(ip) = lane.from.addr.map(|addr| addr.ip())
                && let Some(here) = state.by_addr.get_mut(&ip)
            {
                *here -= 1;
                if *here == 0 {
                    state.by_addr.remove(&ip);
                }
            }
        }
        lane.changed.notify_waiters();
        if let Some(watcher) = lane.watcher.as_ref().and_then(Weak::upgrade) {
            watcher.lane_ended(&reason, unread);
        }
    }

    /// Puts a lane in line, if it isn't there.
    fn schedule(&self, lane: &Arc<Lane>, inner: &mut LaneState) {
        if inner.scheduled {
            return;
        }
        inner.scheduled = true;
        let waker = {
            let mut state = lock(&self.state);
            if state.stage == Stage::Abandoned {
                return;
            }
            state.ready.push_back(Arc::clone(lane));
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next lane that has something to say.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<Lane>>> {
        let mut state = lock(&self.state);
        if let Some(lane) = state.ready.pop_front() {
            return Poll::Ready(Some(lane));
        }
        if state.stage != Stage::Open {
            return Poll::Ready(None);
        }
        if !state
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The next lane, if there is one now.
    pub(crate) fn next(&self) -> Option<Arc<Lane>> {
        lock(&self.state).ready.pop_front()
    }

    /// The lane has said what it had: in line again if more came meanwhile.
    pub(crate) fn revisit(&self, lane: Arc<Lane>) {
        let mut inner = lock(&lane.state);
        inner.scheduled = false;
        if !inner.messages.is_empty() || (inner.end.is_some() && !inner.end_told) {
            self.schedule(&lane, &mut inner);
        }
    }
}

impl Lane {
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
        if !inner.messages.is_empty() {
            let cost = std::mem::take(&mut inner.waiting);
            return Visit::Batch(std::mem::take(&mut inner.messages), cost);
        }
        match &inner.end {
            Some(reason) if !inner.end_told => {
                let reason = reason.clone();
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
        self.changed.notify_waiters();
    }

    /// Throws away what nobody will read.
    fn discard(&self) {
        let cost = {
            let mut inner = lock(&self.state);
            inner.messages = Vec::new();
            std::mem::take(&mut inner.waiting)
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
            .waiting;
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
    /// The connection's number.
    #[allow(dead_code, reason = "for engines that read sockets themselves")]
    pub(crate) fn connection(&self) -> u64 {
        self.lane.connection
    }

    /// Puts messages that have already come in into the lane, whatever the
    /// bounds say; `cost` is that of all of them by [`Limits::cost`]'s rule.
    /// Afterwards [`has_room`](Self::has_room) says whether to read on.
    pub(crate) fn push(
        &self,
        messages: impl IntoIterator<Item = Frames>,
        cost: usize,
    ) -> Result<(), Gone> {
        let mut inner = lock(&self.lane.state);
        if let Some(reason) = &inner.end {
            return Err(Gone(reason.clone()));
        }
        inner.messages.extend(messages);
        inner.waiting += cost;
        inner.held += cost;
        self.lane.total.force(cost);
        self.intake.schedule(&self.lane, &mut inner);
        Ok(())
    }

    /// Puts a message into the lane if it keeps within `limit` for the lane
    /// and within the lane's total, each with `reserve` added. One that is
    /// larger than `limit` is taken when the lane holds nothing.
    pub(crate) fn try_push(
        &self,
        message: impl FnOnce() -> Frames,
        cost: usize,
        limit: usize,
        reserve: usize,
    ) -> Result<(), Refused> {
        let mut inner = lock(&self.lane.state);
        if inner.end.is_some() {
            return Err(Refused::Gone);
        }
        let fits =
            inner.held == 0 || inner.held.saturating_add(cost) <= limit.saturating_add(reserve);
        if !fits || !self.lane.total.take(cost, reserve) {
            return Err(Refused::Full);
        }
        inner.messages.push(message());
        inner.waiting += cost;
        inner.held += cost;
        self.intake.schedule(&self.lane, &mut inner);
        Ok(())
    }

    /// Whether more of this connection may be read: from the socket, that is.
    #[allow(dead_code, reason = "for engines that read sockets themselves")]
    pub(crate) fn has_room(&self) -> bool {
        let held = lock(&self.lane.state).held;
        held < self.intake.limits.inbox_bytes_per_connection.max(1) && self.lane.total.has(1)
    }

    /// Waits until more of this connection may be read, or its lane has ended.
    ///
    /// Cancel safe: nothing is taken.
    #[allow(dead_code, reason = "for engines that read sockets themselves")]
    pub(crate) async fn room(&self) -> Result<(), Gone> {
        loop {
            let changed = self.lane.changed.notified();
            let freed = self.lane.total.freed().notified();
            tokio::pin!(changed, freed);
            changed.as_mut().enable();
            freed.as_mut().enable();
            if let Some(reason) = self.end() {
                return Err(Gone(reason));
            }
            if self.has_room() {
                return Ok(());
            }
            tokio::select! {
                () = changed => {}
                () = freed => {}
            }
        }
    }

    /// Waits until the lane has ended from the inside.
    #[allow(dead_code, reason = "for engines that read sockets themselves")]
    pub(crate) async fn gone(&self) -> CloseReason {
        loop {
            let changed = self.lane.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(reason) = self.end() {
                return reason;
            }
            changed.await;
        }
    }

    /// Why the lane has ended, if it has.
    pub(crate) fn end(&self) -> Option<CloseReason> {
        lock(&self.lane.state).end.clone()
    }

    /// How much of it is held, and in how many unread messages.
    pub(crate) fn held(&self) -> (usize, usize) {
        let inner = lock(&self.lane.state);
        (inner.messages.len(), inner.held)
    }

    /// Told when something was released, and when the lane has ended.
    pub(crate) fn changed(&self) -> &Notify {
        &self.lane.changed
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
