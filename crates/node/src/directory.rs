use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use zre_proto::{Profile, State};

use crate::{GroupName, Peer, PeerRef, SendError};

/// The peers that are here, for the application's threads: what the state machine has
/// reported. Only the driver writes to it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) peers: BTreeMap<Uuid, Peer>,
    /// The members of each group, by UUID. Most groups have few, and a map takes a
    /// third of a kilobyte for the first.
    pub(crate) groups: BTreeMap<GroupName, Vec<Peer>>,
    pub(crate) own_groups: BTreeSet<GroupName>,
    /// This node's name and headers.
    pub(crate) own_profile: Profile,
    /// Whether the node has stopped, and nothing will change any more.
    pub(crate) ended: bool,
    revision: u64,
}

impl Directory {
    pub(crate) fn new(own_groups: impl Iterator<Item = GroupName>, own_profile: Profile) -> Self {
        Self {
            own_groups: own_groups.collect(),
            own_profile,
            ..Self::default()
        }
    }

    /// Another number after each change of the peers, their names, headers, groups and
    /// states.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    fn changes(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    pub(crate) fn add_peer(&mut self, peer: Peer) {
        self.changes();
        self.peers.insert(peer.uuid(), peer);
    }

    pub(crate) fn exit(&mut self, uuid: Uuid) -> Option<Peer> {
        let peer = self.peers.remove(&uuid)?;
        self.changes();
        for group in peer.groups() {
            self.leave_group(uuid, &group);
        }
        Some(peer)
    }

    pub(crate) fn join(&mut self, uuid: Uuid, group: &GroupName) {
        if let Some(peer) = self.peers.get(&uuid) {
            peer.join(group.clone());
            let members = self.groups.entry(group.clone()).or_default();
            if let Err(at) = place(members, uuid) {
                members.insert(at, peer.clone());
            }
            self.changes();
        }
    }

    pub(crate) fn leave(&mut self, uuid: Uuid, group: &str) {
        if let Some(peer) = self.peers.get(&uuid) {
            peer.leave(group);
            self.changes();
        }
        self.leave_group(uuid, group);
    }

    /// Under the lock of the directory, so that a reader sees a state and groups of the
    /// same moment.
    pub(crate) fn set_state(&mut self, peer: &Peer, state: State) {
        peer.set_state(state);
        self.changes();
    }

    /// Gives a peer its new name and headers. Returns its handle before and after, unless
    /// both are as they were.
    pub(crate) fn update(&mut self, uuid: Uuid, profile: Profile) -> Option<(Peer, Peer)> {
        let before = self.peers.get(&uuid)?;
        if *before.profile() == profile {
            return None;
        }
        let after = before.updated(profile);
        for group in after.groups() {
            let members = self.groups.entry(group).or_default();
            if let Some(member) = members.iter_mut().find(|member| member.is(before)) {
                member.clone_from(&after);
            }
        }
        self.changes();
        let before = self.peers.insert(uuid, after.clone())?;
        Some((before, after))
    }

    /// The node has stopped.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.peers.clear();
        self.groups.clear();
        self.changes();
    }

    fn leave_group(&mut self, uuid: Uuid, group: &str) {
        if let Some(members) = self.groups.get_mut(group) {
            if let Ok(at) = place(members, uuid) {
                members.remove(at);
            }
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    pub(crate) fn find(&self, whom: &PeerRef) -> Result<Peer, SendError> {
        match whom {
            PeerRef::Peer(peer) => Ok(peer.clone()),
            PeerRef::Uuid(uuid) => self
                .peers
                .get(uuid)
                .cloned()
                .ok_or_else(|| SendError::Unknown(uuid.simple().to_string())),
            PeerRef::Name(name) => {
                let mut named = self.peers.values().filter(|peer| peer.name() == name);
                match (named.next(), named.count()) {
                    (None, _) => Err(SendError::Unknown(name.clone())),
                    (Some(peer), 0) => Ok(peer.clone()),
                    (Some(_), others) => Err(SendError::Ambiguous {
                        name: name.clone(),
                        count: others.saturating_add(1),
                    }),
                }
            }
        }
    }
}

/// The place of a peer among members, or where it belongs.
fn place(members: &[Peer], uuid: Uuid) -> Result<usize, usize> {
    members.binary_search_by_key(&uuid, Peer::uuid)
}
