use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use futures::task::AtomicWaker;
use tokio::sync::Notify;
use uuid::Uuid;
use zre_proto::State;

use crate::{ExitReason, Interface, Message, Peer, Responder};

/// What happens on the network.
///
/// For each peer, `Enter` comes before anything else of it, `Exit` last and
/// once, and every transition once.
///
/// New kinds may come with new versions, so a `match` needs a last arm for those
/// that it doesn't care for.
///
/// ```
/// use zre::Event;
///
/// fn tell(event: &Event) -> String {
///     match event {
///         Event::Enter { peer } => format!("{peer} is here, over {}", peer.link()),
///         Event::Exit { peer, reason, unconfirmed: 0 } => format!("{peer} has gone: {reason}"),
///         Event::Exit { peer, reason, unconfirmed } => {
///             format!("{peer} has gone: {reason}; up to {unconfirmed} messages are lost")
///         }
///         Event::Shout { peer, group, message } => match message.to_str() {
///             Some(text) => format!("{peer} to {group}: {text}"),
///             None => format!("{peer} to {group}: {} frames", message.frame_count()),
///         },
///         other => format!("{other:?}"),
///     }
/// }
/// ```
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
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
    /// A message to this node whose sender waits for an answer.
    Request {
        /// From whom.
        peer: Peer,
        /// Its frames.
        message: Message,
        /// Takes the answer. Where it is dropped, as by a program that expects
        /// no requests, the peer is told at once that there won't be one.
        #[cfg_attr(feature = "serde", serde(skip))]
        responder: Responder,
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
    /// A group that this node is in has a leader, or another one than before:
    /// the lowest UUID of those who contest ([`Node::contest`](crate::Node::contest)).
    Leader {
        /// Which group.
        group: Arc<str>,
        /// Who leads it; this node, where that is its own UUID.
        uuid: Uuid,
        /// Who, where that isn't this node.
        peer: Option<Peer>,
    },
    /// An election in a group doesn't end, because these members don't take part:
    /// pyre and zyre.js know nothing of elections. Told once for each election.
    Undecided {
        /// Which group.
        group: Arc<str>,
        /// Who keeps it from its end.
        missing: Vec<Peer>,
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
            Self::Request { message, .. } => message.len().saturating_add(RESPONDER),
            Self::Undecided { missing, .. } => missing.len().saturating_mul(size_of::<Peer>()),
            _ => 0,
        };
        content.saturating_add(size_of::<Self>())
    }
}

/// What a responder takes beside the event, in bytes.
const RESPONDER: usize = 64;

/// What lies between the driver and the application.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// What was sent and not yet taken, in bytes.
    bytes: AtomicUsize,
    high: usize,
    reader_gone: AtomicBool,
    reader: AtomicWaker,
    /// Wakes the driver when a full queue has room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    sender_gone: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many events are handed over at once: it takes a lock and a wake-up, so
/// that a flood of messages needn't pay for each.
const BATCH: usize = 64;

/// A buffer for more events than that doesn't outlive the flood that made it:
/// there may be a thousand nodes in a process.
const KEPT: usize = 64;

/// The writing end. What was sent waits for [`flush`](Self::flush), or until
/// there is a batch of it.
#[derive(Debug)]
pub(crate) struct EventSender {
    queue: Arc<Queue>,
    unsent: VecDeque<Event>,
    cost: usize,
}

/// What a node's application reads: a [`Stream`] that ends when the node has
/// stopped.
///
/// Not reading slows the peers down: their messages wait in their own queues.
/// It delays no timer, no beacon and nobody's presence. Dropping it discards
/// the events from then on; it isn't a handle, so the node goes on.
///
/// ```no_run
/// use zre::{Event, Node};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (node, mut events) = Node::builder().start().await?;
/// loop {
///     tokio::select! {
///         event = events.recv() => match event {
///             Some(Event::Whisper { peer, message }) => println!("{peer}: {message:?}"),
///             Some(_) => {}
///             // The node has stopped.
///             None => break,
///         },
///         () = tokio::time::sleep(std::time::Duration::from_secs(60)) => {
///             node.shutdown().await;
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue>,
    /// Taken from the queue together, and not read yet.
    taken: VecDeque<Event>,
}

/// The queue may grow past `high` bytes by what was read in one go, and by
/// events that don't come from messages; both are bounded.
pub(crate) fn channel(high: usize) -> (EventSender, Events) {
    let queue = Arc::new(Queue {
        waiting: Mutex::default(),
        bytes: AtomicUsize::new(0),
        high,
        reader_gone: AtomicBool::new(false),
        reader: AtomicWaker::new(),
        room: Notify::new(),
    });
    let sender = EventSender {
        queue: queue.clone(),
        unsent: VecDeque::new(),
        cost: 0,
    };
    let events = Events {
        queue,
        taken: VecDeque::new(),
    };
    (sender, events)
}

impl EventSender {
    pub(crate) fn send(&mut self, event: Event) {
        self.cost = self.cost.saturating_add(event.cost());
        self.unsent.push_back(event);
        if self.unsent.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands over what was sent.
    pub(crate) fn flush(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let cost = std::mem::take(&mut self.cost);
        if self.queue.reader_gone.load(Ordering::Acquire) {
            self.unsent.clear();
            return;
        }
        // Counted first: nobody may take out what isn't counted.
        self.queue.bytes.fetch_add(cost, Ordering::AcqRel);
        self.queue.lock().events.append(&mut self.unsent);
        self.queue.reader.wake();
    }

    /// What waits to be read, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.bytes.load(Ordering::Relaxed)
    }

    /// Whether the application should read before more is read for it.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.bytes.load(Ordering::Acquire) >= self.queue.high && !self.is_unread()
    }

    /// Completes once the queue is half empty, or the application is gone.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.queue.room.notified();
            let low = self.queue.bytes.load(Ordering::Acquire) <= self.queue.high / 2;
            if low || self.is_unread() {
                return;
            }
            room.await;
        }
    }

    fn is_unread(&self) -> bool {
        self.queue.reader_gone.load(Ordering::Acquire)
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.flush();
        self.queue.lock().sender_gone = true;
        self.queue.reader.wake();
    }
}

impl Events {
    /// The next event; `None` once the node has stopped.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.fill();
        self.pop()
    }

    /// Waits for an event and appends it and those behind it, `limit` at the
    /// most, to `events`. Returns how many there were; 0 once the node has
    /// stopped.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped.
    pub async fn recv_many(&mut self, events: &mut Vec<Event>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        if !std::future::poll_fn(|cx| self.poll_fill(cx)).await {
            return 0;
        }
        let count = limit.min(self.taken.len());
        let before = events.len();
        events.extend(self.taken.drain(..count));
        let cost = events.iter().skip(before).map(Event::cost).sum();
        self.release(cost);
        count
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let more = std::task::ready!(self.poll_fill(cx));
        Poll::Ready(if more { self.pop() } else { None })
    }

    /// Ready when there is an event (true), or will never be one again.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // A reader who always finds something lets others have their turn too.
        let budget = std::task::ready!(tokio::task::coop::poll_proceed(cx));
        let mut ended = self.fill();
        if self.taken.is_empty() && !ended {
            self.queue.reader.register(cx.waker());
            // What came before that is found now, what comes later wakes us.
            ended = self.fill();
        }
        if self.taken.is_empty() && !ended {
            return Poll::Pending;
        }
        budget.made_progress();
        Poll::Ready(!self.taken.is_empty())
    }

    /// Takes what waits, if nothing is taken. Whether the sender is gone.
    fn fill(&mut self) -> bool {
        if !self.taken.is_empty() {
            return false;
        }
        let mut waiting = self.queue.lock();
        std::mem::swap(&mut self.taken, &mut waiting.events);
        if self.taken.is_empty() {
            for buffer in [&mut self.taken, &mut waiting.events] {
                if buffer.capacity() > KEPT {
                    *buffer = VecDeque::new();
                }
            }
        }
        waiting.sender_gone
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.taken.pop_front()?;
        self.release(event.cost());
        Some(event)
    }

    fn release(&self, cost: usize) {
        let before = self.queue.bytes.fetch_sub(cost, Ordering::AcqRel);
        let low = self.queue.high / 2;
        if before > low && before.saturating_sub(cost) <= low {
            self.queue.room.notify_one();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.queue.reader_gone.store(true, Ordering::Release);
        let events = std::mem::take(&mut self.queue.lock().events);
        // Outside the lock: the last handle to a peer may go with them.
        drop(events);
        self.queue.room.notify_one();
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_recv(cx)
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
        let (mut sender, mut events) = channel(4 * conflict().cost());
        for _ in 0..4 {
            assert!(!sender.is_full());
            sender.send(conflict());
            sender.flush();
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
        let (mut sender, events) = channel(1);
        sender.send(conflict());
        sender.flush();
        assert!(sender.is_full());
        drop(events);
        assert!(!sender.is_full());
        sender.room().await;
        sender.send(conflict());
        sender.flush();
    }
}
