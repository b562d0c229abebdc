//! Opening the sockets of a binding.
//!
//! A datagram that arrives on a socket must have come over the socket's own interface and to
//! its own group. By default Linux delivers every group that anybody on the host has joined,
//! and every broadcast, to each socket that is bound to the wildcard address. Therefore a
//! receiving socket is bound to the address that it hears and to its interface, and ignores
//! the memberships of others. Other systems don't allow all of that; there the
//! [`Receiver`] checks each datagram.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::interface::Interface;
use crate::receiver::{Reader, Receiver};

/// The buffer, in bytes, that the system is asked for: a thousand nodes may send in the same
/// millisecond. The system may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Why a socket couldn't be opened.
#[derive(Debug)]
pub(crate) enum SocketError {
    /// Another program holds the address and doesn't share it.
    InUse(SocketAddr),
    /// Anything else, with what was attempted.
    Other(&'static str, io::Error),
}

impl std::fmt::Display for SocketError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(addr) => write!(f, "UDP {addr} is held by another program"),
            Self::Other(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Adds to an error what was attempted.
trait During<T> {
    fn during(self, what: &'static str) -> Result<T, SocketError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: &'static str) -> Result<T, SocketError> {
        self.map_err(|error| SocketError::Other(what, error))
    }
}

/// A socket that sends from the interface's address over that interface. Its port is unique, so
/// that our own datagrams are recognised when they come back.
pub(crate) fn sender(interface: &Interface, ttl: u32) -> Result<UdpSocket, SocketError> {
    let socket = open(interface.addr.is_ipv6())?;
    // If two interfaces share a subnet, only this keeps each datagram on its own. Old kernels
    // ask for a privilege; without it the source address decides.
    let _ = keep_to(&socket, interface);
    match interface.addr {
        IpAddr::V4(addr) => {
            socket.set_broadcast(true).during("allow broadcast")?;
            socket
                .set_multicast_if_v4(&addr)
                .during("choose the interface")?;
            socket.set_multicast_loop_v4(true).during("loop back")?;
            socket.set_multicast_ttl_v4(ttl).during("set the TTL")?;
            socket.set_ttl_v4(ttl.max(1)).during("set the TTL")?;
        }
        IpAddr::V6(_) => {
            socket
                .set_multicast_if_v6(interface.index)
                .during("choose the interface")?;
            socket.set_multicast_loop_v6(true).during("loop back")?;
            socket
                .set_multicast_hops_v6(ttl)
                .during("set the hop limit")?;
        }
    }
    socket
        .bind(&interface.socket_addr(0).into())
        .during("bind to its address")?;
    Ok(socket.into())
}

/// Whether the system has a route from the interface to the address. Without one (IPv6
/// multicast over Linux's loopback) each send would fail. Nothing is sent.
pub(crate) fn probe(interface: &Interface, dest: SocketAddr) -> Result<(), SocketError> {
    let SocketAddr::V6(dest) = dest else {
        return Ok(());
    };
    let socket = open(true)?;
    let _ = keep_to(&socket, interface);
    socket
        .set_multicast_if_v6(interface.index)
        .during("choose the interface")?;
    let scoped = SocketAddrV6::new(*dest.ip(), dest.port(), 0, interface.index);
    socket
        .connect(&SocketAddr::V6(scoped).into())
        .during("send multicasts")
}

/// A socket that hears a group or a broadcast address over one interface.
pub(crate) fn receiver(interface: &Interface, dest: SocketAddr) -> Result<Receiver, SocketError> {
    let (socket, reader) = Reader::open(Domain::for_address(dest)).during("open a UDP socket")?;
    prepare(&socket, dest.is_ipv6())?;
    // Some programs that share the port set only the one, some only the other.
    socket.set_reuse_address(true).during("share the port")?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    socket.set_reuse_port(true).during("share the port")?;
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let kept = keep_to(&socket, interface);
    if dest.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) && cfg!(target_os = "linux") {
        // The limited broadcast address is the same on all interfaces: a socket that isn't
        // bound to one would receive the datagrams of all. Elsewhere the receiver checks
        // each datagram.
        kept.during("hear 255.255.255.255 over one interface only")?;
    }
    bind(&socket, dest)?;
    match dest {
        SocketAddr::V4(dest) if dest.ip().is_multicast() => {
            #[cfg(target_os = "linux")]
            socket
                .set_multicast_all_v4(false)
                .during("ignore memberships of others")?;
            join(&socket, dest.ip(), interface).during("join the group")?;
        }
        SocketAddr::V4(_) => {}
        SocketAddr::V6(dest) => {
            #[cfg(target_os = "linux")]
            socket
                .set_multicast_all_v6(false)
                .during("ignore memberships of others")?;
            socket
                .join_multicast_v6(dest.ip(), interface.index)
                .during("join the group")?;
        }
    }
    Ok(Receiver::new(socket, reader, interface, dest))
}

fn open(v6: bool) -> Result<Socket, SocketError> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket =
        Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).during("open a UDP socket")?;
    prepare(&socket, v6)?;
    Ok(socket)
}

fn prepare(socket: &Socket, v6: bool) -> Result<(), SocketError> {
    socket
        .set_nonblocking(true)
        .during("make a socket non-blocking")?;
    if v6 {
        socket.set_only_v6(true).during("keep a socket to IPv6")?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn keep_to(socket: &Socket, interface: &Interface) -> io::Result<()> {
    socket.bind_device(Some(interface.name.as_bytes()))
}

#[cfg(target_vendor = "apple")]
fn keep_to(socket: &Socket, interface: &Interface) -> io::Result<()> {
    let index = std::num::NonZeroU32::new(interface.index);
    if interface.addr.is_ipv6() {
        socket.bind_device_by_index_v6(index)
    } else {
        socket.bind_device_by_index_v4(index)
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn keep_to(_: &Socket, _: &Interface) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// By index, which stays the same when the interface's address changes.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn join(socket: &Socket, group: &Ipv4Addr, interface: &Interface) -> io::Result<()> {
    let index = socket2::InterfaceIndexOrAddress::Index(interface.index);
    socket.join_multicast_v4_n(group, &index)
}

/// By address: NetBSD and OpenBSD offer nothing else, and Wine takes an index for an address.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn join(socket: &Socket, group: &Ipv4Addr, interface: &Interface) -> io::Result<()> {
    match interface.addr {
        IpAddr::V4(addr) => socket.join_multicast_v4(group, &addr),
        IpAddr::V6(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Binds to the address itself if the system allows it, else to the wildcard address.
fn bind(socket: &Socket, dest: SocketAddr) -> Result<(), SocketError> {
    let itself = cfg!(target_os = "linux") || (cfg!(unix) && dest.ip().is_multicast());
    let addr = match dest {
        _ if itself => dest,
        SocketAddr::V4(dest) => (Ipv4Addr::UNSPECIFIED, dest.port()).into(),
        SocketAddr::V6(dest) => (Ipv6Addr::UNSPECIFIED, dest.port()).into(),
    };
    socket.bind(&addr.into()).map_err(|error| {
        // Windows reports an address that is held exclusively as forbidden.
        let held = error.kind() == io::ErrorKind::AddrInUse
            || cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied;
        if held {
            SocketError::InUse(addr)
        } else {
            SocketError::Other("bind to the address", error)
        }
    })
}
