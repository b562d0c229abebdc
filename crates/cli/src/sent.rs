//! What a command has sent, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The peers that took messages, and how many.
    peers: BTreeMap<Uuid, (Member, u64)>,
    /// The peers that don't answer, or took no message although they were meant.
    silent: BTreeSet<Uuid>,
    /// How many messages to the other peers weren't confirmed.
    lost: u64,
}

impl Sent {
    /// One more message, to these.
    pub(crate) fn count(&mut self, peers: impl IntoIterator<Item = Member>) {
        self.messages += 1;
        for member in peers {
            self.accepted += 1;
            self.peers.entry(member.uuid).or_insert((member, 0)).1 += 1;
        }
    }

    /// A peer that doesn't answer, or whose queue stays full.
    pub(crate) fn note_silent(&mut self, peer: Uuid) {
        self.silent.insert(peer);
    }

    pub(crate) fn is_silent(&self, peer: Uuid) -> bool {
        self.silent.contains(&peer)
    }

    /// The peers that took messages.
    pub(crate) fn peers(&self) -> impl Iterator<Item = Uuid> {
        self.peers.keys().copied()
    }

    /// Whether no peer took any message.
    pub(crate) fn is_to_nobody(&self) -> bool {
        self.peers.is_empty()
    }

    /// Waits until all peers that took messages have confirmed them: the answer to a
    /// PING says that everything before it was read. Other peers don't matter.
    pub(crate) async fn confirm(&mut self, node: &Node, wait: Duration) {
        let mut pings = JoinSet::new();
        for uuid in self.peers() {
            let node = node.clone();
            pings.spawn(async move { (uuid, node.ping(uuid, wait).await.is_ok()) });
        }
        while let Some(Ok((uuid, answers))) = pings.join_next().await {
            if !answers {
                self.note_silent(uuid);
            }
        }
    }

    /// Counts what the network said when we left.
    pub(crate) fn depart(&mut self, departure: &Departure) {
        let lost = departure.lost.iter();
        self.lost = lost
            .filter(|(peer, _)| self.peers.contains_key(&peer.uuid()))
            .filter(|(peer, _)| !self.silent.contains(&peer.uuid()))
            .map(|(_, count)| count)
            .sum();
    }

    /// How many messages weren't confirmed: any to a peer that doesn't answer.
    fn unconfirmed(&self) -> u64 {
        let silent = self.silent.iter();
        let sent = silent.filter_map(|uuid| self.peers.get(uuid));
        sent.map(|(_, count)| count).sum::<u64>() + self.lost
    }

    /// Writes the answer of that kind, and says whether all went well.
    pub(crate) async fn finish(
        self,
        answer: fn(json::Sent) -> Line,
        as_json: bool,
    ) -> Result<ExitCode, Failure> {
        let unconfirmed = self.unconfirmed();
        if as_json {
            let mut sent = json::Sent::default();
            sent.messages = self.messages;
            sent.accepted = self.accepted;
            sent.peers = self.peers.into_values().map(|(peer, _)| peer).collect();
            sent.unconfirmed = Some(unconfirmed);
            let mut lines = Vec::new();
            crate::json::line(&answer(sent), &mut lines);
            print(lines).await?;
        }
        if unconfirmed > 0 || !self.silent.is_empty() {
            Err(Failure::Unconfirmed)
        } else {
            Ok(ExitCode::SUCCESS)
        }
    }
}
