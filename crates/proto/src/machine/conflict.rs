//! Two nodes that claim the same UUID or the same address.

use std::net::SocketAddr;

use uuid::Uuid;

use super::bounds::DISPUTE_REST;
use super::mailbox::AdoptedDial;
use super::peer::{Peer, Phase};
use super::pending::PendingPeer;
use super::remote_hello::RemoteHello;
use super::{Event, ExitReason, Machine};
use crate::{Command, Endpoint, Time};

/// Another node has greeted us under the UUID of an established peer. If that peer
/// still answers, it stays.
#[derive(Debug)]
pub(super) struct Dispute {
    pub(super) newcomer: Box<PendingPeer>,
    /// Whether the newcomer is probably the same process, which greets us back once
    /// more: its session stays then.
    pub(super) echo: bool,
    /// PINGs that the older peer still has to answer.
    pub(super) open_pings: u32,
    /// The tokens of the older peer's PINGs. They are answered if it stays: if the newcomer
    /// is the same process, it would take the answers for those to its own PINGs.
    pub(super) owed_answers: Vec<Option<u64>>,
    /// Until when, on the silence clock.
    pub(super) until: Time,
}

impl Machine {
    /// Handles a HELLO over another connection under the UUID of an established peer:
    /// sends that peer a PING, whose answer decides. If it was silent for long already,
    /// it isn't waited for.
    pub(super) fn open_dispute(
        &mut self,
        now: Time,
        uuid: Uuid,
        newcomer: Box<PendingPeer>,
        echo: bool,
    ) {
        let until = self.clock.at(now) + self.config.ping_interval;
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let resting = peer.disputed_until.is_some_and(|until| now < until);
        let Phase::Established(established) = &mut peer.phase else {
            return;
        };
        if resting || established.dispute.is_some() {
            self.refuse(newcomer.hello.connection);
            return;
        }
        let silent = established.liveness.is_silent();
        established.dispute = Some(Box::new(Dispute {
            newcomer,
            echo,
            open_pings: established.liveness.open_pings.saturating_add(1),
            owed_answers: Vec::new(),
            until,
        }));
        if silent {
            self.admit_newcomer(now, uuid);
            return;
        }
        self.send_ping(now, uuid);
        let due = self.clock.due(now, until);
        self.schedule(uuid, due);
    }

    /// The older peer answered: two live nodes share a UUID.
    pub(super) fn reject_newcomer(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let Some(established) = peer.established_mut() else {
            return;
        };
        // The older peer keeps the UUID: its endpoint counts, not the newcomer's.
        let endpoint = established.hello.endpoint.clone();
        peer.greeted_at = endpoint;
        if let Some(dispute) = self.end_dispute(uuid) {
            self.refuse(dispute.newcomer.hello.connection);
        }
        self.report_conflict(now, uuid);
    }

    /// The older peer stays: it gets the answers that it is owed.
    pub(super) fn end_dispute(&mut self, uuid: Uuid) -> Option<Box<Dispute>> {
        let established = self.established_mut(uuid)?;
        let session = established.mailbox.session;
        let dispute = established.dispute.take()?;
        for token in &dispute.owed_answers {
            self.send(session, Command::PingOk(*token));
        }
        Some(dispute)
    }

    /// The time of a dispute has come. Returns whether the newcomer has been admitted. An
    /// older peer that still sends has more time: its answer comes behind what it had
    /// queued.
    pub(super) fn check_dispute(&mut self, now: Time, uuid: Uuid) -> bool {
        let clock = self.clock.at(now);
        let patience = self.config.ping_interval;
        let Some(established) = self.established_mut(uuid) else {
            return false;
        };
        let heard = established.liveness.last_heard;
        let Some(dispute) = &mut established.dispute else {
            return false;
        };
        dispute.until = dispute.until.max(heard + patience);
        let until = dispute.until;
        if clock < until {
            let due = self.clock.due(now, until);
            self.schedule(uuid, due);
            return false;
        }
        self.admit_newcomer(now, uuid);
        true
    }

    /// Two live nodes claim that UUID. The application hears of it once.
    pub(super) fn report_conflict(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let first = peer.disputed_until.is_none();
        peer.disputed_until = Some(now + DISPUTE_REST);
        if first {
            tracing::debug!(%uuid, "two live nodes claim this UUID");
            self.event(Event::Conflict { peer: uuid });
        }
    }

    /// The older peer is gone: it has restarted elsewhere, or its connection was an
    /// earlier one of the same process.
    pub(super) fn admit_newcomer(&mut self, now: Time, uuid: Uuid) {
        if let Some(established) = self.established_mut(uuid)
            && let Some(dispute) = established.dispute.take_if(|dispute| dispute.echo)
        {
            self.accept_echo(now, uuid, *dispute.newcomer);
            return;
        }
        self.check_wrap(uuid);
        // `exit` then answers the waiting newcomer.
        self.exit(now, uuid, ExitReason::Replaced);
    }

    /// Another UUID claims the address of a peer. Addresses of containers and
    /// link-local addresses collide, and a HELLO can name any: the older peer exits
    /// only if it doesn't answer.
    pub(super) fn suspect_holder(&mut self, now: Time, claimant: Uuid, endpoint: &Endpoint) {
        let holds = |peer: &Peer| match &peer.phase {
            Phase::Established(established) => {
                established.mailbox.endpoint == *endpoint && !established.liveness.suspect
            }
            _ => false,
        };
        let holder = self
            .sessions
            .peers_at(endpoint)
            .find(|uuid| *uuid != claimant && self.peers.get(uuid).is_some_and(|peer| holds(peer)));
        let Some(holder) = holder else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&holder)
            && let Some(established) = peer.established_mut()
        {
            established.liveness.suspect = true;
        }
        self.probe(now, holder);
    }

    /// Finds the unanswered dial of another peer at the address from which this
    /// HELLO comes: a new node lives there, and our HELLO has reached it already.
    ///
    /// If the other peer is known to be there, this HELLO is from a node that lived
    /// there before, and was read only now. Then the dial stays.
    pub(super) fn take_over_dial(
        &mut self,
        now: Time,
        uuid: Uuid,
        hello: &RemoteHello,
    ) -> Option<AdoptedDial> {
        let port = hello.endpoint.as_ref()?.port()?;
        let from = hello.ip();
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
        let (mailbox, greeted) = match peer.take_phase(now) {
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
            if peer.is_persistent() {
                self.schedule(former, retry_at);
            }
        }
        Some(AdoptedDial {
            mailbox,
            greeted,
            source: None,
        })
    }

    /// Whether a session with another peer leads to that address, or is being
    /// opened there.
    pub(super) fn is_held_by_another(&self, uuid: Uuid, endpoint: &Endpoint) -> bool {
        self.peers_dialled_at(endpoint).any(|other| other != uuid)
    }

    /// The peers whose session leads to that address, or is being opened there.
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
