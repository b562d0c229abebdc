//! Requests of this node that wait for answers.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::sync::{Mutex, MutexGuard};
use crate::{Message, RequestError, SendError};

/// How many may wait at a time: an application that asks without reading the answers
/// must not fill its memory.
const MOST: usize = 1 << 16;

/// Gets the answer, or `None` if there won't be one; closed if the peer exits.
pub(crate) type Answer = oneshot::Receiver<Option<Message>>;

/// The table of these requests. An answer is looked up under the peer that it came
/// from, so that no peer can answer for another.
#[derive(Debug, Default)]
pub(crate) struct PendingRequests(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    waiting: BTreeMap<(Uuid, u64), oneshot::Sender<Option<Message>>>,
    /// Answers that no request waited for: late, repeated or forged.
    late: u64,
    stopped: bool,
}

/// A slot in the table, until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    requests: &'a PendingRequests,
    peer: Uuid,
    id: u64,
}

impl Ticket<'_> {
    /// The number that the answer must have.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.requests.lock().waiting.remove(&(self.peer, self.id));
    }
}

impl PendingRequests {
    /// Opens a slot for an answer of a peer.
    pub(crate) fn open(&self, peer: Uuid) -> Result<(Ticket<'_>, Answer), RequestError> {
        let (tell, answer) = oneshot::channel();
        let mut table = self.lock();
        if table.stopped {
            return Err(SendError::Stopped.into());
        }
        if table.waiting.len() >= MOST {
            return Err(RequestError::TooMany);
        }
        table.last = table.last.wrapping_add(1);
        let id = table.last;
        table.waiting.insert((peer, id), tell);
        let ticket = Ticket {
            requests: self,
            peer,
            id,
        };
        Ok((ticket, answer))
    }

    /// A peer has answered, or has said that it won't (`None`).
    pub(crate) fn answer(&self, peer: Uuid, id: u64, content: Option<Message>) {
        let mut table = self.lock();
        match table.waiting.remove(&(peer, id)) {
            // An error means that the request was just given up.
            Some(tell) => drop(tell.send(content)),
            None => {
                table.late = table.late.saturating_add(1);
                drop(table);
                tracing::debug!(uuid = %peer, id, "no request waits for this answer");
            }
        }
    }

    /// A peer has gone and will answer nothing.
    pub(crate) fn exit(&self, peer: Uuid) {
        let mut table = self.lock();
        let its = (peer, u64::MIN)..=(peer, u64::MAX);
        while let Some((key, _)) = table.waiting.range(its.clone()).next() {
            let key = *key;
            table.waiting.remove(&key);
        }
    }

    /// The node has stopped.
    pub(crate) fn stop(&self) {
        let mut table = self.lock();
        table.stopped = true;
        table.waiting.clear();
    }

    /// How many requests wait, and how many answers no request waited for.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let table = self.lock();
        (table.waiting.len(), table.late)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    #[test]
    fn only_the_peer_that_was_asked_answers_and_only_once() {
        let requests = PendingRequests::default();
        let (ticket, mut answer) = requests.open(ALICE).unwrap();
        requests.answer(BOB, ticket.id(), Some("forged".into()));
        requests.answer(ALICE, ticket.id() + 1, Some("wrong".into()));
        assert!(answer.try_recv().is_err());
        requests.answer(ALICE, ticket.id(), Some("yes".into()));
        requests.answer(ALICE, ticket.id(), Some("twice".into()));
        assert_eq!(answer.try_recv().unwrap(), Some("yes".into()));
        assert_eq!(requests.counts(), (0, 3));
    }

    #[test]
    fn a_request_that_is_given_up_leaves_nothing_behind() {
        let requests = PendingRequests::default();
        let (ticket, answer) = requests.open(ALICE).unwrap();
        let id = ticket.id();
        drop((ticket, answer));
        assert_eq!(requests.counts(), (0, 0));
        requests.answer(ALICE, id, None);
        assert_eq!(requests.counts(), (0, 1));
    }

    #[test]
    fn an_exit_ends_the_wait_for_that_peer_alone() {
        let requests = PendingRequests::default();
        let (_first, mut a) = requests.open(ALICE).unwrap();
        let (_second, mut b) = requests.open(BOB).unwrap();
        let (_third, mut c) = requests.open(ALICE).unwrap();
        requests.exit(ALICE);
        for gone in [&mut a, &mut c] {
            assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        }
        assert_eq!(b.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        requests.stop();
        assert_eq!(b.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(requests.open(BOB).is_err());
    }

    #[test]
    fn the_number_of_waiting_requests_is_bounded() {
        let requests = PendingRequests::default();
        let mut open: Vec<_> = (0..MOST).map(|_| requests.open(ALICE).unwrap()).collect();
        assert_eq!(requests.open(BOB).unwrap_err(), RequestError::TooMany);
        open.pop();
        assert!(requests.open(BOB).is_ok());
        assert_eq!(requests.counts().0, MOST - 1);
    }
}
