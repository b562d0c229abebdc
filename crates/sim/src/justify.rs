//! Whether an Exit was justified: what the application is told of must have happened.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;
use zre_proto::Time;
use zre_proto::machine::{ExitReason, SessionId};

use crate::host::Power;
use crate::link::ProcessId;
use crate::world::World;

/// The longest that a node waits for the answer to the PING by which it asks a peer
/// whether it leaves, with some time for the way.
const CLAIM: Duration = Duration::from_millis(2_500);

/// How long a peer is silent at least until it is given up.
const EXPIRED: Duration = Duration::from_secs(30);

/// How long a peer is silent at most until it is evasive, and is given up if it is heard
/// at another address.
const EVASIVE: Duration = Duration::from_secs(8);

/// A way that takes so long may make an answer come too late.
const SLOW: Duration = Duration::from_secs(1);

/// A session that the application was told of, as the network knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    link: usize,
    /// The connection over which the peer had greeted.
    inbound: Option<usize>,
    /// When its last message was handed over.
    heard: Time,
}

/// When there was last something between two hosts that may keep messages back.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<(usize, usize), Time>);

impl Troubles {
    pub(crate) fn note(&mut self, a: usize, b: usize, until: Time) {
        let last = self.0.entry((a.min(b), a.max(b))).or_insert(until);
        *last = until.max(*last);
    }

    fn since(&self, a: usize, b: usize, time: Time) -> bool {
        let last = self.0.get(&(a.min(b), a.max(b)));
        last.is_some_and(|last| *last >= time)
    }
}

impl World {
    /// A peer enters: notes what its session is made of.
    pub(crate) fn begin_session(&mut self, host: usize, peer: Uuid, session: SessionId) {
        let now = self.now;
        let Some(process) = self.hosts.get_mut(host).and_then(|it| it.process.as_mut()) else {
            return;
        };
        let Some(link) = process.dialled.get(&session).copied() else {
            return;
        };
        let inbound = process.inbound.get(&peer).copied();
        let session = Session {
            link,
            inbound,
            heard: now,
        };
        process.sessions.insert(peer, session);
    }

    /// A peer greets anew over another connection, and its session stays.
    pub(crate) fn move_session(&mut self, host: usize, peer: Uuid, inbound: usize) {
        let now = self.now;
        if let Some(process) = self.hosts.get_mut(host).and_then(|it| it.process.as_mut())
            && let Some(session) = process.sessions.get_mut(&peer)
        {
            session.inbound = Some(inbound);
            session.heard = now;
        }
    }

    /// A message of a peer is handed to a process.
    pub(crate) fn note_heard(&mut self, host: usize, peer: Uuid, link: usize) {
        let now = self.now;
        if let Some(process) = self.hosts.get_mut(host).and_then(|it| it.process.as_mut())
            && let Some(session) = process.sessions.get_mut(&peer)
            && session.inbound == Some(link)
        {
            session.heard = now;
        }
    }

    /// Something took long, or will: it arrives then.
    pub(crate) fn note_delay(&mut self, number: usize, arrives: Time) {
        let Some(link) = self.links.get(number) else {
            return;
        };
        if arrives - self.now >= SLOW {
            self.troubles.note(link.dialler.host, link.target, arrives);
        }
    }

    /// What stands between hosts is about to change.
    pub(crate) fn note_cuts(&mut self) {
        for a in 0..self.hosts.len() {
            for b in 0..a {
                if !self.network.links(a, b) {
                    self.troubles.note(a, b, self.now);
                }
            }
        }
    }

    /// A host can do something again, or is about to be unable to.
    pub(crate) fn note_standstill(&mut self, host: usize) {
        for other in 0..self.hosts.len() {
            self.troubles.note(host, other, self.now);
        }
    }

    /// Whether a peer exits for a reason that is true.
    pub(crate) fn judge_exit(&mut self, host: usize, peer: Uuid, reason: ExitReason) {
        let process = self.hosts.get_mut(host).and_then(|it| it.process.as_mut());
        let Some(process) = process else {
            return;
        };
        let Some(session) = process.sessions.remove(&peer) else {
            return;
        };
        let (reader, at_inbox) = (process.id, process.inbound.get(&peer).copied());
        let greeted_anew = at_inbox != session.inbound
            || self.open.iter().any(|number| {
                let link = self.links.get(*number).filter(|link| link.inbox);
                Some(*number) != session.inbound
                    && link.is_some_and(|it| it.identity == peer && it.listener == Some(reader))
            });
        if host >= self.first_legacy() {
            return;
        }
        let Some(link) = self.links.get(session.link) else {
            return;
        };
        let (there, lost) = (link.listener, link.lost);
        let inbound = session.inbound.and_then(|number| self.links.get(number));
        let ended = lost || inbound.is_none_or(|link| !link.inbox);
        let greeter = inbound.map(|link| link.dialler);
        let mut gone = [there, greeter].into_iter().flatten();
        let gone = gone.any(|id| self.is_leaving(id));
        let target = link.target;
        let trouble = |since| self.hindered(host, target, since);
        let justified = gone
            || match reason {
                ExitReason::Goodbye => ended || trouble(self.before(CLAIM)) || self.holds(target),
                ExitReason::Disconnected => ended || trouble(self.before(EVASIVE)),
                ExitReason::Expired => trouble(session.heard) || self.is_unread(target, host),
                ExitReason::Replaced => greeted_anew || ended || trouble(self.before(EVASIVE)),
                // Judged by itself.
                _ => true,
            };
        let early = reason == ExitReason::Expired && self.now - session.heard < EXPIRED;
        if !justified || early {
            let silent = (self.now - session.heard).as_secs_f64();
            self.accuse(
                host,
                &format!(
                    "tells that host {target} ({peer}) is gone ({reason}), which stays; \
                     it was heard {silent:.3} s ago"
                ),
            );
        }
    }

    /// Whether a process has ended or is about to.
    fn is_leaving(&self, id: ProcessId) -> bool {
        let process = self.hosts.get(id.host).and_then(|it| it.process.as_ref());
        process.is_none_or(|process| process.id != id || process.leaving)
    }

    /// Whether the application of that host doesn't read, so that its node answers nothing.
    fn holds(&self, host: usize) -> bool {
        let process = self.hosts.get(host).and_then(|it| it.process.as_ref());
        process.is_some_and(|process| process.held)
    }

    /// Whether the application of that host doesn't read since before the other one's
    /// HELLO came: its node sends no PINGs to whoever hasn't greeted it.
    fn is_unread(&self, host: usize, greeter: usize) -> bool {
        self.holds(host) && !self.sees(host, greeter)
    }

    /// Whether messages from that host were kept back at any time since then.
    pub(crate) fn hindered(&self, host: usize, by: usize, since: Time) -> bool {
        !self.network.links(host, by)
            || self.stands_still(by)
            || self.troubles.since(host, by, since)
    }

    /// Whether a host or its process can do nothing.
    pub(crate) fn stands_still(&self, host: usize) -> bool {
        let Some(host) = self.hosts.get(host) else {
            return true;
        };
        host.power != Power::On || host.process.as_ref().is_none_or(|process| process.stopped)
    }
}
