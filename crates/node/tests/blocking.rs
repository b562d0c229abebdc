//! Nodes for programs without async.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use common::{PATIENCE, free_port, settings};
use zre::blocking::{Events, Node};
use zre::{Event, ExitReason, SendError, State};

fn start(name: &str, port: u16) -> (Node, Events) {
    settings(name, port).start_blocking().unwrap()
}

/// The first event that the function makes something of.
fn until<T>(events: &mut Events, f: impl Fn(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = f(events.recv_timeout(PATIENCE).unwrap()) {
            return found;
        }
    }
}

fn everything(port: u16) {
    let (alice, mut a) = start("alice", port);
    let (bob, mut b) = start("bob", port);
    assert!(alice.join("chat").unwrap());
    bob.wait_for_peers_in("chat", 1, PATIENCE).unwrap();
    assert_eq!(bob.shout("chat", "hello").unwrap().accepted, 1);
    let said = until(&mut a, |event| match event {
        Event::Shout { message, .. } => Some(message),
        _ => None,
    });
    assert_eq!(said.to_str(), Some("hello"));
    alice.whisper("bob", "to you").unwrap();
    until(&mut b, |event| {
        matches!(event, Event::Whisper { .. }).then_some(())
    });
    assert!(alice.ping("bob", PATIENCE).unwrap() > Duration::ZERO);

    let answers = thread::spawn({
        let bob = bob.clone();
        move || {
            let (message, responder) = until(&mut b, |event| match event {
                Event::Request {
                    message, responder, ..
                } => Some((message, responder)),
                _ => None,
            });
            bob.reply(responder, message)
        }
    });
    let answer = alice.request("bob", "echo", PATIENCE).unwrap();
    assert_eq!(answer.to_str(), Some("echo"));
    answers.join().unwrap().unwrap();

    let mut roster = alice.roster();
    bob.set_state(State::Busy).unwrap();
    while roster.in_state(State::Busy).count() == 0 {
        assert!(alice.wait_for_change(&mut roster, PATIENCE));
    }

    // The last handle leaves properly.
    bob.whisper("alice", "the last word").unwrap();
    drop(bob);
    until(&mut a, |event| {
        matches!(event, Event::Whisper { .. }).then_some(())
    });
    let reason = until(&mut a, |event| match event {
        Event::Exit {
            reason,
            unconfirmed,
            ..
        } => Some((reason, unconfirmed)),
        _ => None,
    });
    assert_eq!(reason, (ExitReason::Goodbye, 0));
    while !roster.is_empty() {
        assert!(alice.wait_for_change(&mut roster, PATIENCE));
    }
    assert!(!alice.wait_for_change(&mut roster, Duration::ZERO));

    assert_eq!(
        a.recv_timeout(Duration::from_millis(1)).unwrap_err(),
        RecvTimeoutError::Timeout
    );
    alice.shutdown();
    assert_eq!(a.by_ref().count(), 0);
    assert_eq!(
        a.recv_timeout(PATIENCE).unwrap_err(),
        RecvTimeoutError::Disconnected
    );
    assert!(a.try_recv().is_none());
    assert_eq!(alice.whisper("bob", "?"), Err(SendError::Stopped));
}

#[test]
fn without_a_runtime() {
    everything(free_port());
}

#[test]
fn inside_a_runtime_of_either_kind() {
    let single = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    single.block_on(async { everything(free_port()) });
    let several = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let port = free_port();
    several.block_on(async { tokio::spawn(async move { everything(port) }).await.unwrap() });
}

/// More than one turn of a task: tokio makes a task yield, and this one can't.
#[test]
fn a_task_that_reads_much_is_not_stopped() {
    const MANY: usize = 1000;
    let port = free_port();
    let (node, mut events) = start("reads", port);
    let writer = thread::spawn(move || {
        let (other, _o) = start("writes", port);
        other.wait_for_peers(1, PATIENCE)?;
        for _ in 0..MANY {
            other.whisper("reads", "word")?;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let count = runtime.block_on(async {
        let mut count = 0;
        while count < MANY {
            if let Event::Whisper { .. } = events.recv_timeout(PATIENCE).unwrap() {
                count += 1;
            }
        }
        count
    });
    assert_eq!(count, MANY);
    writer.join().unwrap().unwrap();
    drop(node);
}

#[test]
fn another_event_loop_is_woken_once_for_what_it_has_not_found() {
    let port = free_port();
    let (node, mut events) = start("node", port);
    let (woken, wakes) = std::sync::mpsc::channel();
    events.set_waker(move || woken.send(()).unwrap_or_default());
    let read_all = |events: &mut Events| std::iter::from_fn(|| events.try_recv()).count();
    assert_eq!(read_all(&mut events), 0);
    assert_eq!(wakes.try_recv().ok(), None, "nothing has come");
    let (other, _o) = start("other", port);
    wakes.recv_timeout(PATIENCE).unwrap();
    // The peer has entered, and nobody is woken again until that is read.
    other.wait_for_peers(1, PATIENCE).unwrap();
    for _ in 0..3 {
        other.whisper("node", "a word").unwrap();
    }
    other.ping("node", PATIENCE).unwrap();
    assert_eq!(wakes.try_recv().ok(), None);
    let mut read = read_all(&mut events);
    while read < 4 {
        wakes.recv_timeout(PATIENCE).unwrap();
        read += read_all(&mut events);
    }
    // A wait that ends without an event counts as having looked.
    assert_eq!(
        events.recv_timeout(Duration::from_millis(1)).unwrap_err(),
        RecvTimeoutError::Timeout
    );
    node.shutdown();
    wakes.recv_timeout(PATIENCE).unwrap();
    while events.recv_timeout(Duration::ZERO).is_ok() {}
    assert_eq!(
        events.recv_timeout(Duration::ZERO).unwrap_err(),
        RecvTimeoutError::Disconnected
    );
}

#[test]
fn closing_waits_for_nobody_for_longer_than_it_may() {
    let port = free_port();
    let (node, _n) = start("node", port);
    // Its events are never read: it doesn't confirm what is sent to it.
    let deaf = settings("deaf", port).event_queue_bytes(1).auto_busy(true);
    let (_deaf, mut unread) = deaf.start_blocking().unwrap();
    let mut roster = node.roster();
    while roster.in_state(State::Busy).count() == 0 {
        assert!(node.wait_for_change(&mut roster, PATIENCE));
    }
    let clone = node.clone();
    node.close(Duration::from_millis(5));
    assert_eq!(clone.whisper("deaf", "?"), Err(SendError::Stopped));
    drop(clone);
    until(&mut unread, |event| {
        matches!(event, Event::Exit { .. }).then_some(())
    });
}

#[test]
fn what_cannot_start_leaves_nothing_behind() {
    let long = "x".repeat(256);
    assert!(settings(&long, free_port()).start_blocking().is_err());
}

/// What a node can be asked, a blocking one can be asked too.
#[test]
fn no_call_is_missing() {
    let calls = |path: &Path| {
        let source = std::fs::read_to_string(path).unwrap();
        let after = source.lines().filter_map(|line| {
            let line = line.strip_prefix("    pub ")?;
            line.strip_prefix("async fn ").or(line.strip_prefix("fn "))
        });
        let names = after.filter_map(|rest| rest.split(['(', '<']).next());
        names.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut missing: BTreeSet<String> = std::fs::read_dir(source.join("node"))
        .unwrap()
        .flat_map(|file| calls(&file.unwrap().path()))
        .collect();
    assert!(missing.len() > 25, "{missing:?}");
    for call in calls(&source.join("blocking/node.rs")) {
        missing.remove(&call);
    }
    // A builder isn't a call of a node.
    assert_eq!(missing, BTreeSet::from(["builder".to_owned()]));
}
