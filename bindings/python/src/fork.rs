//! Processes that were forked: the threads of the nodes aren't there, and what they
//! held locked stays locked.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

use crate::error::raise;
use crate::log::{forget_reader, node_stopped};

/// How often this process, and those before it, were forked.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// The nodes of this process that run.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// The generation up to which processes were forked while nodes ran.
static LOST: AtomicUsize = AtomicUsize::new(0);

/// The process that something was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(usize);

impl Origin {
    pub(crate) fn here() -> Self {
        Self(GENERATION.load(Ordering::Relaxed))
    }

    pub(crate) fn is_here(self) -> bool {
        self == Self::here()
    }

    /// # Errors
    /// This is another process.
    pub(crate) fn check(self, py: Python<'_>) -> PyResult<()> {
        if self.is_here() {
            return Ok(());
        }
        Err(forked(
            py,
            "the node belongs to the process that this one was forked from",
        ))
    }
}

/// # Errors
/// Nodes can't start in this process.
pub(crate) fn may_start(py: Python<'_>) -> PyResult<()> {
    if LOST.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    Err(forked(py, "this process was forked from one with nodes"))
}

fn forked(py: Python<'_>, what: &str) -> PyErr {
    let text = format!(
        "{what}: fork before the first node starts, or begin processes with \
         multiprocessing.set_start_method('spawn')"
    );
    raise(py, "forked", text, &[])
}

/// A node that runs, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Running(Origin);

impl Running {
    pub(crate) fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self(Origin::here())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.is_here() {
            RUNNING.fetch_sub(1, Ordering::Relaxed);
            node_stopped();
        }
    }
}

/// Whether nodes run in this process.
pub(crate) fn nodes_run() -> bool {
    RUNNING.load(Ordering::Relaxed) > 0
}

/// Called in each forked process.
#[pyfunction]
fn forked_here() {
    let generation = GENERATION.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    if RUNNING.swap(0, Ordering::Relaxed) > 0 {
        LOST.store(generation, Ordering::Relaxed);
    }
    forget_reader();
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(forked_here, module)?)
}
