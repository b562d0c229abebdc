//! Nodes and the runtimes that they live on: none, one, two, and one that ends
//! first.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on")]

mod common;

use common::{PATIENCE, enter, free_port, settings, until};
use futures::FutureExt;
use tokio::runtime::{Builder, Runtime};
use zre::{Event, Events, IpcDir, Node, StartError};

fn single() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn several() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

async fn start(name: &str, port: u16, inproc: bool) -> (Node, Events) {
    settings(name, port)
        .inproc(inproc)
        .ipc(IpcDir::Off)
        .start()
        .await
        .unwrap()
}

async fn whispered(events: &mut Events) -> String {
    until(events, |event| match event {
        Event::Whisper { message, .. } => Some(message.to_str().unwrap().to_owned()),
        _ => None,
    })
    .await
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let start = settings("alone", free_port()).start();
    match start.now_or_never() {
        Some(Err(StartError::NoRuntime)) => {}
        other => panic!("{other:?}"),
    }
}

/// All of two nodes on one thread.
#[test]
fn one_thread_is_enough() {
    for inproc in [true, false] {
        let port = free_port();
        single().block_on(async {
            let (alice, mut to_alice) = start("alice", port, inproc).await;
            let (bob, mut to_bob) = start("bob", port, inproc).await;
            let peer = enter(&mut to_alice).await;
            alice.whisper(&peer, "hello").await.unwrap();
            assert_eq!(whispered(&mut to_bob).await, "hello");
            bob.shutdown().await;
            until(&mut to_alice, |event| {
                matches!(event, Event::Exit { .. }).then_some(())
            })
            .await;
            alice.shutdown().await;
        });
    }
}

/// Two nodes on runtimes of their own talk; when one runtime ends, its node is
/// gone, and what is left of it neither panics nor hangs.
#[test]
fn two_runtimes_and_the_end_of_one() {
    for inproc in [true, false] {
        let port = free_port();
        let (one, other) = (several(), several());
        let (alice, mut to_alice) = one.block_on(start("alice", port, inproc));
        let (bob, mut to_bob) = other.block_on(start("bob", port, inproc));
        let bob_at_alice = one.block_on(enter(&mut to_alice));
        let alice_at_bob = other.block_on(enter(&mut to_bob));
        one.block_on(alice.whisper(&bob_at_alice, "one")).unwrap();
        assert_eq!(other.block_on(whispered(&mut to_bob)), "one");
        // A node may be used from another runtime than its own.
        one.block_on(bob.whisper(&alice_at_bob, "two")).unwrap();
        assert_eq!(one.block_on(whispered(&mut to_alice)), "two");

        drop(one);
        other.block_on(until(&mut to_bob, |event| match event {
            Event::Exit { peer, .. } => {
                assert_eq!(peer, alice_at_bob);
                Some(())
            }
            _ => None,
        }));
        // What is left of alice answers, and says that it is over.
        assert!(alice.try_whisper(&bob_at_alice, "late").is_err());
        assert!(alice.peers().is_empty());
        other.block_on(async {
            tokio::time::timeout(PATIENCE, alice.shutdown())
                .await
                .unwrap();
            assert!(alice.join("late").await.is_err());
        });
        while to_alice.try_recv().is_some() {}
        drop(bob);
    }
}

/// The last handle is dropped where there is no runtime: the node leaves, and
/// nothing panics, whether its runtime still runs or not.
#[test]
fn dropped_outside_a_runtime() {
    let port = free_port();
    let (one, other) = (several(), several());
    let (alice, mut to_alice) = one.block_on(start("alice", port, true));
    let (bob, to_bob) = other.block_on(start("bob", port, true));
    let peer = one.block_on(enter(&mut to_alice));
    drop((bob, to_bob));
    one.block_on(until(&mut to_alice, |event| match event {
        Event::Exit { peer: who, .. } => {
            assert_eq!(who, peer);
            Some(())
        }
        _ => None,
    }));
    drop(one);
    drop(alice);
    drop(to_alice);
    drop(peer);
}
