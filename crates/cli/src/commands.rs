//! Carries out commands, from standard input or a socket.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::backlog::{Backlogs, Delivery};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zre::json::{Command, Group, Line, Peer, Sent, Tagged};
use zre::{
    CommandError, Message, Node, PingError, ReplyError, RequestError, SendError, Uuid, WaitError,
};

/// No ping waits longer: the peer has expired by then.
const LONGEST: Duration = Duration::from_secs(60);

/// No script means to wait longer for peers.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

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
struct Refusal(Box<Line>);

impl Refusal {
    fn into_line(self) -> Line {
        *self.0
    }
}

macro_rules! refusals {
    ($($error:ty)*) => {$(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self(Box::new(refusal(error.code(), error)))
            }
        }
    )*};
}

refusals!(CommandError PingError ReplyError RequestError SendError WaitError);

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
            let mut awaited = Awaited::default();
            let sent = awaited.whisper(node, &peer, frames, &None)?;
            return Ok(awaited.content(sent).await);
        }
        Command::Shout { group, frames } => {
            let mut awaited = Awaited::default();
            let sent = awaited.shout(node, &group, frames, &None)?;
            return Ok(awaited.content(sent).await);
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
        Command::SetName { name } => drop(node.set_name(name).await?),
        Command::SetHeader { key, value } => drop(node.set_header(key, value).await?),
        Command::RemoveHeader { key } => drop(node.remove_header(key).await?),
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
        Command::Wait {
            peers,
            group,
            timeout,
        } => {
            let timeout = timeout.min(LONGEST_WAIT);
            match group {
                None => node.wait_for_peers(peers, timeout).await?,
                Some(group) => node.wait_for_peers_in(&group, peers, timeout).await?,
            };
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
pub(crate) struct Awaited {
    /// Requests and pings.
    answers: JoinSet<Tagged<Line>>,
    /// Messages that wait for room.
    messages: JoinSet<Tagged<Line>>,
    backlogs: Backlogs,
    /// Set once those messages are to wait no longer.
    given_up: watch::Sender<bool>,
}

impl Awaited {
    /// Carries out a command. `None` if its answer comes later, by
    /// [`next`](Self::next).
    ///
    /// What it sends to a peer is in order with what the commands before and after it
    /// send to that peer; a peer whose queue is full keeps no other waiting.
    pub(crate) async fn carry_out(
        &mut self,
        node: &Node,
        command: Tagged<Command>,
    ) -> Option<Tagged<Line>> {
        let Tagged { content, tag } = command;
        let content = match content {
            Command::Whisper { peer, frames } => self.whisper(node, &peer, frames, &tag),
            Command::Shout { group, frames } => self.shout(node, &group, frames, &tag),
            command if is_waited_for(&command) => {
                let node = node.clone();
                let answer = Box::pin(async move { carry_out(&node, command).await });
                match now_or_later(answer).await {
                    Ok(answer) => Ok(Some(answer)),
                    Err(answer) => {
                        self.answers.spawn(async move {
                            let content = answer.await;
                            Tagged { content, tag }
                        });
                        return None;
                    }
                }
            }
            command => Ok(Some(carry_out(node, command).await)),
        };
        let content = content.unwrap_or_else(|refusal| Some(refusal.into_line()))?;
        Some(Tagged { content, tag })
    }

    fn whisper(
        &mut self,
        node: &Node,
        peer: &str,
        frames: Message,
        tag: &Option<String>,
    ) -> Result<Option<Line>, Refusal> {
        let peer = node.peer(peer)?;
        let whispered = |peer: &zre::Peer| {
            let mut sent = Sent::default();
            (sent.messages, sent.accepted) = (1, 1);
            sent.peers.push(peer.into());
            Line::Whispered(sent)
        };
        let Some(delivery) = self.backlogs.send(node, &peer, None, frames)? else {
            return Ok(Some(whispered(&peer)));
        };
        let (tag, given_up) = (tag.clone(), self.given_up.subscribe());
        self.messages.spawn(async move {
            let content = match in_time(delivery, given_up).await {
                Ok(()) => whispered(&peer),
                Err(error) => refusal(error.code(), format!("to {}: {error}", peer.name())),
            };
            Tagged { content, tag }
        });
        Ok(None)
    }

    fn shout(
        &mut self,
        node: &Node,
        group: &str,
        frames: Message,
        tag: &Option<String>,
    ) -> Result<Option<Line>, Refusal> {
        let members = node.peers_in(group);
        if members.is_empty() {
            // Whether it could be sent at all.
            let _ = node.try_shout(group, frames.clone())?;
        }
        let mut sent = Sent::default();
        sent.messages = 1;
        let mut waiting = Vec::new();
        for peer in members {
            match self.backlogs.send(node, &peer, Some(group), frames.clone()) {
                Ok(Some(delivery)) => waiting.push((peer, delivery)),
                Ok(None) => count(&mut sent, &peer, Ok(())),
                Err(error @ (SendError::Full | SendError::Gone | SendError::Unknown(_))) => {
                    count(&mut sent, &peer, Err(error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if waiting.is_empty() {
            return Ok(Some(Line::Shouted(sent)));
        }
        let (tag, given_up) = (tag.clone(), self.given_up.clone());
        self.messages.spawn(async move {
            let mut deliveries = JoinSet::new();
            for (peer, delivery) in waiting {
                let given_up = given_up.subscribe();
                deliveries.spawn(async move { (peer, in_time(delivery, given_up).await) });
            }
            while let Some(Ok((peer, result))) = deliveries.join_next().await {
                count(&mut sent, &peer, result);
            }
            let content = Line::Shouted(sent);
            Tagged { content, tag }
        });
        Ok(None)
    }

    /// An answer that is there, or the one that comes.
    async fn content(mut self, answer: Option<Line>) -> Line {
        match answer {
            Some(answer) => answer,
            None => self.next().await.content,
        }
    }

    /// The next answer that has come; never, if none is awaited.
    ///
    /// # Cancel safety
    /// No answer is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Tagged<Line> {
        loop {
            let next = tokio::select! {
                Some(answer) = self.answers.join_next() => answer,
                Some(answer) = self.messages.join_next() => answer,
                else => std::future::pending().await,
            };
            // Otherwise it was aborted, or it panicked and said so.
            if let Ok(answer) = next {
                return answer;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.messages.is_empty()
    }

    /// Whether answers should come before more commands are read. Messages to slow
    /// peers don't count: nothing waits behind them.
    pub(crate) fn is_full(&self) -> bool {
        self.answers.len() >= AWAITED
    }

    /// Whether only messages to slow peers are left.
    pub(crate) fn are_messages(&self) -> bool {
        self.answers.is_empty() && !self.messages.is_empty()
    }

    /// The answers to all messages that wait for room: those that have none are refused.
    pub(crate) async fn refuse_messages(&mut self) -> Vec<Tagged<Line>> {
        self.give_up();
        let mut answers = Vec::new();
        while let Some(answer) = self.messages.join_next().await {
            answers.extend(answer);
        }
        answers
    }

    /// Lets messages wait for room no longer: those that have none are refused.
    pub(crate) fn give_up(&self) {
        self.given_up.send_replace(true);
    }
}

/// Whether others don't wait for its answer.
fn is_waited_for(command: &Command) -> bool {
    matches!(
        command,
        Command::Request { .. } | Command::Reply { .. } | Command::Ping(_)
    )
}

/// What becomes of a delivery, unless it is given up.
async fn in_time(delivery: Delivery, mut given_up: watch::Receiver<bool>) -> Result<(), SendError> {
    tokio::select! {
        biased;
        result = delivery => result,
        _ = given_up.wait_for(|given_up| *given_up) => Err(SendError::Full),
    }
}

/// Counts what became of a shout to one member.
fn count(sent: &mut Sent, peer: &zre::Peer, result: Result<(), SendError>) {
    match result {
        Ok(()) => {
            sent.accepted += 1;
            sent.peers.push(peer.into());
        }
        Err(SendError::Full) => sent.full.push(peer.into()),
        // It has gone.
        Err(_) => {}
    }
}

/// What a future gives at once, or the future.
async fn now_or_later<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    let now = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await;
    match now {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(future),
    }
}
