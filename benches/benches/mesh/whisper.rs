//! Whispers between two nodes: as many as possible, or one at a time.

use std::time::Instant;

use bytes::Bytes;
use zre::{Event, Events, Message, Node, Peer};

use crate::task::Task;
use crate::{say, say_trips};

/// How many events are taken in one go.
const BATCH: usize = 1024;

fn message(task: &Task) -> Message {
    let size = task.number("size");
    match task.number("frames") {
        1 => Message::from(vec![7; size]),
        _ => Message::from(vec![
            Bytes::from(vec![7; 8]),
            Bytes::from(vec![8; size.saturating_sub(8)]),
        ]),
    }
}

/// The peer, once it is here. It must be met over the link that is measured.
async fn entered(task: &Task, events: &mut Events) -> Peer {
    loop {
        if let Some(Event::Enter { peer }) = events.recv().await {
            assert_eq!(peer.link(), task.link());
            return peer;
        }
    }
}

async fn take_all(events: &mut Events, message: &Message, count: usize) {
    let (mut start, mut seen) = (None, 0);
    let mut batch = Vec::with_capacity(BATCH);
    while seen < count {
        batch.clear();
        assert_ne!(events.recv_many(&mut batch, BATCH).await, 0);
        for event in &batch {
            if let Event::Whisper { message: got, .. } = event {
                start.get_or_insert_with(Instant::now);
                assert_eq!(got.len(), message.len());
                assert_eq!(got.frame_count(), message.frame_count());
                seen += 1;
            }
        }
    }
    say("seconds", start.unwrap().elapsed().as_secs_f64());
}

async fn send_all(node: &Node, peer: &Peer, message: &Message, count: usize) {
    for _ in 0..count {
        node.whisper(peer, message.clone()).await.unwrap();
    }
}

/// Until the other process is gone.
async fn stay(mut events: Events) {
    while events.recv().await.is_some() {}
}

pub(crate) async fn receive(task: &Task) {
    let (_node, mut events) = task.builder("receiver").start().await.unwrap();
    say("ready", "-");
    take_all(&mut events, &message(task), task.number("count")).await;
}

pub(crate) async fn send(task: &Task) {
    let (node, mut events) = task.builder("sender").start().await.unwrap();
    let peer = entered(task, &mut events).await;
    send_all(&node, &peer, &message(task), task.number("count")).await;
    stay(events).await;
}

pub(crate) async fn send_in_process(task: &Task) {
    let (node, mut events) = task.builder("sender").start().await.unwrap();
    let (_other, mut others) = task.builder("receiver").start().await.unwrap();
    let peer = entered(task, &mut events).await;
    let (message, count) = (message(task), task.number("count"));
    let expected = message.clone();
    let taken = tokio::spawn(async move { take_all(&mut others, &expected, count).await });
    send_all(&node, &peer, &message, count).await;
    taken.await.unwrap();
}

async fn echo_all(node: Node, mut events: Events) {
    while let Some(event) = events.recv().await {
        if let Event::Whisper { peer, message } = event {
            node.whisper(&peer, message).await.unwrap();
        }
    }
}

async fn ping_all(task: &Task, node: &Node, mut events: Events) {
    let peer = entered(task, &mut events).await;
    let message = message(task);
    let mut samples = Vec::with_capacity(task.number("count"));
    for _ in 0..task.number("count") {
        let start = Instant::now();
        node.whisper(&peer, message.clone()).await.unwrap();
        while !matches!(events.recv().await.unwrap(), Event::Whisper { .. }) {}
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}

pub(crate) async fn echo(task: &Task) {
    let (node, events) = task.builder("echo").start().await.unwrap();
    say("ready", "-");
    echo_all(node, events).await;
}

pub(crate) async fn ping(task: &Task) {
    let (node, events) = task.builder("ping").start().await.unwrap();
    ping_all(task, &node, events).await;
}

pub(crate) async fn ping_in_process(task: &Task) {
    let (other, others) = task.builder("echo").start().await.unwrap();
    tokio::spawn(echo_all(other, others));
    let (node, events) = task.builder("ping").start().await.unwrap();
    ping_all(task, &node, events).await;
}
