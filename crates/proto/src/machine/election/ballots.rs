//! The messages of an election, and how they decide it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Election, Wave};
use crate::machine::peer::Phase;
use crate::machine::{Event, Machine};
use crate::{Command, Str, Time};

impl Machine {
    pub(in crate::machine) fn handle_elect(
        &mut self,
        now: Time,
        from: Uuid,
        group: &str,
        challenger: &str,
    ) {
        let Some(challenger) = self.ballot(from, group, challenger) else {
            return;
        };
        if self.hears_late(from, group, challenger) {
            return;
        }
        let own = self.config.uuid;
        let counting = self.counting_members(group);
        let election = self.elections.groups.entry(group.into()).or_default();
        match &mut election.wave {
            Some(wave) if wave.challenger == challenger => {
                wave.elects_seen.insert(from);
                // Its initiator resends ELECT when it starts the wave anew, and then
                // all members do.
                if from == challenger {
                    wave.parent = Some(from);
                    wave.elects_sent = &wave.elects_sent & &counting;
                    wave.leaders_seen.clear();
                    wave.leader_sent = false;
                }
            }
            Some(wave) if wave.challenger < challenger => {
                // It has started anew, and no longer counts what it echoed before.
                if from == challenger && counting.contains(&from) && wave.elects_seen.remove(&from)
                {
                    wave.elects_sent.remove(&from);
                }
            }
            // Our UUID is the lower one, or the message is of a wave that has ended.
            None if challenger == own || (election.contests && own < challenger) => {
                if election.contests && challenger != own {
                    self.challenge(now, group);
                }
                return;
            }
            _ => {
                let mut wave = Wave::new(challenger, Some(from));
                wave.elects_seen.insert(from);
                election.wave = Some(wave);
                self.check_later(now, group);
            }
        }
        self.send_elect_to_all(group);
        self.advance(group);
    }

    pub(in crate::machine) fn handle_leader(&mut self, from: Uuid, group: &str, leader: &str) {
        let Some(leader) = self.ballot(from, group, leader) else {
            return;
        };
        if self.hears_late(from, group, leader) {
            return;
        }
        let own = self.config.uuid;
        let Some(wave) = self.elections.wave_mut(group) else {
            return;
        };
        // Only we can decide that we have won.
        if wave.challenger != leader || (leader == own && !wave.leader_sent) {
            return;
        }
        wave.leaders_seen.insert(from);
        let first = !std::mem::replace(&mut wave.leader_sent, true);
        if first {
            self.send_leader(group, leader);
        }
        self.advance(group);
    }

    /// Takes the election as far as the messages that have come allow.
    pub(super) fn advance(&mut self, group: &str) {
        let own = self.config.uuid;
        let members = self.members(group);
        let Some(wave) = self.elections.wave_mut(group) else {
            return;
        };
        // We are alone with our wave. `check_election` decides.
        if members.is_empty() {
            return;
        }
        let challenger = wave.challenger;
        if members.is_subset(&wave.elects_seen) {
            match wave.parent {
                Some(parent) => self.send_elect(group, &[parent]),
                None if !wave.leader_sent => {
                    wave.leader_sent = true;
                    self.send_leader(group, own);
                }
                None => {}
            }
        }
        let ended = self
            .elections
            .wave(group)
            .is_some_and(|wave| wave.leader_sent && members.is_subset(&wave.leaders_seen));
        if ended && (challenger == own || members.contains(&challenger)) {
            self.decide(group, challenger);
        }
    }

    pub(super) fn decide(&mut self, group: &str, leader: Uuid) {
        let Some((group, election)) = self.elections.groups.get_key_value(group) else {
            return;
        };
        let group = group.clone();
        let contests = election.contests;
        let counted = election.wave.as_ref().is_some_and(|wave| wave.counted);
        let changed = election.leader != Some(leader);
        self.elections.groups.insert(
            group.clone(),
            Election {
                contests,
                leader: Some(leader),
                ..Election::default()
            },
        );
        self.schedule_check();
        if counted {
            for member in self.counting_members(&group) {
                self.settle(member, &group, leader);
            }
        }
        if changed {
            self.event(Event::Leader { group, leader });
        }
    }

    /// The other members of a group.
    pub(super) fn members(&self, group: &str) -> BTreeSet<Uuid> {
        let is_member = |phase: &Phase| match phase {
            Phase::Established(established) => established.hello.groups.contains(group),
            _ => false,
        };
        self.peers
            .iter()
            .filter(|(_, peer)| is_member(&peer.phase))
            .map(|(uuid, _)| *uuid)
            .collect()
    }

    /// The UUID that a message of an election names. `None` if the message doesn't
    /// count: its sender and we must be members, and the name must be a UUID.
    fn ballot(&mut self, from: Uuid, group: &str, name: &str) -> Option<Uuid> {
        let established = self.peers.get(&from)?.established()?;
        if !self.own_groups.contains(group) || !established.hello.groups.contains(group) {
            tracing::debug!(uuid = %from, group, "an election in a group that isn't ours or the sender's");
            return None;
        }
        let Ok(named) = Uuid::try_parse(name) else {
            self.counters.malformed = self.counters.malformed.saturating_add(1);
            tracing::debug!(uuid = %from, group, "an election message without a UUID");
            return None;
        };
        self.elections.participants.insert(from);
        Some(named)
    }

    pub(super) fn send_elect_to_all(&mut self, group: &str) {
        let members: Vec<Uuid> = self.members(group).into_iter().collect();
        let parent = self.elections.wave(group).and_then(|wave| wave.parent);
        let others: Vec<Uuid> = members
            .into_iter()
            .filter(|member| Some(*member) != parent)
            .collect();
        self.send_elect(group, &others);
    }

    /// Sends ELECT of the wave that we are in, to each member once.
    pub(super) fn send_elect(&mut self, group: &str, to: &[Uuid]) {
        for member in to {
            if !self.takes_part(*member) {
                continue;
            }
            let Some(wave) = self.elections.wave_mut(group) else {
                return;
            };
            if wave.elects_sent.insert(*member) {
                let challenger_id = text(wave.challenger);
                let group = group.into();
                self.send_to_peer(
                    *member,
                    Command::Elect {
                        group,
                        challenger_id,
                    },
                );
            }
        }
    }

    pub(super) fn send_leader(&mut self, group: &str, leader: Uuid) {
        for member in self.members(group) {
            if self.takes_part(member) {
                let leader_id = text(leader);
                let group = group.into();
                self.send_to_peer(member, Command::Leader { group, leader_id });
            }
        }
    }

    pub(super) fn takes_part(&self, peer: Uuid) -> bool {
        self.elections.participants.contains(&peer) || self.shows_elections(peer)
    }

    /// Whether it has shown in HELLO that it takes part as we do.
    pub(super) fn shows_elections(&self, peer: Uuid) -> bool {
        let established = self.peers.get(&peer).and_then(|peer| peer.established());
        established.is_some_and(|established| established.hello.takes_elections)
    }

    pub(super) fn send_to_peer(&mut self, peer: Uuid, command: Command) {
        if let Some(Phase::Established(established)) = self.peers.get(&peer).map(|peer| &peer.phase)
        {
            let session = established.mailbox.session;
            self.send(session, command);
        }
    }
}

/// A UUID as C Zyre writes it.
pub(super) fn text(uuid: Uuid) -> Str {
    uuid.simple().to_string().to_uppercase().into()
}
