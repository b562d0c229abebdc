use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;
use zre_proto::State;

use crate::directory::Directory;
use crate::shared::Shared;
use crate::{GroupName, Peer};

/// The peers that were here at one moment, with their names, headers, groups and states.
///
/// It is consistent: all of them are of the same moment. It stays the same
/// until [`changed`](Self::changed) or [`refresh`](Self::refresh) brings it up to date,
/// and holds no lock meanwhile.
///
/// Cloning is cheap, and each clone is brought up to date on its own. It isn't a
/// handle: the node leaves when the last [`Node`](crate::Node) is dropped.
///
/// ```no_run
/// # async fn run(node: zre::Node) {
/// let mut roster = node.roster();
/// loop {
///     for entry in &roster {
///         println!("{:<20} {}", entry.peer().name(), entry.state());
///     }
///     println!("{} in the chat", roster.in_group("chat").count());
///     if !roster.changed().await {
///         break;
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Roster {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    revision: u64,
    ended: bool,
    entries: BTreeMap<Uuid, RosterEntry>,
}

/// One peer in a [`Roster`].
#[derive(Clone, Debug)]
pub struct RosterEntry {
    peer: Peer,
    state: State,
    groups: BTreeSet<GroupName>,
}

impl Roster {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let snapshot = Arc::new(Snapshot::of(&shared.read()));
        Self { shared, snapshot }
    }

    /// Waits until a peer has come or gone, joined or left a group, or changed its
    /// state, name or headers since this roster was made or last brought up to date, then brings it up
    /// to date. False once the node has stopped and nothing will change any more.
    ///
    /// Several changes in quick succession may count as one; each of them has an
    /// [`Event`](crate::Event).
    ///
    /// # Cancel safety
    /// When the future is dropped, the roster is as it was, and no change is missed.
    pub async fn changed(&mut self) -> bool {
        let shared = self.shared.clone();
        loop {
            let changed = shared.changes.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.refresh() {
                return true;
            }
            if self.snapshot.ended {
                return false;
            }
            changed.await;
        }
    }

    /// Brings it up to date without waiting. True if it has changed.
    pub fn refresh(&mut self) -> bool {
        let directory = self.shared.read();
        if directory.revision() == self.snapshot.revision {
            return false;
        }
        let snapshot = Arc::new(Snapshot::of(&directory));
        drop(directory);
        self.snapshot = snapshot;
        true
    }

    /// How many peers are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.snapshot.entries.len()
    }

    /// Whether no peer is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshot.entries.is_empty()
    }

    /// All peers, by UUID.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RosterEntry> {
        self.snapshot.entries.values()
    }

    /// The peer of that UUID.
    #[must_use]
    pub fn get(&self, uuid: Uuid) -> Option<&RosterEntry> {
        self.snapshot.entries.get(&uuid)
    }

    /// The peers of that name, which needn't be unique.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &RosterEntry> {
        self.iter().filter(move |entry| entry.peer.name() == name)
    }

    /// The peers in that group.
    pub fn in_group(&self, group: &str) -> impl Iterator<Item = &RosterEntry> {
        self.iter().filter(move |entry| entry.is_in(group))
    }

    /// The peers in that state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &RosterEntry> {
        self.iter().filter(move |entry| entry.state == state)
    }

    /// The groups that any peer is in.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<GroupName> {
        self.iter()
            .flat_map(|entry| entry.groups.iter().cloned())
            .collect()
    }
}

impl RosterEntry {
    /// The peer, with the name and headers that it had at that moment. The state and
    /// groups of this handle are those that it has now.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Its state at that moment.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The groups that it was in at that moment.
    #[must_use]
    pub fn groups(&self) -> &BTreeSet<GroupName> {
        &self.groups
    }

    /// Whether it was in a group at that moment.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.contains(group)
    }
}

impl Snapshot {
    fn of(directory: &Directory) -> Self {
        let entries = directory.peers.iter().map(|(uuid, peer)| {
            let entry = RosterEntry {
                peer: peer.clone(),
                state: peer.state(),
                groups: peer.groups().into_iter().collect(),
            };
            (*uuid, entry)
        });
        Self {
            revision: directory.revision(),
            ended: directory.ended,
            entries: entries.collect(),
        }
    }
}

impl<'a> IntoIterator for &'a Roster {
    type Item = &'a RosterEntry;
    type IntoIter = std::collections::btree_map::Values<'a, Uuid, RosterEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.snapshot.entries.values()
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
