//! The application's threads, which send, and the machine, interleaved.

use std::sync::Arc;

use uuid::Uuid;
use zre_interleave::{Mutex, any, explore, thread};

use super::*;
use crate::{Beacon, Frames, Hello, Outgoing, split_header, whisper_header};

/// What was put into a mailbox, by number, until it was closed.
#[derive(Clone, Debug, Default)]
struct Mailbox(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    numbers: Vec<u16>,
    closed: bool,
}

impl Mailbox {
    /// A mailbox is full now and then.
    fn enqueue(&self, header: &[u8]) -> Result<(), &'static str> {
        let mut queue = self.0.lock().unwrap();
        if queue.closed || any(4) == 0 {
            return Err("no room");
        }
        queue
            .numbers
            .push(u16::from_be_bytes([header[4], header[5]]));
        Ok(())
    }

    fn close(&self) {
        self.0.lock().unwrap().closed = true;
    }

    fn numbers(&self) -> Vec<u16> {
        self.0.lock().unwrap().numbers.clone()
    }
}

/// Sends that many whispers; returns how many of them the mailbox accepted.
fn whisper(outgoing: &SharedOutgoing, mailbox: &Mailbox, count: usize) -> u64 {
    let send = || outgoing.send_data(&mut whisper_header(0), |it| mailbox.enqueue(it));
    let accepted = (0..count).filter(|_| send().is_ok());
    accepted.count() as u64
}

fn control(outgoing: &SharedOutgoing, mailbox: &Mailbox, command: &Command) -> bool {
    let sent = outgoing.send_control(command, |frames| mailbox.enqueue(&frames[0]));
    sent.is_ok()
}

#[test]
fn messages_are_queued_in_the_order_of_their_numbers_whoever_sends() {
    explore(300, || {
        let outgoing = SharedOutgoing::new(Outgoing::new(false));
        let mailbox = Mailbox::default();
        let applications = [1, 2].map(|count| {
            let (outgoing, mailbox) = (outgoing.clone(), mailbox.clone());
            thread::spawn(move || whisper(&outgoing, &mailbox, count))
        });
        let driver = {
            let (outgoing, mailbox) = (outgoing.clone(), mailbox.clone());
            thread::spawn(move || control(&outgoing, &mailbox, &Command::Ping(None)))
        };
        let whispers: u64 = applications.map(|it| it.join().unwrap()).iter().sum();
        let pings = u64::from(driver.join().unwrap());
        let numbers = mailbox.numbers();
        let all: Vec<u16> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, all);
        assert_eq!(numbers.len() as u64, whispers + pings);
        assert_eq!(outgoing.with(|it| it.unconfirmed()), whispers);
    });
}

const PEER: Uuid = Uuid::from_u128(2);

/// A machine whose application has just been told of a peer, and what it sends with.
fn met(now: Time) -> (Machine, SharedOutgoing, SessionId) {
    let mut machine = Machine::new(Config::new(Uuid::from_u128(1), 49_200), 7, now);
    let endpoint = ([10, 0, 0, 2], 49_152).into();
    let heard = Heard::new(endpoint, Source::Broadcast, false);
    let mut beacon = b"ZRE\x01".to_vec();
    beacon.extend(PEER.as_bytes());
    beacon.extend(endpoint.port().to_be_bytes());
    machine.handle_beacon(now, &Beacon::decode(&beacon).unwrap(), &heard);
    let outputs = std::iter::from_fn(|| machine.poll_output());
    let dialled = outputs.filter_map(|output| match output {
        Output::Connect {
            session, outgoing, ..
        } => Some((session, outgoing)),
        _ => None,
    });
    let (session, outgoing) = dialled.last().expect("a connection");
    machine.handle_session_up(now, session, Up::default());
    let hello = Command::Hello(Hello {
        endpoint: format!("tcp://{endpoint}"),
        headers: [(STATE_HEADER.to_owned(), "1".to_owned())].into(),
        ..Hello::default()
    });
    let (header, content) = split_header(hello.encode(1));
    let inbound = Inbound::new(PEER, 1, Some(endpoint));
    machine.handle_message(now, &inbound, &header, content);
    let entered = std::iter::from_fn(|| machine.poll_output())
        .any(|output| matches!(output, Output::Event(Event::Enter { .. })));
    assert!(entered);
    (machine, outgoing, session)
}

#[test]
fn an_exit_counts_every_message_that_was_accepted() {
    explore(300, || {
        let now = Time::from_origin(Duration::from_secs(100));
        let (mut machine, outgoing, session) = met(now);
        let mailbox = Mailbox::default();
        let applications = [2, 2].map(|count| {
            let (outgoing, mailbox) = (outgoing.clone(), mailbox.clone());
            thread::spawn(move || whisper(&outgoing, &mailbox, count))
        });
        let inbound = Inbound::new(PEER, 1, None);
        match any(3) {
            0 => machine.handle_connection_closed(now, PEER, 1),
            1 => {
                mailbox.close();
                machine.handle_session_closed(now, session);
            }
            _ => {
                let goodbye = Command::Goodbye.encode(2);
                machine.handle_message(now, &inbound, &goodbye[0], Frames::default());
            }
        }
        let counted = loop {
            match machine.poll_output() {
                Some(Output::Disconnect { .. }) => mailbox.close(),
                Some(Output::Event(Event::Exit { unconfirmed, .. })) => break unconfirmed,
                Some(_) => {}
                None => {
                    let due = machine.poll_timeout().expect("an Exit");
                    machine.handle_timeout(due);
                }
            }
        };
        let accepted: u64 = applications.map(|it| it.join().unwrap()).iter().sum();
        assert_eq!(counted, accepted);
    });
}

#[test]
fn nothing_follows_goodbye() {
    explore(300, || {
        let now = Time::from_origin(Duration::from_secs(100));
        let (mut machine, outgoing, session) = met(now);
        let mailbox = Mailbox::default();
        let applications = [1, 2].map(|count| {
            let (outgoing, mailbox) = (outgoing.clone(), mailbox.clone());
            thread::spawn(move || whisper(&outgoing, &mailbox, count))
        });
        // With no patience, it doesn't wait for the answers to PING.
        machine.shutdown(now, Duration::ZERO);
        machine.handle_timeout(now);
        let mut said = None;
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send {
                    session: to,
                    command,
                } if to == session => {
                    let sent = control(&outgoing, &mailbox, &command);
                    if sent && command == Command::Goodbye {
                        said = mailbox.numbers().last().copied();
                    }
                }
                Output::Disconnect { .. } => mailbox.close(),
                _ => {}
            }
        }
        for it in applications {
            it.join().unwrap();
        }
        if said.is_some() {
            assert_eq!(said, mailbox.numbers().last().copied());
        }
    });
}
