//! Elections with members that count the messages of others, as C Zyre does.
//!
//! Such a member starts anew at each HELLO and JOIN of a member: it forgets its counts, and
//! sends ELECT of its own wave to all. It asks nobody twice, compares its counts with the
//! number of members for equality, and waits for ever. If it starts anew while a wave is
//! under way, or is asked once too often, its election therefore never ends; some of ten
//! elections of C Zyre alone end so.
//!
//! We ask it once in each wave, and again only when it has started anew after its echo. If
//! that isn't enough, the wave goes on without it after a while. One of us then ends its
//! election: ELECT of the leader, whose wave it joins, and as many LEADERs as it waits for.
//! It gets the same answer if it starts anew after the election.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::ballots::text;
use crate::Command;
use crate::machine::Machine;

/// More members than that aren't answered for: that is the square of it in messages.
const MOST: usize = 64;

impl Machine {
    /// The members of a group that take part and don't do it as we do.
    pub(super) fn counting_members(&self, group: &str) -> BTreeSet<Uuid> {
        let mut members = self.members(group);
        members.retain(|member| self.counts(*member));
        members
    }

    fn counts(&self, peer: Uuid) -> bool {
        self.elections.participants.contains(&peer) && !self.shows_elections(peer)
    }

    /// Goes on with an election that lasts too long without the members that count. True
    /// if that has ended it.
    pub(super) fn count_for_them(&mut self, group: &str) -> bool {
        let counting = self.counting_members(group);
        let Some(wave) = self.elections.wave_mut(group) else {
            return false;
        };
        if counting.is_empty() {
            return false;
        }
        wave.counted = true;
        wave.elects_seen.extend(&counting);
        wave.leaders_seen.extend(&counting);
        let challenger = wave.challenger;
        if counting.contains(&challenger) && !std::mem::replace(&mut wave.leader_sent, true) {
            // Its initiator can't miscount what it is told.
            self.send_leader(group, challenger);
        }
        self.advance(group);
        self.elections.wave(group).is_none()
    }

    /// Handles ELECT or LEADER of a member that counts if the election has ended for us.
    /// False if it hasn't, or if the message begins another one.
    pub(super) fn hears_late(&mut self, from: Uuid, group: &str, challenger: Uuid) -> bool {
        let Some(election) = self.elections.groups.get(group) else {
            return false;
        };
        let Some(leader) = election.leader.filter(|_| election.wave.is_none()) else {
            return false;
        };
        if !self.counts(from) || challenger < leader || from == leader {
            return false;
        }
        // It has started anew, or has joined the wave of one that has.
        if challenger > leader {
            self.settle(from, group, leader);
        }
        true
    }

    /// Ends the election of a member that counts, if no lower one of us does it.
    pub(super) fn settle(&mut self, member: Uuid, group: &str, leader: Uuid) {
        let members = self.members(group);
        let own = self.config.uuid;
        let mut ours = members.iter().filter(|it| self.shows_elections(**it));
        if ours.any(|it| *it < own) || members.len() > MOST {
            return;
        }
        let challenger_id = text(leader);
        let elect = Command::Elect {
            group: group.into(),
            challenger_id,
        };
        self.send_to_peer(member, elect);
        for _ in 0..members.len() {
            let leader_id = text(leader);
            let group = group.into();
            self.send_to_peer(member, Command::Leader { group, leader_id });
        }
    }
}
