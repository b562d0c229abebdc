//! The node's side of the socket.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use zre::json::{Command, Line as Answer, parse_command};
use zre::{Event, Node};

use super::ControlError;
use super::lines::LineReader;
use super::socket::SocketFile;
use crate::commands::{Awaited, refusal};
use crate::input::Line;
use crate::json;

/// The maximum number of connected clients; further ones get an error and are
/// disconnected.
const CLIENTS: usize = 64;

/// How many bytes may wait for a client to read them. Above that, no further command
/// of the client is read, and its next event ends its `watch`.
const WAITING: usize = 8 << 20;

/// How long clients may take to read the last lines.
const FAREWELL: Duration = Duration::from_secs(1);

/// Answers commands at a socket. Dropping it closes the socket.
#[derive(Debug)]
pub(crate) struct Server {
    clients: Arc<Clients>,
    /// Removes the file when dropped.
    _socket: SocketFile,
}

#[derive(Debug, Default)]
struct Clients {
    watching: Mutex<BTreeMap<u64, Arc<Queue>>>,
    stop: Notify,
    /// Becomes true when the node has ended.
    end: watch::Sender<bool>,
    /// Notified once the last client has disconnected after the end.
    left: Notify,
}

impl Server {
    /// # Errors
    /// The socket can't be created.
    pub(crate) async fn open(path: &Path, node: &Node) -> Result<Self, ControlError> {
        let (socket, listener) = SocketFile::create(path)?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| UnixListener::from_std(listener))
            .map_err(|source| ControlError::Socket {
                path: path.to_owned(),
                source,
            })?;
        let clients = Arc::new(Clients::default());
        tokio::spawn(accept(listener, node.clone(), clients.clone()));
        Ok(Self {
            clients,
            _socket: socket,
        })
    }

    /// Sends the event to the clients that watch.
    pub(crate) fn publish(&self, event: &Event) {
        let mut watching = self.clients.watching();
        if watching.is_empty() {
            return;
        }
        if let Event::Request { responder, .. } = event {
            responder.keep();
        }
        let line = line(event);
        watching.retain(|_, queue| {
            if queue.has_room() {
                return queue.push(line.clone());
            }
            // The client gets no further events, instead of a stream with gaps.
            let why = "you read too slowly: no further events are reported";
            queue.push(self::line(&refusal("slow", why)));
            false
        });
    }

    /// Completes when a client asks the node to end. Cancel-safe.
    pub(crate) async fn asked_to_stop(&self) {
        self.clients.stop.notified().await;
    }

    /// Notifies the clients that watch that the node has ended, and closes the socket.
    pub(crate) async fn close(&self) {
        let line = line(&Answer::Stopped);
        let watching = std::mem::take(&mut *self.clients.watching());
        for queue in watching.values() {
            queue.push(line.clone());
        }
        drop(watching);
        self.clients.end.send_replace(true);
        // A client that doesn't read the last lines in time doesn't get them.
        let _ = tokio::time::timeout(FAREWELL, self.clients.left.notified()).await;
    }
}

impl Clients {
    fn watching(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Queue>>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines that wait for a client to read them.
#[derive(Debug)]
struct Queue {
    lines: mpsc::UnboundedSender<Bytes>,
    bytes: AtomicUsize,
    written: Notify,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < WAITING
    }

    /// Appends a line. False if the client is gone.
    fn push(&self, line: Bytes) -> bool {
        self.bytes.fetch_add(line.len(), Ordering::AcqRel);
        self.lines.send(line).is_ok()
    }

    async fn room(&self) {
        loop {
            let written = self.written.notified();
            if self.has_room() || self.lines.is_closed() {
                return;
            }
            written.await;
        }
    }
}

async fn accept(listener: UnixListener, node: Node, clients: Arc<Clients>) {
    let mut connected = JoinSet::new();
    let mut next = 0u64;
    let mut end = clients.end.subscribe();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // For example, no file descriptor is free; one may become free.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connected.join_next() => continue,
            () = ended(&mut end) => break,
        };
        if connected.len() >= CLIENTS {
            connected.spawn(refuse(stream));
            continue;
        }
        next += 1;
        connected.spawn(serve(stream, node.clone(), clients.clone(), next));
    }
    drop(listener);
    while connected.join_next().await.is_some() {}
    clients.left.notify_one();
}

/// Completes once the node has ended. Cancel-safe.
async fn ended(end: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped, which is an end too.
    drop(end.wait_for(|ended| *ended).await);
}

async fn refuse(mut stream: UnixStream) {
    let why = format!("{CLIENTS} other clients are connected to this node: try again later");
    let line = line(&refusal("too_many", why));
    let sent = stream.write_all(&line);
    let _ = tokio::time::timeout(FAREWELL, sent).await;
}

/// Carries out the commands of a client, until the client or the node ends.
async fn serve(stream: UnixStream, node: Node, clients: Arc<Clients>, number: u64) {
    let (reading, writing) = stream.into_split();
    let (sender, lines) = mpsc::unbounded_channel();
    let queue = Arc::new(Queue {
        lines: sender,
        bytes: AtomicUsize::new(0),
        written: Notify::new(),
    });
    let writer = tokio::spawn(write(lines, writing, Arc::downgrade(&queue)));
    let mut end = clients.end.subscribe();
    let mut input = LineReader::new(reading);
    let mut awaited = Awaited::default();
    let mut closed = false;
    while !closed || !awaited.is_empty() {
        let line = tokio::select! {
            line = input.next(), if !closed && !awaited.is_full() => line,
            answer = awaited.next() => {
                if !queue.push(line(&answer)) {
                    break;
                }
                continue;
            }
            () = ended(&mut end) => break,
        };
        let command = match line {
            None => {
                closed = true;
                continue;
            }
            Some(Line::Text(text)) if text.trim().is_empty() => continue,
            Some(Line::Text(text)) => parse_command(&text),
            Some(Line::Unreadable(why)) => Err(Box::new(refusal("command", why).into())),
        };
        let is = |kind| matches!(&command, Ok(command) if command.content == kind);
        let (watches, stops) = (is(Command::Watch {}), is(Command::Stop {}));
        let answer = match command {
            Ok(command) => tokio::select! {
                answer = awaited.carry_out(&node, command) => answer,
                () = ended(&mut end) => break,
            },
            Err(answer) => Some(*answer),
        };
        // The answer goes before the events.
        if let Some(answer) = answer
            && !queue.push(self::line(&answer))
        {
            break;
        }
        if watches {
            clients.watching().insert(number, queue.clone());
        }
        if stops {
            clients.stop.notify_one();
        }
        tokio::select! {
            () = queue.room() => {}
            () = ended(&mut end) => break,
        }
    }
    clients.watching().remove(&number);
    // The writer ends when the queue is dropped.
    drop(queue);
    let _ = writer.await;
}

/// A line of JSON.
fn line(object: &impl Serialize) -> Bytes {
    let mut line = Vec::new();
    json::line(object, &mut line);
    line.into()
}

async fn write(
    mut lines: mpsc::UnboundedReceiver<Bytes>,
    mut output: OwnedWriteHalf,
    queue: std::sync::Weak<Queue>,
) {
    while let Some(line) = lines.recv().await {
        let length = line.len();
        if output.write_all(&line).await.is_err() {
            break;
        }
        drop(line);
        if let Some(queue) = queue.upgrade() {
            queue.bytes.fetch_sub(length, Ordering::AcqRel);
            queue.written.notify_one();
        }
    }
    // `room` must not wait for a client that is gone.
    lines.close();
    if let Some(queue) = queue.upgrade() {
        queue.written.notify_one();
    }
}
