//! The queue of events between the driver and the application.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use futures::task::AtomicWaker;
use uuid::Uuid;

use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Notify};
use crate::{Event, Message, Peer};

/// The part that both ends share.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Bytes that were sent and not yet taken.
    bytes: AtomicUsize,
    high: usize,
    reader_gone: AtomicBool,
    reader: AtomicWaker,
    /// Wakes the driver when a full queue has room again.
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Entry>,
    sender_gone: bool,
}

/// An event in the queue.
#[derive(Debug)]
enum Entry {
    /// A whisper, with its sender unless the last whisper was of the same peer. The
    /// reader clones the handle for its events: a reference count that the driver
    /// raises and the reader lowers would move between processors twice for each
    /// message.
    Whisper {
        peer: Option<Peer>,
        message: Message,
    },
    Other(Event),
}

impl Entry {
    /// The bytes that it takes in the queue.
    fn cost(&self) -> usize {
        match self {
            Self::Whisper { message, .. } => message.len().saturating_add(size_of::<Event>()),
            Self::Other(event) => event.cost(),
        }
    }

    /// The event; `speaker` is the sender of the last whisper.
    #[inline]
    fn into_event(self, speaker: &mut Option<Peer>) -> Option<Event> {
        match self {
            Self::Whisper { peer, message } => {
                if peer.is_some() {
                    *speaker = peer;
                }
                let peer = speaker.clone()?;
                Some(Event::Whisper { peer, message })
            }
            Self::Other(event) => {
                forget_gone(&event, speaker);
                Some(event)
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many events are handed over at once: a batch takes one lock and one wake-up,
/// which a flood of messages then doesn't pay for each.
const BATCH: usize = 64;

/// A buffer for more events than that is freed after the flood that needed it: there
/// may be a thousand nodes in a process.
const KEPT: usize = 64;

/// What two changes of state of one peer have become.
#[derive(Debug, PartialEq, Eq)]
enum Joined {
    /// One change, in the place of the first.
    One,
    /// None: the peer is in its former state again.
    Nothing,
}

/// Makes one change of `last` and the `next` one, if both are of the same session.
fn join_states(last: &mut Event, next: &Event) -> Option<Joined> {
    let Event::State { peer, from, to } = last else {
        return None;
    };
    let Event::State {
        peer: of, to: now, ..
    } = next
    else {
        return None;
    };
    if !peer.is_same_handle(of) {
        return None;
    }
    *to = *now;
    Some(if from == to {
        Joined::Nothing
    } else {
        Joined::One
    })
}

/// Drops the handle to a peer that may have gone.
fn forget_gone(event: &Event, speaker: &mut Option<Peer>) {
    if matches!(event, Event::Exit { .. }) {
        *speaker = None;
    }
}

/// The sending end. Events wait for [`flush`](Self::flush), or until there is a batch
/// of them.
#[derive(Debug)]
pub(crate) struct EventSender {
    queue: Arc<Queue>,
    unsent: VecDeque<Entry>,
    cost: usize,
    /// The sender of the last whisper.
    speaker: Option<Peer>,
    /// Changes of state that came while the queue was full, one for each peer. Beacons
    /// cause them, which nothing holds back.
    held_states: BTreeMap<Uuid, Event>,
}

/// The events of a node: a [`Stream`] that ends when the node has stopped.
///
/// Not reading slows the peers down: their messages wait in their own queues. It
/// delays neither timers nor beacons, and nobody takes the node for gone. Dropping it
/// discards later events; it isn't a handle, therefore the node goes on.
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
    /// Taken from the queue together and not read yet.
    taken: VecDeque<Entry>,
    /// The sender of the last whisper.
    speaker: Option<Peer>,
}

/// The queue may exceed `high` bytes by the messages that are read in one go, and by
/// events that aren't messages; both are bounded.
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
        speaker: None,
        held_states: BTreeMap::new(),
    };
    let events = Events {
        queue,
        taken: VecDeque::new(),
        speaker: None,
    };
    (sender, events)
}

impl EventSender {
    pub(crate) fn send(&mut self, event: Event) {
        match &event {
            Event::State { .. } => return self.send_state(event),
            // Anybody can cause these by datagrams. They come again if they are true.
            Event::Unreachable { .. } | Event::OneWay { .. } if self.is_full() => return,
            _ => {}
        }
        if !self.held_states.is_empty()
            && let Some(held) = event.uuid().and_then(|uuid| self.held_states.remove(&uuid))
        {
            self.push(Entry::Other(held));
        }
        forget_gone(&event, &mut self.speaker);
        self.push(Entry::Other(event));
    }

    /// Makes one of two changes of state of a peer, if nobody has read the first one and
    /// nothing else has happened in between.
    fn send_state(&mut self, event: Event) {
        if self.is_full() {
            let uuid = event.uuid().unwrap_or_default();
            match self.held_states.remove(&uuid) {
                None => {
                    self.held_states.insert(uuid, event);
                }
                Some(mut held) => {
                    if join_states(&mut held, &event) == Some(Joined::One) {
                        self.held_states.insert(uuid, held);
                    }
                }
            }
            return;
        }
        let queue = self.queue.clone();
        let mut waiting = queue.lock();
        let unsent = !self.unsent.is_empty();
        let entries = match unsent {
            true => &mut self.unsent,
            false => &mut waiting.events,
        };
        let joined = match entries.back_mut() {
            Some(Entry::Other(last)) => join_states(last, &event),
            _ => None,
        };
        if joined == Some(Joined::Nothing)
            && let Some(entry) = entries.pop_back()
        {
            match unsent {
                true => self.cost = self.cost.saturating_sub(entry.cost()),
                false => {
                    queue.bytes.fetch_sub(entry.cost(), Ordering::AcqRel);
                }
            }
        }
        drop(waiting);
        if joined.is_none() {
            self.push(Entry::Other(event));
        }
    }

    /// Sends a whisper of `peer`.
    pub(crate) fn send_whisper(&mut self, peer: &Peer, message: Message) {
        let goes_on = self
            .speaker
            .as_ref()
            .is_some_and(|last| last.is_same_handle(peer));
        let peer = if goes_on { None } else { Some(peer.clone()) };
        if peer.is_some() {
            self.speaker.clone_from(&peer);
        }
        self.push(Entry::Whisper { peer, message });
    }

    fn push(&mut self, entry: Entry) {
        self.cost = self.cost.saturating_add(entry.cost());
        self.unsent.push_back(entry);
        if self.unsent.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands the waiting events over.
    pub(crate) fn flush(&mut self) {
        if !self.held_states.is_empty() && !self.is_full() {
            let held = std::mem::take(&mut self.held_states);
            for event in held.into_values() {
                self.cost = self.cost.saturating_add(event.cost());
                self.unsent.push_back(Entry::Other(event));
            }
        }
        if self.unsent.is_empty() {
            return;
        }
        let cost = std::mem::take(&mut self.cost);
        let mut waiting = self.queue.lock();
        // Under the lock: a reader that goes now empties the queue after this.
        if self.is_unread() {
            drop(waiting);
            self.unsent.clear();
            return;
        }
        // Counted first: the reader must not take events that aren't counted.
        self.queue.bytes.fetch_add(cost, Ordering::AcqRel);
        waiting.events.append(&mut self.unsent);
        drop(waiting);
        self.queue.reader.wake();
    }

    /// Bytes that wait to be read.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.bytes.load(Ordering::Relaxed)
    }

    /// Whether the application should read before more messages are read for it.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.bytes.load(Ordering::Acquire) >= self.queue.high && !self.is_unread()
    }

    /// Completes when the queue is half empty, or the reader is gone.
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

    /// The next event if there is one.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.fill();
        self.pop()
    }

    /// Waits for an event, and appends it and those that follow it to `events`, up to
    /// `limit` of them. Returns their number; 0 once the node has stopped.
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
        let mut cost = 0usize;
        for entry in self.taken.drain(..count) {
            cost = cost.saturating_add(entry.cost());
            events.extend(entry.into_event(&mut self.speaker));
        }
        self.release(cost);
        count
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let more = std::task::ready!(self.poll_fill(cx));
        Poll::Ready(if more { self.pop() } else { None })
    }

    /// Ready when there is an event (true), or never will be again (false).
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // A reader that always finds events lets other tasks run, too.
        let budget = std::task::ready!(tokio::task::coop::poll_proceed(cx));
        let mut ended = self.fill();
        if self.taken.is_empty() && !ended {
            self.queue.reader.register(cx.waker());
            // An event from before that is found now; a later one wakes us.
            ended = self.fill();
        }
        if self.taken.is_empty() && !ended {
            return Poll::Pending;
        }
        budget.made_progress();
        Poll::Ready(!self.taken.is_empty())
    }

    /// Takes the waiting events if none are taken. Whether the sender is gone.
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
        let entry = self.taken.pop_front()?;
        self.release(entry.cost());
        entry.into_event(&mut self.speaker)
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
        // Outside the lock: this may drop the last handle to a peer.
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
    use crate::State;

    fn state(peer: &Peer, from: State, to: State) -> Event {
        let peer = peer.clone();
        Event::State { peer, from, to }
    }

    fn states(events: &mut Events) -> Vec<(State, State)> {
        let events = std::iter::from_fn(|| events.try_recv());
        let states = events.map(|event| match event {
            Event::State { from, to, .. } => (from, to),
            other => panic!("{other:?}"),
        });
        states.collect()
    }

    #[test]
    fn changes_of_state_that_nobody_has_read_become_one() {
        let (ready, busy, asleep) = (State::Ready, State::Busy, State::Asleep);
        let (alice, bob) = (Peer::detached("a").build(), Peer::detached("b").build());
        for flush in [false, true] {
            let (mut sender, mut events) = channel(1 << 20);
            let mut send = |event| {
                sender.send(event);
                if flush {
                    sender.flush();
                }
            };
            for _ in 0..1000 {
                send(state(&alice, ready, busy));
                send(state(&alice, busy, asleep));
                send(state(&alice, asleep, ready));
            }
            send(state(&alice, ready, busy));
            send(state(&alice, busy, asleep));
            send(state(&bob, ready, busy));
            send(state(&alice, asleep, busy));
            sender.flush();
            assert_eq!(sender.bytes(), 3 * conflict().cost());
            let read = states(&mut events);
            assert_eq!(read, [(ready, asleep), (ready, busy), (asleep, busy)]);
            assert_eq!(sender.bytes(), 0);
            sender.send(state(&alice, busy, ready));
            sender.flush();
            assert_eq!(states(&mut events), [(busy, ready)], "the former was read");
        }
    }

    #[test]
    fn what_datagrams_cause_has_a_bound_while_nobody_reads() {
        let (ready, busy) = (State::Ready, State::Busy);
        let (alice, bob) = (Peer::detached("a").build(), Peer::detached("b").build());
        let (mut sender, mut events) = channel(2 * conflict().cost());
        let mut send = |event| {
            sender.send(event);
            sender.flush();
        };
        send(conflict());
        send(conflict());
        for _ in 0..1000 {
            for peer in [&alice, &bob] {
                send(state(peer, ready, busy));
                send(state(peer, busy, ready));
            }
            send(Event::Unreachable {
                uuid: Uuid::nil(),
                endpoint: "tcp://10.0.0.1:5".parse().unwrap(),
                reason: "refused".into(),
            });
        }
        send(state(&alice, ready, busy));
        send(state(&bob, ready, busy));
        let exit = Event::Exit {
            peer: bob.clone(),
            reason: crate::ExitReason::Goodbye,
            unconfirmed: 0,
        };
        send(exit);
        assert!(events.try_recv().is_some() && events.try_recv().is_some());
        let first = events.try_recv();
        assert!(matches!(&first, Some(Event::State { peer, .. }) if *peer == bob));
        assert!(matches!(events.try_recv(), Some(Event::Exit { .. })));
        assert!(events.try_recv().is_none());
        sender.flush();
        assert_eq!(states(&mut events), [(ready, busy)], "alice");
    }

    #[tokio::test]
    async fn what_a_peer_tells_counts_while_its_enter_waits() {
        let value = "v".repeat(10_000);
        let peer = Peer::detached("a").header("key", value).build();
        let (mut sender, mut events) = channel(10_000);
        sender.send(Event::Enter { peer });
        sender.flush();
        assert!(sender.is_full());
        assert!(events.recv().await.is_some());
        assert_eq!(sender.bytes(), 0);
    }

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
    async fn a_reader_that_is_gone_holds_nothing_up() {
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
