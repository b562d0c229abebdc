//! What must be true when all faults are over and time has gone by.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;
use zre_proto::Message;
use zre_proto::machine::SessionId;

use crate::action::Action;
use crate::drain::Mark;
use crate::host::{Power, Process};
use crate::report::Report;
use crate::world::{Violation, World};

/// How long a network without faults may take to be whole again: a dead session
/// is found out after 30 s, and an address that failed for long is dialled again
/// within 30 s; some time for the dial.
pub const REUNION: Duration = Duration::from_secs(70);

/// How long the network is watched after its faults: it stays whole.
pub const SETTLING: Duration = Duration::from_secs(120);

impl World {
    /// Ends all faults, and checks that everybody knows everybody within
    /// [`REUNION`], that all agree on groups and states, that it stays so, and that
    /// nothing was lost silently.
    ///
    /// # Errors
    /// What isn't so.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.act(Action::Mend)?;
        self.run(REUNION)?;
        self.check_whole()?;
        self.run(SETTLING.saturating_sub(REUNION))?;
        self.check_whole()?;
        self.check_leaders()?;
        self.check_ledgers()
    }

    /// Checks that every process that runs knows every other, and what it says.
    ///
    /// # Errors
    /// Who doesn't know whom, or what of it.
    pub fn check_whole(&self) -> Result<(), Violation> {
        let running: Vec<(usize, &Process)> = self
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| host.power == Power::On)
            .filter_map(|(number, host)| Some((number, host.process.as_ref()?)))
            .collect();
        let all: BTreeSet<Uuid> = running.iter().map(|(_, it)| it.brain.uuid()).collect();
        for (number, process) in &running {
            let wrong = |what: String| Err(self.violation(format!("host {number}: {what}"), true));
            let known: BTreeSet<Uuid> = process.checker.peers().keys().copied().collect();
            let counted = process.brain.peers();
            if known != counted {
                return wrong(format!("says it knows {counted:?}, has told of {known:?}"));
            }
            for (other, peer) in &running {
                if other == number {
                    continue;
                }
                let uuid = peer.brain.uuid();
                let Some(view) = process.checker.peers().get(&uuid) else {
                    return wrong(format!("doesn't know host {other} ({uuid})"));
                };
                let groups = peer.brain.own_groups();
                let counted = process.brain.peer_groups(uuid);
                if view.groups != groups || counted.as_ref() != Some(&groups) {
                    return wrong(format!(
                        "has host {other} in {:?} and counts {counted:?}, it is in {groups:?}",
                        view.groups
                    ));
                }
                if process.brain.ours().is_some() && view.state != peer.brain.state() {
                    return wrong(format!(
                        "has host {other} {}, it is {}",
                        view.state,
                        peer.brain.state()
                    ));
                }
                let renamed = peer
                    .name
                    .as_ref()
                    .filter(|_| process.brain.ours().is_some());
                if renamed.is_some_and(|name| *name != view.name) {
                    return wrong(format!(
                        "has host {other} as {:?}, it is {renamed:?}",
                        view.name
                    ));
                }
                if !process.checker.is_healthy(uuid) {
                    return wrong(format!("doesn't find host {other} healthy"));
                }
            }
            if let Some(ghost) = known.difference(&all).next() {
                return wrong(format!("knows {ghost}, which is no more"));
            }
        }
        Ok(())
    }

    /// Checks that all members of a group have its leader: the lowest UUID of those
    /// that would lead it. A member of another implementation takes no part, and keeps
    /// the election from its end.
    fn check_leaders(&self) -> Result<(), Violation> {
        let groups = self.contested.iter().map(|(group, _)| group);
        for group in groups.collect::<BTreeSet<_>>() {
            let members = self.hosts.iter().filter_map(|host| {
                let process = host.process.as_ref()?;
                process
                    .brain
                    .own_groups()
                    .contains(group)
                    .then_some(process)
            });
            let members: Vec<&Process> = members.collect();
            let contests = |process: &&Process| process.contests.contains(group);
            let mut contestants = members.iter().copied().filter(contests);
            let Some(lowest) = contestants.next() else {
                continue;
            };
            let lowest = contestants.fold(lowest.brain.uuid(), |lowest, it| {
                lowest.min(it.brain.uuid())
            });
            let ours: Option<Vec<_>> = members.iter().map(|it| it.brain.ours()).collect();
            for machine in ours.unwrap_or_default() {
                let leader = machine.leader(group);
                if leader != Some(lowest) {
                    let what = format!(
                        "{} has {leader:?} lead {group}, where {lowest} is due",
                        machine.uuid()
                    );
                    return Err(self.violation(what, true));
                }
            }
        }
        Ok(())
    }

    /// Checks that each WHISPER and SHOUT that was accepted was delivered, or its
    /// sender told that it may not be. Only of use when nothing is on its way.
    ///
    /// # Errors
    /// Which were lost silently.
    pub fn check_ledgers(&self) -> Result<(), Violation> {
        for link in &self.links {
            let ledger = link.ledger;
            let lost = ledger.sent - ledger.delivered;
            let known = ledger.told.unwrap_or(0);
            if lost > known && !(ledger.orphaned && ledger.told.is_none()) {
                let what = format!(
                    "of {} messages from host {} to host {} on {:?}, {lost} were lost and {} were told",
                    ledger.sent, link.dialler.host, link.target, link.session, known,
                );
                return Err(self.violation(what, true));
            }
        }
        Ok(())
    }

    pub(crate) fn settle_ledgers(&self, report: &mut Report) {
        for link in &self.links {
            let ledger = link.ledger;
            let lost = ledger.sent - ledger.delivered;
            report.delivered += ledger.delivered;
            if ledger.told.is_some() {
                report.told += lost;
            } else if ledger.orphaned {
                report.orphaned += lost;
            }
        }
    }

    /// A session ended for its sender, which learns how much may be lost.
    pub(crate) fn note_told(&mut self, host: usize, session: SessionId, unconfirmed: u64) {
        let number = self
            .hosts
            .get(host)
            .and_then(|host| host.process.as_ref())
            .and_then(|process| process.dialled.get(&session).copied());
        let link = number.and_then(|number| self.links.get_mut(number));
        match link {
            Some(link) if link.ledger.told.is_none() => link.ledger.told = Some(unconfirmed),
            _ => self.accuse(
                host,
                &format!("tells the end of {session:?} twice or of none"),
            ),
        }
    }

    /// A message has reached an application: the next one of its link, and whole.
    pub(crate) fn note_delivered(
        &mut self,
        host: usize,
        peer: Uuid,
        content: &Message,
        group: Option<&str>,
    ) {
        let life = self
            .hosts
            .get(host)
            .and_then(|host| host.process.as_ref())
            .map(|process| process.id);
        let link = Mark::of(content).and_then(|mark| {
            let number = usize::try_from(mark.link).ok()?;
            Some((self.links.get_mut(number)?, mark.count))
        });
        let Some((link, count)) = link else {
            self.accuse(host, &format!("delivers what nobody sent: {content:?}"));
            return;
        };
        let due = link.ledger.delivered + 1;
        let its_own = link.identity == peer && link.listener.is_some() && link.listener == life;
        let named = group.is_none_or(|group| group.starts_with("group "));
        if count == due && its_own && named {
            link.ledger.delivered = count;
        } else {
            let session = link.session;
            self.accuse(
                host,
                &format!("delivers message {count} of {session:?} of {peer} where {due} is due"),
            );
        }
    }
}
