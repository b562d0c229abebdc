//! Callers, the task and the other end of a mailbox, interleaved.

use std::sync::{LazyLock, Weak};

use bytes::BytesMut;
use tokio::runtime::{Builder, EnterGuard, Runtime};
use zre_interleave::thread::{self, JoinHandle};
use zre_interleave::{any, block_on, explore, yield_now};
use zre_zmtp::{Command, Decoder, Item, Null, encode_ping};

use super::super::greet::frame_limits;
use super::super::mailbox_task::{carry, given_up};
use super::super::pool::Pool;
use super::super::scripted_stream::ScriptedStream;
use super::*;
use crate::limits::FRAME_OVERHEAD;
use crate::mailbox_registry::MailboxRegistry;
use crate::{Flushed, Mailbox, Notice, Notices};

/// How many schedules of each model the usual tests look at.
const SCHEDULES: usize = 1000;

/// For as long as a model runs.
const LONG: Duration = Duration::from_secs(3600);

/// A mailbox, and the other end of its connection.
#[derive(Clone)]
struct Model {
    outbound: Arc<Outbound>,
    handle: Mailbox,
    stream: Arc<Stream>,
    /// Notified when the runtime ends.
    runtime_ends: Arc<Notify>,
    /// What the next message is called. Callers number under this lock and write after it.
    next: Arc<Mutex<u8>>,
    registry: Arc<MailboxRegistry>,
}

/// Timers need a runtime. None of them ever ends: nobody runs it, and nobody drops it, which
/// would wake the tasks of a model that has failed.
fn timers() -> EnterGuard<'static> {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());
    RUNTIME.enter()
}

/// What has come over the wire.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    messages: Vec<u8>,
    pongs: usize,
}

fn seen(written: &[u8]) -> Seen {
    let mut decoder = Decoder::new(frame_limits(&LinkLimits::default()), written.into(), None);
    let mut seen = Seen::default();
    while let Some(item) = decoder.decode(&mut Pool).unwrap() {
        match item {
            Item::Message(message) => seen.messages.push(message.head[0]),
            Item::Command(body) => {
                assert!(matches!(Command::parse(body), Ok(Command::Pong { .. })));
                seen.pongs += 1;
            }
        }
    }
    seen
}

impl Model {
    fn new(limits: LinkLimits, budget: &Arc<Budget>, stream: ScriptedStream) -> (Self, Notices) {
        let (sender, notices) = Notices::new();
        let registry = Arc::new(MailboxRegistry::new(sender));
        let slot = registry.reserve();
        let local = LocalSide {
            identity: Identity::new("test").unwrap(),
            mechanism: Arc::new(Null),
            limits: Arc::new(limits),
            admission: None,
        };
        let parts = QueueParts {
            budget: Arc::clone(budget),
            pace: Arc::new(Pace::new()),
            report: Reporter::new(1, &registry, slot),
        };
        let outbound = Outbound::new(&local, parts);
        let queue: Weak<Outbound> = Arc::downgrade(&outbound);
        registry.register(slot, queue);
        let model = Self {
            handle: Mailbox::new(outbound.clone(), LONG),
            outbound,
            stream: Arc::new(Stream::Scripted(Arc::new(stream))),
            runtime_ends: Arc::default(),
            next: Arc::new(Mutex::new(0)),
            registry,
        };
        (model, notices)
    }

    fn other_end(&self) -> &ScriptedStream {
        match &*self.stream {
            Stream::Scripted(stream) => stream,
            _ => unreachable!("no model has another one"),
        }
    }

    /// The mailbox's task from its connection on.
    fn spawn_task(&self) -> JoinHandle<CloseReason> {
        let Self {
            outbound,
            stream,
            runtime_ends,
            ..
        } = self.clone();
        thread::spawn(move || {
            block_on(async {
                outbound.up(&stream, None, None, None);
                let limits = frame_limits(&outbound.limits);
                let decoder = Decoder::new(limits, BytesMut::new(), None);
                let reason = tokio::select! {
                    biased;
                    () = runtime_ends.notified() => CloseReason::Local,
                    reason = carry(&outbound, &stream, decoder) => reason,
                };
                outbound.end(reason.clone());
                reason
            })
        })
    }

    /// Queues the next message, and writes it or has it written.
    fn send(&self, body: usize) -> Result<(), TrySendError> {
        let body = [Bytes::from(vec![7; body])];
        let pending = {
            let mut next = self.next.lock().unwrap();
            let pending = self.outbound.enqueue(&[*next], &body, Class::Data)?;
            *next += 1;
            pending
        };
        pending.write();
        Ok(())
    }

    /// Callers that send until they are refused, `most` messages at most. One message in
    /// four is large.
    fn spawn_callers(&self, callers: usize, most: usize) -> Vec<JoinHandle<()>> {
        let caller = |_| {
            let model = self.clone();
            thread::spawn(move || {
                for _ in 0..most {
                    let size = if any(4) == 0 { BATCH as usize } else { 1 };
                    match model.send(size) {
                        Ok(()) => {}
                        Err(TrySendError::Closed) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        };
        (0..callers).map(caller).collect()
    }

    /// The other end, which reads all that comes from some moment on.
    fn spawn_reader(&self) -> JoinHandle<()> {
        let model = self.clone();
        thread::spawn(move || model.other_end().make_room(usize::MAX))
    }

    fn accepted(&self) -> usize {
        usize::from(*self.next.lock().unwrap())
    }

    /// What must hold once the task has ended and nobody sends: returns how many messages
    /// are known to be lost.
    fn check_end(&self, mut notices: Notices, is_up: bool, reason: &CloseReason) -> usize {
        assert_eq!(self.send(1), Err(TrySendError::Closed));
        if is_up {
            assert!(matches!(notices.try_recv(), Some(Notice::Up { id: 1, .. })));
        }
        let Some(Notice::Closed {
            id: 1,
            reason: told,
            lost,
        }) = notices.try_recv()
        else {
            panic!("no Closed")
        };
        assert_eq!(told, *reason);
        assert_eq!(notices.try_recv(), None, "Closed is the last");
        assert_eq!(self.outbound.unsent(), lost);
        assert_eq!(self.outbound.budget().used(), 0);
        // Nobody keeps the socket open.
        assert_eq!(Arc::strong_count(&self.stream), 1);
        assert!(self.registry.queues().is_empty());
        // In order, without a gap, and once.
        let came = seen(&self.other_end().written()).messages;
        let in_order: Vec<u8> = (0..).take(came.len()).collect();
        assert_eq!(came, in_order);
        let lost = usize::try_from(lost).unwrap();
        assert!(came.len() + lost <= self.accepted(), "{came:?} + {lost}");
        lost
    }

    fn came(&self) -> usize {
        seen(&self.other_end().written()).messages.len()
    }
}

fn model(stream: ScriptedStream) -> (Model, Notices) {
    let limits = LinkLimits::default();
    let budget = Arc::new(Budget::new(limits.queue_bytes_total));
    Model::new(limits, &budget, stream)
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn every_message_is_written_once_and_in_order_without_being_asked_for() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let (model, notices) = model(ScriptedStream::new(any(3), usize::MAX));
        let task = model.spawn_task();
        let callers = model.spawn_callers(2, 2);
        // A PING wakes the task, too: sometimes there is none.
        let pings = any(3);
        let other_end = {
            let model = model.clone();
            thread::spawn(move || {
                let mut ping = Vec::new();
                encode_ping(0, b"", &mut ping);
                for _ in 0..pings {
                    model.other_end().send(&ping);
                    model.other_end().make_room(1);
                }
                model.other_end().make_room(usize::MAX);
            })
        };
        join(callers);
        join([other_end]);
        // Nobody does anything any more: what isn't written by now has to be.
        let all = model.accepted();
        block_on(model.other_end().sees(|written| {
            let seen = seen(written);
            seen.messages.len() == all && (seen.pongs > 0) == (pings > 0)
        }));
        model.outbound.close(LONG);
        let reason = task.join().unwrap();
        assert!(model.other_end().is_finished());
        assert_eq!(reason, CloseReason::Local);
        assert_eq!(model.check_end(notices, true, &reason), 0);
        assert_eq!(model.came(), 4);
    });
}

#[test]
fn a_connection_that_breaks_at_any_write_ends_the_mailbox() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let (model, notices) = model(ScriptedStream::new(any(4), any(6)));
        let task = model.spawn_task();
        let callers = model.spawn_callers(2, 3);
        let other_end = model.spawn_reader();
        join(callers);
        join([other_end]);
        let all = model.accepted();
        block_on((model.other_end()).sees(|written| seen(written).messages.len() == all));
        let broken = model.other_end().has_failed();
        if !broken {
            model.outbound.close(LONG);
        }
        let reason = task.join().unwrap();
        let why = match broken {
            true => CloseReason::TimedOut,
            false => CloseReason::Local,
        };
        assert_eq!(reason, why);
        model.check_end(notices, true, &reason);
    });
}

#[test]
fn what_a_broken_connection_loses_is_counted() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let (model, notices) = model(ScriptedStream::new(any(4), usize::MAX));
        let task = model.spawn_task();
        join(model.spawn_callers(2, 2));
        // Nobody is writing but the task.
        model.other_end().break_off();
        model.other_end().make_room(1);
        if model.came() == model.accepted() {
            model.other_end().close();
        }
        let reason = task.join().unwrap();
        assert_ne!(reason, CloseReason::Local);
        let lost = model.check_end(notices, true, &reason);
        assert_eq!(model.came() + lost, model.accepted());
    });
}

#[test]
fn an_end_meets_callers_that_write() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let (model, notices) = model(ScriptedStream::new(any(6), usize::MAX));
        let task = model.spawn_task();
        let callers = model.spawn_callers(2, 3);
        let why = match any(2) {
            0 => {
                model.other_end().close();
                CloseReason::PeerClosed
            }
            _ => {
                model.runtime_ends.notify_one();
                CloseReason::Local
            }
        };
        let reason = task.join().unwrap();
        join(callers);
        assert_eq!(reason, why);
        model.check_end(notices, true, &reason);
    });
}

#[test]
fn a_close_lets_out_what_was_accepted_and_accepts_nothing_more() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let (model, notices) = model(ScriptedStream::new(any(3), usize::MAX));
        let task = model.spawn_task();
        let callers = model.spawn_callers(2, 3);
        let other_end = model.spawn_reader();
        let handle = Mailbox::new(model.outbound.clone(), LONG);
        match any(2) {
            0 => handle.close(LONG),
            _ => drop(handle),
        }
        let accepted = model.accepted();
        let refused = model.send(1);
        assert_eq!(refused, Err(TrySendError::Closed));
        let reason = task.join().unwrap();
        join(callers);
        join([other_end]);
        assert_eq!(reason, CloseReason::Local);
        assert_eq!(model.accepted(), accepted, "accepted after the close");
        assert_eq!(model.check_end(notices, true, &reason), 0);
        assert_eq!(model.came(), accepted);
    });
}

#[test]
fn a_mailbox_that_is_closed_while_it_connects_ends() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let (model, notices) = model(ScriptedStream::new(usize::MAX, usize::MAX));
        let task = {
            let model = model.clone();
            thread::spawn(move || {
                let connects = any(2) == 0;
                let connected = block_on(async {
                    tokio::select! {
                        biased;
                        () = yield_now(), if connects => true,
                        () = given_up(&model.outbound) => false,
                    }
                });
                let reason = match connected {
                    true => return (true, model.spawn_task().join().unwrap()),
                    false => CloseReason::Local,
                };
                model.outbound.end(reason.clone());
                (false, reason)
            })
        };
        model.outbound.close(LONG);
        let (connected, reason) = task.join().unwrap();
        assert_eq!(reason, CloseReason::Local);
        assert_eq!(model.check_end(notices, connected, &reason), 0);
    });
}

#[test]
fn whoever_waits_for_room_in_the_queue_gets_it() {
    let _timers = timers();
    explore(SCHEDULES, || {
        // One message at a time.
        let limits = LinkLimits {
            queue_bytes_per_peer: 1,
            ..LinkLimits::default()
        };
        let budget = Arc::new(Budget::new(limits.queue_bytes_total));
        let stream = ScriptedStream::new(any(2), usize::MAX);
        let (model, notices) = Model::new(limits, &budget, stream);
        let task = model.spawn_task();
        let callers = [(); 2].map(|()| {
            let model = model.clone();
            thread::spawn(move || insist(&model, 2))
        });
        model.other_end().make_room(usize::MAX);
        join(callers);
        flush_and_close(&model);
        let reason = task.join().unwrap();
        assert_eq!(model.check_end(notices, true, &reason), 0);
        assert_eq!(model.came(), 4);
    });
}

#[test]
fn whoever_waits_for_room_learns_of_the_end() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let limits = LinkLimits {
            queue_bytes_per_peer: 1,
            ..LinkLimits::default()
        };
        let budget = Arc::new(Budget::new(limits.queue_bytes_total));
        let (model, notices) = Model::new(limits, &budget, ScriptedStream::new(0, usize::MAX));
        let task = model.spawn_task();
        let caller = {
            let model = model.clone();
            thread::spawn(move || insist(&model, 2))
        };
        match any(2) {
            0 => model.outbound.close(LONG),
            _ => model.other_end().close(),
        }
        let flusher = {
            let model = model.clone();
            thread::spawn(move || {
                let _ = block_on(model.handle.flush(LONG));
            })
        };
        join([caller]);
        model.other_end().close();
        join([flusher]);
        let reason = task.join().unwrap();
        model.check_end(notices, true, &reason);
    });
}

#[test]
fn whoever_waits_for_room_in_the_bound_of_all_queues_gets_it() {
    let _timers = timers();
    explore(SCHEDULES, || {
        // One message of both at a time.
        let limits = LinkLimits {
            queue_bytes_total: LinkLimits::cost(&[0], &[Bytes::from_static(b"x")]),
            ..LinkLimits::default()
        };
        let budget = Arc::new(Budget::new(limits.queue_bytes_total));
        let both = [(); 2].map(|()| {
            let stream = ScriptedStream::new(any(2), usize::MAX);
            Model::new(limits.clone(), &budget, stream)
        });
        let threads: Vec<_> = both
            .iter()
            .map(|(model, _)| {
                let task = model.spawn_task();
                let model = model.clone();
                let caller = thread::spawn(move || insist(&model, 2));
                (task, caller)
            })
            .collect();
        for (model, _) in &both {
            model.other_end().make_room(usize::MAX);
        }
        for ((model, notices), (task, caller)) in both.into_iter().zip(threads) {
            caller.join().unwrap();
            flush_and_close(&model);
            let reason = task.join().unwrap();
            assert_eq!(model.outbound.unsent(), 0);
            assert_eq!(reason, CloseReason::Local);
            assert_eq!(model.came(), 2);
            drop(notices);
        }
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn whoever_waits_for_a_larger_share_gets_it_when_there_are_fewer() {
    let _timers = timers();
    explore(SCHEDULES, || {
        let cost = LinkLimits::cost(&[0], &[Bytes::from_static(b"x")]);
        let limits = LinkLimits {
            queue_bytes_total: 100 * cost,
            ..LinkLimits::default()
        };
        let budget = Arc::new(Budget::new(limits.queue_bytes_total));
        let model = || Model::new(limits.clone(), &budget, ScriptedStream::new(0, usize::MAX)).0;
        let (large, small, leaving) = (model(), model(), model());
        // Nobody reads. A message takes nearly all, after which a third of what is left is
        // enough for two messages, and half of it for three.
        large.send(80 * cost - 2 * FRAME_OVERHEAD - 1).unwrap();
        let caller = thread::spawn(move || {
            insist(&small, 3);
            small
        });
        let leaver = thread::spawn(move || drop(leaving));
        let small = caller.join().unwrap();
        join([leaver]);
        assert_eq!(small.accepted(), 3);
    });
}

/// Sends messages, and waits for room when there is none, until the mailbox is closed.
fn insist(model: &Model, messages: usize) {
    for _ in 0..messages {
        loop {
            match model.send(1) {
                Ok(()) => break,
                Err(TrySendError::Full) => {}
                Err(error) => {
                    assert_eq!(error, TrySendError::Closed);
                    return;
                }
            }
            if block_on(model.handle.writable(2)).is_err() {
                return;
            }
        }
    }
}

fn flush_and_close(model: &Model) {
    assert_eq!(block_on(model.handle.flush(LONG)), Flushed::All);
    model.handle.close(LONG);
}
