//! Whom a running node trusts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zre_curve::{Admission, PublicKey};

use super::ask::Questions;
use super::directory::Directory;
use super::known_peers::KnownPeers;
use crate::discovery::{DiscoveryUpdate, UpdateSender};
use crate::{StartError, Trust};

/// How often files are looked at. Notices of the system would come sooner, but not from
/// every file system (network, overlays of containers), and with each system's own
/// exceptions; to look at a hundred files takes less than a millisecond.
const LOOK: Duration = Duration::from_millis(500);

/// Decides who is trusted, and remembers who was refused.
#[derive(Debug)]
pub(crate) struct Warden {
    list: List,
    last_refusal: Mutex<Option<String>>,
}

#[derive(Debug)]
enum List {
    Anyone,
    Keys(BTreeSet<PublicKey>),
    Directory(Directory),
    FirstUse(KnownPeers),
    Ask(Questions),
}

/// Who has become trusted, and who isn't any longer.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: bool,
    pub(super) removed: Vec<PublicKey>,
}

impl Changes {
    /// # Errors
    /// The node has ended.
    pub(super) async fn report(self, updates: &UpdateSender) -> Result<(), Ended> {
        let Self { added, removed } = self;
        if !added && removed.is_empty() {
            return Ok(());
        }
        let removed = removed.into_iter().map(Into::into).collect();
        let news = DiscoveryUpdate::Trust { added, removed };
        updates.send(news).await.map_err(|_| Ended)
    }
}

/// The node has ended.
pub(super) struct Ended;

impl Warden {
    /// # Errors
    /// The directory or the file can't be read.
    pub(crate) fn open(trust: &Trust) -> Result<Arc<Self>, StartError> {
        let list = match trust {
            Trust::Anyone => List::Anyone,
            Trust::Keys(keys) => List::Keys(keys.clone()),
            Trust::Directory(path) => {
                List::Directory(Directory::open(path).map_err(StartError::Trust)?)
            }
            Trust::FirstUse(path) => {
                List::FirstUse(KnownPeers::open(path).map_err(StartError::Trust)?)
            }
            Trust::Ask(ask) => List::Ask(Questions::new(ask)),
        };
        Ok(Arc::new(Self {
            list,
            last_refusal: Mutex::default(),
        }))
    }

    /// Whether a holder of this key, which was proved, is talked to at all. A refusal is
    /// remembered.
    pub(crate) fn admits(&self, key: &PublicKey) -> bool {
        let admits = match &self.list {
            List::Anyone | List::FirstUse(_) => true,
            List::Keys(keys) => keys.contains(key),
            List::Directory(directory) => directory.holds(key),
            List::Ask(questions) => questions.admits(key),
        };
        if !admits {
            tracing::debug!(%key, "a key that isn't trusted was refused");
            self.refused(match &self.list {
                List::Ask(questions) => questions.refusal(key),
                _ => format!("the key {key} isn't trusted"),
            });
        }
        admits
    }

    /// Whether to dial the node that is said to hold this key, and let it prove that.
    pub(crate) fn may_be_dialled(&self, key: &PublicKey) -> bool {
        match &self.list {
            List::Ask(questions) => questions.may_be_dialled(key),
            _ => self.admits(key),
        }
    }

    /// Why the holder of this key, or a peer without one, can't be here under that name, if
    /// it can't.
    pub(crate) fn objection(&self, name: &str, key: Option<&PublicKey>) -> Option<String> {
        let List::FirstUse(known) = &self.list else {
            return None;
        };
        let objection = match key {
            Some(key) => known.objection(name, key)?,
            None => known.objection_without_key(name)?,
        };
        self.refused(objection.clone());
        Some(objection)
    }

    pub(crate) fn last_refusal(&self) -> Option<String> {
        let last = self.last_refusal.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused(&self, why: String) {
        let last = self.last_refusal.lock();
        *last.unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn look(&self) -> Changes {
        match &self.list {
            List::Anyone | List::Keys(_) | List::Ask(_) => Changes::default(),
            List::Directory(directory) => directory.look(),
            List::FirstUse(known) => known.look(),
        }
    }
}

/// Looks at the files, or asks the application, until the node has ended. Reports who has
/// become trusted, and who isn't any longer.
pub(crate) fn watch(warden: &Arc<Warden>, updates: UpdateSender) {
    let warden = Arc::clone(warden);
    match &warden.list {
        List::Anyone | List::Keys(_) => {}
        List::Directory(_) | List::FirstUse(_) => {
            tokio::spawn(watch_files(warden, updates));
        }
        List::Ask(_) => {
            tokio::spawn(async move {
                if let List::Ask(questions) = &warden.list {
                    questions.run(updates).await;
                }
            });
        }
    }
}

async fn watch_files(warden: Arc<Warden>, updates: UpdateSender) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = updates.closed() => return,
        }
        let looking = Arc::clone(&warden);
        let looked = tokio::task::spawn_blocking(move || looking.look());
        // An error means that the runtime ends.
        let Ok(changes) = looked.await else {
            return;
        };
        if changes.report(&updates).await.is_err() {
            return;
        }
    }
}

/// Lets in whom the node trusts.
#[derive(Debug)]
pub(crate) struct Gate(pub(crate) Arc<Warden>);

impl Admission for Gate {
    fn admits(&self, key: &PublicKey) -> bool {
        self.0.admits(key)
    }
}
