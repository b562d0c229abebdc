//! The reader of a connection, the inbox and the other end, interleaved.

use std::io::IoSlice;

use bytes::BytesMut;
use zre_interleave::{any, block_on, explore, thread};

use super::super::scripted_stream::ScriptedStream;
use super::*;
use crate::dispatcher::Dispatcher;
use crate::{Arrival, Inbox, Link};

/// How many schedules of each model the usual tests look at.
const SCHEDULES: usize = 1000;

/// A connection whose handshake is over, and its other end.
fn connection(dispatcher: &Arc<Dispatcher>) -> (Connection, Arc<ScriptedStream>) {
    let other_end = Arc::new(ScriptedStream::new(usize::MAX, usize::MAX));
    let limits = LinkLimits::default();
    let source = Source::new(Identity::new("a").unwrap(), Link::Tcp);
    let connection = Connection {
        stream: Stream::Scripted(other_end.clone()),
        admission: None,
        producer: ProducerHandle::open(dispatcher, source).unwrap(),
        wire: Wire {
            decoder: Decoder::new(frame_limits(&limits), BytesMut::new(), None),
            partial: Partial::new(&Arc::default(), limits.inbox_bytes_total),
            answers: Encoder::default(),
        },
    };
    (connection, other_end)
}

/// So many messages in wire form.
fn encoded(messages: u8) -> Vec<u8> {
    let mut encoder = Encoder::default();
    (0..messages).for_each(|name| encoder.push_message(&[name], &[Bytes::from_static(b"body")]));
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = encoder.slices(&mut slices);
    slices[..filled]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect()
}

/// The other end sends messages, cut anywhere, and closes.
fn talk(other_end: &ScriptedStream, messages: u8) {
    let mut bytes = &encoded(messages)[..];
    while !bytes.is_empty() {
        let (some, rest) = bytes.split_at(any(bytes.len()) + 1);
        other_end.send(some);
        bytes = rest;
    }
    other_end.close();
}

/// One message fills the part of the inbox that a connection may have.
fn tight() -> LinkLimits {
    LinkLimits {
        inbox_bytes_per_connection: 1,
        ..LinkLimits::default()
    }
}

#[test]
fn a_connection_stops_at_a_full_inbox_and_goes_on_when_there_is_room() {
    explore(SCHEDULES, || {
        let dispatcher = Dispatcher::new(&tight(), false);
        let mut inbox = Inbox::new(dispatcher.clone());
        let (connection, other_end) = connection(&dispatcher);
        let reader = thread::spawn(move || block_on(connection.run()));
        let other_end = thread::spawn(move || talk(&other_end, 4));
        let mut messages = Vec::new();
        let mut holders = Vec::new();
        let end = loop {
            match block_on(inbox.recv()).unwrap() {
                Arrival::Batch(batch) => {
                    messages.extend(batch.messages.iter().map(|message| message.head[0]));
                    // To hold a batch is to hold its sender back.
                    holders.push(thread::spawn(move || drop(batch)));
                }
                Arrival::Closed { reason, .. } => break reason,
                _ => {}
            }
        };
        assert_eq!(messages, [0, 1, 2, 3]);
        assert_eq!(end, CloseReason::PeerClosed);
        for thread in holders.into_iter().chain([reader, other_end]) {
            thread.join().unwrap();
        }
        assert_eq!(dispatcher.total().used(), 0);
    });
}

#[test]
fn a_connection_ends_with_the_inbox_wherever_it_waits() {
    explore(SCHEDULES, || {
        let dispatcher = Dispatcher::new(&tight(), false);
        let mut inbox = Inbox::new(dispatcher.clone());
        let (connection, other_end) = connection(&dispatcher);
        let reader = thread::spawn(move || block_on(connection.run()));
        // The other end doesn't close.
        other_end.send(&encoded(3));
        let mut held = Vec::new();
        for _ in 0..any(4) {
            match inbox.try_recv() {
                Some(arrival) => held.push(arrival),
                None => thread::yield_now(),
            }
        }
        match any(2) {
            0 => drop(inbox),
            _ => dispatcher.shut(),
        }
        reader.join().unwrap();
    });
}
