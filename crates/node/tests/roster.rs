//! Who is here, as a whole that can be watched.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{PATIENCE, free_port, settings};
use zre::{Roster, State};

/// Waits for a roster that is so, through as many changes as that takes.
async fn until(roster: &mut Roster, is_so: impl Fn(&Roster) -> bool) {
    let waiting = async {
        while !is_so(roster) {
            assert!(roster.changed().await, "the node has stopped");
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(in_time.is_ok(), "it never came so far: {roster:?}");
}

fn is(roster: &Roster, name: &str, state: State, groups: &[&str]) -> bool {
    let Some(entry) = roster.named(name).next() else {
        return false;
    };
    let its: Vec<&str> = entry.groups().iter().map(|group| &**group).collect();
    entry.state() == state && its == groups
}

#[tokio::test]
async fn it_follows_peers_that_come_change_and_go() {
    let port = free_port();
    let (node, _events) = settings("node", port).start().await.unwrap();
    let mut roster = node.roster();
    assert!(roster.is_empty());
    let alice = settings("alice", port)
        .group("chat")
        .header("role", "camera");
    let (alice, _a) = alice.start().await.unwrap();
    let (bob, _b) = settings("bob", port).start().await.unwrap();
    until(&mut roster, |roster| {
        is(roster, "alice", State::Ready, &["chat"]) && is(roster, "bob", State::Ready, &[])
    })
    .await;
    assert_eq!(roster.len(), 2);
    let entry = roster.get(alice.uuid()).unwrap();
    assert_eq!(entry.peer().header("role"), Some("camera"));
    assert_eq!(roster.in_group("chat").count(), 1);
    assert_eq!(roster.in_group("elsewhere").count(), 0);
    assert_eq!(roster.groups().len(), 1);
    assert!(roster.get(node.uuid()).is_none());

    // What was is kept, by whoever kept it.
    let before = roster.clone();
    alice.set_state(State::Busy).await.unwrap();
    alice.join("talk").await.unwrap();
    alice.leave("chat").await.unwrap();
    until(&mut roster, |roster| {
        is(roster, "alice", State::Busy, &["talk"])
    })
    .await;
    assert_eq!(roster.in_state(State::Busy).count(), 1);
    assert!(is(&before, "alice", State::Ready, &["chat"]));

    alice.shutdown().await;
    bob.shutdown().await;
    until(&mut roster, Roster::is_empty).await;
    assert_eq!(before.len(), 2);
    node.shutdown().await;
    let ended = async { while roster.changed().await {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert!(!roster.changed().await, "and it stays so");
}

/// A node that takes a state, joins a group of that number and leaves it again,
/// over and over: whoever watches never sees it in the group of another state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_content_is_of_one_moment() {
    const WANTED: u32 = 50;
    let port = free_port();
    let (node, _events) = settings("node", port).start().await.unwrap();
    let (other, _o) = settings("other", port).start().await.unwrap();
    let mut roster = node.roster();
    until(&mut roster, |roster| roster.len() == 1).await;
    let enough = Arc::new(AtomicBool::new(false));
    let changing = tokio::spawn({
        let (other, enough) = (other.clone(), enough.clone());
        async move {
            for number in (128..=255).cycle() {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                other.set_state(State::Other(number)).await?;
                other.join(number.to_string()).await?;
                other.leave(number.to_string()).await?;
            }
            Ok::<_, zre::CommandError>(())
        }
    });
    let mut seen = 0;
    while seen < WANTED {
        let changed = tokio::time::timeout(PATIENCE, roster.changed());
        assert!(changed.await.unwrap());
        let entry = roster.get(other.uuid()).unwrap();
        if let State::Other(number) = entry.state()
            && !entry.groups().is_empty()
        {
            let groups: Vec<&str> = entry.groups().iter().map(|group| &**group).collect();
            assert_eq!(groups, [number.to_string()]);
            seen += 1;
        }
    }
    enough.store(true, Ordering::Relaxed);
    changing.await.unwrap().unwrap();
}
