//! Checks that datagrams sent over an interface come back to this host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use zre::{Broadcast, Interface, Uuid};

use super::finding::Finding;
use super::firewall::permission;

/// How long to wait for a datagram: it stays on the host, but the host may be busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of copies, because one may get lost if a queue is full.
const COPIES: u32 = 3;

/// The advice if a firewall rule for outgoing datagrams refuses to send.
const REFUSED: &str = "a firewall rule on this host refuses what leaves (see `firewall` below): \
     allow UDP to this port";

/// The command that adds a route for multicast.
fn no_route(interface: &str) -> String {
    match cfg!(target_os = "linux") {
        true => format!(
            "there is no route for it: ip route add 224.0.0.0/4 dev {interface} (IPv6: \
             ip -6 route add ff00::/8 dev {interface} table local)"
        ),
        false => format!(
            "there is no route for it over {interface}: add one, or choose other interfaces \
             by --interface"
        ),
    }
}

/// A path that beacons take: an interface and a destination.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) interface: Interface,
    pub(crate) dest: SocketAddr,
}

/// The paths from an interface. IPv6 has no multicast over loopback.
pub(crate) fn ways(
    interface: &Interface,
    groups: &[SocketAddr],
    broadcast: Broadcast,
    port: u16,
) -> Vec<Way> {
    let mut dests: Vec<SocketAddr> = groups
        .iter()
        .filter(|group| group.is_ipv4() == interface.addr.is_ipv4())
        .filter(|group| group.is_ipv4() || !interface.loopback)
        .map(|group| {
            let port = if group.port() == 0 {
                port
            } else {
                group.port()
            };
            match group {
                SocketAddr::V4(group) => (*group.ip(), port).into(),
                SocketAddr::V6(group) => {
                    SocketAddrV6::new(*group.ip(), port, 0, interface.index).into()
                }
            }
        })
        .collect();
    match (broadcast, interface.broadcast) {
        (Broadcast::Auto, Some(own)) => dests.push((own, port).into()),
        (Broadcast::To(to), Some(own)) if *to.ip() == own || *to.ip() == Ipv4Addr::BROADCAST => {
            let port = if to.port() == 0 { port } else { to.port() };
            dests.push((*to.ip(), port).into());
        }
        _ => {}
    }
    let way = |dest| Way {
        interface: interface.clone(),
        dest,
    };
    dests.into_iter().map(way).collect()
}

impl Way {
    /// Sends a few bytes that aren't a beacon, and waits for them. Blocks for up to
    /// [`PATIENCE`].
    pub(crate) fn examine(&self, ttl: u32) -> Finding {
        let check = match self.dest.ip().is_multicast() {
            true => "multicast",
            false => "broadcast",
        };
        let way = format!("{} over {}", self.dest, self.interface);
        match self.echo(ttl) {
            Ok(true) => Finding::ok(check, format!("{way} leaves and comes back")),
            Ok(false) => Finding::problem(
                check,
                format!("{way} leaves and doesn't come back"),
                format!(
                    "a firewall rule on this host drops what arrives (see `firewall` below): {}",
                    permission(self.dest.port())
                ),
            ),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Finding::problem(check, format!("{way} can't be sent: {error}"), REFUSED)
            }
            Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => Finding::problem(
                check,
                format!("{way} can't be sent: {error}"),
                no_route(&self.interface.name),
            ),
            Err(error) => Finding::problem(
                check,
                format!("{way} can't be tried: {error}"),
                "choose other interfaces with --interface, or groups with --multicast",
            ),
        }
    }

    fn echo(&self, ttl: u32) -> io::Result<bool> {
        let receiver = self.receiver()?;
        let sender = self.sender(ttl)?;
        // The thread of pyre ends on some datagrams that begin with "ZRE"; it ignores
        // this one, as all implementations do.
        let payload = [&b"zre doctor "[..], Uuid::new_v4().as_bytes()].concat();
        let mut buffer = [0; 64];
        for _ in 0..COPIES {
            sender.send_to(&payload, self.dest)?;
            let until = Instant::now() + PATIENCE / COPIES;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                receiver.set_read_timeout(Some(left))?;
                match receiver.recv_from(&mut buffer) {
                    Ok((length, _)) if buffer.get(..length) == Some(&payload) => return Ok(true),
                    Ok(_) => {}
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::WouldBlock
                                | io::ErrorKind::TimedOut
                                | io::ErrorKind::Interrupted
                        ) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(false)
    }

    fn receiver(&self) -> io::Result<UdpSocket> {
        let socket = self.open()?;
        socket.set_reuse_address(true)?;
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        socket.set_reuse_port(true)?;
        self.keep(&socket);
        let itself = cfg!(target_os = "linux") || (cfg!(unix) && self.dest.ip().is_multicast());
        let addr = match (itself, self.dest) {
            (true, dest) => dest,
            (false, SocketAddr::V4(dest)) => (Ipv4Addr::UNSPECIFIED, dest.port()).into(),
            (false, SocketAddr::V6(dest)) => (std::net::Ipv6Addr::UNSPECIFIED, dest.port()).into(),
        };
        socket.bind(&addr.into())?;
        match (self.dest, self.interface.addr) {
            (SocketAddr::V4(dest), IpAddr::V4(addr)) if dest.ip().is_multicast() => {
                socket.join_multicast_v4(dest.ip(), &addr)?
            }
            (SocketAddr::V4(_), _) => {}
            (SocketAddr::V6(dest), _) => {
                socket.join_multicast_v6(dest.ip(), self.interface.index)?
            }
        }
        Ok(socket.into())
    }

    fn sender(&self, ttl: u32) -> io::Result<UdpSocket> {
        let socket = self.open()?;
        self.keep(&socket);
        match self.interface.addr {
            IpAddr::V4(addr) => {
                socket.set_multicast_if_v4(&addr)?;
                socket.set_multicast_loop_v4(true)?;
                socket.set_multicast_ttl_v4(ttl)?;
                socket.set_broadcast(true)?;
            }
            IpAddr::V6(_) => {
                socket.set_multicast_if_v6(self.interface.index)?;
                socket.set_multicast_loop_v6(true)?;
                socket.set_multicast_hops_v6(ttl)?;
            }
        }
        socket.bind(&self.interface.socket_addr(0).into())?;
        Ok(socket.into())
    }

    fn open(&self) -> io::Result<Socket> {
        let domain = match self.dest {
            SocketAddr::V4(_) => Domain::IPV4,
            SocketAddr::V6(_) => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if self.dest.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    }

    /// If the system supports it: ignores datagrams that arrive over another interface.
    fn keep(&self, socket: &Socket) {
        #[cfg(target_os = "linux")]
        let _ = socket.bind_device(Some(self.interface.name.as_bytes()));
        #[cfg(not(target_os = "linux"))]
        let _ = socket;
    }
}
