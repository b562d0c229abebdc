//! Behind the inbox: all receive queues, and whose turn it is.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::budget::Budget;
use crate::connections::Connections;
use crate::receive_queue::{ReceiveQueue, ReceiveState};
use crate::sync::{Mutex, MutexGuard};
use crate::{CloseReason, Counters, Link, LinkLimits, Source};

/// All receive queues of an inbox, and the order in which they are read.
pub(crate) struct Dispatcher {
    state: Mutex<State>,
    /// The bound of all connections over sockets.
    total: Arc<Budget>,
    limits: LinkLimits,
    /// Whether whoever reads the inbox admits connections. Otherwise a new one takes the
    /// place of an older one of the same identity.
    admits: bool,
}

struct State {
    /// Queues that are to be read; each is in it once at most.
    ready: VecDeque<Arc<ReceiveQueue>>,
    /// The inbox's reader, while it waits.
    reader: Option<Waker>,
    connections: Connections,
    /// The last connection that claimed an identity of another key, until it is
    /// reported: a flood of them is one report.
    denied: Option<Arc<Source>>,
    last_connection: u64,
    stage: Stage,
    counters: Counters,
}

/// What the inbox reads next.
pub(crate) enum Next {
    Queue(Arc<ReceiveQueue>),
    Denied(Arc<Source>),
}

impl State {
    fn next(&mut self) -> Option<Next> {
        if let Some(source) = self.denied.take() {
            return Some(Next::Denied(source));
        }
        self.ready.pop_front().map(Next::Queue)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The links are being shut: no connection is accepted any more.
    Closing,
    /// The links were shut: what is here can be read, nothing more comes.
    Shut,
    /// The inbox was dropped: nobody reads.
    Abandoned,
}

impl Dispatcher {
    pub(crate) fn new(limits: &LinkLimits, admits: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ready: VecDeque::new(),
                reader: None,
                connections: Connections::new(limits),
                denied: None,
                last_connection: 0,
                stage: Stage::Open,
                counters: Counters::default(),
            }),
            total: Arc::new(Budget::new(limits.inbox_bytes_total)),
            limits: limits.clone(),
            admits,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a queue for a connection whose handshake is over; its messages
    /// count against `total`. If connections are admitted, it waits beside others of
    /// its identity; otherwise a queue of the same identity ends (`Replaced`), and is
    /// read to its end first. A source that has proved a key takes the identity from one
    /// over a socket that has none (`OtherKey`).
    ///
    /// # Errors
    /// `OtherKey` if a peer with another key has the identity, the limit that was
    /// reached, or `Local` when the inbox is shut.
    pub(crate) fn open(
        &self,
        source: Arc<Source>,
        total: Arc<Budget>,
    ) -> Result<Arc<ReceiveQueue>, CloseReason> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.stage != Stage::Open {
            return Err(CloseReason::Local);
        }
        let older = state.connections.of(&source.identity);
        let (of_others, older): (Vec<_>, Vec<_>) = older
            .iter()
            .cloned()
            .partition(|older| older.from().key != source.key);
        let is_weaker = |older: &Arc<ReceiveQueue>| {
            let from = older.from();
            source.key.is_some() && from.key.is_none() && from.link != Link::Inproc
        };
        if !of_others.iter().all(is_weaker) {
            state.counters.add(&CloseReason::OtherKey);
            state.denied = Some(source);
            let reader = state.reader.take();
            drop(guard);
            wake(reader);
            return Err(CloseReason::OtherKey);
        }
        let replaced = match self.admits {
            true => None,
            false => older.first().cloned(),
        };
        if let Some(replaced) = &replaced {
            // A successor doesn't add to the number.
            state.connections.remove(replaced);
        }
        let room = state.connections.room(&source, self.admits);
        let gives_way = match room {
            Ok(gives_way) => gives_way,
            Err(reason) => {
                state.counters.add(&reason);
                if let Some(replaced) = &replaced {
                    state.connections.insert(replaced, false);
                }
                return Err(reason);
            }
        };
        state.last_connection = state.last_connection.saturating_add(1);
        state.counters.opened = state.counters.opened.saturating_add(1);
        let queue = ReceiveQueue::new(state.last_connection, source, total);
        state.connections.insert(&queue, self.admits);
        drop(guard);
        // The older queue's end is in line before the new queue's beginning.
        for displaced in of_others {
            self.end(&displaced, CloseReason::OtherKey);
        }
        if let Some(replaced) = replaced {
            self.end(&replaced, CloseReason::Replaced);
        }
        if let Some(gives_way) = gives_way {
            self.end(&gives_way, CloseReason::Limit("connections"));
        }
        let reader = self.schedule(&queue, &mut queue.lock());
        wake(reader);
        Ok(queue)
    }

    /// Admits a connection that waits. An older one of the same identity ends
    /// (`Replaced`).
    pub(crate) fn admit(&self, connection: u64) {
        let older = self.lock().connections.admit(connection);
        if let Some(older) = older {
            self.end(&older, CloseReason::Replaced);
        }
    }

    /// Ends a connection that waits.
    pub(crate) fn refuse(&self, connection: u64) {
        let waiting = self.lock().connections.waiting(connection);
        if let Some(waiting) = waiting {
            self.end(&waiting, CloseReason::Local);
        }
    }

    /// Ends the connections over sockets from such a source.
    pub(crate) fn deny(&self, is_denied: impl Fn(&Source) -> bool) {
        let denied: Vec<_> = {
            let state = self.lock();
            let all = state.connections.all().filter(|it| {
                let from = it.from();
                from.link != Link::Inproc && is_denied(from)
            });
            all.cloned().collect()
        };
        for denied in denied {
            self.end(&denied, CloseReason::Denied);
        }
    }

    /// Ends the connection over a socket that is the cheapest to lose, if one waits.
    pub(crate) fn evict_silent(&self) {
        let over_socket = |source: &Source| source.link != Link::Inproc;
        let silent = self.lock().connections.silent(over_socket);
        if let Some(silent) = silent {
            self.end(&silent, CloseReason::Limit("connections"));
        }
    }

    /// Counts the failure of a connection that never got a queue.
    pub(crate) fn count(&self, reason: &CloseReason) {
        self.lock().counters.add(reason);
    }

    /// The bound of all connections over sockets.
    pub(crate) fn total(&self) -> &Arc<Budget> {
        &self.total
    }

    /// The limits that hold.
    pub(crate) fn limits(&self) -> &LinkLimits {
        &self.limits
    }

    /// What has happened so far.
    pub(crate) fn counters(&self) -> Counters {
        self.lock().counters
    }

    /// The links were shut: every connection ends, and what is here can be read.
    pub(crate) fn shut(&self) {
        self.end_all(Stage::Closing);
        let reader = {
            let mut state = self.lock();
            // Only now, with all ends in line, is there nothing more to wait for.
            if state.stage == Stage::Closing {
                state.stage = Stage::Shut;
            }
            state.reader.take()
        };
        wake(reader);
    }

    /// The inbox was dropped: every connection ends, and nobody reads.
    /// `current` is the queue that it was reading.
    pub(crate) fn abandon(&self, current: Option<Arc<ReceiveQueue>>) {
        self.end_all(Stage::Abandoned);
        let ready = std::mem::take(&mut self.lock().ready);
        for queue in ready.into_iter().chain(current) {
            queue.discard();
        }
    }

    fn end_all(&self, stage: Stage) {
        let queues: Vec<Arc<ReceiveQueue>> = {
            let mut state = self.lock();
            if state.stage == Stage::Open || stage == Stage::Abandoned {
                state.stage = stage;
            }
            state.connections.all().cloned().collect()
        };
        for queue in queues {
            self.end(&queue, CloseReason::Local);
        }
    }

    /// Ends a queue: what is in it is read first. Only the first reason counts.
    pub(crate) fn end(&self, queue: &Arc<ReceiveQueue>, reason: CloseReason) {
        let (ended, unread, reader) = {
            let mut state = queue.lock();
            let Some(ended) = state.end(&reason) else {
                return;
            };
            // Counted first: whoever reads of the end finds it counted.
            self.count(&reason);
            let reader = self.schedule(queue, &mut state);
            let unread = match self.lock().stage {
                Stage::Abandoned => state.backlog.len(),
                _ => 0,
            };
            (ended, unread, reader)
        };
        wake(reader);
        // Now that its end is in line: a shutdown, or a successor, that doesn't find it here
        // doesn't wait for it.
        self.lock().connections.remove(queue);
        queue.notify_end(&ended, &reason, unread as u64);
    }

    /// Puts a queue in line, unless it is there. The caller wakes the returned
    /// reader once the queue isn't locked any more.
    ///
    /// Under the queue's lock: what comes later in another queue is in line
    /// later.
    #[must_use]
    pub(crate) fn schedule(
        &self,
        queue: &Arc<ReceiveQueue>,
        state: &mut ReceiveState,
    ) -> Option<Waker> {
        if state.scheduled {
            return None;
        }
        state.scheduled = true;
        let mut state = self.lock();
        if state.stage == Stage::Abandoned {
            return None;
        }
        state.ready.push_back(Arc::clone(queue));
        state.reader.take()
    }

    /// What to read next.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        let mut state = self.lock();
        if let Some(next) = state.next() {
            return Poll::Ready(Some(next));
        }
        if matches!(state.stage, Stage::Shut | Stage::Abandoned) {
            return Poll::Ready(None);
        }
        let reader = state.reader.as_ref();
        if !reader.is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// What to read next, if there is something now.
    pub(crate) fn next(&self) -> Option<Next> {
        self.lock().next()
    }
}

/// Wakes the inbox's reader, if it waits.
pub(crate) fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}
