//! The seam between what users see and what carries messages over sockets.
//!
//! An engine is two functions. `serve` takes listeners and fills the lanes of
//! an [`Intake`] with what their connections bring, until it is told to stop.
//! `dial` takes [`Route`]s, and returns at once an [`Outlet`](crate::mailbox::Outlet)
//! that accepts messages while the engine tries the routes in their order; the
//! first that stands gets everything. What happens goes to the [`Reporter`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use zre_zmtp::Mechanism;

use crate::budget::Budget;
use crate::intake::Intake;
use crate::ipc::IpcSocket;
use crate::notices::Reporter;
use crate::pace::Pace;
use crate::{Identity, LinkLimits, OpenError};

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
    pub(crate) mechanism: Arc<dyn Mechanism>,
    pub(crate) limits: LinkLimits,
    /// What all mailboxes of the node may hold.
    pub(crate) budget: Arc<Budget>,
    /// How fast they all write.
    pub(crate) pace: Arc<Pace>,
    pub(crate) report: Reporter,
    /// Where tasks are spawned: `connect` may be called from any thread.
    pub(crate) runtime: tokio::runtime::Handle,
}

/// What an engine serves.
pub(crate) struct Seat {
    /// Non-blocking listeners, and what they are bound to.
    pub(crate) tcp: Vec<(SocketAddr, std::net::TcpListener)>,
    /// To be kept up to date.
    pub(crate) listening: Listening,
    /// The ipc socket, and what keeps its place in the directory: to be kept
    /// until the listener is closed.
    pub(crate) ipc: Option<IpcSocket>,
    /// What we say of ourselves in READY.
    pub(crate) own: Identity,
    pub(crate) mechanism: Arc<dyn Mechanism>,
    pub(crate) limits: LinkLimits,
    pub(crate) intake: Arc<Intake>,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// A listener that is to come or go while the engine serves. The changes are
/// made one after the other, each whole: an address can be had again at once.
pub(crate) enum Change {
    /// One more, unless that address is listened at already.
    Listen(SocketAddr, oneshot::Sender<Result<(), OpenError>>),
    /// The one of that address is to be closed; its connections stay.
    Unlisten(SocketAddr),
}

/// The addresses that an engine listens at now, by which it keeps its listeners.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listening(Arc<Mutex<Vec<SocketAddr>>>);

impl Listening {
    fn lock(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<SocketAddr> {
        self.lock().clone()
    }

    pub(crate) fn contains(&self, addr: SocketAddr) -> bool {
        self.lock().contains(&addr)
    }

    pub(crate) fn add(&self, addr: SocketAddr) {
        self.lock().push(addr);
    }

    pub(crate) fn remove(&self, addr: SocketAddr) {
        self.lock().retain(|at| *at != addr);
    }
}

/// Commands what an engine serves. Dropping it stops that, without waiting.
pub(crate) struct Server {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    changes: mpsc::UnboundedSender<Change>,
    stopped: watch::Receiver<bool>,
}

/// The engine's side of a [`Server`]: serve until `stop` resolves (with
/// whatever result), make the changes meanwhile, and drop `stopped` when all
/// sockets are closed.
pub(crate) struct Served {
    pub(crate) stop: oneshot::Receiver<()>,
    pub(crate) changes: mpsc::UnboundedReceiver<Change>,
    pub(crate) stopped: watch::Sender<bool>,
}

impl Server {
    pub(crate) fn new() -> (Self, Served) {
        let (stop, stop_receiver) = oneshot::channel();
        let (changes, changes_receiver) = mpsc::unbounded_channel();
        let (stopped, stopped_receiver) = watch::channel(false);
        let server = Self {
            stop: Mutex::new(Some(stop)),
            changes,
            stopped: stopped_receiver,
        };
        let served = Served {
            stop: stop_receiver,
            changes: changes_receiver,
            stopped,
        };
        (server, served)
    }

    /// Asks for a change. After a stop nothing comes of it.
    pub(crate) fn change(&self, change: Change) {
        // An engine that has ended listens nowhere any more.
        let _ = self.changes.send(change);
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
