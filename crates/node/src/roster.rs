use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;
use zre_proto::State;

use crate::directory::Directory;
use crate::shared::Shared;
use crate::{GroupName, Peer};

/// Who was here at one moment, with everything that is known of them.
///
/// All of it belongs together: a peer that is listed in a group was in it at the
/// very moment at which its state was what is listed. It stays as it is until
/// [`changed`](Self::changed) brings it up to date, so one can look at it for as
/// long as one likes; no lock is held meanwhile.
///
/// A clone is cheap and goes its own way. It isn't a handle: the node leaves
/// when the last [`Node`](crate::Node) is dropped.
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

    /// Waits until somebody has come or gone, joined or left a group, or changed
    /// state since this roster was made or last brought up to date, and brings
    /// it up to date. True where it has changed; false once the node has stopped
    /// and nothing will change any more.
    ///
    /// Changes in quick succession may be seen as one; for each of them there is
    /// an [`Event`](crate::Event).
    ///
    /// # Cancel safety
    /// The roster is as it was when the future is dropped, and no change is
    /// missed.
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

    /// Brings it up to date without waiting. True where it has changed.
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

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshot.entries.is_empty()
    }

    /// All of them, by UUID.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RosterEntry> {
        self.snapshot.entries.values()
    }

    /// The one of that UUID.
    #[must_use]
    pub fn get(&self, uuid: Uuid) -> Option<&RosterEntry> {
        self.snapshot.entries.get(&uuid)
    }

    /// Those of that name, which needn't be unique.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &RosterEntry> {
        self.iter().filter(move |entry| entry.peer.name() == name)
    }

    /// Those in that group.
    pub fn in_group(&self, group: &str) -> impl Iterator<Item = &RosterEntry> {
        self.iter().filter(move |entry| entry.is_in(group))
    }

    /// Those in that state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &RosterEntry> {
        self.iter().filter(move |entry| entry.state == state)
    }

    /// The groups that any of them is in.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<GroupName> {
        self.iter()
            .flat_map(|entry| entry.groups.iter().cloned())
            .collect()
    }
}

impl RosterEntry {
    /// The peer, with its name, headers and address, which never change. What
    /// this one says of its state and groups is what is so now.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The groups that it is in.
    #[must_use]
    pub fn groups(&self) -> &BTreeSet<GroupName> {
        &self.groups
    }

    /// Whether it is in a group.
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
