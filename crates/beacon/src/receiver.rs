//! Reading a receiving socket.
//!
//! On Linux a socket hears only its own destination and interface. On other systems `socket`
//! has to bind to the wildcard address; such a socket also hears unicast, groups that others on
//! this host have joined, and other interfaces, so each datagram's destination and interface
//! are checked.

use std::io;
use std::net::SocketAddr;
#[cfg(any(test, not(target_os = "linux")))]
use std::net::{IpAddr, Ipv4Addr};

use mio::net::UdpSocket;
use socket2::{Domain, Socket};
#[cfg(unix)]
use socket2::{Protocol, Type};

use crate::datagram::MAX_DATAGRAM;
use crate::interface::Interface;

/// The size of the buffer. One byte more than is accepted shows that a datagram is too long.
#[cfg(target_os = "linux")]
pub(crate) const BUFFER: usize = MAX_DATAGRAM + 1;

/// The size of the buffer: that of the longest datagram, because a system may drop or refuse a
/// datagram that doesn't fit, instead of cutting it.
#[cfg(not(target_os = "linux"))]
pub(crate) const BUFFER: usize = 1 << 16;

const _: () = assert!(
    BUFFER > MAX_DATAGRAM,
    "a datagram that is too long must be noticed"
);

/// A socket that hears one destination over one interface.
pub(crate) struct Receiver {
    socket: UdpSocket,
    reader: Reader,
    #[cfg(not(target_os = "linux"))]
    filter: Filter,
}

impl Receiver {
    /// Of a socket that has been bound.
    pub(crate) fn new(
        socket: Socket,
        reader: Reader,
        interface: &Interface,
        dest: SocketAddr,
    ) -> Self {
        #[cfg(target_os = "linux")]
        let _ = (interface, dest);
        Self {
            socket: UdpSocket::from_std(socket.into()),
            reader,
            #[cfg(not(target_os = "linux"))]
            filter: Filter::new(interface, dest),
        }
    }

    /// The socket to poll.
    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// A datagram's length and source; `None` if it isn't for this socket.
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        #[cfg(target_os = "linux")]
        return self.reader.recv(&self.socket, buffer).map(Some);
        #[cfg(not(target_os = "linux"))]
        {
            let (length, from, dest, index) = self.reader.recv(&self.socket, buffer)?;
            let wanted = self.filter.takes(from.ip(), dest, index);
            Ok(wanted.then_some((length, from)))
        }
    }
}

/// How a socket is read.
#[cfg(target_os = "linux")]
pub(crate) struct Reader;

#[cfg(target_os = "linux")]
impl Reader {
    pub(crate) fn open(domain: Domain) -> io::Result<(Socket, Self)> {
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        Ok((socket, Self))
    }

    fn recv(&self, socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        socket.recv_from(buffer)
    }
}

/// A datagram's length and source, and its destination and the index of its interface if the
/// system reports them.
#[cfg(not(target_os = "linux"))]
type Read = (usize, SocketAddr, Option<IpAddr>, Option<u32>);

/// How a socket is read.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) struct Reader(quinn_udp::UdpSocketState);

#[cfg(all(unix, not(target_os = "linux")))]
impl Reader {
    pub(crate) fn open(domain: Domain) -> io::Result<(Socket, Self)> {
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        let state = quinn_udp::UdpSocketState::new((&socket).into())?;
        Ok((socket, Self(state)))
    }

    fn recv(&self, socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Read> {
        let mut metas = [quinn_udp::RecvMeta::default()];
        let mut buffers = [io::IoSliceMut::new(buffer)];
        socket.try_io(|| self.0.recv(socket.into(), &mut buffers, &mut metas))?;
        let [meta] = metas;
        Ok((meta.len, meta.addr, meta.dst_ip, meta.interface_index))
    }
}

/// How a socket is read: by a second handle, because mio doesn't read the destination.
#[cfg(windows)]
pub(crate) struct Reader(socket_pktinfo::PktInfoUdpSocket);

#[cfg(windows)]
impl Reader {
    pub(crate) fn open(domain: Domain) -> io::Result<(Socket, Self)> {
        let reader = socket_pktinfo::PktInfoUdpSocket::new(domain)?;
        reader.set_nonblocking(true)?;
        let socket = reader.try_clone_std()?.into();
        Ok((socket, Self(reader)))
    }

    fn recv(&self, socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Read> {
        let (length, info) = socket.try_io(|| self.0.recv(buffer))?;
        let index = u32::try_from(info.if_index).ok();
        Ok((length, info.addr_src, Some(info.addr_dst), index))
    }
}

/// The destination and the interface of a socket.
#[cfg(any(test, not(target_os = "linux")))]
struct Filter {
    dest: IpAddr,
    interface: Interface,
}

#[cfg(any(test, not(target_os = "linux")))]
impl Filter {
    fn new(interface: &Interface, dest: SocketAddr) -> Self {
        Self {
            dest: dest.ip(),
            interface: interface.clone(),
        }
    }

    /// Whether a datagram is for this socket. What the system doesn't report counts as right,
    /// but for the interface of a datagram to 255.255.255.255, which is the same address on
    /// every interface: there the sender's subnet decides.
    ///
    /// A datagram from the interface's own address belongs to it, even if the system reports
    /// that it came back over loopback.
    fn takes(&self, from: IpAddr, dest: Option<IpAddr>, index: Option<u32>) -> bool {
        let right = match index {
            Some(index) => index == self.interface.index,
            None => self.dest != IpAddr::V4(Ipv4Addr::BROADCAST) || self.interface.contains(from),
        };
        dest.is_none_or(|dest| dest == self.dest) && (from == self.interface.addr || right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::made_up;

    fn takes(from: &str, dest: Option<&str>, index: Option<u32>) -> bool {
        takes_to("239.1.1.1:5670", from, dest, index)
    }

    fn takes_to(own: &str, from: &str, dest: Option<&str>, index: Option<u32>) -> bool {
        let eth0 = made_up("eth0", 2, "10.0.0.5", 24);
        let filter = Filter::new(&eth0, own.parse().unwrap());
        let dest = dest.map(|dest| dest.parse().unwrap());
        filter.takes(from.parse().unwrap(), dest, index)
    }

    #[test]
    fn only_the_own_destination_over_the_own_interface_is_taken() {
        assert!(takes("10.0.0.7", Some("239.1.1.1"), Some(2)));
        for (dest, index) in [
            ("239.1.1.2", 2),
            ("10.0.0.255", 2),
            ("10.0.0.5", 2),
            ("239.1.1.1", 3),
        ] {
            assert!(
                !takes("10.0.0.7", Some(dest), Some(index)),
                "{dest} {index}"
            );
        }
    }

    #[test]
    fn what_the_system_does_not_report_excludes_nothing() {
        assert!(takes("10.0.0.7", Some("239.1.1.1"), None));
        assert!(!takes("10.0.0.7", Some("10.0.0.255"), None));
        assert!(takes("10.0.0.7", None, None));
    }

    #[test]
    fn the_limited_broadcast_of_another_subnet_is_not_taken() {
        let limited = "255.255.255.255";
        let takes = |from, index| takes_to("255.255.255.255:5670", from, Some(limited), index);
        assert!(takes("10.0.0.7", None));
        assert!(!takes("10.0.1.7", None));
        // The interface is known: an address may be foreign, as without DHCP.
        assert!(takes("10.0.1.7", Some(2)));
        assert!(!takes("10.0.0.7", Some(3)));
    }

    #[test]
    fn an_echo_belongs_to_the_interface_that_sent_it() {
        assert!(takes("10.0.0.5", Some("239.1.1.1"), Some(1)));
        assert!(!takes("10.0.0.5", Some("10.0.0.255"), Some(1)));
    }
}
