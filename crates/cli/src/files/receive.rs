//! `zre receive`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use clap::Args;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zre::{Event, Events, Node, Peer};

use super::amount;
use super::name::safe;
use super::packet::{CHUNK, HEADER, Id, Packet, WINDOW};
use super::places::{self, Place};
use super::writer::{Job, Progress, What, WriteUpdate, progress};
use crate::bars::Bars;
use crate::failure::Failure;
use crate::json;
use crate::options::Options;
use crate::output::Output;
use crate::signals::Signals;
use crate::text::shown;
use crate::values::Size;

/// The maximum number of files that are received at a time. One more takes the place of
/// another, or is refused.
const TRANSFERS: usize = 8;

/// How many pieces may wait for the disk: somewhat more than a correct sender has in
/// flight.
const PIECES: usize = 2 * WINDOW as usize / CHUNK;

/// Receive files from peers that run `zre send-file`.
///
/// Accepts every file that is offered, up to --max-size, until Ctrl-C or until
/// --count files are complete. A file gets its name only once it is complete and
/// its checksum is right; until then it is called .zre-<checksum>.part, and a
/// later transfer resumes it. A name may have directories, which are made below --dir;
/// harmful characters in it are replaced. An existing file is never overwritten without --overwrite.
///
/// Anybody on the network may send: limit that by --from and --count. Incomplete
/// files of senders that never come back stay; delete them yourself.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct ReceiveCommand {
    /// The directory for the files, which is made if it isn't there
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// Stop after this number of files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Accept files from this peer only, by name or UUID; may be repeated
    ///
    /// ZRE doesn't authenticate peers: anybody on the network may use any name.
    #[arg(long = "from", value_name = "PEER")]
    from: Vec<String>,

    /// The maximum size of a file, as 500k, 20M or 3G
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    max_size: Size,

    /// Replace existing files
    #[arg(long)]
    overwrite: bool,

    /// Write JSON lines, without progress bars
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: Options,
}

const HELP: &str = r#"With --json:
  {"event":"receiving","peer":..,"name":..,"file":..,"size":..,"offset":..}
  {"event":"received","peer":..,"name":..,"file":..,"path":..,"size":..,
   "sha256":..}
  {"event":"refused","peer":..,"name":..,"file":..,"why":..}
  {"event":"broken","peer":..,"name":..,"file":..,"offset":..}

After "broken", the sender may come back and go on.

Example, in two terminals:
  zre receive --name bob --dir incoming
  zre send-file bob photo.jpg"#;

pub(crate) async fn receive(command: ReceiveCommand) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    // An error is reported now, not after the first file was sent.
    if let Err(error) = prepare(&command.dir) {
        let text = format!("can't make files in --dir {:?}: {error}", command.dir);
        return Err(Failure::Usage(text));
    }
    let builder = command.options.builder().header(HEADER.0, HEADER.1);
    let (node, events) = tokio::select! {
        started = builder.start() => started?,
        () = signals.recv() => return Ok(ExitCode::SUCCESS),
    };
    let bars = Bars::new(!command.json);
    let (output, written) = bars.output();
    let result = tokio::select! {
        result = Receiver::new(&command, &node, bars).run(events, &output) => result,
        () = signals.recv() => Ok(()),
        () = output.closed() => Ok(()),
    };
    tokio::select! {
        () = node.shutdown() => {}
        () = signals.recv() => return Err(Failure::Hurried),
    }
    drop(output);
    result?;
    match written.await {
        Ok(Err(error)) => Err(Failure::Output(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Makes the directory, but none above it, and tries whether files can be made in it.
fn prepare(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let probe = tempfile::Builder::new()
        .prefix(".zre-")
        .tempfile_in(directory);
    // The error names the file that was tried, which says nothing.
    probe.map(drop).map_err(|error| error.kind().into())
}

struct Receiver<'a> {
    command: &'a ReceiveCommand,
    node: &'a Node,
    bars: Bars,
    transfers: BTreeMap<Id, Incoming>,
    updates: (
        mpsc::UnboundedSender<WriteUpdate>,
        mpsc::UnboundedReceiver<WriteUpdate>,
    ),
    /// Distinguishes transfers of the same file.
    last: u64,
}

/// A file that is being received or finished.
struct Incoming {
    number: u64,
    peer: Peer,
    /// The queue of the thread that writes the file; `None` once no more bytes can come.
    pieces: Option<mpsc::Sender<(u64, Bytes)>>,
    /// When the last piece came.
    heard: Instant,
    evicted: Arc<AtomicBool>,
    /// Ends when that thread has closed the file.
    done: oneshot::Receiver<()>,
}

impl Incoming {
    /// Whether more of it may come.
    fn comes(&self) -> bool {
        let pieces = self.pieces.as_ref();
        pieces.is_some_and(|pieces| !pieces.is_closed())
    }

    fn place(&self, id: &Id) -> Place<Id> {
        // Pieces that wait for the disk aren't the sender's delay.
        let busy = self
            .pieces
            .as_ref()
            .is_some_and(|pieces| pieces.capacity() < pieces.max_capacity());
        Place {
            what: id.clone(),
            sender: places::sender(&self.peer),
            idle: if busy {
                Duration::ZERO
            } else {
                self.heard.elapsed()
            },
        }
    }
}

impl<'a> Receiver<'a> {
    fn new(command: &'a ReceiveCommand, node: &'a Node, bars: Bars) -> Self {
        Self {
            command,
            node,
            bars,
            transfers: BTreeMap::new(),
            updates: mpsc::unbounded_channel(),
            last: 0,
        }
    }

    /// Runs until enough files are complete.
    async fn run(mut self, mut events: Events, output: &Output) -> Result<(), Failure> {
        let mut left = self.command.count.unwrap_or(u64::MAX);
        while left > 0 {
            let progress = tokio::select! {
                event = events.recv() => match event {
                    None => return Err(Failure::Died),
                    Some(event) => self.happened(&event).await,
                },
                Some(update) = self.updates.1.recv() => Some(self.updated(update)),
            };
            let Some(progress) = progress else { continue };
            if matches!(progress.what, What::Received { .. }) {
                left -= 1;
            }
            let mut lines = Vec::new();
            self.write(&progress, &mut lines);
            if !output.write(lines).await {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn happened(&mut self, event: &Event) -> Option<Progress> {
        match event {
            Event::Exit { peer, .. } => {
                // The written part of its files stays.
                for incoming in self.transfers.values_mut() {
                    if incoming.peer == *peer {
                        incoming.pieces = None;
                    }
                }
                None
            }
            Event::Whisper { peer, message } => match Packet::of(message)? {
                (Packet::Offer { id, name, size }, _) => self.offered(peer, id, &name, size).await,
                (Packet::Data { id, offset }, bytes) => {
                    let incoming = self.transfers.get_mut(&id)?;
                    if incoming.peer == *peer
                        && bytes.len() <= CHUNK
                        && let Some(pieces) = &incoming.pieces
                    {
                        incoming.heard = Instant::now();
                        // If a peer sends more than its window, the rest is dropped:
                        // the thread then finds a gap and refuses the file.
                        let _ = pieces.try_send((offset, bytes));
                    }
                    None
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Accepts the file, or refuses it with a reason.
    async fn offered(&mut self, peer: &Peer, id: Id, name: &str, size: u64) -> Option<Progress> {
        let file = safe(name);
        let welcome = |from: &String| match zre::Uuid::try_parse(from) {
            Ok(uuid) => peer.uuid() == uuid,
            Err(_) => peer.name() == from,
        };
        let from = &self.command.from;
        let why = if !from.is_empty() && !from.iter().any(welcome) {
            Some("files from this peer aren't accepted".to_owned())
        } else if size > self.command.max_size.0 {
            let limit = amount(self.command.max_size.0);
            Some(format!("it is larger than the limit of {limit}"))
        } else if self.transfers.get(&id).is_some_and(Incoming::comes) {
            Some("the same file is being received already".to_owned())
        } else if !self.make_place(peer) {
            Some(format!(
                "{TRANSFERS} files are being received already: try again later"
            ))
        } else {
            None
        };
        if let Some(why) = why {
            let refusal = Packet::Refuse {
                id,
                why: why.clone(),
            };
            // A peer that doesn't read doesn't get the refusal either.
            let _ = self.node.try_whisper(peer, refusal.message());
            return Some(progress(peer, &file, What::Refused { why }));
        }
        self.last += 1;
        let (pieces, waiting) = mpsc::channel(PIECES);
        let (over, done) = oneshot::channel();
        let evicted = Arc::new(AtomicBool::new(false));
        let job = Job {
            node: self.node.clone(),
            peer: peer.clone(),
            directory: self.command.dir.clone(),
            file,
            id: id.clone(),
            size,
            overwrite: self.command.overwrite,
            number: self.last,
            pieces: waiting,
            evicted: evicted.clone(),
            updates: self.updates.0.clone(),
            bars: self.bars.clone(),
            _over: over,
        };
        let incoming = Incoming {
            number: self.last,
            peer: peer.clone(),
            pieces: Some(pieces),
            heard: Instant::now(),
            evicted,
            done,
        };
        let before = self.transfers.insert(id, incoming);
        let handle = Handle::current();
        let start = move || job.run(&handle);
        match before {
            None => drop(tokio::task::spawn_blocking(start)),
            // Two threads must never write the same file.
            Some(before) => drop(tokio::spawn(async move {
                let _ = before.done.await;
                drop(tokio::task::spawn_blocking(start));
            })),
        }
        None
    }

    /// Whether one more file of that peer can be received, perhaps in the place of
    /// another.
    fn make_place(&mut self, peer: &Peer) -> bool {
        let coming = self.transfers.iter().filter(|(_, it)| it.comes());
        let places: Vec<Place<Id>> = coming.map(|(id, it)| it.place(id)).collect();
        // Those that are ending have a thread each, too.
        if self.transfers.len() >= 2 * TRANSFERS {
            return false;
        }
        if places.len() < TRANSFERS {
            return true;
        }
        let Some(id) = places::evicted(&places, &places::sender(peer)) else {
            return false;
        };
        if let Some(incoming) = self.transfers.get_mut(id) {
            incoming.evicted.store(true, Ordering::Relaxed);
            incoming.pieces = None;
        }
        true
    }

    fn updated(&mut self, update: WriteUpdate) -> Progress {
        let over = !matches!(update.progress.what, What::Receiving { .. });
        let current = self.transfers.get(&update.id);
        if over && current.is_some_and(|incoming| incoming.number == update.number) {
            self.transfers.remove(&update.id);
        }
        update.progress
    }

    fn write(&self, progress: &Progress, lines: &mut Vec<u8>) {
        if self.command.json {
            return json::line(progress, lines);
        }
        let (name, file) = (shown(&progress.peer.name), &progress.file);
        let line = match &progress.what {
            What::Receiving { size, offset: 0 } => {
                format!("{file} comes from {name} ({})\n", amount(*size))
            }
            What::Receiving { size, offset } => format!(
                "{file} comes from {name} ({}, of which {} are here)\n",
                amount(*size),
                amount(*offset)
            ),
            What::Received { size, .. } => {
                format!("{file} from {name} is complete ({})\n", amount(*size))
            }
            What::Refused { why } => format!("{file} from {name} is refused: {why}\n"),
            What::Broken { offset } => {
                format!("{name} has gone; {} of {file} are here\n", amount(*offset))
            }
        };
        lines.extend_from_slice(line.as_bytes());
    }
}
