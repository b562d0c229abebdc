use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::{Peer, PeerRef, SendError};

/// Who is here, for the application's threads: what the state machine knows,
/// as far as its events told. Only the driver writes to it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) peers: BTreeMap<Uuid, Peer>,
    pub(crate) groups: BTreeMap<Arc<str>, BTreeMap<Uuid, Peer>>,
    pub(crate) own_groups: BTreeSet<Arc<str>>,
    pub(crate) stopped: bool,
}

impl Directory {
    pub(crate) fn enter(&mut self, peer: Peer) {
        self.peers.insert(peer.uuid(), peer);
    }

    pub(crate) fn exit(&mut self, uuid: Uuid) -> Option<Peer> {
        let peer = self.peers.remove(&uuid)?;
        for group in peer.groups() {
            self.leave_group(uuid, &group);
        }
        Some(peer)
    }

    pub(crate) fn join(&mut self, uuid: Uuid, group: &Arc<str>) {
        if let Some(peer) = self.peers.get(&uuid) {
            peer.join(group.clone());
            let members = self.groups.entry(group.clone()).or_default();
            members.insert(uuid, peer.clone());
        }
    }

    pub(crate) fn leave(&mut self, uuid: Uuid, group: &str) {
        if let Some(peer) = self.peers.get(&uuid) {
            peer.leave(group);
        }
        self.leave_group(uuid, group);
    }

    fn leave_group(&mut self, uuid: Uuid, group: &str) {
        if let Some(members) = self.groups.get_mut(group) {
            members.remove(&uuid);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    pub(crate) fn find(&self, whom: &PeerRef) -> Result<Peer, SendError> {
        if self.stopped {
            return Err(SendError::Stopped);
        }
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
                        count: others + 1,
                    }),
                }
            }
        }
    }
}
