//! A binding: the sockets and figures of one beacon on one address of one interface.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::CastKind;
use crate::interface::Interface;
use crate::plan::Plan;
use crate::sender::Sender;
use crate::stats::InterfaceStats;

/// The shortest time between two log lines about the same trouble of an interface: a beacon
/// is sent each second, and an unplugged cable is worth one line.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What a beacon has opened on one address of one interface.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) plan: Plan,
    /// The plan's interface, with what was found wrong when its sockets were opened.
    pub(crate) interface: Interface,
    pub(crate) sender: Option<Arc<Sender>>,
    /// Targets to which the system has no route from here.
    pub(crate) unreachable: Vec<SocketAddr>,
    /// Whether something can be sent and something heard.
    pub(crate) usable: bool,
    pub(crate) counters: Arc<BindingCounters>,
}

impl Binding {
    /// The source address of datagrams to a target, if any can be sent there.
    pub(crate) fn source(&self, dest: SocketAddr) -> Option<SocketAddr> {
        let sender = self.sender.as_ref()?;
        (!self.unreachable.contains(&dest)).then_some(sender.local)
    }

    /// Whether it sends and hears multicasts.
    pub(crate) fn multicasts(&self) -> bool {
        let mut targets = self.plan.sends.iter();
        self.usable
            && targets.any(|target| {
                target.cast == CastKind::Multicast && self.source(target.dest).is_some()
            })
    }

    /// Sends a datagram, counts it, and returns whether it was sent.
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
                self.counters.record_error(&self.interface, "send", &error);
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

/// The figures behind [`InterfaceStats`].
#[derive(Debug, Default)]
pub(crate) struct BindingCounters {
    pub(crate) sent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) receive_errors: AtomicU64,
    last_error: Mutex<Option<LoggedError>>,
}

#[derive(Debug)]
struct LoggedError {
    code: Option<i32>,
    text: String,
    logged: Instant,
}

impl BindingCounters {
    fn lock(&self) -> MutexGuard<'_, Option<LoggedError>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn last_error(&self) -> Option<String> {
        self.lock().as_ref().map(|last| last.text.clone())
    }

    /// Keeps the error for the statistics. Logs it unless the same error was logged recently.
    pub(crate) fn record_error(&self, interface: &Interface, doing: &str, error: &io::Error) {
        let code = error.raw_os_error();
        let mut last = self.lock();
        let logged = last
            .as_ref()
            .is_some_and(|last| last.code == code && last.logged.elapsed() < LOG_EVERY);
        if !logged {
            tracing::debug!(%interface, %error, "can't {doing}");
            *last = Some(LoggedError {
                code,
                text: format!("{doing}: {error}"),
                logged: Instant::now(),
            });
        }
    }
}
