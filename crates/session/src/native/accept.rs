//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::host::Host;
use super::reader;
use super::stream::Stream;
use crate::CloseReason;

/// A listening socket.
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, addr) = listener.accept().await?;
                Ok((Stream::tcp(stream)?, Some(addr)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }

    /// Whether a connection waits to be accepted. Without a free descriptor the system
    /// refuses to accept even if none does.
    #[cfg(unix)]
    fn has_waiting(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let mut listener = [match self {
            Self::Tcp(listener) => PollFd::new(listener, PollFlags::IN),
            Self::Unix(listener) => PollFd::new(listener, PollFlags::IN),
        }];
        poll(&mut listener, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    #[cfg(not(unix))]
    fn has_waiting(&self) -> bool {
        true
    }
}

/// The first pause after the system refused a connection, and the longest.
///
/// A descriptor may be free again in a moment; if not, trying a hundred times a
/// second would only take time from the rest of the process.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// How long to wait after failures in a row.
struct Pauses {
    next: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self { next: PAUSE.0 }
    }

    /// The pause after this failure; `None` if it is about one connection only.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        if is_about_the_connection(error) {
            return None;
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(PAUSE.1);
        Some(pause)
    }
}

/// Accepts until its task is aborted.
pub(super) async fn accept_all(listener: Listener, host: Arc<Host>) {
    let mut pauses = Pauses::new();
    loop {
        host.half_open.room().await;
        match listener.accept().await {
            Ok((stream, addr)) => {
                pauses = Pauses::new();
                let (slot, lost) = host.half_open.add();
                let task = reader::serve(Arc::clone(&host), stream, addr, slot, lost);
                host.runtime.spawn(task);
            }
            Err(error) => {
                let Some(pause) = pauses.after(&error) else {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                    continue;
                };
                // Out of descriptors or memory: the connection waits in the kernel's
                // backlog; half-open and silent ones are the cheapest to
                // lose.
                if listener.has_waiting() {
                    let reason = CloseReason::from_io(&error);
                    tracing::debug!(%reason, ?pause, "can't accept connections, will try again");
                    host.dispatcher.count(&reason);
                    host.half_open.evict_oldest();
                    host.dispatcher.evict_silent();
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Whether only this one connection failed, so that the next can be accepted
/// at once. Linux reports network errors of a connection here.
fn is_about_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::HostUnreachable
            | Kind::InvalidInput
            | Kind::NotConnected
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_process_make_the_next_connection_wait_ever_longer() {
        use io::ErrorKind as Kind;

        let mut pauses = Pauses::new();
        // Too many open files, in the process and in the system; out of memory.
        #[cfg(unix)]
        for (number, millis) in [(24, 5), (23, 10), (12, 20)] {
            let error = io::Error::from_raw_os_error(number);
            let pause = Duration::from_millis(millis);
            assert_eq!(pauses.after(&error), Some(pause), "{error}");
            for kind in [Kind::ConnectionAborted, Kind::HostUnreachable] {
                assert_eq!(pauses.after(&kind.into()), None, "{kind:?}");
            }
        }
        let unknown = || Kind::Other.into();
        let longest = (0..20).map(|_| pauses.after(&unknown())).max();
        assert_eq!(longest, Some(Some(PAUSE.1)));
    }
}
