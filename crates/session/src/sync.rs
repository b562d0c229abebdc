//! What threads share. In unit tests it is that of `zre-interleave`, with which a test can
//! choose how threads interleave.

#[cfg(not(test))]
mod imp {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::time::Instant;

    pub(crate) use tokio::sync::Notify;
}

#[cfg(test)]
use zre_interleave as imp;

pub(crate) use imp::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Instant, Mutex, MutexGuard, Notify,
};
