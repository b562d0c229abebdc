//! Sending sockets, and how our own datagrams are recognised when they come back.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the address of a closed socket still counts as ours: a datagram that it sent may
/// wait in a receiving socket while the beacon thread is busy.
const LINGER: Duration = Duration::from_secs(1);

/// The addresses from which this process sends in a namespace. A datagram from one of them is
/// an echo. The value is when the socket was closed.
#[derive(Debug, Default)]
pub(crate) struct OwnSources(Mutex<HashMap<SocketAddr, Option<Instant>>>);

impl OwnSources {
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
    pub(crate) local: SocketAddr,
    own: Arc<OwnSources>,
}

impl Sender {
    pub(crate) fn new(socket: UdpSocket, own: &Arc<OwnSources>) -> io::Result<Self> {
        let local = plain(socket.local_addr()?);
        own.add(local);
        Ok(Self {
            socket,
            local,
            own: Arc::clone(own),
        })
    }

    pub(crate) fn send(&self, payload: &[u8], dest: SocketAddr) -> io::Result<()> {
        until_sent(|| self.socket.send_to(payload, dest))
    }
}

/// Sends until the system took the datagram or failed for a reason of its own: it may report
/// the late answer to an earlier datagram at the next call.
fn until_sent(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    let mut retry = true;
    loop {
        match send() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if retry
                    && matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
                    ) =>
            {
                retry = false;
            }
            Err(error) => return Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How sending ends if the system gives these answers, and how many it was asked for.
    fn send(answers: &[io::ErrorKind]) -> (Result<(), io::ErrorKind>, usize) {
        let mut calls = 0;
        let result = until_sent(|| {
            calls += 1;
            answers
                .get(calls - 1)
                .map_or(Ok(1), |&kind| Err(kind.into()))
        });
        (result.map_err(|error| error.kind()), calls)
    }

    #[test]
    fn the_late_answer_to_an_earlier_datagram_costs_no_other() {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, PermissionDenied};

        for late in [ConnectionRefused, ConnectionReset] {
            assert_eq!(send(&[late]), (Ok(()), 2));
            assert_eq!(send(&[Interrupted, late, Interrupted]), (Ok(()), 4));
            // Another may be about this one.
            assert_eq!(send(&[late, late]), (Err(late), 2));
        }
        assert_eq!(send(&[PermissionDenied]), (Err(PermissionDenied), 1));
    }
}
