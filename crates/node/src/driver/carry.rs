//! What the machine wants done, and what the application is told.

use std::time::Duration;

use uuid::Uuid;
use zre_proto::State;
use zre_proto::machine::{Event as Happening, Output};

use super::sessions::Dial;
use super::{Driver, LINGER};
use crate::{Event, ExitReason, GroupName, Peer, Responder};

impl Driver {
    /// Carries out what the machine wants, in order.
    pub(crate) fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Event(happening) => self.tell(happening),
                Output::Send { session, command } => {
                    tracing::trace!(?session, command = command.name(), "send");
                    if let Some(entry) = self.sessions.get(&session)
                        && let Err(error) = entry.sender().send_control(&command)
                    {
                        // A session without its JOINs or PINGs is worth nothing.
                        tracing::debug!(?session, %error, "a control message found no room");
                        entry.sender().close(Duration::ZERO);
                    }
                }
                Output::Connect {
                    session,
                    target,
                    outgoing,
                } => self.start_dial(session, Dial { target, outgoing }),
                Output::Disconnect { session, linger } => {
                    self.pending.remove(&session);
                    if let Some(entry) = self.sessions.remove(&session) {
                        entry
                            .sender()
                            .close(if linger { LINGER } else { Duration::ZERO });
                    }
                }
                Output::Announce { state } => {
                    self.said_exit |= state == State::Exit;
                    if let Some(announcer) = &self.announcer {
                        announcer.announce(state);
                    }
                }
                Output::Stopped => self.stopped = true,
            }
        }
    }

    /// Brings the directory up to date, then tells the application.
    pub(super) fn tell(&mut self, happening: Happening) {
        let event = match happening {
            Happening::Whisper { peer, content } => {
                self.find_recent(peer);
                if let Some(peer) = &self.recent {
                    self.meters.received(&content);
                    self.events.send_whisper(peer, content);
                }
                return;
            }
            Happening::Shout {
                peer,
                group,
                content,
            } => self.peer(peer).map(|peer| Event::Shout {
                peer,
                group: group.into(),
                message: content,
            }),
            Happening::Enter {
                peer,
                session,
                info,
            } => self.hand_to_peer(session, peer, *info).map(|peer| {
                self.count_peer(true, peer.link());
                self.shared.write().add_peer(peer.clone());
                self.shared.changed();
                Event::Enter { peer }
            }),
            Happening::Exit {
                peer,
                reason,
                unconfirmed,
            } => {
                if let Some(gossip) = &self.gossip
                    && reason == ExitReason::Goodbye
                {
                    gossip.forget(peer);
                }
                self.pings.forget(peer);
                self.shared.pending_requests.exit(peer);
                let known = self.shared.write().exit(peer);
                if let Some(known) = &known {
                    self.shared.open_requests.exit(known);
                    self.count_peer(false, known.link());
                }
                self.shared.changed();
                known.map(|peer| Event::Exit {
                    peer,
                    reason,
                    unconfirmed,
                })
            }
            Happening::Join { peer, group } => self.peer(peer).map(|known| {
                let group = group.into();
                self.shared.write().join(peer, &group);
                self.shared.changed();
                Event::Join { peer: known, group }
            }),
            Happening::Leave { peer, group } => self.peer(peer).map(|known| {
                let group = GroupName::from(group);
                self.shared.write().leave(peer, &group);
                self.shared.changed();
                Event::Leave { peer: known, group }
            }),
            Happening::State { peer, from, to } => self.peer(peer).map(|peer| {
                self.shared.write().set_state(&peer, to);
                self.shared.changed();
                Event::State { peer, from, to }
            }),
            Happening::Evasive { peer } => self.peer(peer).map(|peer| Event::Evasive { peer }),
            Happening::Silent { peer } => self.peer(peer).map(|peer| Event::Silent { peer }),
            Happening::Responsive { peer } => {
                self.peer(peer).map(|peer| Event::Responsive { peer })
            }
            Happening::Request { peer, id, content } => self.peer(peer).map(|peer| {
                let responder =
                    Responder::new(peer.clone(), id, self.policy, &self.shared.open_requests);
                Event::Request {
                    peer,
                    message: content,
                    responder,
                }
            }),
            Happening::Reply { peer, id, content } => {
                self.shared.pending_requests.answer(peer, id, content);
                None
            }
            Happening::Pong { peer, round_trip } => {
                self.meters.round_trip(round_trip);
                self.pings.answer(peer, round_trip);
                None
            }
            Happening::Leader { group, leader } => {
                let peer = self.peer(leader);
                let (group, uuid) = (group.into(), leader);
                Some(Event::Leader { group, uuid, peer })
            }
            Happening::Undecided { group, missing } => {
                let known = missing.into_iter().filter_map(|uuid| self.peer(uuid));
                let (group, missing) = (group.into(), known.collect());
                Some(Event::Undecided { group, missing })
            }
            Happening::Conflict { peer } => Some(Event::Conflict { uuid: peer }),
        };
        if let Some(event) = event {
            self.meters.told(&event);
            self.events.send(event);
        }
    }

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
