//! Nodes that send numbered messages to all they meet, and keep a book of what
//! was accepted, what they were told, and what they received: what `chaos/`
//! and the tests of stopped processes account with.
//!
//! The first line of the input says how they are to be, as [`Settings`] reads
//! it. The answer is `{"event":"started","uuids":[..],"ports":[..]}`, the ports
//! being those of the inboxes. Then the input may say `go` (send), `hold` (send
//! no more), `book` (write the books, as `{"event":"book","nodes":[..]}`),
//! `stats` (write what the nodes have counted, as `{"event":"stats",..}`), `date`
//! (write the time of day, as `{"event":"date","unix":seconds}`) and `stop` (leave,
//! then write the books). The program ends with its input.

mod book;

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use zre::{Engine, Event, Events, IpcDir, LinkLimits, Node, Peer, SendError, SendPolicy};

use book::{Book, numbered};

type Failure = Box<dyn Error>;

/// The group that everybody is in and shouts to.
const GROUP: &str = "CHAOS";

/// How the nodes are to be.
#[derive(Clone, Debug)]
struct Settings {
    json: Value,
}

impl Settings {
    fn number(&self, key: &str) -> Result<u64, Failure> {
        self.json[key]
            .as_u64()
            .ok_or_else(|| format!("a number for {key:?} is missing").into())
    }

    fn millis(&self, key: &str) -> Result<Duration, Failure> {
        self.number(key).map(Duration::from_millis)
    }

    fn bytes(&self, key: &str) -> Result<usize, Failure> {
        Ok(usize::try_from(self.number(key)?)?)
    }

    async fn start(&self, index: u64) -> Result<(Node, Events), Failure> {
        let links = LinkLimits {
            queue_bytes_per_peer: self.bytes("queue_bytes")?,
            ..LinkLimits::default()
        };
        let name = self.json["name"].as_str().unwrap_or("book");
        let mut builder = Node::builder()
            .name(format!("{name}-{index}"))
            .group(GROUP)
            .beacon_port(u16::try_from(self.number("port")?)?)
            .engine(match self.json["engine"].as_str() {
                Some("zeromq") => Engine::ZeroMq,
                _ => Engine::Native,
            })
            .ipc(IpcDir::Off)
            .event_queue_bytes(self.bytes("event_bytes")?)
            .interval(self.millis("interval_ms")?)
            .evasive(self.millis("evasive_ms")?)
            .expired(self.millis("expired_ms")?)
            .link_limits(links);
        if self.json["loopback"] == true {
            builder = builder.loopback();
        }
        Ok(builder.start().await?)
    }
}

/// One node with its book.
struct Keeper {
    node: Node,
    book: Arc<Mutex<Book>>,
}

impl Keeper {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what happens, and has a task whisper to each peer.
    async fn listen(self: Arc<Self>, mut events: Events, pace: Pace) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Enter { peer } => {
                    let session = self.book().enter(peer.clone());
                    tokio::spawn(self.clone().whisper(peer, session, pace.clone()));
                }
                Event::Exit {
                    peer,
                    reason,
                    unconfirmed,
                } => self.book().exit(&peer, &reason.to_string(), unconfirmed),
                Event::Whisper { peer, message } => {
                    self.book().heard_whisper(peer.uuid(), &message);
                }
                Event::Shout { peer, message, .. } => {
                    self.book().heard_shout(peer.uuid(), &message);
                }
                Event::Backpressure { .. } => self.book().edge(),
                Event::Conflict { .. } => self.book().conflict(),
                _ => {}
            }
        }
    }

    async fn whisper(self: Arc<Self>, peer: Peer, session: u64, mut pace: Pace) {
        let mut number = 1;
        while pace.turn().await {
            let message = numbered(session, number, pace.size);
            let patience = SendPolicy::Wait(Duration::from_millis(200));
            match self.node.whisper_with(&peer, message, patience).await {
                Ok(()) => {
                    number += 1;
                    self.book().accepted(session);
                }
                Err(SendError::Full) => self.book().full(session),
                Err(_) => return,
            }
        }
    }

    async fn shout(self: Arc<Self>, mut pace: Pace) {
        let mut number = 0;
        while pace.turn().await {
            number += 1;
            let message = numbered(0, number, 64);
            if let Ok(shouted) = self.node.try_shout(GROUP, message) {
                self.book().shouted(&shouted);
            }
        }
    }
}

/// When to send.
#[derive(Clone)]
struct Pace {
    going: watch::Receiver<bool>,
    pause: Duration,
    size: usize,
}

impl Pace {
    /// Waits for the next turn. False: there is none any more.
    async fn turn(&mut self) -> bool {
        if self.going.wait_for(|going| *going).await.is_err() {
            return false;
        }
        if self.pause.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(self.pause).await;
        }
        true
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let first = lines.recv().await.ok_or("no settings")?;
    let settings = Settings {
        json: serde_json::from_str(&first)?,
    };

    let (go, going) = watch::channel(false);
    let pace = Pace {
        going,
        pause: settings.millis("pause_ms")?,
        size: settings.bytes("size")?,
    };
    let mut keepers = Vec::new();
    for index in 0..settings.number("nodes")? {
        let (node, events) = settings.start(index).await?;
        let keeper = Arc::new(Keeper {
            node,
            book: Arc::default(),
        });
        tokio::spawn(keeper.clone().listen(events, pace.clone()));
        tokio::spawn(keeper.clone().shout(Pace {
            pause: pace.pause.max(Duration::from_millis(10)),
            ..pace.clone()
        }));
        keepers.push(keeper);
    }
    let uuids: Vec<String> = keepers
        .iter()
        .map(|keeper| keeper.node.uuid().simple().to_string())
        .collect();
    let ports: Vec<Option<u16>> = keepers
        .iter()
        .map(|keeper| keeper.node.listening().first().map(|addr| addr.port()))
        .collect();
    say(&json!({ "event": "started", "uuids": uuids, "ports": ports }))?;

    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "go" => go.send_replace(true),
            "hold" => go.send_replace(false),
            "book" => {
                tell_books(&keepers)?;
                continue;
            }
            "stats" => {
                let mut nodes = Vec::new();
                for keeper in &keepers {
                    nodes.push(stats(&keeper.node.stats().await?));
                }
                say(&json!({ "event": "stats", "nodes": nodes }))?;
                continue;
            }
            "date" => {
                let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
                say(&json!({ "event": "date", "unix": unix.as_secs() }))?;
                continue;
            }
            "stop" => {
                go.send_replace(false);
                for keeper in &keepers {
                    keeper.node.shutdown().await;
                }
                tell_books(&keepers)?;
                break;
            }
            other => return Err(format!("unknown command {other:?}").into()),
        };
    }
    Ok(())
}

fn tell_books(keepers: &[Arc<Keeper>]) -> Result<(), Failure> {
    let books: Vec<Value> = keepers
        .iter()
        .map(|keeper| keeper.book().to_json(keeper.node.uuid()))
        .collect();
    say(&json!({ "event": "book", "nodes": books }))
}

fn stats(stats: &zre::Stats) -> Value {
    let (protocol, links) = (&stats.protocol, &stats.links);
    json!({
        "peers": stats.peers,
        "known": stats.known,
        "sessions": stats.sessions,
        "tombstones": stats.tombstones,
        "timers": stats.timers,
        "connections": stats.connections,
        "queued_bytes": stats.queued_bytes,
        "event_bytes": stats.event_bytes,
        "foreign": protocol.foreign,
        "malformed": protocol.malformed,
        "limited": protocol.limited,
        "ungreeted": protocol.ungreeted,
        "gaps": protocol.gaps,
        "status": protocol.status,
        "refused": protocol.refused,
        "own": protocol.own,
        "buried": protocol.buried,
        "forged": protocol.forged,
        "stale": protocol.stale,
        "overflow": protocol.overflow,
        "links_opened": links.opened,
        "links_broken": links.broken + links.closed_by_peer,
        "links_timed_out": links.timed_out,
        "links_limited": links.limited,
        "links_replaced": links.replaced,
    })
}

fn say(line: &Value) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}
