//! A process that stands still while much is sent to it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use zre_tests::books::{Bookkeeper, settings, settle};
use zre_tests::{DEADLINE, alone, beacon_port};

const MIB: usize = 1 << 20;

/// The bound of the queue to one peer.
const QUEUE: usize = 8 * MIB;

/// What the sender may take: what it takes by itself and in buffers on the way
/// (it starts at about 10 MiB), two full queues, and the message in hand.
const MEMORY: usize = 2 * QUEUE + 32 * MIB;

/// What `from` accepted for `to`, what an Exit of it counted, and what of it
/// arrived.
fn between(books: &[Value], from: &str, to: &str) -> (u64, Option<u64>, u64) {
    let book = |uuid: &str| books.iter().find(|book| book["uuid"] == uuid).unwrap();
    let sessions = book(from)["sessions"].as_array().unwrap();
    let sessions: Vec<&Value> = sessions.iter().filter(|s| s["peer"] == to).collect();
    let accepted = sessions.iter().filter_map(|s| s["accepted"].as_u64()).sum();
    let told = sessions.iter().filter_map(|s| s["unconfirmed"].as_u64());
    let told = told.reduce(|a, b| a + b);
    let heard = book(to)["whispers"].as_array().unwrap();
    let heard = heard.iter().filter(|s| s["from"] == from);
    (
        accepted,
        told,
        heard.filter_map(|s| s["delivered"].as_u64()).sum(),
    )
}

/// 1 MiB messages to a stopped process: the queue takes what its bound allows,
/// another peer gets its messages meanwhile, and in the end each message has
/// arrived or is within what the Exit counted.
#[test]
fn a_stopped_process_costs_the_sender_a_queue() {
    let _turn = alone();
    let port = beacon_port();
    let start = |name: &str| {
        let mut settings = settings(name, port);
        settings["queue_bytes"] = QUEUE.into();
        settings["size"] = MIB.into();
        settings["expired_ms"] = 5000.into();
        Bookkeeper::start(env!("CARGO_BIN_EXE_bookkeeper"), None, &settings)
    };
    let mut sender = start("sender");
    let mut healthy = start("healthy");
    let mut stopped = start("stopped");
    let from = sender.uuids[0].clone();
    let (good, still) = (healthy.uuids[0].clone(), stopped.uuids[0].clone());
    sender.tell("go");

    let mut most = 0;
    let mut look = |sender: &mut Bookkeeper, healthy: &mut Bookkeeper| {
        most = most.max(sender.memory());
        assert!(most < MEMORY, "{} MiB", most / MIB);
        let mut books = sender.books();
        books.extend(healthy.books());
        books
    };
    // Both are served.
    let begun = Instant::now();
    loop {
        let mut books = look(&mut sender, &mut healthy);
        books.extend(stopped.books());
        if between(&books, &from, &good).2 > 5 && between(&books, &from, &still).2 > 5 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "nobody is served");
        std::thread::sleep(Duration::from_millis(50));
    }

    stopped.signal(Signal::STOP);
    let begun = Instant::now();
    let before = between(&look(&mut sender, &mut healthy), &from, &good).2;
    let full = |books: &[Value]| {
        let sessions = books[0]["sessions"].as_array().unwrap().iter();
        let full = sessions.filter(|s| s["peer"] == still.as_str());
        full.filter_map(|s| s["full"].as_u64()).sum::<u64>()
    };
    // Its queue is full, time and again, then it is given up; the other is
    // served all along.
    let mut served_meanwhile = None;
    loop {
        let books = look(&mut sender, &mut healthy);
        let served = between(&books, &from, &good).2 - before;
        if full(&books) > 0 && served_meanwhile.is_none() && served > 20 {
            assert!(books[0]["edges"].as_u64().unwrap() > 0, "no event of it");
            served_meanwhile = Some(served);
        }
        let gone = books[0]["sessions"].as_array().unwrap();
        let gone = gone.iter().find(|s| s["peer"] == still.as_str()).unwrap();
        if !gone["unconfirmed"].is_null() && served_meanwhile.is_some() {
            assert_eq!(gone["reason"], "expired");
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{books:?}");
        std::thread::sleep(Duration::from_millis(50));
    }

    sender.tell("hold");
    stopped.signal(Signal::CONT);
    let begun = Instant::now();
    let tally = loop {
        let mut books = look(&mut sender, &mut healthy);
        books.extend(stopped.books());
        let tally = settle(&books, &BTreeSet::new());
        // What was on its way arrives.
        if tally.silent == 0 {
            break tally;
        }
        assert!(begun.elapsed() < DEADLINE, "{tally:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(tally.disorder, 0, "{tally:?}");
    assert!(tally.exits > 0 && tally.refused > 0, "{tally:?}");
    println!("at most {} MiB; {tally:?}", most / MIB);
}
