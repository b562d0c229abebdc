//! `zre whisper` and `zre shout`: say something, and leave.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use zre::json::{self, Line as Answer, Member};
use zre::{Builder, Node, SendError, Uuid};

use crate::input::{self, Line, Lines};
use crate::options::Options;
use crate::program::Failure;
use crate::remote;
use crate::values::time;
use crate::visit::{Departure, PATIENCE, print, visit};

/// Tell one peer something.
///
/// The command joins the network as a peer of its own: the others are told that
/// it enters, and that it leaves once the peer has confirmed the message. With
/// --control, a running node sends it, and nobody enters.
#[derive(Args, Debug)]
#[command(after_long_help = WHISPER_HELP)]
pub(crate) struct WhisperCommand {
    /// The peer's name or UUID
    peer: String,

    /// Words that make one message [default: each line of standard input is one]
    message: Vec<String>,

    /// How long to look for the peer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    wait: Duration,

    /// Write what became of it as a JSON line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// Tell all peers in a group something.
///
/// The command joins the network as a peer of its own, but not the group: the
/// others are told that it enters, and that it leaves once they have confirmed
/// the message. With --control, a running node sends it, and nobody enters.
#[derive(Args, Debug)]
#[command(after_long_help = SHOUT_HELP)]
pub(crate) struct ShoutCommand {
    /// The group
    #[arg(value_name = "GROUP")]
    to: String,

    /// Words that make one message [default: each line of standard input is one]
    message: Vec<String>,

    /// How long to look for peers in the group
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    wait: Duration,

    /// Look no longer once so many peers are in the group; fewer in time are a
    /// failure, and nothing is sent
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    /// Write what became of it as a JSON line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) options: Options,
}

const WHISPER_HELP: &str = r#"A name that several peers have is refused: name the one you mean by its UUID.
A word that begins with a hyphen goes behind --.

With --json:
  {"event":"whispered","messages":1,"accepted":1,
   "peers":[{"peer":..,"name":..}],"unconfirmed":0}

Exit code: 0 once the peer has confirmed everything, 1 where it hasn't, or isn't
here.

Examples:
  zre whisper bob the build is done
  tail -f log | zre whisper 5f0c6c6ff1a94c8c8e1c7b0f2b1d9a9b"#;

const SHOUT_HELP: &str = r#"It looks for peers for the whole time, unless --count says when all are there.
A word that begins with a hyphen goes behind --.

With --json:
  {"event":"shouted","messages":1,"accepted":1,
   "peers":[{"peer":..,"name":..}],"unconfirmed":0}

Exit code: 0 once all that were in the group have confirmed everything, 1 where
one hasn't, or nobody is in it.

Examples:
  zre shout chat dinner is ready
  zre shout builds --count 3 -- --all done
  make 2>&1 | zre shout builds"#;

/// What was sent, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    messages: u64,
    /// How many queues took one, all messages together.
    accepted: u64,
    peers: BTreeMap<Uuid, Member>,
    /// How many messages to those meant here nobody confirmed.
    unconfirmed: u64,
    /// Whether somebody whom it went to doesn't answer.
    doubt: bool,
}

impl Sent {
    /// One more message, to these.
    pub(crate) fn count(&mut self, peers: impl IntoIterator<Item = Member>) {
        self.messages += 1;
        for member in peers {
            self.accepted += 1;
            self.peers.insert(member.uuid, member);
        }
    }

    /// Whether there were messages, and nobody to take them.
    pub(crate) fn is_to_nobody(&self) -> bool {
        self.messages > 0 && self.peers.is_empty()
    }

    /// Waits until everybody whom it went to has confirmed it: the answer to a
    /// PING says that all before it was read. Who doesn't is in doubt; what
    /// others do doesn't matter.
    async fn confirm(&mut self, node: &Node, wait: Duration) {
        let mut pings = JoinSet::new();
        for uuid in self.peers.keys().copied() {
            let node = node.clone();
            pings.spawn(async move { node.ping(uuid, wait).await.is_ok() });
        }
        while let Some(answer) = pings.join_next().await {
            self.doubt |= !answer.unwrap_or(false);
        }
    }

    /// Counts what the network said when we left.
    fn depart(&mut self, departure: &Departure) {
        let lost = departure.lost.iter();
        self.unconfirmed = lost
            .filter(|(peer, _)| self.peers.contains_key(&peer.uuid()))
            .map(|(_, count)| count)
            .sum();
    }

    /// Writes the answer of that kind, and says whether all went well.
    async fn finish(
        self,
        answer: fn(json::Sent) -> Answer,
        as_json: bool,
    ) -> Result<ExitCode, Failure> {
        if as_json {
            let mut sent = json::Sent::default();
            sent.messages = self.messages;
            sent.accepted = self.accepted;
            sent.peers = self.peers.into_values().collect();
            sent.unconfirmed = Some(self.unconfirmed);
            let mut lines = Vec::new();
            crate::json::line(&answer(sent), &mut lines);
            print(lines).await?;
        }
        if self.unconfirmed > 0 || self.doubt {
            Err(Failure::Unconfirmed)
        } else {
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(crate) async fn whisper(
    command: WhisperCommand,
    builder: Builder,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let kind = Answer::Whispered;
    if let Some(path) = control {
        let texts = Texts::of(&command.message)?;
        let sent = remote::whisper(path, &command.peer, texts).await?;
        return sent.finish(kind, command.json).await;
    }
    let (mut sent, departure) = visit(builder, async |visit| {
        let mut found = Err(SendError::Unknown(command.peer.clone()));
        visit
            .until(command.wait, |node| {
                found = node.peer(&command.peer);
                found.is_ok().then_some(())
            })
            .await;
        let peer = found.map_err(|error| match error {
            SendError::Unknown(_) => Failure::Absent {
                peer: command.peer.clone(),
                wait: command.wait,
            },
            other => Failure::Send(other),
        })?;
        let mut sent = Sent::default();
        let mut texts = Texts::of(&command.message)?;
        while let Some(text) = texts.next().await? {
            visit.node().whisper(&peer, text).await?;
            sent.count([Member::from(&peer)]);
        }
        sent.confirm(visit.node(), PATIENCE).await;
        Ok(sent)
    })
    .await?;
    sent.depart(&departure);
    sent.finish(kind, command.json).await
}

pub(crate) async fn shout(
    command: ShoutCommand,
    builder: Builder,
    control: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let kind = Answer::Shouted;
    let group = command.to.as_str();
    if let Some(path) = control {
        let texts = Texts::of(&command.message)?;
        let sent = remote::shout(path, group, texts).await?;
        return sent.finish(kind, command.json).await;
    }
    let (mut sent, departure) = visit(builder, async |visit| {
        let wanted = command.count.unwrap_or(usize::MAX);
        visit
            .until(command.wait, |node| {
                (node.peers_in(group).len() >= wanted).then_some(())
            })
            .await;
        let found = visit.node().peers_in(group).len();
        match command.count {
            None if found == 0 => return Err(Failure::Empty(group.to_owned())),
            Some(wanted) if found < wanted => return Err(Failure::Few { found, wanted }),
            _ => {}
        }
        let mut sent = Sent::default();
        let mut texts = Texts::of(&command.message)?;
        while let Some(text) = texts.next().await? {
            let members = visit.node().peers_in(group);
            let shouted = visit.node().shout(group, text).await?;
            if !shouted.full.is_empty() {
                return Err(Failure::Send(SendError::Full));
            }
            sent.count(members.iter().map(Member::from));
        }
        sent.confirm(visit.node(), PATIENCE).await;
        Ok(sent)
    })
    .await?;
    sent.depart(&departure);
    sent.finish(kind, command.json).await
}

/// The messages, one after the other.
pub(crate) enum Texts {
    Words(Option<String>),
    Lines(Lines),
}

impl Texts {
    fn of(words: &[String]) -> Result<Self, Failure> {
        Ok(match words {
            [] => Self::Lines(input::lines().map_err(Failure::System)?),
            words => Self::Words(Some(words.join(" "))),
        })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Self::Words(words) => Ok(words.take()),
            Self::Lines(lines) => match lines.recv().await {
                None => Ok(None),
                Some(Line::Text(text)) => Ok(Some(text)),
                Some(Line::Unreadable(why)) => Err(Failure::Input(why)),
            },
        }
    }
}
