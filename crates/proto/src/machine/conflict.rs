//! Two nodes that claim the same: a UUID, or an address.

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;

use super::guest::{Greeted, Guest};
use super::live::Contest;
use super::output::Source;
use super::output::count;
use super::peer::{Mailbox, Peer, Phase};
use super::{Event, ExitReason, Machine};
use crate::{Command, Endpoint, Time};

/// How long a UUID that two nodes claim isn't contested again.
const CONTEST_REST: Duration = Duration::from_secs(10);

impl Machine {
    /// A HELLO under the UUID of a live peer, from elsewhere: whether that one
    /// still answers a PING decides.
    pub(super) fn dispute(&mut self, now: Time, uuid: Uuid, newcomer: Box<Guest>) {
        let timeout = self.config.ping_timeout;
        let clock = self.clock(now);
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let contested_until = peer.disputed_until;
        let Phase::Ready(live) = &mut peer.phase else {
            return;
        };
        if contested_until.is_some_and(|until| now < until) {
            count(&mut self.counters.refused);
            return;
        }
        live.note_ping(now);
        live.watch.contest = Some(Contest {
            newcomer,
            pings: live.watch.pings,
            until: clock + timeout,
        });
        let session = live.mailbox.session;
        self.send(session, Command::Ping);
        let due = self.due(now, clock + timeout);
        self.schedule(uuid, due);
    }

    /// The older one answered: two live nodes share a UUID.
    pub(super) fn newcomer_loses(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if let Some(live) = peer.live_mut() {
            live.end_contest();
            // It is its turn, not that of whoever said last where it is.
            let endpoint = live.greeted.endpoint.clone();
            peer.greeted_at = endpoint;
        }
        self.tell_conflict(now, uuid);
    }

    /// Two live nodes claim that UUID. The application is told once.
    pub(super) fn tell_conflict(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let first = peer.disputed_until.is_none();
        peer.disputed_until = Some(now + CONTEST_REST);
        if first {
            tracing::debug!(%uuid, "two live nodes claim this UUID");
            self.event(Event::Conflict { peer: uuid });
        }
    }

    /// The older one is gone: it started anew elsewhere.
    pub(super) fn newcomer_wins(&mut self, now: Time, uuid: Uuid) {
        self.judge_wrap(uuid);
        // Which answers who waits for that.
        self.exit(now, uuid, ExitReason::Replaced);
    }

    /// Another UUID claims the address of a peer. Container and link-local
    /// addresses collide, and a HELLO can say anything: the older one goes only
    /// if it doesn't answer.
    pub(super) fn doubt_holder(&mut self, now: Time, claimant: Uuid, endpoint: &Endpoint) {
        let holder = self.sessions.peers_at(endpoint).find(|uuid| {
            let holds = |peer: &Peer| match &peer.phase {
                Phase::Ready(live) => live.mailbox.endpoint == *endpoint && !live.watch.doubted,
                _ => false,
            };
            *uuid != claimant && self.peers.get(uuid).is_some_and(|peer| holds(peer))
        });
        if let Some(holder) = holder {
            if let Some(live) = self.peers.get_mut(&holder).and_then(|peer| peer.live_mut()) {
                live.watch.doubted = true;
            }
            self.ask(now, holder);
        }
    }

    /// The unanswered dial of somebody else at the address from which this HELLO
    /// comes: a new node lives there, and our HELLO has reached it already. Unless
    /// that other one is there: then this HELLO is of who lived there before, and
    /// hasn't been read until now.
    pub(super) fn take_over_dial(
        &mut self,
        now: Time,
        uuid: Uuid,
        greeted: &Greeted,
    ) -> Option<(Box<Mailbox>, Option<Source>, bool)> {
        let told = greeted.endpoint.as_ref()?;
        let port = told.port()?;
        let from = greeted.ip();
        let is_dial_there = |peer: &Peer| match &peer.phase {
            Phase::Dialling(mailbox) | Phase::Greeting(mailbox, _) => {
                from.is_none_or(|from| mailbox.endpoint.ip() == Some(from)) && !peer.is_at_mailbox()
            }
            _ => false,
        };
        let is_former = |other: &Uuid| {
            *other != uuid
                && self
                    .peers
                    .get(other)
                    .is_some_and(|peer| is_dial_there(peer))
        };
        let former = match from {
            Some(from) => {
                let there = Endpoint::from(SocketAddr::new(from, port));
                self.sessions.peers_at(&there).find(is_former)
            }
            None => self.sessions.peers_at_port(port).find(is_former),
        }?;
        let peer = self.peers.get_mut(&former)?;
        let (mailbox, greeted_already) = match peer.take_phase(now) {
            Phase::Dialling(mailbox) => (mailbox, false),
            Phase::Greeting(mailbox, _) => (mailbox, true),
            other => {
                peer.phase = other;
                return None;
            }
        };
        peer.count_failure();
        let retry_at = now + self.backoff_of(former);
        if let Some(peer) = self.peers.get_mut(&former) {
            peer.phase = Phase::Known { retry_at };
            if peer.is_lasting() {
                self.schedule(former, retry_at);
            }
        }
        Some((mailbox, None, greeted_already))
    }

    /// Whether a session with somebody else leads to that address, or is being
    /// opened there.
    pub(super) fn is_held_by_another(&self, uuid: Uuid, endpoint: &Endpoint) -> bool {
        self.peers_dialled_at(endpoint).any(|other| other != uuid)
    }

    /// Those whose session leads to that address, or is being opened there.
    pub(super) fn peers_dialled_at(&self, endpoint: &Endpoint) -> impl Iterator<Item = Uuid> {
        let leads_there = |peer: &Peer| {
            peer.mailbox()
                .is_some_and(|mailbox| mailbox.endpoint == *endpoint)
        };
        self.sessions
            .peers_at(endpoint)
            .filter(move |uuid| self.peers.get(uuid).is_some_and(|peer| leads_there(peer)))
    }
}
