//! The reader of an inbox and those that fill it, interleaved.

use std::collections::BTreeMap;

use zre_interleave::thread::{self, JoinHandle};
use zre_interleave::{any, block_on, explore};

use super::*;
use crate::backlog::Backlog;
use crate::producer::{Gone, ProducerHandle};
use crate::{Identity, Link, LinkLimits};

/// How many schedules of each model the usual tests look at.
const SCHEDULES: usize = 1000;

/// What has come over one connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    messages: Vec<u8>,
    end: Option<CloseReason>,
}

/// All that was read, in two views.
#[derive(Debug, Default)]
struct Read {
    connections: BTreeMap<u64, Came>,
    /// The numbers of the connections, as they were opened (positive) and closed
    /// (negative).
    order: Vec<i64>,
}

impl Read {
    /// Notes an arrival, in the order that is promised.
    fn note(&mut self, arrival: &Arrival) {
        match arrival {
            Arrival::Opened { connection, .. } => {
                let before = self.connections.insert(*connection, Came::default());
                assert_eq!(before, None, "opened twice");
                self.order.push(i64::try_from(*connection).unwrap());
            }
            Arrival::Batch(batch) => {
                let came = self.connections.get_mut(&batch.connection).unwrap();
                assert_eq!(came.end, None, "closed before");
                assert!(!batch.messages.is_empty());
                came.messages
                    .extend(batch.messages.iter().map(|message| message.head[0]));
            }
            Arrival::Closed {
                connection, reason, ..
            } => {
                let came = self.connections.get_mut(connection).unwrap();
                assert_eq!(came.end.replace(reason.clone()), None, "closed twice");
                self.order.push(-i64::try_from(*connection).unwrap());
            }
            Arrival::Denied { .. } => panic!("nobody has a key"),
        }
    }
}

fn source(identity: &str) -> Source {
    Source::new(Identity::new(identity.to_owned()).unwrap(), Link::Tcp)
}

fn push(producer: &ProducerHandle, name: u8) -> Result<(), Gone> {
    let mut backlog = Backlog::default();
    backlog.push(Message::new(&[name], &[]), LinkLimits::cost(&[name], &[]));
    producer.push(backlog)
}

/// What a connection's reader does: hands over messages while there is room, until it has
/// no more or the queue ends. Returns how many were accepted.
fn fill(producer: ProducerHandle, messages: u8) -> (u64, u8) {
    let mut accepted = 0;
    while accepted < messages {
        if push(&producer, accepted).is_err() {
            break;
        }
        accepted += 1;
        if !producer.has_room() && block_on(producer.room()).is_err() {
            break;
        }
    }
    producer.close(CloseReason::PeerClosed);
    (producer.connection(), accepted)
}

fn spawn_producers<const N: usize>(
    dispatcher: &Arc<Dispatcher>,
    identities: [&'static str; N],
) -> [JoinHandle<Option<(u64, u8)>>; N] {
    identities.map(|identity| {
        let dispatcher = dispatcher.clone();
        thread::spawn(move || {
            let producer = ProducerHandle::open(&dispatcher, source(identity)).ok()?;
            Some(fill(producer, 3))
        })
    })
}

/// Bounds that one message reaches: of each connection, or of all.
fn tight() -> LinkLimits {
    match any(2) {
        0 => LinkLimits {
            inbox_bytes_per_connection: 1,
            ..LinkLimits::default()
        },
        _ => LinkLimits {
            inbox_bytes_total: 1,
            ..LinkLimits::default()
        },
    }
}

fn assert_all_read(read: &Read, connection: u64, accepted: u8) {
    let all: Vec<u8> = (0..accepted).collect();
    let came = read.connections.get(&connection);
    assert_eq!(came.map(|came| &came.messages), Some(&all));
    assert!(came.is_some_and(|came| came.end.is_some()));
}

#[test]
fn connections_that_wait_for_room_get_it_and_keep_their_order() {
    explore(SCHEDULES, || {
        let dispatcher = Dispatcher::new(&tight(), false);
        let mut inbox = Inbox::new(dispatcher.clone());
        let producers = spawn_producers(&dispatcher, ["a", "b"]);
        let mut read = Read::default();
        let mut holders = Vec::new();
        let open = |read: &Read| read.connections.values().any(|came| came.end.is_none());
        while read.connections.len() < 2 || open(&read) {
            let arrival = block_on(inbox.recv()).unwrap();
            read.note(&arrival);
            // To hold a batch is to hold its sender back.
            holders.push(thread::spawn(move || drop(arrival)));
        }
        for holder in holders {
            holder.join().unwrap();
        }
        for producer in producers {
            let (connection, accepted) = producer.join().unwrap().unwrap();
            assert_eq!(accepted, 3);
            assert_all_read(&read, connection, accepted);
        }
        assert_eq!(dispatcher.total().used(), 0);
    });
}

#[test]
fn what_was_accepted_before_a_shutdown_is_read() {
    explore(SCHEDULES, || {
        let dispatcher = Dispatcher::new(&tight(), false);
        let mut inbox = Inbox::new(dispatcher.clone());
        let producers = spawn_producers(&dispatcher, ["a", "b"]);
        let reader = thread::spawn(move || {
            let mut read = Read::default();
            while let Some(arrival) = block_on(inbox.recv()) {
                read.note(&arrival);
            }
            read
        });
        dispatcher.shut();
        let read = reader.join().unwrap();
        for producer in producers {
            if let Some((connection, accepted)) = producer.join().unwrap() {
                assert_all_read(&read, connection, accepted);
            }
        }
        assert_eq!(dispatcher.total().used(), 0);
    });
}

#[test]
fn an_inbox_that_is_dropped_ends_those_that_fill_it() {
    explore(SCHEDULES, || {
        let dispatcher = Dispatcher::new(&tight(), false);
        let mut inbox = Inbox::new(dispatcher.clone());
        let fills = spawn_producers(&dispatcher, ["a"]);
        // Who only waits for the end is told, too, and who is alone.
        let waits = (any(2) == 0).then(|| {
            let waits = ProducerHandle::open(&dispatcher, source("b")).unwrap();
            thread::spawn(move || block_on(waits.ended()))
        });
        // What is held makes no room.
        let mut held = Vec::new();
        for _ in 0..any(6) {
            match inbox.try_recv() {
                Some(arrival) => held.push(arrival),
                None => thread::yield_now(),
            }
        }
        drop(inbox);
        for fills in fills {
            fills.join().unwrap();
        }
        if let Some(waits) = waits {
            assert_eq!(waits.join().unwrap(), CloseReason::Local);
        }
        drop(held);
        assert_eq!(dispatcher.total().used(), 0);
    });
}

#[test]
fn a_connection_that_is_replaced_ends_before_its_successor_begins() {
    explore(SCHEDULES, || {
        let admits = any(2) == 0;
        let dispatcher = Dispatcher::new(&tight(), admits);
        let mut inbox = Inbox::new(dispatcher.clone());
        let producers = spawn_producers(&dispatcher, ["a", "a"]);
        let mut read = Read::default();
        while read.order.len() < 4 {
            let arrival = block_on(inbox.recv()).unwrap();
            read.note(&arrival);
            if let Arrival::Opened { connection, .. } = arrival
                && admits
            {
                dispatcher.admit(connection);
            }
        }
        for producer in producers {
            let (connection, accepted) = producer.join().unwrap().unwrap();
            assert_all_read(&read, connection, accepted);
        }
        if !admits {
            assert_eq!(read.order, [1, -1, 2, -2]);
        }
        assert_eq!(dispatcher.total().used(), 0);
    });
}
