//! Who leads a group.
//!
//! C Zyre's election, an echo wave with extinction. Whoever contests starts a
//! wave: ELECT with its own UUID, to every other member. A member that hears of a
//! lower UUID than that of the wave it is in joins that one instead: the sender
//! becomes its *parent*, and the others get ELECT from it. Who has ELECT of its
//! wave from every other member echoes it to its parent; whose own wave it is has
//! won, and says LEADER to all. Who hears LEADER says it to all; who has it from
//! every other member knows that all know. So the lowest UUID that contests wins.
//!
//! C Zyre counts how many ELECTs came, we remember from whom: what arrives twice
//! counts once here, and there it mustn't be sent twice. Members that know nothing
//! of elections would take ELECT for a gap, so it goes only to those who showed
//! that they take part, and the application is told who keeps an election from
//! its end.

mod ballots;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::timers::Timer;
use super::{Event, Machine};
use crate::{LimitError, Time};

/// How long an election may take before the application hears who keeps it from
/// its end, and before a winner asks again.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the one whose wave it is asks again: what was lost went with a
/// session, whose end restarts the election anyway.
const ROUNDS: u8 = 3;

/// The elections of the groups that we are in or want to lead.
#[derive(Debug, Default)]
pub(super) struct Elections {
    groups: BTreeMap<Arc<str>, Election>,
    /// Peers that sent ELECT or LEADER.
    takers: BTreeSet<Uuid>,
}

#[derive(Debug, Default)]
struct Election {
    /// We want to lead.
    contests: bool,
    wave: Option<Wave>,
    leader: Option<Uuid>,
    /// When to see whether it has come to its end.
    look_at: Option<Time>,
    rounds: u8,
    told_undecided: bool,
}

#[derive(Debug)]
struct Wave {
    challenger: Uuid,
    /// Who brought it; nobody where it is ours.
    parent: Option<Uuid>,
    /// To whom we have said ELECT.
    told: BTreeSet<Uuid>,
    /// Who has said ELECT to us.
    elects: BTreeSet<Uuid>,
    /// We have said LEADER.
    led: bool,
    /// Who has said LEADER to us.
    leaders: BTreeSet<Uuid>,
}

impl Wave {
    fn new(challenger: Uuid, parent: Option<Uuid>) -> Self {
        Self {
            challenger,
            parent,
            told: BTreeSet::new(),
            elects: BTreeSet::new(),
            led: false,
            leaders: BTreeSet::new(),
        }
    }
}

impl Elections {
    /// A peer has gone.
    fn forget(&mut self, peer: Uuid) {
        self.takers.remove(&peer);
    }

    /// The wave that we are in.
    fn wave(&self, group: &str) -> Option<&Wave> {
        self.groups.get(group)?.wave.as_ref()
    }

    fn wave_mut(&mut self, group: &str) -> Option<&mut Wave> {
        self.groups.get_mut(group)?.wave.as_mut()
    }

    fn next_look(&self) -> Option<Time> {
        let looks = self.groups.values().filter_map(|group| group.look_at);
        looks.min()
    }
}

impl Machine {
    /// Wants to lead a group from now on, while we are in it. True where we
    /// didn't before.
    ///
    /// [`Event::Leader`] tells the outcome of each election: of the members that
    /// contest, the one with the lowest UUID. A member that is alone leads after
    /// 5 s.
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

    /// Who leads a group, as the last election that has ended in it tells.
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

    /// We have left a group: what the others elect there isn't ours to know.
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
            // It would be extinguished; who started that one asks the newcomer too.
            Some(wave) if wave.challenger < own || !election.contests => {
                self.say_elect(group, &[peer]);
            }
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
            wave.told.remove(&peer);
            wave.elects.remove(&peer);
            wave.leaders.remove(&peer);
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

    /// A peer has gone, which had been in these groups.
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

    /// Does what time asks of elections.
    pub(super) fn tend_elections(&mut self, now: Time) {
        let due: Vec<Arc<str>> = self
            .elections
            .groups
            .iter()
            .filter(|(_, election)| election.look_at.is_some_and(|at| at <= now))
            .map(|(group, _)| group.clone())
            .collect();
        for group in due {
            self.look_at_election(now, &group);
        }
        self.set_look();
    }

    fn look_at_election(&mut self, now: Time, group: &str) {
        let own = self.config.uuid;
        let members = self.members(group);
        let live = |uuid: Uuid| uuid == own || members.contains(&uuid);
        let Some(election) = self.elections.groups.get_mut(group) else {
            return;
        };
        election.look_at = None;
        if election.wave.is_none() && election.leader.is_some() {
            return;
        }
        let missing: Vec<Uuid> = match &election.wave {
            Some(wave) => {
                let heard = if wave.led {
                    &wave.leaders
                } else {
                    &wave.elects
                };
                members.difference(heard).copied().collect()
            }
            None => Vec::new(),
        };
        if election
            .wave
            .as_ref()
            .is_some_and(|wave| !live(wave.challenger))
        {
            // A wave of somebody who isn't here leads nowhere.
            election.wave = None;
        }
        let challenger = election.wave.as_ref().map(|wave| wave.challenger);
        if !missing.is_empty() && !std::mem::replace(&mut election.told_undecided, true) {
            let group = group.into();
            self.event(Event::Undecided { group, missing });
        }
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

    /// Starts a wave of our own, in a new situation.
    fn challenge(&mut self, now: Time, group: &str) {
        if self.departure.is_some() {
            return;
        }
        if let Some(election) = self.elections.groups.get_mut(group) {
            election.rounds = 0;
            election.told_undecided = false;
        }
        self.start_wave(now, group);
    }

    fn start_wave(&mut self, now: Time, group: &str) {
        let own = self.config.uuid;
        if let Some(election) = self.elections.groups.get_mut(group) {
            election.wave = Some(Wave::new(own, None));
        }
        self.look_later(now, group);
        self.say_elect_to_all(group);
    }

    fn look_later(&mut self, now: Time, group: &str) {
        if let Some(election) = self.elections.groups.get_mut(group) {
            election.look_at = Some(now + PATIENCE);
        }
        self.set_look();
    }

    fn set_look(&mut self) {
        match self.elections.next_look() {
            Some(at) => self.timers.set(Timer::Elections, at),
            None => self.timers.clear(&Timer::Elections),
        }
    }
}
