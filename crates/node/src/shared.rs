use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Notify, watch};

use zre_proto::{Endpoint, Profile};

use crate::GroupName;
use crate::directory::Directory;
use crate::open_requests::OpenRequests;
use crate::pending_requests::PendingRequests;

/// What handles and driver share: the directory of peers and the tables of requests.
#[derive(Debug)]
pub(crate) struct Shared {
    directory: RwLock<Directory>,
    /// Nothing can be sent any more. Outside the directory, because a whisper to a
    /// handle needs nothing else of it.
    stopped: AtomicBool,
    endpoint: watch::Sender<Endpoint>,
    pub(crate) changes: Notify,
    pub(crate) pending_requests: PendingRequests,
    pub(crate) open_requests: Arc<OpenRequests>,
}

impl Shared {
    pub(crate) fn new(
        own_groups: impl Iterator<Item = GroupName>,
        own_profile: Profile,
        endpoint: watch::Sender<Endpoint>,
    ) -> Arc<Self> {
        let directory = Directory::new(own_groups, own_profile);
        Arc::new(Self {
            directory: RwLock::new(directory),
            stopped: AtomicBool::new(false),
            endpoint,
            changes: Notify::new(),
            pending_requests: PendingRequests::default(),
            open_requests: Arc::default(),
        })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Prevents sending from now on.
    pub(crate) fn stop(&self) {
        // Under the lock: a shout reaches all members, or none.
        let _directory = self.write();
        self.stopped.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.borrow().clone()
    }

    pub(crate) fn set_endpoint(&self, endpoint: Endpoint) {
        self.endpoint.send_replace(endpoint);
    }

    pub(crate) fn changed(&self) {
        self.changes.notify_waiters();
    }
}
