//! The seam between what users see and what carries messages over sockets.
//!
//! An engine is two functions. `serve` takes listeners and fills the lanes of
//! an [`Intake`] with what their connections bring, until it is told to stop.
//! `dial` takes [`Route`]s, and returns at once an [`Outlet`](crate::mailbox::Outlet)
//! that accepts messages while the engine tries the routes in their order; the
//! first that stands gets everything. What happens goes to the [`Reporter`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::budget::Budget;
use crate::intake::Intake;
use crate::ipc::IpcSocket;
use crate::notices::Reporter;
use crate::{Identity, Limits};

/// One way to a peer that an engine can try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Tcp(SocketAddr),
    Ipc(PathBuf),
}

/// What an engine dials with.
pub(crate) struct Dial {
    /// The ways to try, in order; there is at least one.
    pub(crate) routes: Vec<Route>,
    /// What we call ourselves.
    pub(crate) own: Identity,
    /// Whom we mean to reach: an inbox that says it is somebody else is a
    /// failed handshake, one that says nothing is accepted.
    pub(crate) peer: Option<Identity>,
    pub(crate) limits: Limits,
    /// What all mailboxes of the node may hold.
    pub(crate) budget: Arc<Budget>,
    pub(crate) report: Reporter,
    /// Where tasks are spawned: `connect` may be called from any thread.
    pub(crate) runtime: tokio::runtime::Handle,
}

/// What an engine serves.
pub(crate) struct Seat {
    /// Non-blocking listeners.
    pub(crate) tcp: Vec<std::net::TcpListener>,
    /// The ipc socket, and what keeps its place in the directory: to be kept
    /// until the listener is closed.
    pub(crate) ipc: Option<IpcSocket>,
    /// What we say of ourselves in READY.
    pub(crate) own: Identity,
    pub(crate) limits: Limits,
    pub(crate) intake: Arc<Intake>,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// Stops what an engine serves. Dropping it stops too, without waiting.
pub(crate) struct Server {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    stopped: watch::Receiver<bool>,
}

/// The engine's side of a [`Server`]: serve until `stop` resolves (with
/// whatever result), and drop `stopped` when all sockets are closed.
pub(crate) struct Served {
    pub(crate) stop: oneshot::Receiver<()>,
    pub(crate) stopped: watch::Sender<bool>,
}

impl Server {
    pub(crate) fn new() -> (Self, Served) {
        let (stop, stop_receiver) = oneshot::channel();
        let (stopped, stopped_receiver) = watch::channel(false);
        let server = Self {
            stop: Mutex::new(Some(stop)),
            stopped: stopped_receiver,
        };
        let served = Served {
            stop: stop_receiver,
            stopped,
        };
        (server, served)
    }

    /// Tells the engine to stop listening and reading.
    pub(crate) fn stop(&self) {
        let stop = self
            .stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(stop) = stop {
            // An engine that has ended by itself doesn't listen to this.
            let _ = stop.send(());
        }
    }

    /// Waits until all of the engine's listening sockets are closed.
    ///
    /// Cancel safe.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the engine's side is gone: stopped as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}
