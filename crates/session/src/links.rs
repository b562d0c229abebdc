//! A node's links: its inbox, and its mailboxes to peers.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
#[cfg(feature = "zeromq")]
use zre_zmtp::MechanismName;

use crate::budget::Budget;
use crate::closed_queue::ClosedQueue;
use crate::dispatcher::Dispatcher;
use crate::engine::{Change, Dial, InboxParts, Listening, LocalSide, QueueParts, Route, Server};
use crate::guard::PanicGuard;
use crate::ipc::IpcHome;
use crate::mailbox_registry::MailboxRegistry;
use crate::memory::{self, Memory, Registration};
use crate::pace::Pace;
use crate::reporter::Reporter;
use crate::send_queue::deadline_after;
use crate::{
    CloseReason, Config, Counters, Engine, Identity, Inbox, Link, LinkLimits, Mailbox, Notices,
    OpenError, SameHost, Source, Target, listen,
};

/// The outcome of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Shutdown {
    /// Accepted messages that the deadline cut off, of all mailboxes.
    pub lost: u64,
}

/// One node's links to its peers, and theirs to it. A clone is another handle
/// to the same links.
///
/// When the last clone is dropped the node stops listening and its inbox ends;
/// mailboxes stay until they are dropped themselves. Only
/// [`shutdown`](Self::shutdown) waits for anything.
#[derive(Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

struct Inner {
    local: LocalSide,
    engine: Engine,
    /// How we introduce ourselves to the nodes of this process; all links to them
    /// share it.
    in_memory: Arc<Source>,
    inproc: bool,
    /// The network namespace in which the links were opened: they belong to it,
    /// whichever thread connects.
    namespace: u64,
    listening: Listening,
    ipc_home: Option<IpcHome>,
    ipc_path: Option<PathBuf>,
    ipc_unavailable: Option<String>,
    dispatcher: Arc<Dispatcher>,
    budget: Arc<Budget>,
    pace: Arc<Pace>,
    mailboxes: Arc<MailboxRegistry>,
    server: Server,
    registration: Mutex<Option<Registration>>,
    runtime: Handle,
}

impl Links {
    /// Opens a node's links: listens at the addresses of `config`, over ipc
    /// and in memory.
    ///
    /// It is not an error if ipc isn't available:
    /// [`ipc_unavailable`](Self::ipc_unavailable) says why, and peers on this host
    /// use tcp.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left behind then.
    ///
    /// # Cancel safety
    /// Everything that was opened is closed when the future is dropped.
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
            admission,
            limits,
        } = config;
        let admission = admission.filter(|_| engine == Engine::Native);
        let limits = limits.within_memory_limit();
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

        // If we can't listen in the directory, we may still find others in it.
        let home = IpcHome::open(&ipc);
        let socket = home
            .as_ref()
            .map_err(String::clone)
            .and_then(|home| home.listen(&identity));
        let ipc_home = home.ok();
        let (socket, ipc_unavailable) = match socket {
            Ok(socket) => (Some(socket), None),
            Err(reason) => {
                tracing::debug!(%reason, "ipc isn't available");
                (None, Some(reason))
            }
        };
        let ipc_path = socket.as_ref().map(|socket| socket.path().to_path_buf());

        let dispatcher = Dispatcher::new(&engine_limits(engine, &limits), admission.is_some());
        let local = LocalSide {
            identity,
            mechanism,
            admission,
            limits: Arc::new(limits),
        };
        let (notice_sender, notices) = Notices::new();
        let parts = InboxParts {
            tcp,
            listening: listening.clone(),
            ipc: socket,
            local: local.clone(),
            dispatcher: Arc::clone(&dispatcher),
            guard: PanicGuard::new("accepting connections", &notice_sender),
            runtime: runtime.clone(),
        };
        let server = match engine {
            Engine::Native => crate::native::serve_inbox(parts).await,
            #[cfg(feature = "zeromq")]
            Engine::ZeroMq => crate::zeromq_engine::serve_inbox(parts).await,
        }
        .map_err(OpenError::Engine)?;

        let registration = inproc
            .then(|| {
                let key = local.mechanism.key();
                Registration::new(namespace, &local.identity, &dispatcher, &local.limits, key)
            })
            .flatten();
        let inbox = Inbox::new(Arc::clone(&dispatcher));
        let inner = Arc::new(Inner {
            engine,
            in_memory: Arc::new(Source {
                key: local.mechanism.key(),
                ..Source::new(local.identity.clone(), Link::Inproc)
            }),
            inproc,
            namespace,
            listening,
            ipc_home,
            ipc_path,
            ipc_unavailable,
            dispatcher,
            budget: Arc::new(Budget::new(local.limits.queue_bytes_total)),
            pace: Arc::new(Pace::new()),
            mailboxes: Arc::new(MailboxRegistry::new(notice_sender)),
            server,
            registration: Mutex::new(registration),
            runtime,
            local,
        });
        Ok((Self { inner }, inbox, notices))
    }

    /// The addresses at which we listen: first those of the configuration, in its
    /// order and with the ports that were found, then those that were added.
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.inner.listening.all()
    }

    /// Listens at one more address, which an interface has just got. The system
    /// may still check it for duplicates (IPv6), and on Linux it may even lack
    /// it: connections come once it has it. If we listen at the address already,
    /// nothing changes; port 0 is any free one.
    ///
    /// The call itself asks for it, in the order of such calls; the future
    /// returns the outcome.
    ///
    /// # Errors
    /// [`OpenError::InUse`], [`OpenError::Listen`], and [`OpenError::Shut`] after
    /// a [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// The links listen at the address even if the future is dropped.
    pub fn listen(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = Result<(), OpenError>> + Send + 'static {
        let (done, outcome) = oneshot::channel();
        self.inner.server.change(Change::Listen(addr, done));
        async { outcome.await.unwrap_or(Err(OpenError::Shut)) }
    }

    /// Stops listening at an address, soon after this returns and in turn with
    /// calls of [`listen`](Self::listen). Connections that came there stay.
    pub fn unlisten(&self, addr: SocketAddr) {
        self.inner.server.change(Change::Unlisten(addr));
    }

    /// The path of our ipc socket.
    pub fn ipc_path(&self) -> Option<&Path> {
        self.inner.ipc_path.as_deref()
    }

    /// Why we can't be reached over ipc, in words, if we can't.
    pub fn ipc_unavailable(&self) -> Option<&str> {
        self.inner.ipc_unavailable.as_deref()
    }

    /// The identity of our mailboxes.
    pub fn identity(&self) -> &Identity {
        &self.inner.local.identity
    }

    /// What has happened to the inbox's connections so far.
    pub fn counters(&self) -> Counters {
        self.inner.dispatcher.counters()
    }

    /// How much all mailboxes together have accepted and not handed over, as it
    /// counts against [`LinkLimits::queue_bytes_total`], in bytes.
    pub fn queued_bytes(&self) -> usize {
        self.inner.budget.used()
    }

    /// Admits a connection of the inbox, which may stay from now on. An older one of the
    /// same identity that was admitted ends. Nothing happens if the connection has ended,
    /// or if connections aren't [admitted](crate::Config::admission).
    pub fn admit(&self, connection: u64) {
        self.inner.dispatcher.admit(connection);
    }

    /// Ends a connection of the inbox that isn't admitted. Otherwise nothing happens.
    pub fn refuse(&self, connection: u64) {
        self.inner.dispatcher.refuse(connection);
    }

    /// Ends those of the inbox's connections over sockets that come from such a source
    /// ([`CloseReason::Denied`]), admitted or not. What they have sent can still be read.
    /// Connections in memory stay: a process trusts itself. To keep new ones out is the
    /// mechanism's task.
    pub fn deny(&self, is_denied: impl Fn(&Source) -> bool) {
        self.inner.dispatcher.deny(is_denied);
    }

    /// Opens a mailbox to a peer. It is there at once and accepts messages while
    /// it connects in the background; notices that carry `id` report what happens
    /// to it. Nothing else uses the `id`.
    ///
    /// The routes are tried in this order, each whole (with its handshake)
    /// before the first message goes over it: memory, if the peer lives in
    /// this process and network namespace; ipc, if the target has a path, or
    /// if its address is one of this host's and its socket lies in our ipc
    /// directory; tcp. When all have failed, the notice gives the last reason.
    ///
    /// It looks at files, and doesn't block otherwise.
    pub fn connect(&self, id: u64, target: Target) -> Mailbox {
        let inner = &self.inner;
        let mailboxes = &inner.mailboxes;
        let slot = mailboxes.reserve();
        let report = Reporter::new(id, mailboxes, slot);
        let mailbox = match mailboxes.is_shut() {
            true => inner.closed_mailbox(&report, CloseReason::Local),
            false => inner.open_mailbox(target, report),
        };
        mailboxes.register(slot, mailbox.downgrade());
        if mailboxes.is_shut() {
            // Shut meanwhile, perhaps too late to find this one.
            mailbox.close(Duration::ZERO);
        }
        mailbox
    }

    /// Shuts everything: mailboxes accept nothing more and send what they have,
    /// for `deadline` at most; meanwhile the inbox goes on; then it ends, and
    /// still delivers everything that had come in. Returns when all sockets are
    /// closed, at most a second after the deadline.
    ///
    /// # Cancel safety
    /// When the future is dropped the mailboxes are closing and everything else
    /// goes on; call it again.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        /// Sockets close at once unless the runtime is very busy.
        const HALF: Duration = Duration::from_millis(500);

        let inner = &self.inner;
        let mailboxes = &inner.mailboxes;
        let until = deadline_after(deadline);
        mailboxes.shut();
        inner.lock_registration().take();
        let queues = mailboxes.queues();
        for queue in &queues {
            queue.close(deadline);
        }
        let flushed = tokio::time::timeout_at(until, mailboxes.all_ended()).await;
        if flushed.is_err() {
            for queue in &queues {
                queue.close(Duration::ZERO);
            }
            let _ = tokio::time::timeout(HALF, mailboxes.all_ended()).await;
        }
        let lost = queues.iter().map(|queue| queue.unsent()).sum();
        inner.server.stop();
        let _ = tokio::time::timeout(HALF, inner.server.stopped()).await;
        inner.dispatcher.shut();
        Shutdown { lost }
    }
}

impl Inner {
    fn lock_registration(&self) -> MutexGuard<'_, Option<Registration>> {
        self.registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Links up in memory, or has the engine try the routes over sockets.
    fn open_mailbox(&self, target: Target, mut report: Reporter) -> Mailbox {
        let detect = target.same_host == SameHost::Detect;
        if let Some(peer) = target.peer.as_ref().filter(|_| detect && self.inproc)
            && let Some(neighbour) = memory::find(self.namespace, peer)
        {
            match Memory::link_to(
                &neighbour,
                &self.in_memory,
                peer,
                &self.local.limits,
                &self.budget,
                report,
            ) {
                Ok(memory) => return Mailbox::in_memory(memory),
                Err(back) => report = back,
            }
        }
        let routes = self.routes_to(&target);
        if routes.is_empty() {
            return self.closed_mailbox(&report, CloseReason::NoRoute);
        }
        let mut local = self.local.clone();
        if let Some(mechanism) = &target.mechanism {
            #[cfg(feature = "zeromq")]
            if self.engine == Engine::ZeroMq && mechanism.name() != MechanismName::NULL {
                let why = OpenError::Mechanism(mechanism.name()).to_string();
                return self.closed_mailbox(&report, CloseReason::Handshake(why));
            }
            local.mechanism = Arc::clone(mechanism);
        }
        let dial = Dial {
            target,
            routes,
            local,
        };
        let parts = QueueParts {
            budget: Arc::clone(&self.budget),
            pace: Arc::clone(&self.pace),
            report,
        };
        let queue = match self.engine {
            Engine::Native => crate::native::open_mailbox(dial, parts, &self.runtime),
            #[cfg(feature = "zeromq")]
            Engine::ZeroMq => crate::zeromq_engine::open_mailbox(dial, parts, &self.runtime),
        };
        Mailbox::new(queue, self.local.limits.linger)
    }

    /// The routes over sockets, in the order in which they are tried.
    fn routes_to(&self, target: &Target) -> Vec<Route> {
        let mut routes = Vec::new();
        if let Some(path) = &target.ipc {
            routes.push(Route::Ipc(path.clone()));
        }
        if target.same_host == SameHost::Detect
            && target.addr.is_none_or(is_this_host)
            && let Some(home) = &self.ipc_home
            && let Some(path) = target.peer.as_ref().and_then(|peer| home.find(peer))
            && target.ipc.as_ref() != Some(&path)
        {
            routes.push(Route::Ipc(path));
        }
        routes.extend(target.addr.map(Route::Tcp));
        routes
    }

    /// A mailbox that is closed from the start.
    fn closed_mailbox(&self, report: &Reporter, reason: CloseReason) -> Mailbox {
        report.closed(reason, 0);
        Mailbox::new(ClosedQueue::new(&self.budget), self.local.limits.linger)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.lock_registration().take();
        // Dropping the server stops it.
        self.dispatcher.shut();
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("identity", &self.inner.local.identity)
            .field("engine", &self.inner.engine)
            .field("listening", &self.listening())
            .field("ipc_path", &self.inner.ipc_path)
            .finish_non_exhaustive()
    }
}

/// Whether an address is one of this host, as this thread sees it: a datagram
/// socket can be bound only to those. (Nothing is ever sent from it.)
fn is_this_host(addr: SocketAddr) -> bool {
    let mut local = addr;
    local.set_port(0);
    addr.ip().is_loopback() || (!addr.ip().is_unspecified() && UdpSocket::bind(local).is_ok())
}

/// The limits that an engine can keep.
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
            let advice = "it must be at least 1";
            return Err(OpenError::Limits {
                name,
                value,
                advice,
            });
        }
    }
    Ok(())
}
