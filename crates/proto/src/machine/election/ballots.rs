//! What is said in an election, and what comes of it.

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
        let own = self.config.uuid;
        let election = self.elections.groups.entry(group.into()).or_default();
        match &mut election.wave {
            Some(wave) if wave.challenger == challenger => {
                wave.elects.insert(from);
                // The one whose wave it is says ELECT again when it has started
                // anew, and then everybody does.
                if from == challenger {
                    wave.parent = Some(from);
                    wave.told.clear();
                    wave.leaders.clear();
                    wave.led = false;
                }
            }
            Some(wave) if wave.challenger < challenger => {}
            // Ours is the lower one, or it is late word of one that has ended.
            None if challenger == own || (election.contests && own < challenger) => {
                if election.contests && challenger != own {
                    self.challenge(now, group);
                }
                return;
            }
            _ => {
                let mut wave = Wave::new(challenger, Some(from));
                wave.elects.insert(from);
                election.wave = Some(wave);
                self.look_later(now, group);
            }
        }
        self.say_elect_to_all(group);
        self.advance(group);
    }

    pub(in crate::machine) fn handle_leader(&mut self, from: Uuid, group: &str, leader: &str) {
        let Some(leader) = self.ballot(from, group, leader) else {
            return;
        };
        let own = self.config.uuid;
        let Some(wave) = self.elections.wave_mut(group) else {
            return;
        };
        // Nobody but us can say that we have won.
        if wave.challenger != leader || (leader == own && !wave.led) {
            return;
        }
        wave.leaders.insert(from);
        let first = !std::mem::replace(&mut wave.led, true);
        if first {
            self.say_leader(group, leader);
        }
        self.advance(group);
    }

    /// Goes on as far as what has come allows.
    pub(super) fn advance(&mut self, group: &str) {
        let own = self.config.uuid;
        let members = self.members(group);
        let Some(wave) = self.elections.wave_mut(group) else {
            return;
        };
        // Alone with a wave of our own: time tells.
        if members.is_empty() {
            return;
        }
        let challenger = wave.challenger;
        if members.is_subset(&wave.elects) {
            match wave.parent {
                Some(parent) => self.say_elect(group, &[parent]),
                None if !wave.led => {
                    wave.led = true;
                    self.say_leader(group, own);
                }
                None => {}
            }
        }
        let ended = self
            .elections
            .wave(group)
            .is_some_and(|wave| wave.led && members.is_subset(&wave.leaders));
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
        let news = election.leader != Some(leader);
        self.elections.groups.insert(
            group.clone(),
            Election {
                contests,
                leader: Some(leader),
                ..Election::default()
            },
        );
        self.set_look();
        if news {
            self.event(Event::Leader { group, leader });
        }
    }

    /// The other members of a group.
    pub(super) fn members(&self, group: &str) -> BTreeSet<Uuid> {
        let is_member = |phase: &Phase| match phase {
            Phase::Ready(live) => live.greeted.groups.contains(group),
            _ => false,
        };
        self.peers
            .iter()
            .filter(|(_, peer)| is_member(&peer.phase))
            .map(|(uuid, _)| *uuid)
            .collect()
    }

    /// Whom a message of an election names, where it is one to listen to: its
    /// sender and we are members, and the name is a UUID.
    fn ballot(&mut self, from: Uuid, group: &str, name: &str) -> Option<Uuid> {
        let live = self.peers.get(&from)?.live()?;
        if !self.own_groups.contains(group) || !live.greeted.groups.contains(group) {
            tracing::debug!(uuid = %from, group, "an election among others");
            return None;
        }
        let Ok(named) = Uuid::try_parse(name) else {
            self.counters.malformed = self.counters.malformed.saturating_add(1);
            tracing::debug!(uuid = %from, group, "an election of somebody without a UUID");
            return None;
        };
        self.elections.takers.insert(from);
        Some(named)
    }

    pub(super) fn say_elect_to_all(&mut self, group: &str) {
        let members: Vec<Uuid> = self.members(group).into_iter().collect();
        let parent = self.elections.wave(group).and_then(|wave| wave.parent);
        let others: Vec<Uuid> = members
            .into_iter()
            .filter(|member| Some(*member) != parent)
            .collect();
        self.say_elect(group, &others);
    }

    /// Says ELECT of the wave that we are in, to each once.
    pub(super) fn say_elect(&mut self, group: &str, to: &[Uuid]) {
        for member in to {
            if !self.takes_part(*member) {
                continue;
            }
            let Some(wave) = self.elections.wave_mut(group) else {
                return;
            };
            if wave.told.insert(*member) {
                let challenger_id = text(wave.challenger);
                let group = group.into();
                self.say(
                    *member,
                    Command::Elect {
                        group,
                        challenger_id,
                    },
                );
            }
        }
    }

    fn say_leader(&mut self, group: &str, leader: Uuid) {
        for member in self.members(group) {
            if self.takes_part(member) {
                let leader_id = text(leader);
                let group = group.into();
                self.say(member, Command::Leader { group, leader_id });
            }
        }
    }

    fn takes_part(&self, peer: Uuid) -> bool {
        self.elections.takers.contains(&peer)
            || self
                .peers
                .get(&peer)
                .and_then(|peer| peer.live())
                .is_some_and(|live| live.greeted.takes_elections)
    }

    fn say(&mut self, peer: Uuid, command: Command) {
        if let Some(Phase::Ready(live)) = self.peers.get(&peer).map(|peer| &peer.phase) {
            let session = live.mailbox.session;
            self.send(session, command);
        }
    }
}

/// As C Zyre writes a UUID.
fn text(uuid: Uuid) -> Str {
    uuid.simple().to_string().to_uppercase().into()
}
