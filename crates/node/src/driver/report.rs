//! Reports the machine's events to the application.

use uuid::Uuid;
use zre_proto::Profile;
use zre_proto::machine::{Event as Happened, KEY_HEADER, PeerInfo, SessionId};

use super::Driver;
use crate::{Event, ExitReason, GroupName, Message, Peer, Responder};

impl Driver {
    /// Brings the directory up to date, then reports the event.
    pub(super) fn report(&mut self, event: Happened) {
        self.beacons_matter |= matches!(
            event,
            Happened::Exit { .. }
                | Happened::Evasive { .. }
                | Happened::Silent { .. }
                | Happened::State { .. }
        );
        match event {
            Happened::Whisper { peer, content } => self.report_whisper(peer, content),
            Happened::Shout {
                peer,
                group,
                content: message,
            } => self.report_of(peer, |_, peer| {
                let group = group.into();
                Event::Shout {
                    peer,
                    group,
                    message,
                }
            }),
            Happened::Request { peer, id, content } => self.report_of(peer, |driver, peer| {
                let requests = &driver.shared.open_requests;
                let responder = Responder::new(peer.clone(), id, driver.policy, requests);
                Event::Request {
                    peer,
                    message: content,
                    responder,
                }
            }),
            Happened::Enter {
                peer,
                session,
                info,
            } => self.report_enter(session, peer, *info),
            Happened::Exit {
                peer,
                reason,
                unconfirmed,
            } => self.report_exit(peer, reason, unconfirmed),
            Happened::Join { peer: uuid, group } => self.report_of(uuid, |driver, peer| {
                let group = GroupName::from(group);
                driver.shared.write().join(uuid, &group);
                driver.shared.changed();
                Event::Join { peer, group }
            }),
            Happened::Leave { peer: uuid, group } => self.report_of(uuid, |driver, peer| {
                let group = GroupName::from(group);
                driver.shared.write().leave(uuid, &group);
                driver.shared.changed();
                Event::Leave { peer, group }
            }),
            Happened::State { peer, from, to } => self.report_of(peer, |driver, peer| {
                driver.shared.write().set_state(&peer, to);
                driver.shared.changed();
                Event::State { peer, from, to }
            }),
            Happened::Update { peer, profile } => self.report_update(peer, *profile),
            Happened::Evasive { peer } => self.report_of(peer, |_, peer| Event::Evasive { peer }),
            Happened::Silent { peer } => self.report_of(peer, |_, peer| Event::Silent { peer }),
            Happened::Responsive { peer } => {
                self.report_of(peer, |_, peer| Event::Responsive { peer });
            }
            Happened::Reply { peer, id, content } => {
                self.shared.pending_requests.answer(peer, id, content);
            }
            Happened::Pong { peer, round_trip } => {
                self.meters.round_trip(round_trip);
                self.pings.answer(peer, round_trip);
            }
            Happened::Leader { group, leader } => {
                let (group, peer) = (group.into(), self.peer(leader));
                self.send_event(Event::Leader {
                    group,
                    uuid: leader,
                    peer,
                });
            }
            Happened::Undecided { group, missing } => {
                let known = missing.into_iter().filter_map(|uuid| self.peer(uuid));
                let (group, missing) = (group.into(), known.collect());
                self.send_event(Event::Undecided { group, missing });
            }
            Happened::Unanswered { peer, endpoint } => self.greeting_failed(peer, endpoint),
            Happened::Conflict { peer } => self.send_event(Event::Conflict { uuid: peer }),
        }
    }

    /// A whisper has a way of its own: its peer's handle isn't cloned for each.
    pub(super) fn report_whisper(&mut self, peer: Uuid, message: Message) {
        self.find_recent(peer);
        if let Some(peer) = &self.recent {
            self.meters.received(&message);
            self.events.send_whisper(peer, message);
        }
    }

    fn report_enter(&mut self, session: SessionId, uuid: Uuid, info: PeerInfo) {
        if let Some(why) = self.objection(session, uuid, &info) {
            return self.refuse_session(session, uuid, &why);
        }
        if let Some(peer) = self.hand_to_peer(session, uuid, info) {
            self.count_peer(true, peer.link());
            self.one_way.reached(uuid);
            self.shared.write().add_peer(peer.clone());
            self.shared.changed();
            self.send_event(Event::Enter { peer });
        }
    }

    fn report_update(&mut self, uuid: Uuid, mut profile: Profile) {
        // HELLO has shown the key, and it was compared with the proved one then.
        profile.headers.remove(KEY_HEADER);
        let peer = self.peer(uuid);
        if let Some(key) = peer.as_ref().and_then(|peer| peer.header(KEY_HEADER)) {
            profile.headers.insert(KEY_HEADER.into(), key.into());
        }
        let updated = self.shared.write().update(uuid, profile);
        if let Some((before, peer)) = updated {
            self.recent = Some(peer.clone());
            self.shared.changed();
            let old_name = before.name().to_owned();
            self.send_event(Event::Update { peer, old_name });
        }
    }

    fn report_exit(&mut self, uuid: Uuid, reason: ExitReason, unconfirmed: u64) {
        if let Some(gossip) = &self.gossip
            && reason == ExitReason::Goodbye
        {
            gossip.forget(uuid);
        }
        self.pings.forget(uuid);
        self.shared.pending_requests.exit(uuid);
        let known = self.shared.write().exit(uuid);
        if let Some(peer) = &known {
            self.shared.open_requests.exit(peer);
            self.count_peer(false, peer.link());
        }
        self.shared.changed();
        if let Some(peer) = known {
            self.send_event(Event::Exit {
                peer,
                reason,
                unconfirmed,
            });
        }
    }

    /// Reports an event of a peer that is here.
    fn report_of(&mut self, uuid: Uuid, event: impl FnOnce(&Self, Peer) -> Event) {
        if let Some(peer) = self.peer(uuid) {
            let event = event(self, peer);
            self.send_event(event);
        }
    }

    pub(super) fn send_event(&mut self, event: Event) {
        self.meters.count(&event);
        self.events.send(event);
    }

    /// The peer that is here, with the name and headers that it has now.
    pub(super) fn peer(&mut self, uuid: Uuid) -> Option<Peer> {
        self.find_recent(uuid);
        self.recent.clone()
    }

    fn find_recent(&mut self, uuid: Uuid) {
        if self.recent.as_ref().is_none_or(|peer| peer.uuid() != uuid) {
            self.recent = self.shared.read().peers.get(&uuid).cloned();
        }
    }
}
