use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

use crate::directory::Directory;
use crate::exchange::Exchange;

/// What the handles share with the driver: the directory, and who waits for
/// answers.
#[derive(Debug)]
pub(crate) struct View {
    directory: RwLock<Directory>,
    pub(crate) changes: Notify,
    pub(crate) exchange: Exchange,
}

impl View {
    pub(crate) fn new(own_groups: impl Iterator<Item = Arc<str>>) -> Arc<Self> {
        let directory = Directory {
            own_groups: own_groups.collect(),
            ..Directory::default()
        };
        Arc::new(Self {
            directory: RwLock::new(directory),
            changes: Notify::new(),
            exchange: Exchange::default(),
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

    pub(crate) fn changed(&self) {
        self.changes.notify_waiters();
    }
}
