//! The sources of addresses other than beacons.
//!
//! Each source is a task that sends [`DiscoveryUpdate`]s to the driver. All run side by
//! side, and none decides anything. The machine's rules are: an address is dialled once,
//! a peer that two sources name is one peer, and a source that falls silent ends no
//! session.

#[cfg(feature = "dns")]
pub(crate) mod dns;
pub(crate) mod gossip;
mod interface_watcher;
mod link_monitor;
mod names;

pub(crate) use interface_watcher::{InterfaceWatcher, watch};
pub(crate) use names::Names;

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use zre_proto::Endpoint;
use zre_proto::machine::{Found, Source};

use crate::supervisor::Supervisor;

/// What a source reports.
#[derive(Debug)]
pub(crate) enum DiscoveryUpdate {
    /// Network interfaces, or addresses of theirs, came or went.
    Interfaces {
        /// Of the addresses that beacons use; without beacons, of all chosen ones.
        changes: zre_beacon::Changes,
        /// All addresses of the chosen ones that can be used now.
        here: Vec<zre_beacon::Interface>,
    },
    /// The node there should have this key. Reported before the node is.
    Key {
        /// The address.
        endpoint: Endpoint,
        /// Its public key, as text that nobody has checked.
        key: Box<str>,
    },
    /// The files that say whose keys are trusted have changed.
    #[cfg(feature = "curve")]
    Trust {
        /// Whether some are trusted that weren't.
        added: bool,
        /// Those that aren't any longer.
        removed: Vec<[u8; 32]>,
    },
    /// A node should be there.
    Found(Found),
    /// The source lists an address no longer.
    Lost {
        /// The address.
        endpoint: Endpoint,
        /// The source.
        source: Source,
    },
}

/// Takes the updates of sources, which wait while the driver is busy, and watches their
/// tasks.
#[derive(Clone, Debug)]
pub(crate) struct UpdateSender {
    queue: mpsc::Sender<DiscoveryUpdate>,
    pub(crate) supervisor: Supervisor,
}

impl Deref for UpdateSender {
    type Target = mpsc::Sender<DiscoveryUpdate>;

    fn deref(&self) -> &Self::Target {
        &self.queue
    }
}

/// Wakes sources when the network has changed: an attempt that failed may work now.
pub(crate) type ChangeNotifier = Arc<Notify>;

/// The queue to the driver, which is short: a source with many updates waits.
pub(crate) fn channel(supervisor: Supervisor) -> (UpdateSender, mpsc::Receiver<DiscoveryUpdate>) {
    let (queue, updates) = mpsc::channel(64);
    (UpdateSender { queue, supervisor }, updates)
}

/// The queue for a test, whose tasks nobody watches.
#[cfg(test)]
pub(crate) fn test_channel() -> (UpdateSender, mpsc::Receiver<DiscoveryUpdate>) {
    channel(Supervisor::new().0)
}
