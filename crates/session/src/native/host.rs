//! What all connections of an inbox share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::runtime::Handle;

use super::half_open::HalfOpen;
use crate::dispatcher::Dispatcher;
use crate::engine::LocalSide;

/// The inbox, as its connections know it.
pub(super) struct Host {
    pub(super) local: LocalSide,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) half_open: Arc<HalfOpen>,
    /// Bytes of messages that haven't come whole yet, of all connections.
    pub(super) partial: Arc<AtomicUsize>,
    pub(super) runtime: Handle,
}
