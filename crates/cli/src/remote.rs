//! What is done through a running node: `--control PATH`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use zre::json::{Command, Line, Peer};

use crate::control::{ControlError, Remote};
use crate::json;
use crate::program::Failure;
use crate::send::{Sent, Texts};
use crate::visit::print;

/// Have a running node join a group (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = JOIN_HELP)]
pub(crate) struct JoinCommand {
    /// The group
    #[arg(value_name = "GROUP")]
    to: String,

    #[command(flatten)]
    answer: Answer,
}

/// Have a running node leave a group (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = LEAVE_HELP)]
pub(crate) struct LeaveCommand {
    /// The group
    #[arg(value_name = "GROUP")]
    from: String,

    #[command(flatten)]
    answer: Answer,
}

/// Have a running node show another state (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = STATE_HELP)]
pub(crate) struct StateCommand {
    /// init, ready, busy, draining, asleep, or a number from 128 to 255
    #[arg(value_name = "STATE", value_parser = crate::values::state)]
    to: zre::State,

    #[command(flatten)]
    answer: Answer,
}

/// Have a running node leave the network and end (needs --control).
#[derive(Args, Debug)]
#[command(after_long_help = STOP_HELP)]
pub(crate) struct StopCommand {
    #[command(flatten)]
    answer: Answer,
}

/// How the answer is told.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Write the node's answer as a JSON line
    #[arg(long)]
    json: bool,
}

const JOIN_HELP: &str = "\
Example:
  zre node --control /tmp/node &
  zre --control /tmp/node join lab";

const LEAVE_HELP: &str = "\
Example:
  zre --control /tmp/node leave lab";

const STATE_HELP: &str = "\
Peers see it at once, and may give their work to others.

Example:
  zre --control /tmp/node state busy; make; zre --control /tmp/node state ready";

const STOP_HELP: &str = "\
It ends the command that runs the node, as Ctrl-C there would.

Example:
  zre --control /tmp/node stop";

/// Says one command that is only carried out or not.
///
/// # Errors
/// There is no node to say it to, or it refuses.
pub(crate) async fn say(
    path: Option<PathBuf>,
    command: impl Into<(Command, Answer)>,
) -> Result<ExitCode, Failure> {
    let Some(path) = path else {
        return Err(Failure::Usage(
            "say which node by --control PATH (ZRE_CONTROL): one that runs as zre node \
             --control PATH"
                .into(),
        ));
    };
    let (command, how) = command.into();
    let answer = Remote::connect(&path).await?.ask(&command).await?;
    let mut lines = Vec::new();
    if how.json {
        json::line(&answer, &mut lines);
    }
    print(lines).await
}

impl From<JoinCommand> for (Command, Answer) {
    fn from(JoinCommand { to, answer }: JoinCommand) -> Self {
        (Command::Join { group: to }, answer)
    }
}

impl From<LeaveCommand> for (Command, Answer) {
    fn from(LeaveCommand { from, answer }: LeaveCommand) -> Self {
        (Command::Leave { group: from }, answer)
    }
}

impl From<StateCommand> for (Command, Answer) {
    fn from(StateCommand { to, answer }: StateCommand) -> Self {
        (Command::State { state: to }, answer)
    }
}

impl From<StopCommand> for (Command, Answer) {
    fn from(StopCommand { answer }: StopCommand) -> Self {
        (Command::Stop {}, answer)
    }
}

/// Those whom the node knows.
pub(crate) async fn peers(path: &Path) -> Result<Vec<Peer>, Failure> {
    known(&mut Remote::connect(path).await?).await
}

/// The same over a connection that is there.
pub(crate) async fn known(remote: &mut Remote) -> Result<Vec<Peer>, Failure> {
    match remote.ask(&Command::Peers {}).await? {
        Line::Peers { peers } => Ok(peers),
        other => Err(strange(&other)),
    }
}

pub(crate) async fn whisper(path: &Path, peer: &str, texts: Texts) -> Result<Sent, Failure> {
    let command = |text: String| Command::Whisper {
        peer: peer.to_owned(),
        frames: text.into(),
    };
    send(path, command, texts).await
}

pub(crate) async fn shout(path: &Path, group: &str, texts: Texts) -> Result<Sent, Failure> {
    let command = |text: String| Command::Shout {
        group: group.to_owned(),
        frames: text.into(),
    };
    let sent = send(path, command, texts).await?;
    if sent.is_to_nobody() {
        return Err(Failure::Empty(group.to_owned()));
    }
    Ok(sent)
}

async fn send(
    path: &Path,
    command: impl Fn(String) -> Command,
    mut texts: Texts,
) -> Result<Sent, Failure> {
    let mut remote = Remote::connect(path).await?;
    let mut sent = Sent::default();
    while let Some(text) = texts.next().await? {
        match remote.ask(&command(text)).await? {
            Line::Whispered(answer) | Line::Shouted(answer) => {
                if !answer.full.is_empty() {
                    return Err(Failure::Send(zre::SendError::Full));
                }
                sent.count(answer.peers);
            }
            other => return Err(strange(&other)),
        }
    }
    Ok(sent)
}

fn strange(answer: &Line) -> Failure {
    let mut line = Vec::new();
    json::line(answer, &mut line);
    let answer = String::from_utf8_lossy(&line).trim_end().to_owned();
    Failure::Control(ControlError::Astray(answer))
}
