//! The application's threads and the driver, interleaved.

use std::sync::Arc;

use uuid::Uuid;
use zre_interleave::{Mutex, any, block_on, explore, thread};

use crate::blocking::Bell;
use crate::events::{EventSender, Events, channel};
use crate::open_requests::OpenRequests;
use crate::pending_requests::PendingRequests;
use crate::{Event, Message, Peer, Responder, SendPolicy};

fn numbered(number: u128) -> Event {
    Event::Conflict {
        uuid: Uuid::from_u128(number),
    }
}

fn number(event: &Event) -> u128 {
    match event {
        Event::Conflict { uuid } => uuid.as_u128(),
        other => panic!("{other:?}"),
    }
}

/// What the driver does: hands events over, and waits while the queue is full.
fn report(sender: &mut EventSender, count: u128) {
    for next in 0..count {
        sender.send(numbered(next));
        if any(2) == 0 {
            sender.flush();
        }
        if sender.is_full() {
            sender.flush();
            block_on(sender.room());
        }
    }
    sender.flush();
}

/// A queue that is full with two events.
fn queue() -> (EventSender, Events) {
    channel(2 * numbered(0).cost())
}

#[test]
fn events_are_read_in_order_and_nobody_waits_for_ever() {
    explore(500, || {
        let (mut sender, mut events) = queue();
        let driver = thread::spawn(move || {
            report(&mut sender, 5);
            // Everything is read, or was given back.
            block_on(sender.room());
            sender
        });
        // The application may lose interest.
        let most = if any(3) == 0 { any(5) } else { 5 };
        for next in 0..most {
            let event = match any(2) {
                0 => block_on(events.recv()),
                _ => {
                    let mut some = Vec::new();
                    assert_eq!(block_on(events.recv_many(&mut some, 1)), 1);
                    some.pop()
                }
            };
            assert_eq!(event.as_ref().map(number), Some(next as u128));
        }
        if most < 5 {
            drop(events);
            driver.join().unwrap();
            return;
        }
        let sender = driver.join().unwrap();
        assert_eq!(sender.bytes(), 0);
        let ending = thread::spawn(move || drop(sender));
        assert!(block_on(events.recv()).is_none());
        ending.join().unwrap();
    });
}

#[test]
fn what_nobody_will_read_is_dropped() {
    explore(300, || {
        let (mut sender, events) = queue();
        let requests = Arc::new(OpenRequests::default());
        let peer = Peer::detached("asks").uuid(Uuid::from_u128(1)).build();
        let responder = Responder::new(peer.clone(), 1, SendPolicy::Reject, &requests);
        let leaving = thread::spawn(move || drop(events));
        sender.send(Event::Request {
            peer,
            message: Message::new(),
            responder,
        });
        sender.flush();
        leaving.join().unwrap();
        // The peer has been told that no answer will come.
        assert_eq!(requests.len(), 0);
    });
}

#[test]
fn a_bell_that_is_rung_for_events_wakes_whoever_reads_them() {
    explore(300, || {
        let (mut sender, events) = queue();
        let mut events = crate::blocking::Events::new(events);
        let bell = Arc::new(Bell::default());
        let ringer = bell.clone();
        events.set_waker(move || ringer.ring());
        let driver = thread::spawn(move || report(&mut sender, 3));
        let mut next = 0;
        loop {
            let count = bell.count();
            bell.clear();
            while let Some(event) = events.try_recv() {
                assert_eq!(number(&event), next);
                next += 1;
            }
            if next == 3 {
                break;
            }
            assert!(bell.wait(count, None));
        }
        driver.join().unwrap();
    });
}

#[test]
fn a_bell_wakes_all_who_wait() {
    explore(300, || {
        let bell = Arc::new(Bell::default());
        let done = Arc::new(Mutex::new(0));
        let waiting = [(); 2].map(|()| {
            let (bell, done) = (bell.clone(), done.clone());
            thread::spawn(move || {
                loop {
                    let count = bell.count();
                    if *done.lock().unwrap() == 2 {
                        return;
                    }
                    assert!(bell.wait(count, None));
                }
            })
        });
        for _ in 0..2 {
            *done.lock().unwrap() += 1;
            bell.ring();
        }
        for it in waiting {
            it.join().unwrap();
        }
    });
}

#[test]
fn every_request_ends() {
    explore(300, || {
        let requests = Arc::new(PendingRequests::default());
        let peer = Uuid::from_u128(1);
        // What the driver does when the session ends: nothing more is sent, then those
        // that wait are told.
        let session = Arc::new(Mutex::new(true));
        let askers = [(); 2].map(|()| {
            let (requests, session) = (requests.clone(), session.clone());
            thread::spawn(move || {
                let Ok((ticket, answer)) = requests.open(peer) else {
                    return;
                };
                let sent = *session.lock().unwrap();
                if sent && let Ok(answer) = block_on(answer) {
                    assert_eq!(answer, Some(ticket.id().to_string().into()));
                }
            })
        });
        let driver = {
            let requests = requests.clone();
            thread::spawn(move || {
                for id in 1..=2_u64 {
                    requests.answer(peer, id, Some(Message::from(id.to_string())));
                }
                *session.lock().unwrap() = false;
                match any(2) {
                    0 => requests.exit(peer),
                    _ => requests.stop(),
                }
            })
        };
        for it in askers {
            it.join().unwrap();
        }
        driver.join().unwrap();
        assert_eq!(requests.counts().0, 0);
    });
}

#[test]
fn no_request_outlives_its_peer_or_its_answer() {
    explore(300, || {
        let requests = Arc::new(OpenRequests::default());
        let peer = Peer::detached("asks").uuid(Uuid::from_u128(1)).build();
        let responders = [(); 2].map(|()| {
            let responder = Responder::new(peer.clone(), 1, SendPolicy::Reject, &requests);
            thread::spawn(move || {
                let kept = responder.clone();
                let keeping = thread::spawn(move || kept.keep());
                drop(responder);
                keeping.join().unwrap()
            })
        });
        let answered = any(2) == 0;
        match (answered, any(2)) {
            (true, _) => (1..=2).for_each(|id| requests.close(peer.uuid(), id)),
            (_, 0) => requests.exit(&peer),
            _ => requests.stop(),
        }
        for it in responders {
            it.join().unwrap();
        }
        assert_eq!(requests.len(), 0);
        // Each request that is kept holds the table.
        assert_eq!(Arc::strong_count(&requests), 1);
    });
}
