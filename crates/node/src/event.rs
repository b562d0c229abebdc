use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;
use zre_proto::State;

use crate::{ExitReason, Interface, Message, Peer};

/// What happens on the network.
///
/// For each peer, `Enter` comes before anything else of it, `Exit` last and
/// once, and every transition once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer is here, and can be spoken to.
    Enter {
        /// Who.
        peer: Peer,
    },
    /// A peer is gone.
    Exit {
        /// Who.
        peer: Peer,
        /// Why.
        reason: ExitReason,
        /// How many of the messages that were accepted for it may not have
        /// arrived: those sent after the last PING that it answered.
        unconfirmed: u64,
    },
    /// A peer joined a group, whether we are in it or not.
    Join {
        /// Who.
        peer: Peer,
        /// Which group.
        group: Arc<str>,
    },
    /// A peer left a group.
    Leave {
        /// Who.
        peer: Peer,
        /// Which group.
        group: Arc<str>,
    },
    /// A message to this node.
    Whisper {
        /// From whom.
        peer: Peer,
        /// Its frames.
        message: Message,
    },
    /// A message to a group that this node is in.
    Shout {
        /// From whom.
        peer: Peer,
        /// To which group.
        group: Arc<str>,
        /// Its frames.
        message: Message,
    },
    /// A peer was silent and didn't answer a PING either.
    Evasive {
        /// Who.
        peer: Peer,
    },
    /// A peer has been evasive for seconds; it will be given up.
    Silent {
        /// Who.
        peer: Peer,
    },
    /// An evasive or silent peer was heard again.
    Responsive {
        /// Who.
        peer: Peer,
    },
    /// A peer's state changed.
    State {
        /// Who.
        peer: Peer,
        /// From which state.
        from: State,
        /// To which state.
        to: State,
    },
    /// Two live nodes use the same UUID: give each its own. Told once.
    Conflict {
        /// The UUID; it may be this node's.
        uuid: Uuid,
    },
    /// The queue to a peer is full (`on`), or has room again: half of it is
    /// free, and what was refused fits.
    ///
    /// Each follows the other, from the first message that found no room; a
    /// peer that exits while its queue is full has no second one. On the
    /// zeromq engine the bound is held in front of the library's own queue,
    /// and what that holds isn't seen here.
    Backpressure {
        /// Who reads more slowly than we send.
        peer: Peer,
        /// Whether the queue is full from now on, or no longer.
        on: bool,
    },
    /// An address of a network interface came into use while the node runs, or
    /// went out of it.
    Discovery {
        /// Whether it is used from now on, or no longer.
        up: bool,
        /// Which one.
        interface: Interface,
        /// Why, in words.
        reason: Arc<str>,
    },
}

impl Event {
    /// What it takes in the queue, in bytes.
    fn cost(&self) -> usize {
        let content = match self {
            Self::Whisper { message, .. } | Self::Shout { message, .. } => message.len(),
            _ => 0,
        };
        content + size_of::<Self>()
    }
}

/// How full the queue of events is, known to both of its ends.
#[derive(Debug)]
struct Gauge {
    bytes: AtomicUsize,
    high: usize,
    /// Wakes the driver when a full queue has room again.
    room: Notify,
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct EventSender {
    queue: mpsc::UnboundedSender<Event>,
    gauge: Arc<Gauge>,
}

/// What a node's application reads: a [`Stream`] that ends when the node has
/// stopped.
///
/// Not reading slows the peers down: their messages wait in their own queues.
/// It delays no timer, no beacon and nobody's presence. Dropping it discards
/// the events from then on; it isn't a handle, so the node goes on.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::UnboundedReceiver<Event>,
    gauge: Arc<Gauge>,
}

/// The queue may grow past `high` bytes by what was read in one go, and by
/// events that don't come from messages; both are bounded.
pub(crate) fn channel(high: usize) -> (EventSender, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge {
        bytes: AtomicUsize::new(0),
        high,
        room: Notify::new(),
    });
    let sender = EventSender {
        queue: sender,
        gauge: gauge.clone(),
    };
    let events = Events {
        queue: receiver,
        gauge,
    };
    (sender, events)
}

impl EventSender {
    pub(crate) fn send(&self, event: Event) {
        let cost = event.cost();
        self.gauge.bytes.fetch_add(cost, Ordering::Relaxed);
        if self.queue.send(event).is_err() {
            self.gauge.bytes.fetch_sub(cost, Ordering::Relaxed);
        }
    }

    /// What waits to be read, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.gauge.bytes.load(Ordering::Relaxed)
    }

    /// Whether the application should read before more is read for it.
    pub(crate) fn is_full(&self) -> bool {
        self.gauge.bytes.load(Ordering::Acquire) >= self.gauge.high && !self.queue.is_closed()
    }

    /// Completes once the queue is half empty, or the application is gone.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.gauge.room.notified();
            let low = self.gauge.bytes.load(Ordering::Acquire) <= self.gauge.high / 2;
            if low || self.queue.is_closed() {
                return;
            }
            room.await;
        }
    }
}

impl Events {
    /// The next event; `None` once the node has stopped.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        let event = self.queue.recv().await;
        self.taken(event)
    }

    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<Event> {
        let event = self.queue.try_recv().ok();
        self.taken(event)
    }

    /// Waits for an event and appends it and those behind it, `limit` at the
    /// most, to `events`. Returns how many there were; 0 once the node has
    /// stopped.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn recv_many(&mut self, events: &mut Vec<Event>, limit: usize) -> usize {
        let before = events.len();
        let count = self.queue.recv_many(events, limit).await;
        let cost = events.iter().skip(before).map(Event::cost).sum();
        self.release(cost);
        count
    }

    fn taken(&self, event: Option<Event>) -> Option<Event> {
        if let Some(event) = &event {
            self.release(event.cost());
        }
        event
    }

    fn release(&self, cost: usize) {
        let before = self.gauge.bytes.fetch_sub(cost, Ordering::AcqRel);
        let low = self.gauge.high / 2;
        if before > low && before.saturating_sub(cost) <= low {
            self.gauge.room.notify_one();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.queue.close();
        self.gauge.room.notify_one();
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let event = std::task::ready!(self.queue.poll_recv(cx));
        Poll::Ready(self.taken(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict() -> Event {
        Event::Conflict { uuid: Uuid::nil() }
    }

    #[tokio::test]
    async fn full_until_half_empty() {
        let (sender, mut events) = channel(4 * conflict().cost());
        for _ in 0..4 {
            assert!(!sender.is_full());
            sender.send(conflict());
        }
        assert!(sender.is_full());
        let room = sender.room();
        tokio::pin!(room);
        assert!(futures::poll!(room.as_mut()).is_pending());
        assert!(events.recv().await.is_some());
        assert!(futures::poll!(room.as_mut()).is_pending());
        assert!(events.try_recv().is_some());
        room.await;
    }

    #[tokio::test]
    async fn nobody_waits_for_a_reader_that_is_gone() {
        let (sender, events) = channel(1);
        sender.send(conflict());
        assert!(sender.is_full());
        drop(events);
        assert!(!sender.is_full());
        sender.room().await;
        sender.send(conflict());
    }
}
