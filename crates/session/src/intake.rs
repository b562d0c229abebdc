//! Behind the inbox: one lane for each connection, filled by an engine's
//! readers or by a sender in this process, emptied by the inbox's owner.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::budget::Budget;
pub(crate) use crate::lane::{Feeder, Gone};
use crate::lane::{Lane, LaneState, lock};
use crate::{CloseReason, Counters, Identity, LinkLimits, Source};

/// All lanes of an inbox, and the order in which they have something to say.
pub(crate) struct Intake {
    state: Mutex<State>,
    /// What all connections over sockets may hold.
    total: Arc<Budget>,
    limits: LinkLimits,
}

struct State {
    /// Lanes that have something to say; each is in it once at most.
    ready: VecDeque<Arc<Lane>>,
    waker: Option<Waker>,
    lanes: BTreeSet<InPlace>,
    by_addr: HashMap<IpAddr, usize>,
    last_connection: u64,
    stage: Stage,
    counters: Counters,
}

/// A lane by its identity, of which each has at most one. The lane itself holds
/// it: among a thousand nodes of one process there are a million lanes.
struct InPlace(Arc<Lane>);

impl Borrow<Identity> for InPlace {
    fn borrow(&self) -> &Identity {
        &self.0.from().identity
    }
}

impl Ord for InPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        let identity: &Identity = self.borrow();
        identity.cmp(other.borrow())
    }
}

impl PartialOrd for InPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InPlace {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for InPlace {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The links are being shut: nothing more is let in.
    Closing,
    /// The links were shut: what is here can be read, nothing more comes.
    Shut,
    /// The inbox was dropped: nobody reads.
    Abandoned,
}

impl Intake {
    pub(crate) fn new(limits: &LinkLimits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ready: VecDeque::new(),
                waker: None,
                lanes: BTreeSet::new(),
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
        self.open_counted(Arc::new(source), Arc::clone(&self.total))
    }

    /// [`open`](Self::open) for a sender in this process: what it sends counts
    /// against `total`.
    pub(crate) fn open_counted(
        self: &Arc<Self>,
        source: Arc<Source>,
        total: Arc<Budget>,
    ) -> Result<Feeder, CloseReason> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return Err(CloseReason::Local);
        }
        let known = state.lanes.contains(&source.identity);
        if !known && state.lanes.len() >= self.limits.connections {
            state.counters.limited = state.counters.limited.saturating_add(1);
            return Err(CloseReason::Limit("connections"));
        }
        let ip = source.addr.map(|addr| addr.ip());
        if let Some(ip) = ip {
            let here = state.by_addr.get(&ip).copied().unwrap_or(0);
            // A successor doesn't add to the number, if it comes from there too.
            let spared = state
                .lanes
                .get(&source.identity)
                .is_some_and(|lane| lane.0.from().addr.map(|addr| addr.ip()) == Some(ip));
            if here >= self.limits.connections_per_addr && !spared {
                state.counters.limited = state.counters.limited.saturating_add(1);
                return Err(CloseReason::Limit("connections_per_addr"));
            }
            let here = state.by_addr.entry(ip).or_default();
            *here = here.saturating_add(1);
        }
        state.last_connection = state.last_connection.saturating_add(1);
        state.counters.opened = state.counters.opened.saturating_add(1);
        let lane = Lane::new(state.last_connection, source, total);
        let older = state.lanes.take(&lane.from().identity);
        state.lanes.insert(InPlace(Arc::clone(&lane)));
        drop(state);
        // The older lane's end is scheduled before the new lane's beginning.
        if let Some(InPlace(older)) = older {
            self.finish(&older, CloseReason::Replaced);
        }
        let reader = self.schedule(&lane, &mut lock(&lane.state));
        wake(reader);
        Ok(Feeder::new(Arc::clone(self), lane))
    }

    /// Counts a connection that never became a lane, or why one ended.
    pub(crate) fn count(&self, reason: &CloseReason) {
        lock(&self.state).counters.add(reason);
    }

    /// What all connections over sockets hold.
    #[cfg(feature = "zeromq")]
    pub(crate) fn total(&self) -> &Arc<Budget> {
        &self.total
    }

    /// Says which limits hold.
    pub(crate) fn limits(&self) -> &LinkLimits {
        &self.limits
    }

    /// What has happened so far.
    pub(crate) fn counters(&self) -> Counters {
        lock(&self.state).counters
    }

    /// The links were shut: every connection ends, and what is here can be read.
    pub(crate) fn shut(&self) {
        self.end_all(Stage::Closing);
        let waker = {
            let mut state = lock(&self.state);
            // Only now, with all ends in line, is there nothing more to wait for.
            if state.stage == Stage::Closing {
                state.stage = Stage::Shut;
            }
            state.waker.take()
        };
        wake(waker);
    }

    /// The inbox was dropped: every connection ends, and nobody reads.
    /// `current` is the one that it was reading.
    pub(crate) fn abandon(&self, current: Option<Arc<Lane>>) {
        self.end_all(Stage::Abandoned);
        let ready = std::mem::take(&mut lock(&self.state).ready);
        for lane in ready.into_iter().chain(current) {
            lane.discard();
        }
    }

    fn end_all(&self, stage: Stage) {
        let lanes: Vec<Arc<Lane>> = {
            let mut state = lock(&self.state);
            if state.stage == Stage::Open || stage == Stage::Abandoned {
                state.stage = stage;
            }
            let lanes = state.lanes.iter();
            lanes.map(|lane| Arc::clone(&lane.0)).collect()
        };
        for lane in lanes {
            self.finish(&lane, CloseReason::Local);
        }
    }

    /// Ends a lane. Only the first reason counts.
    pub(crate) fn finish(&self, lane: &Arc<Lane>, reason: CloseReason) {
        let abandoned = {
            let mut state = lock(&self.state);
            let identity = &lane.from().identity;
            let in_place = state.lanes.get(identity);
            if in_place.is_some_and(|in_place| Arc::ptr_eq(&in_place.0, lane)) {
                state.lanes.remove(identity);
            }
            state.stage == Stage::Abandoned
        };
        let (ended, unread, reader) = {
            let mut inner = lock(&lane.state);
            let Some(ended) = inner.end(&reason) else {
                return;
            };
            let reader = self.schedule(lane, &mut inner);
            let unread = if abandoned { inner.unread.len() } else { 0 };
            (ended, unread, reader)
        };
        wake(reader);
        {
            let mut state = lock(&self.state);
            state.counters.add(&reason);
            if let Some(ip) = lane.from().addr.map(|addr| addr.ip())
                && let Some(here) = state.by_addr.get_mut(&ip)
            {
                *here = here.saturating_sub(1);
                if *here == 0 {
                    state.by_addr.remove(&ip);
                }
            }
        }
        lane.tell_end(&ended, &reason, unread as u64);
    }

    /// Puts a lane in line, if it isn't there. Returns whom to wake once the
    /// lane isn't locked any more.
    ///
    /// Under the lane's lock, so that what comes later elsewhere is in line later.
    #[must_use]
    pub(crate) fn schedule(&self, lane: &Arc<Lane>, inner: &mut LaneState) -> Option<Waker> {
        if inner.scheduled {
            return None;
        }
        inner.scheduled = true;
        let mut state = lock(&self.state);
        if state.stage == Stage::Abandoned {
            return None;
        }
        state.ready.push_back(Arc::clone(lane));
        state.waker.take()
    }

    /// The next lane that has something to say.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<Lane>>> {
        let mut state = lock(&self.state);
        if let Some(lane) = state.ready.pop_front() {
            return Poll::Ready(Some(lane));
        }
        if matches!(state.stage, Stage::Shut | Stage::Abandoned) {
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
        if !inner.unread.is_empty() || (inner.has_ended() && !inner.end_told) {
            let reader = self.schedule(&lane, &mut inner);
            drop(inner);
            wake(reader);
        }
    }
}

/// Wakes the inbox's reader, if it waits.
pub(crate) fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}
