//! Carries out commands, from standard input or a socket.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use zre::json::{Command, Group, Line, Peer, Sent, Tagged};
use zre::{CommandError, Node, PingError, ReplyError, RequestError, SendError, Uuid};

/// No ping waits longer: the peer has expired by then.
const LONGEST: Duration = Duration::from_secs(60);

/// How many answers may be awaited at once before no further command is read.
const AWAITED: usize = 1024;

/// The answer to a command. `Stop` and `Watch` are the business of the reader of
/// commands, and are only confirmed here.
pub(crate) async fn carry_out(node: &Node, command: Command) -> Line {
    try_carry_out(node, command)
        .await
        .unwrap_or_else(Refusal::into_line)
}

/// The answer that says what is wrong.
pub(crate) fn refusal(code: &str, message: impl ToString) -> Line {
    Line::Error {
        message: message.to_string(),
        code: code.to_owned(),
    }
}

/// Why a command isn't carried out.
struct Refusal(Line);

impl Refusal {
    fn into_line(self) -> Line {
        self.0
    }
}

macro_rules! refusals {
    ($($error:ty)*) => {$(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self(refusal(error.code(), error))
            }
        }
    )*};
}

refusals!(CommandError PingError ReplyError RequestError SendError);

async fn try_carry_out(node: &Node, command: Command) -> Result<Line, Refusal> {
    match command {
        Command::Join { group } => {
            node.join(group).await?;
        }
        Command::Leave { group } => {
            node.leave(group).await?;
        }
        Command::Contest { group } => {
            node.contest(group).await?;
        }
        Command::Whisper { peer, frames } => {
            let peer = node.peer(&peer)?;
            node.whisper(&peer, frames).await?;
            let mut sent = Sent::default();
            (sent.messages, sent.accepted) = (1, 1);
            sent.peers.push((&peer).into());
            return Ok(Line::Whispered(sent));
        }
        Command::Shout { group, frames } => {
            let mut peers = node.peers_in(&group);
            let shouted = node.shout(group, frames).await?;
            peers.retain(|peer| !shouted.full.contains(peer) && !shouted.gone.contains(peer));
            let mut sent = Sent::default();
            (sent.messages, sent.accepted) = (1, shouted.accepted as u64);
            sent.peers = peers.iter().map(Into::into).collect();
            sent.full = shouted.full.iter().map(Into::into).collect();
            return Ok(Line::Shouted(sent));
        }
        Command::Request {
            peer,
            frames,
            timeout,
        } => {
            let peer = node.peer(&peer)?;
            let frames = node.request(&peer, frames, timeout).await?;
            let peer = (&peer).into();
            return Ok(Line::Reply { peer, frames });
        }
        Command::Reply { id, frames } => node.reply(id, frames).await?,
        Command::State { state } => node.set_state(state).await?,
        Command::Peers {} => {
            let mut peers = peers(node);
            let silences: BTreeMap<Uuid, Duration> = node.silences().await?;
            for peer in &mut peers {
                let silence = silences.get(&peer.uuid);
                peer.silence = silence.map(Duration::as_secs_f64);
            }
            return Ok(Line::Peers { peers });
        }
        Command::Groups {} => {
            let groups = Group::of(&peers(node));
            return Ok(Line::Groups { groups });
        }
        Command::Ping(ping) => {
            let peer = node.peer(&ping.peer)?;
            let time = node.ping(&peer, ping.timeout.min(LONGEST)).await?;
            return Ok(Line::Pong {
                peer: (&peer).into(),
                number: None,
                ms: time.as_secs_f64() * 1e3,
            });
        }
        Command::Node {} => return Ok(Line::Node(node.into())),
        Command::Stats {} => return Ok(Line::Stats(Box::new(node.stats().await?))),
        Command::Watch {} | Command::Stop {} => {}
    }
    Ok(Line::Done)
}

fn peers(node: &Node) -> Vec<Peer> {
    node.peers().iter().map(Into::into).collect()
}

/// Commands whose answers are awaited while others are carried out.
#[derive(Debug, Default)]
pub(crate) struct Awaited(JoinSet<Tagged<Line>>);

impl Awaited {
    /// Carries out a command. `None` if its answer comes later, by
    /// [`next`](Self::next).
    ///
    /// What it sends is in order with what the commands before and after it send.
    pub(crate) async fn carry_out(
        &mut self,
        node: &Node,
        command: Tagged<Command>,
    ) -> Option<Tagged<Line>> {
        let Tagged { content, tag } = command;
        let waits = matches!(content, Command::Request { .. } | Command::Ping(_));
        let node = node.clone();
        let answer = async move {
            let content = carry_out(&node, content).await;
            Tagged { content, tag }
        };
        if !waits {
            return Some(answer.await);
        }
        let mut answer = Box::pin(answer);
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx)));
        match first.await {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => {
                self.0.spawn(answer);
                None
            }
        }
    }

    /// The next answer that has come; never, if none is awaited.
    ///
    /// # Cancel safety
    /// No answer is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Tagged<Line> {
        loop {
            match self.0.join_next().await {
                Some(Ok(answer)) => return answer,
                // It was aborted, or it panicked and said so.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether answers should come before more commands are read.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= AWAITED
    }
}
