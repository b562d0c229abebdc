//! Whose turn it is: a test that measures time runs alone.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURN: RwLock<()> = RwLock::new(());

/// The turn of a test that may run beside others. Hold it to the test's end.
#[must_use = "the turn ends when this is dropped"]
pub fn together() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

/// The turn of a test with a stopwatch: no other test of this program runs
/// meanwhile. Hold it to the test's end.
#[must_use = "the turn ends when this is dropped"]
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}
