//! Which member leads a group.
//!
//! C Zyre's election, an echo wave with extinction. Each candidate starts a wave:
//! it sends ELECT with its own UUID to every other member. A member that hears a
//! lower UUID than that of its wave joins the lower wave instead: the sender becomes
//! its *parent*, and it sends ELECT on to the others. A member that has heard ELECT
//! of its wave from every other member echoes it to its parent; if the wave is its
//! own, it has won and sends LEADER to all. A member that hears LEADER for the first
//! time sends it to all; when it has heard LEADER from every other member, all
//! members know. Therefore the lowest UUID among the candidates wins.
//!
//! C Zyre counts how many ELECTs came, and we remember from which members. A
//! repetition counts once here, so we must not send one to C Zyre. What C Zyre does about
//! its counts, and what we do about that, is in `counting`. Members that know
//! nothing of elections would take ELECT for a gap. So it goes only to members that
//! have shown that they take part, and the application hears of the others when they
//! keep an election from its end.

mod ballots;
mod counting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::timers::Timer;
use super::{Event, Machine};
use crate::{LimitError, Time};

/// How long an election may take before the application hears which members it
/// waits for, and before the initiator of the wave resends ELECT.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the initiator of a wave resends ELECT. More would be of no use: a lost
/// message was lost with its session, whose end restarts the election anyway.
const ROUNDS: u8 = 3;

/// The elections of the groups that we are in or want to lead.
#[derive(Debug, Default)]
pub(super) struct Elections {
    groups: BTreeMap<Arc<str>, Election>,
    /// Peers that sent ELECT or LEADER.
    participants: BTreeSet<Uuid>,
}

#[derive(Debug, Default)]
struct Election {
    /// Whether we are a candidate.
    contests: bool,
    wave: Option<Wave>,
    leader: Option<Uuid>,
    /// When to check whether it has ended.
    check_at: Option<Time>,
    rounds: u8,
    reported_undecided: bool,
}

#[derive(Debug)]
struct Wave {
    challenger: Uuid,
    /// The member that brought it; `None` if it is ours.
    parent: Option<Uuid>,
    /// The members that we have sent ELECT.
    elects_sent: BTreeSet<Uuid>,
    /// The members that have sent us ELECT.
    elects_seen: BTreeSet<Uuid>,
    /// Whether we have sent LEADER.
    leader_sent: bool,
    /// The members that have sent us LEADER.
    leaders_seen: BTreeSet<Uuid>,
    /// Whether we no longer wait for members that count.
    counted: bool,
}

impl Wave {
    fn new(challenger: Uuid, parent: Option<Uuid>) -> Self {
        Self {
            challenger,
            parent,
            elects_sent: BTreeSet::new(),
            elects_seen: BTreeSet::new(),
            leader_sent: false,
            leaders_seen: BTreeSet::new(),
            counted: false,
        }
    }
}

impl Elections {
    /// A peer is gone.
    fn forget(&mut self, peer: Uuid) {
        self.participants.remove(&peer);
    }

    /// The wave that we are in.
    fn wave(&self, group: &str) -> Option<&Wave> {
        self.groups.get(group)?.wave.as_ref()
    }

    fn wave_mut(&mut self, group: &str) -> Option<&mut Wave> {
        self.groups.get_mut(group)?.wave.as_mut()
    }

    fn next_check(&self) -> Option<Time> {
        self.groups
            .values()
            .filter_map(|group| group.check_at)
            .min()
    }
}

impl Machine {
    /// Makes us a candidate for the lead of a group, while we are in it. Returns
    /// false if we were one already.
    ///
    /// [`Event::Leader`] reports the outcome of each election: the candidate with
    /// the lowest UUID. A candidate that is alone in its group leads after 5 s.
    ///
    /// # Errors
    /// The name is empty or too long, or these are too many groups.
    pub fn contest(&mut self, now: Time, group: &str) -> Result<bool, LimitError> {
        let limits = &self.config.limits;
        limits.validate_group(group)?;
        let known = self.elections.groups.len();
        if !self.elections.groups.contains_key(group) {
            limits.validate_group_count(known.saturating_add(1))?;
        }
        let election = self.elections.groups.entry(group.into()).or_default();
        if std::mem::replace(&mut election.contests, true) {
            return Ok(false);
        }
        if self.own_groups.contains(group) {
            self.challenge(now, group);
        }
        Ok(true)
    }

    /// The leader of a group, by the last election that has ended in it.
    #[must_use]
    pub fn leader(&self, group: &str) -> Option<Uuid> {
        self.elections.groups.get(group)?.leader
    }

    /// We have joined a group.
    pub(super) fn election_joined(&mut self, now: Time, group: &str) {
        let election = self.elections.groups.get(group);
        if election.is_some_and(|election| election.contests) {
            self.challenge(now, group);
        }
    }

    /// We have left a group. Its elections no longer concern us.
    pub(super) fn election_left(&mut self, group: &str) {
        if let Some(election) = self.elections.groups.get_mut(group) {
            if election.contests {
                *election = Election {
                    contests: true,
                    ..Election::default()
                };
            } else {
                self.elections.groups.remove(group);
            }
        }
    }

    /// A peer is in a group from now on.
    pub(super) fn election_member_came(&mut self, now: Time, peer: Uuid, group: &str) {
        let own = self.config.uuid;
        if !self.own_groups.contains(group) {
            return;
        }
        let Some(election) = self.elections.groups.get(group) else {
            return;
        };
        match &election.wave {
            // A wave of ours would be extinguished, and the initiator of this one
            // asks the newcomer, too.
            Some(wave) if wave.challenger < own || !election.contests => {
                self.send_elect(group, &[peer]);
            }
            // If it contests, it says so itself.
            None if election.leader.is_some() && !self.shows_elections(peer) => {}
            _ if election.contests => self.challenge(now, group),
            _ => {}
        }
    }

    /// A peer is no longer in a group, or gone.
    pub(super) fn election_member_went(&mut self, now: Time, peer: Uuid, group: &str) {
        let own = self.config.uuid;
        let Some(election) = self.elections.groups.get_mut(group) else {
            return;
        };
        let led = election.leader == Some(peer);
        if led {
            election.leader = None;
        }
        let ran = election.wave.is_some();
        let mut broken = false;
        if let Some(wave) = &mut election.wave {
            wave.elects_sent.remove(&peer);
            wave.elects_seen.remove(&peer);
            wave.leaders_seen.remove(&peer);
            broken = wave.challenger == peer || wave.parent == Some(peer);
        }
        if broken {
            election.wave = None;
        }
        let contests = election.contests;
        let foreign = election.wave.as_ref().is_some_and(|w| w.challenger < own);
        if contests && (ran || led) && !foreign {
            if self.members(group).is_empty() {
                self.decide(group, own);
            } else {
                self.challenge(now, group);
            }
        } else {
            self.advance(group);
        }
    }

    /// A peer that was in these groups is gone.
    pub(super) fn election_peer_went(
        &mut self,
        now: Time,
        peer: Uuid,
        groups: &BTreeSet<Arc<str>>,
    ) {
        self.elections.forget(peer);
        if !self.elections.groups.is_empty() && self.departure.is_none() {
            for group in groups {
                self.election_member_went(now, peer, group);
            }
        }
    }

    /// Does what is due for the elections.
    pub(super) fn check_elections(&mut self, now: Time) {
        let due: Vec<Arc<str>> = self
            .elections
            .groups
            .iter()
            .filter(|(_, election)| election.check_at.is_some_and(|at| at <= now))
            .map(|(group, _)| group.clone())
            .collect();
        for group in due {
            self.check_election(now, &group);
        }
        self.schedule_check();
    }

    fn check_election(&mut self, now: Time, group: &str) {
        let own = self.config.uuid;
        let members = self.members(group);
        let is_here = |uuid: Uuid| uuid == own || members.contains(&uuid);
        let Some(election) = self.elections.groups.get_mut(group) else {
            return;
        };
        election.check_at = None;
        if election.wave.is_none() && election.leader.is_some() {
            return;
        }
        let missing: Vec<Uuid> = match &election.wave {
            Some(wave) => {
                let heard = if wave.leader_sent {
                    &wave.leaders_seen
                } else {
                    &wave.elects_seen
                };
                members.difference(heard).copied().collect()
            }
            None => Vec::new(),
        };
        if election
            .wave
            .as_ref()
            .is_some_and(|wave| !is_here(wave.challenger))
        {
            // A wave of a node that isn't here leads nowhere.
            election.wave = None;
        }
        let challenger = election.wave.as_ref().map(|wave| wave.challenger);
        if self.count_for_them(group) {
            return;
        }
        self.report_undecided(group, missing);
        let Some(election) = self.elections.groups.get_mut(group) else {
            return;
        };
        if !election.contests || !self.own_groups.contains(group) {
            return;
        }
        if members.is_empty() {
            self.decide(group, own);
        } else if challenger.is_none_or(|challenger| challenger == own) && election.rounds < ROUNDS
        {
            election.rounds = election.rounds.saturating_add(1);
            self.start_wave(now, group);
        }
    }

    /// Names the members that keep an election from its end, once: those that don't take
    /// part, if there are any, because the others wait for them as well.
    fn report_undecided(&mut self, group: &str, mut missing: Vec<Uuid>) {
        if missing.iter().any(|member| !self.takes_part(*member)) {
            missing.retain(|member| !self.takes_part(*member));
        }
        let Some(election) = self.elections.groups.get_mut(group) else {
            return;
        };
        if !missing.is_empty() && !std::mem::replace(&mut election.reported_undecided, true) {
            let group = group.into();
            self.event(Event::Undecided { group, missing });
        }
    }

    /// Starts a wave of our own because the members have changed.
    fn challenge(&mut self, now: Time, group: &str) {
        if self.departure.is_some() {
            return;
        }
        if let Some(election) = self.elections.groups.get_mut(group) {
            election.rounds = 0;
            election.reported_undecided = false;
        }
        self.start_wave(now, group);
    }

    fn start_wave(&mut self, now: Time, group: &str) {
        let own = self.config.uuid;
        let counting = self.counting_members(group);
        if let Some(election) = self.elections.groups.get_mut(group) {
            let mut wave = Wave::new(own, None);
            if let Some(before) = election.wave.take().filter(|it| it.challenger == own) {
                // They have counted our ELECT, and count no second one.
                wave.elects_sent = &before.elects_sent & &counting;
                wave.elects_seen = &before.elects_seen & &counting;
            }
            election.wave = Some(wave);
        }
        self.check_later(now, group);
        self.send_elect_to_all(group);
    }

    fn check_later(&mut self, now: Time, group: &str) {
        if let Some(election) = self.elections.groups.get_mut(group) {
            election.check_at = Some(now + PATIENCE);
        }
        self.schedule_check();
    }

    fn schedule_check(&mut self) {
        match self.elections.next_check() {
            Some(at) => self.timers.set(Timer::Elections, at),
            None => self.timers.clear(&Timer::Elections),
        }
    }
}
