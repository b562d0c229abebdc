//! `zre send-file`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use zre::json::Member;
use zre::{Event, Events, Node, Peer, SendError, Uuid};

use super::amount;
use super::cargo::{Cargo, CargoError, is_stdin, load};
use super::packet::{HEADER, Packet, WINDOW};
use super::speed;
use crate::bars::Bars;
use crate::failure::Failure;
use crate::gathering::{Gathering, Purpose};
use crate::json;
use crate::options::Options;
use crate::signals::Signals;
use crate::text::shown;
use crate::values::time;
use crate::visit::print;

/// Send files and directories to peers that run `zre receive`.
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

    /// The files and directories to send; `-` is standard input, and needs --as
    ///
    /// A directory's files are sent one after another, with those in directories below
    /// it. Symbolic links and empty directories in it aren't sent, nor who may read a
    /// file. Standard input is first copied to a temporary file, because its size and
    /// checksum come before its content.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// One more peer that gets the files, by name or UUID; may be repeated
    #[arg(long, value_name = "PEER")]
    to: Vec<String>,

    /// The name to send instead of the file's or directory's own; only with a single one
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

To several receivers, a directory, and standard input:
  zre send-file bob --to carol photo.jpg
  zre send-file bob photos
  tar -c photos | zre send-file bob --as photos.tar -"#;

/// Why a file didn't arrive.
#[derive(Debug, thiserror::Error)]
enum SendFileError {
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

pub(crate) async fn send(command: SendFileCommand) -> Result<ExitCode, Failure> {
    let mut signals = Signals::catch().map_err(Failure::System)?;
    let bars = Bars::new(!command.json);
    check(&command)?;
    // Reads all files first: an unreadable file is reported before anything is sent.
    let mut cargos = Vec::new();
    for file in &command.files {
        cargos.extend(tokio::select! {
            loaded = load(file, command.sent_as.clone(), bars.clone()) => loaded?,
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
            let bar = bars.bytes(&format!("sending {}", shown(&cargo.name)), cargo.size);
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
                begun: None,
            };
            let sent = tokio::select! {
                sent = sender.run() => sent,
                () = signals.recv() => Err(Failure::Interrupted),
            };
            bar.finish_and_clear();
            match sent {
                Ok(peer) => sender.tell(&peer, &mut lines),
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
    } else if command.sent_as.as_deref() == Some("") {
        "--as needs a name"
    } else if command.files.iter().any(|file| is_stdin(file)) && several {
        "`-` can't be sent together with other files: run the command once for each"
    } else if command.files.iter().any(|file| is_stdin(file)) && command.sent_as.is_none() {
        "standard input has no name: give it one by --as"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(text.to_owned()))
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
    /// When the file was first offered.
    begun: Option<Instant>,
}

/// How a transfer ended.
enum End {
    Done,
    /// The peer has gone: another attempt may resume the transfer.
    Gone,
}

impl Sender<'_> {
    /// Writes the result.
    fn tell(&self, peer: &Peer, lines: &mut Vec<u8>) {
        let cargo = self.cargo;
        let time = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
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
        let mut before: Option<Peer> = None;
        loop {
            let peer = match (self.find(before.as_ref()).await?, before) {
                (Some(peer), _) => peer,
                (None, None) => {
                    return Err(Failure::Absent {
                        peer: self.to.to_owned(),
                        wait: self.command.wait,
                    });
                }
                (None, Some(peer)) => {
                    let (name, have) = (shown(peer.name()).into_owned(), self.have);
                    return Err(SendFileError::Gone { name, have }.into());
                }
            };
            if peer.header(HEADER.0) != Some(HEADER.1) {
                return Err(SendFileError::Deaf(shown(peer.name()).into_owned()).into());
            }
            match self.transfer(&peer).await? {
                End::Done => return Ok(peer),
                End::Gone => before = Some(peer),
            }
        }
    }

    /// Waits for the peer, and not for the one that has gone: its Exit may be still to come. If
    /// it is given by name, waits until other peers that may have the same name have come.
    async fn find(&mut self, gone: Option<&Peer>) -> Result<Option<Peer>, Failure> {
        let deadline = Instant::now() + self.command.wait;
        let by_uuid = Uuid::try_parse(self.to).is_ok();
        loop {
            let mut until = deadline;
            match self.node.peer(self.to) {
                Ok(peer) if gone == Some(&peer) => {
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                }
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
        self.begun.get_or_insert_with(Instant::now);
        if !self.say(peer, self.cargo.offer().message()).await? {
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
        let mut pieces = self.cargo.read(from)?;
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
                // What the receiver had from another sender was wrong.
                Some(Some(Packet::Accept { offset, .. })) => {
                    sent = offset.min(self.cargo.size);
                    self.have = sent;
                    self.resumed_at = Some(sent);
                    pieces = self.cargo.read(sent)?;
                    continue;
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
                    return Err(CargoError::Read { path, source }.into());
                }
            };
            let left = usize::try_from(self.cargo.size - sent).unwrap_or(usize::MAX);
            let piece = piece.slice(..piece.len().min(left));
            if piece.is_empty() {
                let source =
                    io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter");
                let path = self.cargo.path.clone();
                return Err(CargoError::Read { path, source }.into());
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
