//! Where peers may be: everything that tells the state machine of addresses,
//! other than beacons.
//!
//! Each source is a task that sends [`DiscoveryUpdate`] to the driver. All of them run side
//! by side, and none of them decides anything: that an address is dialled once,
//! that a peer which two sources name is one peer, and that a source which falls
//! silent ends no session, are the machine's rules.

#[cfg(feature = "dns")]
pub(crate) mod dns;
pub(crate) mod gossip;
mod interface_watcher;
mod link_monitor;
mod names;

pub(crate) use interface_watcher::{InterfaceWatcher, usable, watch};
pub(crate) use names::Names;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use zre_proto::Endpoint;
use zre_proto::machine::{Found, Source};

/// What a source has to tell.
#[derive(Debug)]
pub(crate) enum DiscoveryUpdate {
    /// Network interfaces, or addresses of theirs, came or went.
    Interfaces {
        /// Of those that beacons use; of all chosen ones where there are none.
        changes: zre_beacon::Changes,
        /// All addresses of the chosen ones that can be used now.
        here: Vec<zre_beacon::Interface>,
    },
    /// A node should be there.
    Found(Found),
    /// The source no longer says so.
    Lost {
        /// Where.
        endpoint: Endpoint,
        /// Which source.
        source: Source,
    },
}

/// Where sources put their updates. They wait while the driver is busy.
pub(crate) type UpdateSender = mpsc::Sender<DiscoveryUpdate>;

/// Wakes sources when the network has changed: what failed may work now.
pub(crate) type ChangeNotifier = Arc<Notify>;

/// The queue to the driver. It is short: a source that floods waits.
pub(crate) fn channel() -> (UpdateSender, mpsc::Receiver<DiscoveryUpdate>) {
    mpsc::channel(64)
}
