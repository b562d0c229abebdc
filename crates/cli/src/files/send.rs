//! `zre send-file`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use zre::json::Member;
use zre::{Event, Events, Node, Peer, SendError, Uuid};

use super::amount;
use super::packet::{CHUNK, HEADER, Id, Packet, WINDOW};
use super::speed;
use super::store::hash;
use crate::bars::Bars;
use crate::failure::Failure;
use crate::gathering::{Gathering, Purpose};
use crate::json;
use crate::options::Options;
use crate::signals::Signals;
use crate::text::shown;
use crate::values::time;
use crate::visit::print;

/// How many pieces of the file may be read in advance.
const AHEAD: usize = 8;

/// The argument that stands for standard input.
const STDIN: &str = "-";

/// Send files to peers that run `zre receive`.
///
/// The command joins the network as a peer of its own, and leaves once the
/// receiver has checked each file. If the receiver goes before that, the command
/// waits for it again and sends only the missing rest. The same applies if you run
/// the command again with the same file.
///
/// Each --to names one more receiver; they get the files one after another. If one of
/// them fails, the others still get the files.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(crate) struct SendFileCommand {
    /// The peer's name or UUID
    peer: String,

    /// The files to send; `-` is standard input, and needs --as
    ///
    /// Standard input is first copied to a temporary file, because its size and
    /// checksum come before its content.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// One more peer that gets the files, by name or UUID; may be repeated
    #[arg(long, value_name = "PEER")]
    to: Vec<String>,

    /// The name to send instead of the file's own; only with a single file
    #[arg(long = "as", value_name = "NAME")]
    sent_as: Option<String>,

    /// How long to wait for the peer, at the start and after it has gone
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    wait: Duration,

    /// How long the receiver may be silent
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    patience: Duration,

    /// Write the result as a JSON line, without a progress bar
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: Options,
}

const HELP: &str = r#"With --json, a line for each file and receiver:
  {"event":"sent","peer":..,"name":..,"file":..,"size":..,"sha256":..,
   "resumed_at":0,"stored":..,"seconds":..}

stored is the name that the receiver gave the file.

Exit code: 0 once each receiver has confirmed that each file is complete and its
checksum right, 1 if one of them hasn't.

Example, in two terminals:
  zre receive --name bob --dir incoming
  zre send-file bob photo.jpg letter.pdf

To several receivers, and a directory:
  zre send-file bob --to carol photo.jpg
  tar -c photos | zre send-file bob --as photos.tar -"#;

/// Why a file didn't arrive.
#[derive(Debug, thiserror::Error)]
enum SendFileError {
    #[error("{path:?} can't be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0:?} isn't a file")]
    NotAFile(PathBuf),
    #[error(
        "{0:?} is a directory: send it as an archive, by `tar -c DIRECTORY | zre send-file PEER --as NAME.tar -`"
    )]
    Directory(PathBuf),
    #[error("standard input can't be copied to a temporary file: {0}")]
    Stdin(io::Error),
    #[error("{0} doesn't accept files: run `zre receive` there")]
    Deaf(String),
    #[error("{name} refuses it: {why}")]
    Refused { name: String, why: String },
    #[error("{name} stopped responding after {}; run the command again to resume", amount(*.have))]
    Silent { name: String, have: u64 },
    #[error("{name} has gone after {}; run the command again to resume", amount(*.have))]
    Gone { name: String, have: u64 },
}

impl From<SendFileError> for Failure {
    fn from(error: SendFileError) -> Self {
        let code = match error {
            SendFileError::Read { .. }
            | SendFileError::NotAFile(_)
            | SendFileError::Directory(_)
            | SendFileError::Stdin(_) => "file",
            SendFileError::Deaf(_) => "unsupported",
            SendFileError::Refused { .. } => "refused",
            SendFileError::Silent { .. } => "elapsed",
            SendFileError::Gone { .. } => "gone",
        };
        Self::other(code, error)
    }
}

/// The result, in the format for scripts.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "sent")]
pub(crate) struct Delivered<'a> {
    #[serde(flatten)]
    peer: Member,
    file: &'a str,
    size: u64,
    sha256: &'a str,
    resumed_at: u64,
    /// The name that the receiver gave the file.
    stored: Option<&'a str>,
    seconds: f64,
}

/// The file to send.
#[derive(Debug)]
struct Cargo {
    path: PathBuf,
    name: String,
    size: u64,
    id: Id,
    /// The copy of standard input at `path`: dropping it deletes the file.
    _copy: Option<NamedTempFile>,
}

pub(crate) async fn send(command: SendFileCommand) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let bars = Bars::new(!command.json);
    check(&command)?;
    // Reads all files first: an unreadable file is reported before anything is sent.
    let mut cargos = Vec::new();
    for file in &command.files {
        cargos.push(tokio::select! {
            cargo = load(file, command.sent_as.clone(), bars.clone()) => cargo?,
            () = signals.recv() => return Err(Failure::Interrupted),
        });
    }
    let (node, mut events) = tokio::select! {
        started = command.options.builder().start() => started?,
        () = signals.recv() => return Err(Failure::Interrupted),
    };
    let mut gathering = Gathering::begin_at(Instant::now());
    let mut lines = Vec::new();
    let mut result = Ok(());
    'receivers: for to in std::iter::once(&command.peer).chain(&command.to) {
        for cargo in &cargos {
            let bar = bars.bytes(&format!("sending {}", cargo.name), cargo.size);
            let mut sender = Sender {
                command: &command,
                to,
                cargo,
                node: &node,
                events: &mut events,
                gathering: &mut gathering,
                bar: bar.clone(),
                have: 0,
                resumed_at: None,
                stored: None,
            };
            let begun = Instant::now();
            let sent = tokio::select! {
                sent = sender.run() => sent,
                () = signals.recv() => Err(Failure::Interrupted),
            };
            bar.finish_and_clear();
            match sent {
                Ok(peer) => sender.tell(&peer, begun.elapsed(), &mut lines),
                Err(failure) => {
                    let ends_all = matches!(failure, Failure::Interrupted | Failure::Died);
                    // The last failure is reported at the end of the program.
                    if let Err(earlier) = std::mem::replace(&mut result, Err(failure)) {
                        crate::complain(&earlier, command.json);
                    }
                    if ends_all {
                        break 'receivers;
                    }
                    continue 'receivers;
                }
            }
        }
    }
    // Unread events would hold peers back.
    drop(events);
    tokio::select! {
        () = node.shutdown() => {}
        () = signals.recv() => return Err(Failure::Hurried),
    }
    print(lines).await?;
    result.map(|()| ExitCode::SUCCESS)
}

/// Refuses arguments that don't fit together.
fn check(command: &SendFileCommand) -> Result<(), Failure> {
    let several = command.files.len() > 1;
    let text = if command.sent_as.is_some() && several {
        "--as names a single file: run the command once for each file"
    } else if command.files.iter().any(|file| is_stdin(file)) && several {
        "`-` can't be sent together with other files: run the command once for each"
    } else if command.files.iter().any(|file| is_stdin(file)) && command.sent_as.is_none() {
        "standard input has no name: give it one by --as"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(text.to_owned()))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new(STDIN)
}

/// Prepares a file, or a copy of standard input.
async fn load(file: &Path, sent_as: Option<String>, bars: Bars) -> Result<Cargo, Failure> {
    let copy = match is_stdin(file) {
        true => Some(copy_stdin().await?),
        false => None,
    };
    let path = copy.as_ref().map_or(file, NamedTempFile::path);
    let cargo = look_at(path.to_owned(), sent_as, bars).await?;
    Ok(Cargo {
        _copy: copy,
        ..cargo
    })
}

/// Copies standard input to a temporary file. A thread of its own reads: an interrupted
/// command doesn't wait for it.
async fn copy_stdin() -> Result<NamedTempFile, Failure> {
    let copy = NamedTempFile::with_prefix("zre-").map_err(SendFileError::Stdin)?;
    let mut file = copy.reopen().map_err(SendFileError::Stdin)?;
    let (sender, copied) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            let _ = sender.send(io::copy(&mut io::stdin().lock(), &mut file));
        })
        .map_err(Failure::System)?;
    match copied.await {
        Ok(Ok(_)) => Ok(copy),
        Ok(Err(error)) => Err(SendFileError::Stdin(error).into()),
        Err(_) => Err(Failure::Died),
    }
}

/// Reads the file once, for its checksum.
async fn look_at(path: PathBuf, sent_as: Option<String>, bars: Bars) -> Result<Cargo, Failure> {
    let work = move || {
        let refused = |source| SendFileError::Read {
            path: path.clone(),
            source,
        };
        let there = std::fs::metadata(&path).map_err(refused)?;
        if there.is_dir() {
            return Err(SendFileError::Directory(path));
        }
        if !there.is_file() {
            return Err(SendFileError::NotAFile(path));
        }
        let name = sent_as.unwrap_or_else(|| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        });
        let bar = bars.bytes(&format!("checksum of {name}"), there.len());
        let id = hash(&path, |read| bar.set_position(read)).map_err(refused)?;
        bar.finish_and_clear();
        Ok(Cargo {
            name,
            size: there.len(),
            id,
            path,
            _copy: None,
        })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(cargo) => Ok(cargo?),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

struct Sender<'a> {
    command: &'a SendFileCommand,
    /// The receiver's name or UUID.
    to: &'a str,
    cargo: &'a Cargo,
    node: &'a Node,
    events: &'a mut Events,
    gathering: &'a mut Gathering,
    bar: ProgressBar,
    /// The number of bytes that the receiver has acknowledged.
    have: u64,
    /// The offset at which the first transfer of this run began.
    resumed_at: Option<u64>,
    /// The name that the receiver gave the file.
    stored: Option<String>,
}

/// How a transfer ended.
enum End {
    Done,
    /// The peer has gone: another attempt may resume the transfer.
    Gone,
}

impl Sender<'_> {
    /// Writes the result.
    fn tell(&self, peer: &Peer, time: Duration, lines: &mut Vec<u8>) {
        let cargo = self.cargo;
        let resumed_at = self.resumed_at.unwrap_or(0);
        let stored = self.stored.as_deref();
        if self.command.json {
            let line = Delivered {
                peer: peer.into(),
                file: &cargo.name,
                size: cargo.size,
                sha256: cargo.id.as_str(),
                resumed_at,
                stored,
                seconds: time.as_secs_f64(),
            };
            return json::line(&line, lines);
        }
        let other = stored.filter(|name| *name != cargo.name);
        let line = format!(
            "{} has {}{} ({}, {})\n",
            shown(peer.name()),
            shown(&cargo.name),
            other.map_or_else(String::new, |name| format!(", as {}", shown(name))),
            amount(cargo.size),
            match cargo.size.saturating_sub(resumed_at) {
                0 if cargo.size > 0 => "which was there already".into(),
                sent => speed(sent, time),
            }
        );
        lines.extend_from_slice(line.as_bytes());
    }

    /// Sends the file, and resumes as often as the peer goes and comes back.
    async fn run(&mut self) -> Result<Peer, Failure> {
        let mut before = None;
        loop {
            let peer = match (self.find().await?, before) {
                (Some(peer), _) => peer,
                (None, None) => {
                    return Err(Failure::Absent {
                        peer: self.to.to_owned(),
                        wait: self.command.wait,
                    });
                }
                (None, Some(name)) => {
                    let have = self.have;
                    return Err(SendFileError::Gone { name, have }.into());
                }
            };
            if peer.header(HEADER.0) != Some(HEADER.1) {
                return Err(SendFileError::Deaf(shown(peer.name()).into_owned()).into());
            }
            match self.transfer(&peer).await? {
                End::Done => return Ok(peer),
                End::Gone => before = Some(shown(peer.name()).into_owned()),
            }
        }
    }

    /// Waits for the peer. If it is given by name, waits until other peers that may have
    /// the same name have come.
    async fn find(&mut self) -> Result<Option<Peer>, Failure> {
        let deadline = Instant::now() + self.command.wait;
        let by_uuid = Uuid::try_parse(self.to).is_ok();
        loop {
            let mut until = deadline;
            match self.node.peer(self.to) {
                Ok(peer) => {
                    let complete = self.gathering.complete_at(self.node, Purpose::Act);
                    until = complete.map_or(deadline, |at| at.min(deadline));
                    if by_uuid || Instant::now() >= until {
                        return Ok(Some(peer));
                    }
                }
                Err(SendError::Unknown(_)) if Instant::now() >= deadline => return Ok(None),
                Err(SendError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if let Ok(None) = timeout_at(until, self.events.recv()).await {
                return Err(Failure::Died);
            }
        }
    }

    async fn transfer(&mut self, peer: &Peer) -> Result<End, Failure> {
        let id = self.cargo.id.clone();
        let offer = Packet::Offer {
            id: id.clone(),
            name: self.cargo.name.clone(),
            size: self.cargo.size,
        };
        if !self.say(peer, offer.message()).await? {
            return Ok(End::Gone);
        }
        let from = loop {
            match self.answer(peer).await? {
                None => return Ok(End::Gone),
                Some(Packet::Accept { offset, .. }) => break offset.min(self.cargo.size),
                Some(Packet::Done { name, .. }) => {
                    self.stored = name;
                    // The receiver had the file already.
                    self.resumed_at.get_or_insert(self.cargo.size);
                    return Ok(End::Done);
                }
                Some(_) => {}
            }
        };
        self.resumed_at.get_or_insert(from);
        self.acknowledged(from);
        let mut pieces = read(self.cargo.path.clone(), from)?;
        let mut sent = from;
        loop {
            // Handles the packets that the receiver has sent meanwhile.
            let blocked = sent >= self.cargo.size || sent.saturating_sub(self.have) >= WINDOW;
            let said = match blocked {
                true => self.answer(peer).await?.map(Some),
                false => self.try_answer(peer)?,
            };
            match said {
                None => return Ok(End::Gone),
                Some(Some(Packet::Ack { offset, .. })) => {
                    self.acknowledged(offset.min(sent));
                    continue;
                }
                Some(Some(Packet::Done { name, .. })) => {
                    self.stored = name;
                    return Ok(End::Done);
                }
                Some(_) if blocked => continue,
                Some(_) => {}
            }
            let piece = match pieces.recv().await {
                Some(Ok(piece)) => piece,
                // The file has become shorter.
                None => Bytes::new(),
                Some(Err(source)) => {
                    let path = self.cargo.path.clone();
                    return Err(SendFileError::Read { path, source }.into());
                }
            };
            let left = usize::try_from(self.cargo.size - sent).unwrap_or(usize::MAX);
            let piece = piece.slice(..piece.len().min(left));
            if piece.is_empty() {
                let source =
                    io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter");
                let path = self.cargo.path.clone();
                return Err(SendFileError::Read { path, source }.into());
            }
            let length = piece.len() as u64;
            let data = Packet::Data {
                id: id.clone(),
                offset: sent,
            };
            if !self.say(peer, data.message_with(piece)).await? {
                return Ok(End::Gone);
            }
            sent += length;
        }
    }

    fn acknowledged(&mut self, offset: u64) {
        self.have = self.have.max(offset);
        self.bar.set_position(self.have);
    }

    /// False if the peer has gone.
    async fn say(&self, peer: &Peer, message: zre::Message) -> Result<bool, Failure> {
        match self.node.whisper(peer, message).await {
            Ok(()) => Ok(true),
            Err(SendError::Gone) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next packet of the receiver about this file; `None` once it has
    /// gone.
    async fn answer(&mut self, peer: &Peer) -> Result<Option<Packet>, Failure> {
        let deadline = Instant::now() + self.command.patience;
        loop {
            let event = match timeout_at(deadline, self.events.recv()).await {
                Err(_) => {
                    return Err(SendFileError::Silent {
                        name: shown(peer.name()).into_owned(),
                        have: self.have,
                    }
                    .into());
                }
                Ok(None) => return Err(Failure::Died),
                Ok(Some(event)) => event,
            };
            match self.concerns(peer, &event)? {
                None => return Ok(None),
                Some(Some(packet)) => return Ok(Some(packet)),
                Some(None) => {}
            }
        }
    }

    /// The same for packets that have arrived; the inner `None` means that there are
    /// none.
    fn try_answer(&mut self, peer: &Peer) -> Result<Option<Option<Packet>>, Failure> {
        while let Some(event) = self.events.try_recv() {
            match self.concerns(peer, &event)? {
                Some(None) => {}
                said => return Ok(said),
            }
        }
        Ok(Some(None))
    }

    /// The packet of this transfer in an event; `None` if the peer has gone.
    fn concerns(&self, peer: &Peer, event: &Event) -> Result<Option<Option<Packet>>, Failure> {
        let packet = match event {
            Event::Exit { peer: gone, .. } if gone == peer => return Ok(None),
            Event::Whisper {
                peer: from,
                message,
            } if from == peer => Packet::of(message),
            _ => None,
        };
        match packet {
            Some((Packet::Refuse { id, why }, _)) if id == self.cargo.id => {
                Err(SendFileError::Refused {
                    name: shown(peer.name()).into_owned(),
                    why: shown(&why).into_owned(),
                }
                .into())
            }
            Some((
                packet @ (Packet::Accept { .. } | Packet::Ack { .. } | Packet::Done { .. }),
                _,
            )) if packet.id() == &self.cargo.id => Ok(Some(Some(packet))),
            _ => Ok(Some(None)),
        }
    }
}

/// Reads the file from this offset on, on a thread of its own.
fn read(path: PathBuf, from: u64) -> Result<mpsc::Receiver<io::Result<Bytes>>, Failure> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("file".into())
        .spawn(move || {
            if let Err(error) = read_on(&path, from, &sender) {
                let _ = sender.blocking_send(Err(error));
            }
        })
        .map_err(Failure::System)?;
    Ok(pieces)
}

fn read_on(path: &Path, from: u64, pieces: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    loop {
        let mut piece = Vec::with_capacity(CHUNK);
        (&mut file).take(CHUNK as u64).read_to_end(&mut piece)?;
        if piece.is_empty() || pieces.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}
