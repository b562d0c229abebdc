//! Handles the input of sockets and discovery.

use tracing::Instrument;
use zre_beacon::{CastKind, Changes, Datagram, Datagrams, Interface};
use zre_proto::machine::{Heard, Inbound, SessionId, Up};
use zre_session::{Arrival, Batch, Link, Message, Notice};

use super::Driver;
use super::identity::uuid_of;
use super::keys::DOWNGRADE;
use super::sessions::{SessionEntry, is_this_host, source_towards};
use crate::discovery::DiscoveryUpdate;
use crate::{Event, Source};

impl Driver {
    pub(super) fn handle_notice(&mut self, notice: Notice) {
        let now = self.clock.now();
        match notice {
            Notice::Up {
                id,
                link,
                local,
                remote,
                identity,
                key,
            } => {
                let session = SessionId(id);
                let Some(opening) = self
                    .sessions
                    .get_mut(&session)
                    .and_then(SessionEntry::opening_mut)
                else {
                    return;
                };
                tracing::debug!(?session, %link, ?local, ?remote, "a mailbox is open");
                opening.link = Some(link);
                opening.key = key;
                opening.alternatives = None;
                let peer = identity.as_ref().and_then(uuid_of);
                opening.peer = peer.or(opening.peer);
                let claimed = opening.peer;
                if let Some((uuid, _)) = &opening.target {
                    self.unreachable.reached(*uuid);
                }
                if let Some(uuid) = claimed {
                    if self.keys.is_downgrade(uuid, link, key) {
                        self.note_place(session, uuid);
                        return self.refuse_session(session, uuid, DOWNGRADE);
                    }
                    self.note_answer(uuid, link, key);
                }
                if let Some(uuid) = claimed
                    && self.leads_elsewhere(claimed, key)
                {
                    let why = "another key than the peer's answers";
                    return self.refuse_session(session, uuid, why);
                }
                if self.keys.is_taken_away(link, key) {
                    let why = "its key isn't trusted any more";
                    return self.refuse_session(session, claimed.unwrap_or_default(), why);
                }
                let local = match (local, remote) {
                    (Some(local), _) => Some(local.ip()),
                    (None, Some(remote)) if link == Link::Tcp => source_towards(remote),
                    _ => None,
                };
                let mut up = Up::new(local, remote).with_peer(peer);
                up.in_memory = link == Link::Inproc;
                up.same_host =
                    link == Link::Ipc || link == Link::Tcp && remote.is_some_and(is_this_host);
                self.machine.handle_session_up(now, session, up);
            }
            Notice::Panicked { task } => self.fail(task),
            Notice::Closed { id, reason, lost } => {
                tracing::debug!(session = ?SessionId(id), %reason, lost, "a mailbox has ended");
                self.beacons_matter = true;
                self.keys.dial_failed(&reason);
                let opening = self.sessions.get_mut(&SessionId(id));
                let target = opening
                    .and_then(SessionEntry::opening_mut)
                    .filter(|opening| opening.link.is_none())
                    .and_then(|opening| opening.target.take());
                if !self.dial_alternative(SessionId(id)) {
                    self.machine.handle_session_closed(now, SessionId(id));
                    if let Some((uuid, endpoint)) = target {
                        self.dial_failed(uuid, endpoint, &reason);
                    }
                }
            }
        }
    }

    /// Handles a datagram. If others like it will tell nothing new, they needn't wake us.
    pub(super) fn handle_datagram(&mut self, datagram: &Datagram, datagrams: Option<&Datagrams>) {
        let familiar = self.hear_datagram(datagram);
        if let Some(datagrams) = datagrams {
            datagrams.set_familiar(datagram, familiar);
        }
    }

    /// Handles the datagrams that didn't wake us. They came before whatever is handled next.
    pub(super) fn hear_familiar(&mut self, datagrams: Option<&Datagrams>) {
        let Some(datagrams) = datagrams else {
            return;
        };
        for datagram in datagrams.take_familiar() {
            self.handle_datagram(&datagram, Some(datagrams));
            self.carry_out();
        }
    }

    /// Returns whether others like it will tell nothing new.
    fn hear_datagram(&mut self, datagram: &Datagram) -> bool {
        let beacon = match zre_proto::Beacon::decode(&datagram.payload) {
            Ok(beacon) => beacon,
            Err(error) => {
                tracing::debug!(from = %datagram.from, %error, "not a beacon");
                return false;
            }
        };
        self.unreachable.heard(beacon.uuid());
        self.keys.hear(&beacon);
        let heard = Heard::new(
            datagram.from,
            match datagram.cast {
                CastKind::Multicast => Source::Multicast,
                _ => Source::Broadcast,
            },
            datagram.loopback || datagram.same_process,
        );
        let here = self.reach.here().iter();
        let heard = heard.from_this_host(
            heard.over_loopback || here.map(|it| it.addr).any(|it| it == heard.from.ip()),
        );
        self.machine
            .handle_beacon(self.clock.now(), &beacon, &heard);
        self.machine.is_familiar(&beacon, &heard)
    }

    /// Returns how many messages it stood for.
    pub(super) fn handle_arrival(&mut self, arrival: Arrival) -> usize {
        match arrival {
            Arrival::Opened { connection, from } => {
                // RFC 36 requires the identity to be a 1 and a UUID; other connections
                // are ignored.
                match inbound(connection, &from) {
                    Some(inbound) => {
                        self.connections = self.connections.saturating_add(1);
                        self.note_caller(inbound.peer, connection, &from);
                    }
                    None => tracing::debug!(%connection, ?from, "not a ZRE identity"),
                }
                1
            }
            Arrival::Batch(batch) => self.handle_batch(batch),
            Arrival::Closed {
                connection,
                from,
                reason,
            } => {
                if let Some(inbound) = inbound(connection, &from) {
                    self.connections = self.connections.saturating_sub(1);
                    self.keys.hung_up(inbound.peer, connection);
                    tracing::debug!(uuid = %inbound.peer, %reason, "connection ended");
                    self.machine.handle_connection_closed(
                        self.clock.now(),
                        inbound.peer,
                        connection,
                    );
                }
                1
            }
            Arrival::Denied { from } => {
                self.report_claim(&from);
                1
            }
        }
    }

    pub(super) fn handle_batch(&mut self, mut batch: Batch) -> usize {
        let count = batch.messages.len();
        let Some(inbound) = inbound(batch.connection, &batch.from) else {
            return count;
        };
        let (link, key) = (batch.from.link, batch.from.key);
        let inbound = inbound.plain(self.keys.is_plain(link, key));
        if self.is_impostor(inbound.peer, link, key) {
            tracing::debug!(uuid = %inbound.peer, "messages of another key are dropped");
            return count;
        }
        let now = self.clock.now();
        for message in std::mem::take(&mut batch.messages) {
            if inbound.is_plain && self.is_shown_key(inbound.peer, &batch.from, &message) {
                self.carry_out();
                continue;
            }
            let Message { head, body } = message;
            if self.machine.handle_whisper(now, &inbound, &head, &body) {
                self.report_whisper(inbound.peer, body.into());
                continue;
            }
            self.machine.handle_message(now, &inbound, &head, body);
            self.carry_out();
        }
        count
    }

    pub(super) fn handle_news(&mut self, updates: DiscoveryUpdate) {
        match updates {
            DiscoveryUpdate::Key { endpoint, key } => self.keys.learn(&endpoint, &key),
            DiscoveryUpdate::Found(found) => self.machine.handle_found(self.clock.now(), found),
            #[cfg(feature = "curve")]
            DiscoveryUpdate::Trust { added, removed } => self.handle_trust(added, &removed),
            DiscoveryUpdate::Lost { endpoint, source } => {
                self.machine.handle_lost(&endpoint, source)
            }
            DiscoveryUpdate::Interfaces { changes, here } => {
                self.move_to(here);
                self.beacons_matter = true;
                if !changes.is_empty() {
                    self.handle_changes(changes);
                }
            }
        }
    }

    fn handle_changes(&mut self, changes: Changes) {
        // Beacons go out at once, and peers that were reached over an address that is
        // gone are pinged.
        self.machine.handle_resume(self.clock.now());
        self.network_changes.notify_waiters();
        let up = changes.up.into_iter().map(|interface| (true, interface));
        let down = changes.down.into_iter().map(|interface| (false, interface));
        for (up, interface) in down.chain(up) {
            let reason = match &interface.problem {
                Some(problem) => problem.clone(),
                None => "it is up and has the address".into(),
            };
            tracing::debug!(%interface, up, %reason, "an interface has changed");
            self.events.send(Event::Discovery {
                up,
                interface,
                reason,
            });
        }
    }

    /// Changes the addresses at which this node is reached.
    fn move_to(&mut self, here: Vec<Interface>) {
        let before = self.reach.addrs(self.port);
        self.reach.set_here(here);
        let now = self.reach.addrs(self.port);
        for addr in before.iter().filter(|addr| !now.contains(addr)) {
            self.links.unlisten(*addr);
        }
        for addr in now.iter().filter(|addr| !before.contains(addr)) {
            let addr = *addr;
            let listening = self.links.listen(addr);
            let listening = async move {
                if let Err(error) = listening.await {
                    tracing::warn!(%addr, %error, "peers can't dial us there");
                }
            };
            let listening = self.supervisor.watch("listening at an address", listening);
            tokio::spawn(listening.in_current_span());
        }
        let endpoint = self.reach.endpoint(self.port);
        if endpoint != self.shared.endpoint() {
            tracing::debug!(%endpoint, "we are elsewhere now");
            self.shared.set_endpoint(endpoint);
        }
    }
}

/// The origin of the messages of a connection, if that is a ZRE node.
fn inbound(connection: u64, from: &zre_session::Source) -> Option<Inbound> {
    Some(Inbound::new(
        uuid_of(&from.identity)?,
        connection,
        from.addr,
    ))
}
