//! A lane: what one beacon has on one address of one interface.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::interface::Interface;
use crate::plan::Plan;

/// How often an interface's troubles are logged: a beacon goes out each second, and an
/// unplugged cable is news once.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How long a closed socket's address still counts as ours. What it sent may wait in a
/// receiving socket for as long as the beacon thread is held up.
const LINGER: Duration = Duration::from_secs(1);

/// The addresses from which this process sends in a namespace: what comes from them is an
/// echo.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<HashMap<SocketAddr, Option<Instant>>>);

impl Own {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Option<Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, addr: SocketAddr) {
        let mut sources = self.lock();
        sources.retain(|_, closed| closed.is_none_or(|at| at.elapsed() < LINGER));
        sources.insert(addr, None);
    }

    fn retire(&self, addr: SocketAddr) {
        if let Some(closed) = self.lock().get_mut(&addr) {
            *closed = Some(Instant::now());
        }
    }

    pub(crate) fn contains(&self, addr: SocketAddr) -> bool {
        self.lock()
            .get(&addr)
            .is_some_and(|closed| closed.is_none_or(|at| at.elapsed() < LINGER))
    }
}

/// A sending socket, shared by all beacons of the process that send from its address with
/// its TTL.
#[derive(Debug)]
pub(crate) struct Sender {
    socket: UdpSocket,
    local: SocketAddr,
    own: Arc<Own>,
}

impl Sender {
    pub(crate) fn new(socket: UdpSocket, own: &Arc<Own>) -> io::Result<Self> {
        let local = plain(socket.local_addr()?);
        own.add(local);
        Ok(Self {
            socket,
            local,
            own: Arc::clone(own),
        })
    }

    fn send(&self, payload: &[u8], dest: SocketAddr) -> io::Result<()> {
        let mut again = true;
        loop {
            match self.socket.send_to(payload, dest) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // May be the late answer to an earlier datagram, which the system hands to
                // whoever calls next.
                Err(error)
                    if again
                        && matches!(
                            error.kind(),
                            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
                        ) =>
                {
                    again = false;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.own.retire(self.local);
    }
}

/// The address without IPv6's flow label, so that equal sources compare equal.
pub(crate) fn plain(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(mut v6) => {
            v6.set_flowinfo(0);
            v6.into()
        }
        v4 @ SocketAddr::V4(_) => v4,
    }
}

/// What a beacon has on one address of one interface.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) plan: Plan,
    /// The plan's interface, with what was found wrong when its sockets were opened.
    pub(crate) interface: Interface,
    pub(crate) sender: Option<Arc<Sender>>,
    /// Targets to which the system has no route from here.
    pub(crate) unreachable: Vec<SocketAddr>,
    /// Whether something can be sent and something heard.
    pub(crate) usable: bool,
    pub(crate) counters: Arc<LaneCounters>,
}

impl Lane {
    /// The source of what goes to a target from here, if something can.
    pub(crate) fn source(&self, dest: SocketAddr) -> Option<SocketAddr> {
        let sender = self.sender.as_ref()?;
        (!self.unreachable.contains(&dest)).then_some(sender.local)
    }

    /// Sends, and counts. Whether it left.
    pub(crate) fn send(&self, payload: &[u8], dest: SocketAddr) -> bool {
        let Some(sender) = &self.sender else {
            return false;
        };
        if self.unreachable.contains(&dest) {
            return false;
        }
        match sender.send(payload, dest) {
            Ok(()) => {
                self.counters.sent.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(error) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                self.counters.complain(&self.interface, "send", &error);
                false
            }
        }
    }

    pub(crate) fn stats(&self) -> InterfaceStats {
        let counters = &self.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        InterfaceStats {
            interface: self.interface.clone(),
            usable: self.usable,
            sent: load(&counters.sent),
            failed: load(&counters.failed),
            received: load(&counters.received),
            receive_errors: load(&counters.receive_errors),
            last_error: counters.last_error(),
        }
    }
}

/// What happened on an address of an interface, for one beacon.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceStats {
    /// The interface; its `problem` is what was found when its sockets were opened.
    pub interface: Interface,
    /// Whether something can be sent and something heard over it.
    pub usable: bool,
    /// Datagrams that left.
    pub sent: u64,
    /// Datagrams that the system refused to send.
    pub failed: u64,
    /// Datagrams from the network that were handed over. What is heard over an interface
    /// counts at the first of its addresses that hears.
    pub received: u64,
    /// Errors that the system reported on receiving.
    pub receive_errors: u64,
    /// The latest kind of error, if there was one since the beacon was opened.
    pub last_error: Option<String>,
}

/// The figures behind [`InterfaceStats`].
#[derive(Debug, Default)]
pub(crate) struct LaneCounters {
    pub(crate) sent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) receive_errors: AtomicU64,
    complaint: Mutex<Option<Complaint>>,
}

#[derive(Debug)]
struct Complaint {
    code: Option<i32>,
    text: String,
    logged: Instant,
}

impl LaneCounters {
    fn complaint(&self) -> MutexGuard<'_, Option<Complaint>> {
        self.complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn last_error(&self) -> Option<String> {
        self.complaint().as_ref().map(|c| c.text.clone())
    }

    /// Keeps the error for the statistics and logs it, unless the same was logged lately.
    pub(crate) fn complain(&self, interface: &Interface, doing: &str, error: &io::Error) {
        let code = error.raw_os_error();
        let mut complaint = self.complaint();
        let old_news = complaint
            .as_ref()
            .is_some_and(|last| last.code == code && last.logged.elapsed() < LOG_EVERY);
        if !old_news {
            tracing::debug!(%interface, %error, "can't {doing}");
            *complaint = Some(Complaint {
                code,
                text: format!("{doing}: {error}"),
                logged: Instant::now(),
            });
        }
    }
}
