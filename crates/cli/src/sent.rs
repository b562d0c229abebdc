//! What a command has sent, and what became of it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinSet;
use zre::json::{self, Line, Member};
use zre::{Node, Uuid};

use crate::failure::Failure;
use crate::visit::{Departure, print};

/// What was sent, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    messages: u64,
    /// How many queues took one, all messages together.
    accepted: u64,
    peers: BTreeMap<Uuid, Member>,
    /// How many messages to these peers nobody confirmed.
    unconfirmed: u64,
    /// Whether one of these peers doesn't answer.
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

    /// Whether no peer took any message.
    pub(crate) fn is_to_nobody(&self) -> bool {
        self.peers.is_empty()
    }

    /// Waits until all peers that took messages have confirmed them: the answer to a
    /// PING says that everything before it was read. Other peers don't matter.
    pub(crate) async fn confirm(&mut self, node: &Node, wait: Duration) {
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
    pub(crate) fn depart(&mut self, departure: &Departure) {
        let lost = departure.lost.iter();
        self.unconfirmed = lost
            .filter(|(peer, _)| self.peers.contains_key(&peer.uuid()))
            .map(|(_, count)| count)
            .sum();
    }

    /// Writes the answer of that kind, and says whether all went well.
    pub(crate) async fn finish(
        self,
        answer: fn(json::Sent) -> Line,
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
