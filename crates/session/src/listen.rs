//! Listening over tcp: the same free port on several addresses.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::OpenError;

/// How many ports are tried that are free on one of the addresses and may be taken
/// on another. A busy host has a few thousand of 28,000 ports in use: even ten
/// attempts would hardly ever fail.
const ATTEMPTS: usize = 64;

/// Connections that the kernel keeps until they are accepted: all nodes of a
/// segment dial a newcomer at once.
const BACKLOG: i32 = 1024;

/// Listens at each of the addresses. Those with port 0 get one port, free on
/// all of them.
///
/// # Errors
/// The first address at which we can't listen; what was bound is closed again.
pub(crate) fn listen(addrs: &[SocketAddr], freebind: bool) -> Result<Vec<TcpListener>, OpenError> {
    let free = addrs.iter().filter(|addr| addr.port() == 0).count();
    for _ in 0..ATTEMPTS {
        let mut port = 0;
        let mut listeners = Vec::with_capacity(addrs.len());
        let mut taken = false;
        for addr in addrs {
            let mut at = *addr;
            if at.port() == 0 {
                at.set_port(port);
            }
            match bind(at, freebind) {
                Ok(listener) => {
                    if addr.port() == 0 {
                        port = local(&listener, *addr)?.port();
                    }
                    listeners.push(listener);
                }
                Err(source) if is_taken(&source) => {
                    if addr.port() != 0 {
                        return Err(OpenError::InUse(*addr));
                    }
                    taken = true;
                    break;
                }
                Err(source) => {
                    return Err(OpenError::Listen {
                        addr: *addr,
                        source,
                    });
                }
            }
        }
        if !taken {
            return Ok(listeners);
        }
    }
    Err(OpenError::NoCommonPort { addrs: free })
}

/// The address of a listener.
pub(crate) fn local(listener: &TcpListener, addr: SocketAddr) -> Result<SocketAddr, OpenError> {
    listener
        .local_addr()
        .map_err(|source| OpenError::Listen { addr, source })
}

/// Listens at an address that an interface has just got; returns it with its port.
///
/// # Errors
/// We can't listen at it.
pub(crate) fn listen_also(addr: SocketAddr) -> Result<(SocketAddr, TcpListener), OpenError> {
    let listener = bind(addr, true).map_err(|source| match is_taken(&source) {
        true => OpenError::InUse(addr),
        false => OpenError::Listen { addr, source },
    })?;
    Ok((local(&listener, addr)?, listener))
}

/// Whether somebody else has the port. Windows calls it forbidden where another
/// holds it exclusively, or has reserved a range of ports.
fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
        || cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied
}

fn bind(addr: SocketAddr, freebind: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // So that 0.0.0.0 and :: can have the same port, one socket each.
        socket.set_only_v6(true)?;
    }
    // On Unix a port whose old connections linger can be had again. On Windows
    // that needs no option; this one means that others may bind to our port, and
    // without it no other user can (SO_EXCLUSIVEADDRUSE would add our own, at
    // the price of a port that can't be had again while connections linger).
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    if freebind {
        if addr.is_ipv6() {
            socket.set_freebind_v6(true)?;
        } else {
            socket.set_freebind_v4(true)?;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = freebind;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_free_port_for_all() {
        let addrs: Vec<SocketAddr> = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"]
            .iter()
            .map(|addr| addr.parse().unwrap())
            .collect();
        let listeners = listen(&addrs, false).unwrap();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert_ne!(ports[0], 0);
        assert_eq!(ports, [ports[0]; 3]);
    }

    #[test]
    fn a_fixed_port_in_use_is_an_error() {
        let first = listen(&["127.0.0.1:0".parse().unwrap()], false).unwrap();
        let addr = first[0].local_addr().unwrap();
        match listen(&[addr], true) {
            Err(OpenError::InUse(named)) => assert_eq!(named, addr),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_that_is_not_ours_is_an_error() {
        let addr = "203.0.113.7:0".parse().unwrap();
        assert!(matches!(
            listen(&[addr], false),
            Err(OpenError::Listen { .. })
        ));
    }
}
