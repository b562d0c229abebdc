//! A node's links: its inbox, and its mailboxes to peers.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use zre_zmtp::Mechanism;
#[cfg(feature = "zeromq")]
use zre_zmtp::MechanismName;

use crate::budget::Budget;
use crate::engine::{Change, Dial, Listening, Route, Seat, Server};
use crate::intake::Intake;
use crate::ipc::IpcHome;
use crate::live::Live;
use crate::mailbox::after;
use crate::memory::{self, Memory, Registration};
use crate::notices::Reporter;
use crate::nowhere::Nowhere;
use crate::pace::Pace;
use crate::{
    CloseReason, Config, Counters, Engine, Identity, Inbox, Link, LinkLimits, Mailbox, Notices,
    OpenError, Source, listen,
};

/// Whether a peer may be looked for on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameHost {
    /// In this process first, then, if its address is one of this host's, in
    /// the ipc directory.
    #[default]
    Detect,
    /// Only where the target says: its ipc path, its address.
    Never,
}

/// A peer, and the ways to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// Its identity, if it is known: without it, it can't be found in memory
    /// or in the ipc directory.
    pub peer: Option<Identity>,
    /// Its tcp address; a link-local one of IPv6 with its scope.
    pub addr: Option<SocketAddr>,
    /// The path of its socket, if it isn't in the directory that we use.
    pub ipc: Option<PathBuf>,
    /// Whether to look for it on this host.
    pub same_host: SameHost,
}

impl Target {
    /// With the peer's identity.
    #[must_use]
    pub fn peer(mut self, peer: Identity) -> Self {
        self.peer = Some(peer);
        self
    }

    /// With its tcp address.
    #[must_use]
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = Some(addr);
        self
    }

    /// With the path of its ipc socket.
    #[must_use]
    pub fn ipc(mut self, path: impl Into<PathBuf>) -> Self {
        self.ipc = Some(path.into());
        self
    }

    /// Whether to look for it on this host.
    #[must_use]
    pub fn same_host(mut self, same_host: SameHost) -> Self {
        self.same_host = same_host;
        self
    }
}

/// What a shutdown has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Shutdown {
    /// Accepted messages that the deadline cut off, of all mailboxes.
    pub lost: u64,
}

/// One node's links to its peers, and theirs to it. A clone is another handle
/// to the same.
///
/// When the last clone is dropped the node stops listening and its inbox ends;
/// mailboxes stand until they are dropped themselves. Only
/// [`shutdown`](Self::shutdown) waits for anything.
#[derive(Clone)]
pub struct Links {
    node: Arc<Node>,
}

struct Node {
    identity: Identity,
    /// Who we are to the nodes of this process: what all links to them share.
    in_memory: Arc<Source>,
    engine: Engine,
    mechanism: Arc<dyn Mechanism>,
    limits: Arc<LinkLimits>,
    inproc: bool,
    /// The network namespace in which the node was opened: it lives there,
    /// whichever thread it dials from.
    namespace: u64,
    listening: Listening,
    ipc_home: Option<IpcHome>,
    ipc_path: Option<PathBuf>,
    ipc_unavailable: Option<String>,
    intake: Arc<Intake>,
    budget: Arc<Budget>,
    pace: Arc<Pace>,
    live: Arc<Live>,
    server: Server,
    registration: Mutex<Option<Registration>>,
    runtime: Handle,
}

impl Links {
    /// Opens a node's links: listens at the addresses of `config`, over ipc
    /// and in memory.
    ///
    /// That ipc isn't available is no error: [`ipc_unavailable`](Self::ipc_unavailable)
    /// says why, and peers on this host use tcp.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind then.
    ///
    /// # Cancel safety
    /// Whatever had been opened is closed when the future is dropped.
    pub async fn open(config: Config) -> Result<(Self, Inbox, Notices), OpenError> {
        check(&config.limits)?;
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let namespace = memory::namespace();
        let Config {
            identity,
            engine,
            listen: addrs,
            freebind,
            ipc,
            inproc,
            mechanism,
            limits,
        } = config;
        #[cfg(feature = "zeromq")]
        if engine == Engine::ZeroMq && mechanism.name() != MechanismName::NULL {
            return Err(OpenError::Mechanism(mechanism.name()));
        }

        let tcp = listen::listen(&addrs, freebind)?;
        let listening = Listening::default();
        let tcp = tcp
            .into_iter()
            .zip(addrs)
            .map(|(listener, addr)| {
                let at = listen::local(&listener, addr)?;
                listening.add(at);
                Ok((at, listener))
            })
            .collect::<Result<Vec<_>, OpenError>>()?;

        // A directory that can't be listened in may still be one to find
        // others in.
        let home = IpcHome::open(&ipc);
        let socket = home
            .as_ref()
            .map_err(String::clone)
            .and_then(|home| home.listen(&identity));
        let ipc_home = home.ok();
        let (socket, ipc_unavailable) = match socket {
            Ok(socket) => (Some(socket), None),
            Err(reason) => {
                tracing::debug!(%reason, "no ipc");
                (None, Some(reason))
            }
        };
        let ipc_path = socket.as_ref().map(|socket| socket.path().to_path_buf());

        let intake = Intake::new(&engine_limits(engine, &limits));
        let seat = Seat {
            tcp,
            listening: listening.clone(),
            ipc: socket,
            own: identity.clone(),
            mechanism: Arc::clone(&mechanism),
            limits: limits.clone(),
            intake: Arc::clone(&intake),
            runtime: runtime.clone(),
        };
        let server = match engine {
            Engine::Native => crate::native::serve(seat).await,
            #[cfg(feature = "zeromq")]
            Engine::ZeroMq => crate::zeromq_engine::serve(seat).await,
        }
        .map_err(OpenError::Engine)?;

        let limits = Arc::new(limits);
        let registration = inproc
            .then(|| Registration::new(namespace, &identity, &intake, &limits))
            .flatten();
        let (notice_sender, notices) = Notices::new();
        let live = Arc::new(Live::new(notice_sender));
        let budget = Arc::new(Budget::new(limits.queue_bytes_total));
        let inbox = Inbox::new(Arc::clone(&intake));
        let in_memory = Arc::new(Source::new(identity.clone(), Link::Inproc));
        let node = Arc::new(Node {
            identity,
            in_memory,
            engine,
            mechanism,
            limits,
            inproc,
            namespace,
            listening,
            ipc_home,
            ipc_path,
            ipc_unavailable,
            intake,
            budget,
            pace: Arc::new(Pace::new()),
            live,
            server,
            registration: Mutex::new(registration),
            runtime,
        });
        Ok((Self { node }, inbox, notices))
    }

    /// The addresses that we listen at: those of the configuration, in its
    /// order and with the ports that were found, then those that were added.
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.node.listening.all()
    }

    /// Listens at one more address, which an interface has just got. It may be
    /// one that the system still checks for duplicates (IPv6), and on Linux even
    /// one that it doesn't have yet: connections come once it has. An address
    /// that is listened at already stays as it is; port 0 is any free one.
    ///
    /// Is asked for when it is called, in the order of such calls; the future
    /// tells what has come of it.
    ///
    /// # Errors
    /// [`OpenError::InUse`], [`OpenError::Listen`], and [`OpenError::Shut`] after
    /// a [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// The address is listened at all the same when the future is dropped.
    pub fn listen(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = Result<(), OpenError>> + Send + 'static {
        let (done, outcome) = oneshot::channel();
        self.node.server.change(Change::Listen(addr, done));
        async { outcome.await.unwrap_or(Err(OpenError::Shut)) }
    }

    /// Stops listening at an address, in turn with calls of
    /// [`listen`](Self::listen), and soon after this returns. Connections that
    /// came there stay.
    pub fn unlisten(&self, addr: SocketAddr) {
        self.node.server.change(Change::Unlisten(addr));
    }

    /// Where our ipc socket is.
    pub fn ipc_path(&self) -> Option<&Path> {
        self.node.ipc_path.as_deref()
    }

    /// Why we can't be reached over ipc, in words, where that is so.
    pub fn ipc_unavailable(&self) -> Option<&str> {
        self.node.ipc_unavailable.as_deref()
    }

    /// What our mailboxes call themselves.
    pub fn identity(&self) -> &Identity {
        &self.node.identity
    }

    /// What has happened to the inbox's connections so far.
    pub fn counters(&self) -> Counters {
        self.node.intake.counters()
    }

    /// What all mailboxes together have accepted and not handed over, as it
    /// counts against [`LinkLimits::queue_bytes_total`], in bytes.
    pub fn queued_bytes(&self) -> usize {
        self.node.budget.used()
    }

    /// A mailbox to a peer. It is there at once and accepts messages, while it
    /// connects in the background; what comes of it is said by notices that
    /// bear `id`, which nothing here looks at otherwise.
    ///
    /// The ways are tried in this order, each whole (with its handshake)
    /// before the first message goes over it: memory, if the peer lives in
    /// this process and network namespace; ipc, if the target has a path, or
    /// if its address is one of this host's and its socket lies in our ipc
    /// directory; tcp. When all have failed, the notice gives the last reason.
    ///
    /// Doesn't block, but for looking at a file.
    pub fn connect(&self, id: u64, target: Target) -> Mailbox {
        let node = &self.node;
        let place = node.live.enter();
        let report = Reporter::new(id, &node.live, place);
        let mailbox = if node.live.shut.load(Ordering::Acquire) {
            node.nowhere(&report, CloseReason::Local)
        } else {
            node.connect(&target, report)
        };
        node.live.settle(place, mailbox.downgrade());
        if node.live.shut.load(Ordering::Acquire) {
            // Shut meanwhile, perhaps too late to find this one.
            mailbox.close(Duration::ZERO);
        }
        mailbox
    }

    /// Shuts everything: mailboxes take no more and send what they have, for
    /// `deadline` at most; meanwhile the inbox goes on, and then it ends, with
    /// all that had come in. Returns when all sockets are closed, which takes
    /// a second more than the deadline at most.
    ///
    /// # Cancel safety
    /// When the future is dropped the mailboxes are closing and the rest goes
    /// on as it was; call it again.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        /// Sockets close at once; this is for a runtime that is very busy.
        const HALF: Duration = Duration::from_millis(500);

        let node = &self.node;
        let until = after(deadline);
        node.live.shut.store(true, Ordering::Release);
        node.lock_registration().take();
        let outlets = node.live.outlets();
        for outlet in &outlets {
            outlet.close(deadline);
        }
        let flushed = tokio::time::timeout_at(until, node.live.all_gone()).await;
        if flushed.is_err() {
            for outlet in &outlets {
                outlet.close(Duration::ZERO);
            }
            let _ = tokio::time::timeout(HALF, node.live.all_gone()).await;
        }
        let lost = outlets.iter().map(|outlet| outlet.unsent()).sum();
        node.server.stop();
        let _ = tokio::time::timeout(HALF, node.server.stopped()).await;
        node.intake.shut();
        Shutdown { lost }
    }
}

impl Node {
    fn lock_registration(&self) -> MutexGuard<'_, Option<Registration>> {
        self.registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Picks the way.
    fn connect(&self, target: &Target, mut report: Reporter) -> Mailbox {
        let detect = target.same_host == SameHost::Detect;
        if let Some(peer) = target.peer.as_ref().filter(|_| detect && self.inproc)
            && let Some(neighbour) = memory::find(self.namespace, peer)
        {
            match Memory::connect(
                &neighbour,
                &self.in_memory,
                peer,
                &self.limits,
                &self.budget,
                report,
            ) {
                Ok(memory) => return Mailbox::in_memory(memory),
                Err(back) => report = back,
            }
        }
        let mut routes = Vec::new();
        if let Some(path) = &target.ipc {
            routes.push(Route::Ipc(path.clone()));
        }
        if detect
            && target.addr.is_none_or(is_this_host)
            && let Some(home) = &self.ipc_home
            && let Some(path) = target.peer.as_ref().and_then(|peer| home.find(peer))
            && target.ipc.as_ref() != Some(&path)
        {
            routes.push(Route::Ipc(path));
        }
        routes.extend(target.addr.map(Route::Tcp));
        if routes.is_empty() {
            return self.nowhere(&report, CloseReason::NoRoute);
        }
        let dial = Dial {
            routes,
            own: self.identity.clone(),
            peer: target.peer.clone(),
            mechanism: Arc::clone(&self.mechanism),
            limits: LinkLimits::clone(&self.limits),
            budget: Arc::clone(&self.budget),
            pace: Arc::clone(&self.pace),
            report,
            runtime: self.runtime.clone(),
        };
        let outlet = match self.engine {
            Engine::Native => crate::native::dial(dial),
            #[cfg(feature = "zeromq")]
            Engine::ZeroMq => crate::zeromq_engine::dial(dial),
        };
        Mailbox::new(outlet, self.limits.linger)
    }

    /// A mailbox that ends before it begins.
    fn nowhere(&self, report: &Reporter, reason: CloseReason) -> Mailbox {
        report.closed(reason, 0);
        Mailbox::new(Nowhere::new(&self.budget), self.limits.linger)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.lock_registration().take();
        // Dropping the server stops it.
        self.intake.shut();
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("identity", &self.node.identity)
            .field("engine", &self.node.engine)
            .field("listening", &self.listening())
            .field("ipc_path", &self.node.ipc_path)
            .finish_non_exhaustive()
    }
}

/// Whether an address is one of this host, as this thread sees it: a datagram
/// socket can be bound to those alone. (Nothing is ever sent from it.)
fn is_this_host(addr: SocketAddr) -> bool {
    let mut local = addr;
    local.set_port(0);
    addr.ip().is_loopback() || (!addr.ip().is_unspecified() && UdpSocket::bind(local).is_ok())
}

/// What an engine can hold of the limits.
fn engine_limits(engine: Engine, limits: &LinkLimits) -> LinkLimits {
    match engine {
        Engine::Native => limits.clone(),
        #[cfg(feature = "zeromq")]
        Engine::ZeroMq => crate::zeromq_engine::inbox_limits(limits),
    }
}

fn check(limits: &LinkLimits) -> Result<(), OpenError> {
    let at_least_one = [
        ("frame_bytes", limits.frame_bytes),
        ("message_bytes", limits.message_bytes),
        ("parts", limits.parts),
        ("half_open", limits.half_open),
        ("connections", limits.connections),
        ("connections_per_addr", limits.connections_per_addr),
        ("queue_bytes_per_peer", limits.queue_bytes_per_peer),
        ("queue_bytes_total", limits.queue_bytes_total),
        (
            "inbox_bytes_per_connection",
            limits.inbox_bytes_per_connection,
        ),
        ("inbox_bytes_total", limits.inbox_bytes_total),
    ];
    for (name, value) in at_least_one {
        if value == 0 {
            let advice = "it has to be 1 at least";
            return Err(OpenError::Limits {
                name,
                value,
                advice,
            });
        }
    }
    Ok(())
}
