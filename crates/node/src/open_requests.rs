//! Requests of peers that this node hasn't answered yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, Weak};

use uuid::Uuid;

use crate::Peer;
use crate::responder::Call;
use crate::sync::{Mutex, MutexGuard};

/// How many requests of one peer are kept open without a responder: a program that
/// prints requests and answers few of them mustn't fill its memory.
const KEPT_OF_A_PEER: usize = 1024;

/// The same for all peers together.
const KEPT: usize = 1 << 16;

/// The table of them. A request leaves it when it is answered, or when nobody can
/// answer it any more.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Weak<Call>>,
    /// Those that are open even if their responders are dropped.
    kept: BTreeMap<Uuid, BTreeMap<u64, Arc<Call>>>,
    kept_count: usize,
    stopped: bool,
}

impl Table {
    /// The caller drops the call after the lock: its drop takes the lock again.
    fn release(&mut self, peer: Uuid, id: u64) -> Option<Arc<Call>> {
        let calls = self.kept.get_mut(&peer)?;
        let call = calls.remove(&id)?;
        self.kept_count = self.kept_count.saturating_sub(1);
        if calls.is_empty() {
            self.kept.remove(&peer);
        }
        Some(call)
    }
}

impl OpenRequests {
    /// Gives a request a number of its own.
    pub(crate) fn open(&self, call: impl FnOnce(u64) -> Call) -> Arc<Call> {
        let mut table = self.lock();
        table.last = table.last.wrapping_add(1);
        let id = table.last;
        let call = Arc::new(call(id));
        table.open.insert(id, Arc::downgrade(&call));
        call
    }

    /// The request of that number, if it is open.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<Call>> {
        self.lock().open.get(&id)?.upgrade()
    }

    /// See [`Responder::keep`](crate::Responder::keep).
    pub(crate) fn keep(&self, call: &Arc<Call>) -> bool {
        let mut table = self.lock();
        // It may just have been answered: it would stay for as long as the peer.
        let is_open = table.open.contains_key(&call.id());
        if table.stopped || call.peer().is_gone() || !is_open {
            return false;
        }
        let peer = call.peer().uuid();
        let calls = table.kept.get(&peer);
        let given_up = match calls {
            Some(calls) if calls.contains_key(&call.id()) => return true,
            Some(calls) if calls.len() >= KEPT_OF_A_PEER => calls
                .keys()
                .next()
                .copied()
                .and_then(|id| table.release(peer, id)),
            _ if table.kept_count >= KEPT => return false,
            _ => None,
        };
        let calls = table.kept.entry(peer).or_default();
        calls.insert(call.id(), call.clone());
        table.kept_count = table.kept_count.saturating_add(1);
        drop(table);
        drop(given_up);
        true
    }

    /// A request was answered, or nobody can answer it any more.
    pub(crate) fn close(&self, peer: Uuid, id: u64) {
        let mut table = self.lock();
        table.open.remove(&id);
        let released = table.release(peer, id);
        drop(table);
        drop(released);
    }

    /// A peer has gone: from now on, no request of it is kept.
    pub(crate) fn exit(&self, peer: &Peer) {
        let mut table = self.lock();
        peer.set_gone();
        let calls = table.kept.remove(&peer.uuid()).unwrap_or_default();
        table.kept_count = table.kept_count.saturating_sub(calls.len());
        drop(table);
        drop(calls);
    }

    /// The node has stopped.
    pub(crate) fn stop(&self) {
        let mut table = self.lock();
        table.stopped = true;
        table.kept_count = 0;
        let kept = std::mem::take(&mut table.kept);
        drop(table);
        drop(kept);
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Responder, SendPolicy};

    #[test]
    fn the_kept_requests_of_a_peer_and_of_all_are_bounded() {
        let requests = Arc::new(OpenRequests::default());
        let keep = |peer: &Peer| {
            let responder = Responder::new(peer.clone(), 1, SendPolicy::Reject, &requests);
            (responder.id(), responder.keep())
        };
        let peers = KEPT / KEPT_OF_A_PEER;
        let peers: Vec<Peer> = (0..peers).map(|_| Peer::detached("asks").build()).collect();
        for peer in &peers {
            for _ in 0..KEPT_OF_A_PEER {
                assert!(keep(peer).1);
            }
        }
        assert_eq!(requests.len(), KEPT);
        let (refused, kept) = keep(&Peer::detached("late").build());
        assert!(!kept && requests.get(refused).is_none());
        // A peer's own oldest request gives way for its newest.
        let (newest, kept) = keep(&peers[0]);
        assert!(kept && requests.get(newest).is_some() && requests.get(1).is_none());
        assert_eq!(requests.len(), KEPT);
        // A peer that has gone leaves its room to others, and keeps nothing more.
        requests.exit(&peers[0]);
        assert_eq!(requests.len(), KEPT - KEPT_OF_A_PEER);
        assert!(!keep(&peers[0]).1);
        assert!(keep(&Peer::detached("late").build()).1);
        requests.stop();
        assert_eq!(requests.len(), 0);
    }
}
