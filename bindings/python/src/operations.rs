//! Calls of an async node that take time: they run on the node's own thread, and their
//! outcomes wait until the event loop asks for them.
//!
//! The node's thread never waits for the interpreter. It puts the outcome into a list and
//! rings the bell, whose descriptor the event loop polls.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use tokio::task::AbortHandle;
use zre::blocking::{self, Bell};

/// Makes an outcome an object, or an exception.
pub(crate) type Deliver = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

pub(crate) struct Operations {
    next: AtomicU64,
    tables: Mutex<Tables>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Tables {
    running: HashMap<u64, AbortHandle>,
    done: Vec<(u64, Deliver)>,
}

impl Operations {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self {
            next: AtomicU64::new(0),
            tables: Mutex::default(),
            bell,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins a call, and gives the number under which its outcome will be found.
    pub(crate) fn begin<T: Send + 'static>(
        self: &Arc<Self>,
        node: &blocking::Node,
        call: impl Future<Output = T> + Send + 'static,
        deliver: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> u64 {
        let number = self.number();
        let operations = self.clone();
        let task = async move {
            let outcome = call.await;
            operations.finish(number, Box::new(|py| deliver(py, outcome)));
        };
        // The lock is kept until the task is in the table, which it leaves when it ends.
        let mut tables = self.lock();
        let handle = node.wait(async { tokio::spawn(task).abort_handle() });
        tables.running.insert(number, handle);
        number
    }

    pub(crate) fn finish(&self, number: u64, deliver: Deliver) {
        let mut tables = self.lock();
        tables.running.remove(&number);
        tables.done.push((number, deliver));
        drop(tables);
        self.bell.ring();
    }

    /// Gives a call up: nobody waits for it any more.
    pub(crate) fn cancel(&self, number: u64) {
        if let Some(task) = self.lock().running.remove(&number) {
            task.abort();
        }
    }

    /// The calls that are done.
    pub(crate) fn take(&self) -> Vec<(u64, Deliver)> {
        std::mem::take(&mut self.lock().done)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
