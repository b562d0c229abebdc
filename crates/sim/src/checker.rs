//! What an application may rely on: checked on every event that it is told.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use zre_proto::State;
use zre_proto::machine::{Event, SessionId};

/// One application's view of its peers.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    peers: BTreeMap<Uuid, View>,
    /// REQUESTs without an answer, by whom they went to and their ids.
    requests: BTreeSet<(Uuid, u64)>,
}

/// One peer, between its Enter and its Exit.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) session: SessionId,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) state: State,
    pub(crate) name: String,
    pub(crate) takes_requests: bool,
    /// PINGs of the application without a Pong.
    pub(crate) pings: u32,
    presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Healthy,
    Evasive,
    Silent,
}

impl Checker {
    /// The peers that have entered.
    pub(crate) fn peers(&self) -> &BTreeMap<Uuid, View> {
        &self.peers
    }

    /// A REQUEST goes out.
    pub(crate) fn note_request(&mut self, peer: Uuid, id: u64) {
        self.requests.insert((peer, id));
    }

    /// The peer's view, if it has entered.
    pub(crate) fn peer_mut(&mut self, peer: Uuid) -> Option<&mut View> {
        self.peers.get_mut(&peer)
    }

    /// The entered peer's view, where it is healthy.
    pub(crate) fn is_healthy(&self, peer: Uuid) -> bool {
        self.peers
            .get(&peer)
            .is_some_and(|view| view.presence == Presence::Healthy)
    }

    /// Takes note of an event; an error says which promise it breaks.
    pub(crate) fn see(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Enter {
                peer,
                session,
                info,
            } => {
                let view = View {
                    session: *session,
                    groups: BTreeSet::new(),
                    state: info.state,
                    name: info.name.clone(),
                    takes_requests: info.takes_requests,
                    pings: 0,
                    presence: Presence::Healthy,
                };
                if self.peers.insert(*peer, view).is_some() {
                    return Err(format!("Enter of {peer}, which had entered"));
                }
            }
            Event::Exit { peer, .. } => {
                if self.peers.remove(peer).is_none() {
                    return Err(format!("Exit of {peer}, which hadn't entered"));
                }
            }
            Event::Join { peer, group } => {
                if !self.view(*peer, "Join")?.groups.insert(group.to_string()) {
                    return Err(format!("Join of {peer} to {group}, which it was in"));
                }
            }
            Event::Leave { peer, group } => {
                if !self.view(*peer, "Leave")?.groups.remove(&**group) {
                    return Err(format!("Leave of {peer} from {group}, which it wasn't in"));
                }
            }
            Event::Whisper { peer, .. } => drop(self.view(*peer, "Whisper")?),
            Event::Shout { peer, .. } => drop(self.view(*peer, "Shout")?),
            Event::Evasive { peer } => {
                self.presence(*peer, Presence::Evasive, |was| was == Presence::Healthy)?;
            }
            Event::Silent { peer } => {
                self.presence(*peer, Presence::Silent, |was| was == Presence::Evasive)?;
            }
            Event::Responsive { peer } => {
                self.presence(*peer, Presence::Healthy, |was| was != Presence::Healthy)?;
            }
            Event::State { peer, from, to } => {
                let view = self.view(*peer, "State")?;
                if view.state != *from || from == to {
                    return Err(format!(
                        "State of {peer} from {from} to {to}, which was in {}",
                        view.state
                    ));
                }
                view.state = *to;
            }
            Event::Pong { peer, .. } => {
                let view = self.view(*peer, "Pong")?;
                let pings = view.pings.checked_sub(1);
                view.pings = pings.ok_or_else(|| format!("a Pong of {peer} without a PING"))?;
            }
            Event::Request { peer, .. } => drop(self.view(*peer, "Request")?),
            Event::Update { peer, profile } => {
                self.view(*peer, "Update")?.name.clone_from(&profile.name);
            }
            Event::Reply { peer, id, .. } => {
                self.view(*peer, "Reply")?;
                // It may come when the session in which it was asked has ended.
                if !self.requests.remove(&(*peer, *id)) {
                    return Err(format!("an answer of {peer} to {id}, which wasn't asked"));
                }
            }
            Event::Conflict { .. }
            | Event::Unanswered { .. }
            | Event::Leader { .. }
            | Event::Undecided { .. } => {}
        }
        Ok(())
    }

    fn view(&mut self, peer: Uuid, what: &str) -> Result<&mut View, String> {
        self.peers
            .get_mut(&peer)
            .ok_or_else(|| format!("{what} of {peer}, which isn't here"))
    }

    fn presence(
        &mut self,
        peer: Uuid,
        to: Presence,
        from: impl FnOnce(Presence) -> bool,
    ) -> Result<(), String> {
        let view = self.view(peer, "presence")?;
        if !from(view.presence) {
            return Err(format!("{peer} goes from {:?} to {to:?}", view.presence));
        }
        view.presence = to;
        Ok(())
    }
}
