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
}

/// The first pause after the system refused a connection, and the longest.
///
/// A descriptor may be free again in a moment; if not, trying a hundred times a
/// second would only take time from the rest of the process.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// Accepts until its task is aborted.
pub(super) async fn accept_all(listener: Listener, host: Arc<Host>) {
    let mut pause = PAUSE.0;
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => {
                pause = PAUSE.0;
                let (slot, lost) = host.half_open.add();
                let task = reader::serve(Arc::clone(&host), stream, addr, slot, lost);
                host.runtime.spawn(task);
            }
            Err(error) if is_about_the_connection(&error) => {
                tracing::debug!(%error, "a connection ended before it was accepted");
            }
            Err(error) => {
                // Out of descriptors or memory: the connection waits in the kernel's
                // backlog; half-open and silent ones are the cheapest to
                // lose.
                let reason = CloseReason::from_io(&error);
                tracing::debug!(%reason, ?pause, "can't accept connections, will try again");
                host.dispatcher.count(&reason);
                host.half_open.evict_oldest();
                host.dispatcher.evict_silent();
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(PAUSE.1);
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
    fn only_errors_of_the_process_make_the_next_connection_wait() {
        use io::ErrorKind as Kind;

        for kind in [Kind::ConnectionAborted, Kind::HostUnreachable] {
            assert!(is_about_the_connection(&kind.into()), "{kind:?}");
        }
        // Too many open files, in the process and in the system; out of memory.
        #[cfg(unix)]
        for number in [24, 23, 12] {
            let error = io::Error::from_raw_os_error(number);
            assert!(!is_about_the_connection(&error), "{error}");
        }
    }
}
