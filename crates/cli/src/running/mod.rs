//! Through a running node: `--control PATH`.
//!
//! [`join`], [`leave`], [`state`] and [`stop`] are commands that only such a node
//! can be given; others ask it instead of starting a node of their own.

pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod state;
pub(crate) mod stop;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use zre::json::{Command, Line, Member, Peer, Ping};
use zre::{SendError, Uuid};

use crate::control::{ControlError, Remote};
use crate::failure::Failure;
use crate::json;
use crate::sent::Sent;
use crate::texts::Texts;
use crate::visit::{PATIENCE, print};

/// How the answer is shown.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Write the node's answer as a JSON line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Gives the node a command whose only answer is whether it was carried out.
///
/// # Errors
/// No node listens there, or it refuses.
async fn order(path: Option<&Path>, command: Command, how: Answer) -> Result<ExitCode, Failure> {
    let Some(path) = path else {
        return Err(Failure::Usage(
            "name the node by --control PATH (ZRE_CONTROL): one that runs as zre node \
             --control PATH"
                .into(),
        ));
    };
    let answer = Remote::connect(path).await?.ask(&command).await?;
    let mut lines = Vec::new();
    if how.json {
        json::line(&answer, &mut lines);
    }
    print(lines).await
}

/// The peers that the node knows.
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

/// The peer of that UUID or name.
pub(crate) async fn find(remote: &mut Remote, wanted: &str) -> Result<Member, Failure> {
    let uuid = Uuid::try_parse(wanted).ok();
    let peers = known(remote).await?;
    let is_wanted = |peer: &&Peer| uuid.map_or(peer.name == wanted, |uuid| peer.uuid == uuid);
    let mut found = peers.iter().filter(is_wanted);
    match (found.next(), found.count()) {
        (None, _) => Err(Failure::Unknown {
            peer: wanted.to_owned(),
        }),
        (Some(peer), 0) => Ok(peer.into()),
        (Some(_), others) => Err(Failure::Send(SendError::Ambiguous {
            name: wanted.to_owned(),
            count: others + 1,
        })),
    }
}

pub(crate) async fn whisper(path: &Path, peer: &str, texts: Texts) -> Result<Sent, Failure> {
    let command = |text: String| Command::Whisper {
        peer: peer.to_owned(),
        frames: text.into(),
    };
    let sent = send(path, command, texts).await;
    sent.map_err(|failure| match failure {
        Failure::Control(ControlError::Refused { code, .. }) if code == "unknown_peer" => {
            let peer = peer.to_owned();
            Failure::Unknown { peer }
        }
        other => other,
    })
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
                    return Err(Failure::Send(SendError::Full));
                }
                sent.count(answer.peers);
            }
            other => return Err(strange(&other)),
        }
    }
    confirm(&mut remote, &mut sent).await?;
    Ok(sent)
}

/// Waits until all peers that took messages have confirmed them, as
/// [`Sent::confirm`] does.
async fn confirm(remote: &mut Remote, sent: &mut Sent) -> Result<(), Failure> {
    let mut silent: BTreeSet<Uuid> = sent.peers().collect();
    for peer in &silent {
        let ping = Ping {
            peer: peer.simple().to_string(),
            timeout: PATIENCE,
        };
        remote.send(&Command::Ping(ping)).await?;
    }
    for _ in 0..silent.len() {
        if let Line::Pong { peer, .. } = remote.next().await? {
            silent.remove(&peer.uuid);
        }
    }
    silent.into_iter().for_each(|peer| sent.note_silent(peer));
    Ok(())
}

fn strange(answer: &Line) -> Failure {
    let mut line = Vec::new();
    json::line(answer, &mut line);
    let answer = String::from_utf8_lossy(&line).trim_end().to_owned();
    Failure::Control(ControlError::Unexpected(answer))
}
