//! The seam between what users see and what carries messages over sockets.
//!
//! An engine is two functions. `serve_inbox` takes listeners, and opens a queue
//! at the [`Dispatcher`] for each of their connections, until it is stopped.
//! `open_mailbox` takes a [`Dial`], and returns at once a
//! [`SendQueue`](crate::send_queue::SendQueue) that accepts messages while the
//! engine tries the routes in their order; the first one that works gets
//! everything. The engine tells the [`Reporter`] what happens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use zre_zmtp::Mechanism;

use crate::budget::Budget;
use crate::dispatcher::Dispatcher;
use crate::guard::PanicGuard;
use crate::ipc::IpcSocket;
use crate::pace::Pace;
use crate::reporter::Reporter;
use crate::{Identity, LinkLimits, OpenError, Target};

/// One route to a peer that an engine can try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Tcp(SocketAddr),
    Ipc(PathBuf),
}

/// What a mailbox connects with.
pub(crate) struct Dial {
    /// Whom it is to reach.
    pub(crate) target: Target,
    /// The routes to it, in the order in which they are tried; there is at least
    /// one.
    pub(crate) routes: Vec<Route>,
    pub(crate) local: LocalSide,
}

/// Our side of every connection.
#[derive(Clone)]
pub(crate) struct LocalSide {
    /// What we say of ourselves in READY.
    pub(crate) identity: Identity,
    pub(crate) mechanism: Arc<dyn Mechanism>,
    pub(crate) limits: Arc<LinkLimits>,
    /// How long a connection may take to be admitted, if connections are.
    pub(crate) admission: Option<Duration>,
}

/// What the queue of a mailbox works with.
pub(crate) struct QueueParts {
    /// The bound of all mailboxes of the node.
    pub(crate) budget: Arc<Budget>,
    /// How fast they all write.
    pub(crate) pace: Arc<Pace>,
    pub(crate) report: Reporter,
}

/// What an engine serves an inbox with.
pub(crate) struct InboxParts {
    /// Non-blocking listeners, and the addresses that they are bound to.
    pub(crate) tcp: Vec<(SocketAddr, std::net::TcpListener)>,
    /// The engine keeps this up to date.
    pub(crate) listening: Listening,
    /// The ipc socket and its name in the directory, which the engine keeps until
    /// the listener is closed.
    pub(crate) ipc: Option<IpcSocket>,
    pub(crate) local: LocalSide,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// Watches the tasks that accept connections.
    pub(crate) guard: PanicGuard,
    /// Where the engine spawns its tasks.
    pub(crate) runtime: tokio::runtime::Handle,
}

/// A listener that comes or goes while the engine serves. The changes are made
/// one after the other, each whole: an address is free again at once.
pub(crate) enum Change {
    /// Add a listener, unless one has that address already.
    Listen(SocketAddr, oneshot::Sender<Result<(), OpenError>>),
    /// Close the listener of that address; its connections stay.
    Unlisten(SocketAddr),
}

/// The addresses at which an engine listens now.
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

/// Commands the engine that serves an inbox. Dropping it stops the engine, without
/// waiting.
pub(crate) struct Server {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    changes: mpsc::UnboundedSender<Change>,
    stopped: watch::Receiver<bool>,
}

/// The engine's side of a [`Server`]. The engine serves until `stop` resolves
/// (with whatever result), makes the changes meanwhile, and drops `stopped` when
/// all sockets are closed.
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

    /// Asks for a change. After a stop it has no effect.
    pub(crate) fn change(&self, change: Change) {
        // An error means that the engine has ended: it listens nowhere any more.
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
            // An error means that the engine has ended by itself.
            let _ = stop.send(());
        }
    }

    /// Waits until all of the engine's listening sockets are closed.
    ///
    /// Cancel safe.
    pub(crate) async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the engine is gone: stopped, too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}
