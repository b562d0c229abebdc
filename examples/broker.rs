//! A broker hands out jobs. A worker shows that it is busy while it works and
//! while it tidies up; the broker gives it nothing then.
//!
//!     cargo run --release --example broker
//!
//! All of it happens in one process on this host, and ends by itself. In a real
//! program, broker and workers are programs on many hosts, and none knows where
//! the others are. A worker alone, until Ctrl-C, is
//!
//!     cargo run --release --example broker -- anna
#![allow(clippy::print_stdout, reason = "the story is printed there")]

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use zre::{Builder, Event, Events, Node, State, Uuid};

/// The group by which the broker finds workers.
const WORKERS: &str = "workers";
const JOBS: u32 = 6;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    if let Some(name) = std::env::args().nth(1) {
        let (node, events) = Node::builder().name(name).group(WORKERS).start().await?;
        tokio::select! {
            done = work(node.clone(), events, Duration::from_millis(100)) => done?,
            _ = tokio::signal::ctrl_c() => node.shutdown().await,
        }
        return Ok(());
    }
    let mut workers = Vec::new();
    let mut tasks = Vec::new();
    for (name, time) in [("anna", 150), ("ben", 250)] {
        let (node, events) = on_this_host(name).group(WORKERS).start().await?;
        let time = Duration::from_millis(time);
        tasks.push(tokio::spawn(work(node.clone(), events, time)));
        workers.push(node);
    }
    let (node, events) = on_this_host("broker").start().await?;
    node.wait_for_peers_in(WORKERS, workers.len(), Duration::from_secs(10))
        .await?;
    timeout(Duration::from_secs(30), hand_out(&node, events)).await??;

    println!("all jobs are done");
    node.shutdown().await;
    for worker in workers {
        worker.shutdown().await;
    }
    // Their events have ended.
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Settings that keep this apart from other programs.
fn on_this_host(name: &str) -> Builder {
    Node::builder()
        .name(name)
        .loopback()
        .beacon_port(own_port())
}

/// A port for beacons that no other run of this program uses at the same time.
fn own_port() -> u16 {
    20_000 + (std::process::id() % 10_000) as u16
}

/// Gives each job to a worker that is ready, and waits for the results.
async fn hand_out(node: &Node, mut events: Events) -> Result<()> {
    let mut jobs: VecDeque<u32> = (1..=JOBS).collect();
    // Who has which job.
    let mut given: HashMap<Uuid, u32> = HashMap::new();
    while !(jobs.is_empty() && given.is_empty()) {
        // A worker shows that it is busy as soon as it has read its job; until
        // then, only we know.
        let mut free = node.available(WORKERS);
        free.retain(|worker| !given.contains_key(&worker.uuid()));
        for worker in free {
            let Some(job) = jobs.pop_front() else { break };
            if node.whisper(&worker, job.to_string()).await.is_ok() {
                println!("broker: job {job} goes to {worker}");
                given.insert(worker.uuid(), job);
            } else {
                jobs.push_front(job);
            }
        }
        match events.recv().await.ok_or("the node has stopped")? {
            Event::Whisper { peer, message } => {
                if let Some(job) = given.remove(&peer.uuid()) {
                    let result = message.to_str().unwrap_or("?");
                    println!("broker: job {job} gave {result}, says {peer}");
                }
            }
            Event::State { peer, to, .. } => println!("broker: {peer} is {to}"),
            // A worker that exits doesn't take its job along.
            Event::Exit { peer, .. } => jobs.extend(given.remove(&peer.uuid())),
            _ => {}
        }
    }
    Ok(())
}

/// Does one job after the other, until the node is shut down.
async fn work(node: Node, mut events: Events, time: Duration) -> Result<()> {
    while let Some(event) = events.recv().await {
        let Event::Whisper { peer, message } = event else {
            continue;
        };
        // Anybody may whisper anything.
        let Some(job) = message.to_str().and_then(|text| text.parse::<u32>().ok()) else {
            println!("{}: {peer} sent something that isn't a job", node.name());
            continue;
        };
        node.set_state(State::Busy).await?;
        // This is where the work would be.
        sleep(time).await;
        let result = u64::from(job).pow(2).to_string();
        match node.whisper(&peer, result).await {
            Ok(()) => println!("{}: job {job} is done, and now I tidy up", node.name()),
            Err(error) => println!("{}: nobody takes job {job}: {error}", node.name()),
        }
        sleep(time / 2).await;
        if node.set_state(State::Ready).await.is_err() {
            // It was shut down meanwhile.
            break;
        }
    }
    Ok(())
}
