//! What the thread of a hub and the handles of its beacons share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, mpsc};

use crate::changes::Changes;
use crate::error::{OpenError, RefreshError};
use crate::member::{Listener, Member};
use crate::sender::OwnSources;

/// What a socket hears: the index of an interface, and a group's or a broadcast address.
pub(crate) type Key = (u32, SocketAddr);

/// A request to the thread of a hub.
pub(crate) enum Command {
    Join {
        member: Arc<Member>,
        reply: mpsc::SyncSender<Result<(), OpenError>>,
    },
    Refresh {
        member: Arc<Member>,
        reply: mpsc::SyncSender<Result<Changes, RefreshError>>,
    },
    Leave {
        id: u64,
    },
    Stop,
}

/// Which beacons hear what, and which sources are our own. Every sender and the thread read
/// it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) own: Arc<OwnSources>,
    routes: RwLock<HashMap<Key, Arc<[Listener]>>>,
}

impl Shared {
    /// The listeners of a target. The lock isn't held while they are served, so that their
    /// wakers can't block a change.
    pub(crate) fn listeners(&self, key: &Key) -> Option<Arc<[Listener]>> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(key).cloned()
    }

    pub(crate) fn has_listeners(&self, key: &Key) -> bool {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.contains_key(key)
    }

    /// Replaces everything that a member hears.
    pub(crate) fn route(&self, id: u64, wanted: &HashMap<Key, Listener>) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|_, listeners| {
            if listeners.iter().any(|l| l.member.id == id) {
                *listeners = listeners
                    .iter()
                    .filter(|l| l.member.id != id)
                    .cloned()
                    .collect();
            }
            !listeners.is_empty()
        });
        for (key, listener) in wanted {
            let listeners = routes.entry(*key).or_insert_with(|| Arc::new([]));
            *listeners = listeners
                .iter()
                .chain(std::iter::once(listener))
                .cloned()
                .collect();
        }
    }
}
