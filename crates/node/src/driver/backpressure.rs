//! Queues that are full, and have room again.

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use zre_proto::machine::SessionId;

use super::Driver;
use super::sessions::SessionEntry;
use crate::backpressure::{BackpressureSignal, QueueFull, SessionReport};
use crate::{Event, Peer};

/// Which queues are full, and when they no longer are.
#[derive(Debug)]
pub(crate) struct BackpressureMonitor {
    sender: mpsc::UnboundedSender<SessionReport>,
    reports: mpsc::UnboundedReceiver<SessionReport>,
    /// Each waits for room in the queue to one peer.
    waits: JoinSet<Option<Peer>>,
    /// How many bytes must be free for a queue to count as having room.
    room: usize,
}

/// A change of a queue.
#[derive(Debug)]
pub(super) enum Edge {
    Full(QueueFull),
    /// The queue to this peer has room again.
    Room(Peer),
    /// The numbers of the session's messages wrap soon.
    NearWrap(SessionId),
}

impl BackpressureMonitor {
    /// `queue` is the bound of one queue, in bytes: half of it must be free again, and
    /// the message that was refused must fit.
    pub(crate) fn new(queue: usize) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        Self {
            sender,
            reports,
            waits: JoinSet::new(),
            room: queue / 2,
        }
    }

    /// For a new session.
    pub(crate) fn signal(&self, session: SessionId) -> BackpressureSignal {
        BackpressureSignal::new(session, self.sender.clone())
    }

    /// The next change.
    ///
    /// # Cancel safety
    /// No change is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Edge {
        loop {
            tokio::select! {
                Some(report) = self.reports.recv() => return match report {
                    SessionReport::Full(full) => Edge::Full(full),
                    SessionReport::NearWrap(session) => Edge::NearWrap(session),
                },
                Some(free) = self.waits.join_next() => {
                    if let Ok(Some(peer)) = free {
                        return Edge::Room(peer);
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    fn wait_for_room(&mut self, peer: Peer, bytes: usize) {
        let room = self.room.max(bytes);
        self.waits.spawn(async move {
            let free = peer.sender().writable(room).await;
            // A closed queue never has room; its peer exits.
            free.is_ok().then_some(peer)
        });
    }
}

impl Driver {
    pub(super) fn handle_edge(&mut self, edge: Edge) {
        let (peer, on) = match edge {
            Edge::Full(QueueFull { session, bytes }) => {
                let Some(SessionEntry::Entered(peer)) = self.sessions.get(&session) else {
                    return;
                };
                self.backpressure.wait_for_room(peer.clone(), bytes);
                (peer.clone(), true)
            }
            Edge::NearWrap(session) => {
                if let Some(SessionEntry::Entered(peer)) = self.sessions.get(&session) {
                    let (now, uuid) = (self.clock.now(), peer.uuid());
                    self.machine.handle_near_wrap(now, uuid);
                }
                return;
            }
            Edge::Room(peer) => {
                peer.sender().signal().reset();
                (peer, false)
            }
        };
        // No event of a peer follows its exit.
        if self.is_here(&peer)
            && let Some(peer) = self.peer(peer.uuid())
        {
            tracing::debug!(%peer, on, "the queue to a peer");
            self.events.send(Event::Backpressure { peer, on });
        }
    }
}
