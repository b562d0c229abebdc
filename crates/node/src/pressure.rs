use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Peer;
use crate::meters::Meters;

/// Where senders say that the queue to a peer was full. One for each session.
#[derive(Debug)]
pub(crate) struct Gauge {
    meters: Meters,
    full: AtomicBool,
    told: mpsc::UnboundedSender<Full>,
}

/// A queue that had no room for so many bytes.
#[derive(Debug)]
pub(crate) struct Full {
    peer: Peer,
    bytes: usize,
}

impl Gauge {
    /// Where it is counted what goes in.
    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// A message of so many bytes found no room. Only the first since the
    /// queue had room is told, so what is told is bounded by the sessions.
    pub(crate) fn press(&self, peer: &Peer, bytes: usize) {
        if !self.full.swap(true, Ordering::AcqRel) {
            // Nobody is there to hear it: the node has stopped.
            let _ = self.told.send(Full {
                peer: peer.clone(),
                bytes,
            });
        }
    }

    fn release(&self) {
        self.full.store(false, Ordering::Release);
    }
}

/// The driver's side: which queues are full, and when they no longer are.
#[derive(Debug)]
pub(crate) struct Pressure {
    meters: Meters,
    tell: mpsc::UnboundedSender<Full>,
    told: mpsc::UnboundedReceiver<Full>,
    waits: JoinSet<Option<Peer>>,
    /// How many bytes must be free for a queue to count as having room.
    room: usize,
}

impl Pressure {
    /// `queue` is the bound of one queue, in bytes: half of it must be free
    /// again, and what was refused must fit.
    pub(crate) fn new(queue: usize, meters: Meters) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            meters,
            tell,
            told,
            waits: JoinSet::new(),
            room: queue / 2,
        }
    }

    /// For a new session.
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge {
            meters: self.meters.clone(),
            full: AtomicBool::new(false),
            told: self.tell.clone(),
        }
    }

    /// The next edge: a peer, and whether the queue to it is full from now on.
    /// A session that ends while its queue is full has no second edge.
    ///
    /// Cancel-safe: an edge is either returned or still there.
    pub(crate) async fn next(&mut self) -> (Peer, bool) {
        loop {
            tokio::select! {
                Some(full) = self.told.recv() => {
                    let Full { peer, bytes } = full;
                    let waiting = peer.clone();
                    let room = self.room.max(bytes);
                    self.waits.spawn(async move {
                        let free = waiting.outlet().writable(room).await;
                        // A closed queue has no room, and its peer exits.
                        free.is_ok().then_some(waiting)
                    });
                    return (peer, true);
                }
                Some(free) = self.waits.join_next() => {
                    if let Ok(Some(peer)) = free {
                        peer.outlet().gauge().release();
                        return (peer, false);
                    }
                }
                else => std::future::pending().await,
            }
        }
    }
}
