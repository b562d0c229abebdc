//! What threads share. In unit tests it is that of `zre-interleave`, with which a test
//! chooses how threads interleave.

#[cfg(not(test))]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) use tokio::sync::Notify;
}

#[cfg(test)]
use zre_interleave as imp;

pub(crate) use imp::{AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Notify};
