//! The address of a node's inbox.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

/// The address of an inbox, as ZeroMQ writes it.
///
/// ```
/// use zre_proto::Endpoint;
///
/// let endpoint: Endpoint = "tcp://[fe80::1%3]:49152".parse()?;
/// assert_eq!(endpoint.to_string(), "tcp://[fe80::1%3]:49152");
/// // A scope means something on this host only, so it never goes on the wire.
/// assert_eq!(endpoint.to_wire(), "tcp://[fe80::1]:49152");
/// # Ok::<(), zre_proto::EndpointError>(())
/// ```
///
/// Two endpoints are equal if they mean the same address for this host. The scope of an
/// IPv6 address counts: on different links, different hosts may have the same
/// link-local address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `tcp://1.2.3.4:5` or `tcp://[fe80::1]:5`.
    Tcp(SocketAddr),
    /// `tcp://name:5`: a host name that has to be resolved.
    Host {
        /// The name, in lower case.
        host: Box<str>,
        /// The port, never 0.
        port: u16,
    },
    /// `ipc://path`: a Unix domain socket. A path that begins with `@` is
    /// ZeroMQ's notation for the abstract namespace.
    Ipc(Box<str>),
}

impl Endpoint {
    /// Reads an endpoint that a peer sent: as [`FromStr`], but it drops a scope, which
    /// means something on the peer's host only.
    ///
    /// # Errors
    /// As for [`FromStr`], except [`EndpointError::Scope`].
    pub fn from_wire(text: &str) -> Result<Self, EndpointError> {
        parse(text, true)
    }

    /// The text for the wire: as [`Display`](fmt::Display), without the scope.
    pub fn to_wire(&self) -> String {
        match self {
            Self::Tcp(SocketAddr::V6(address)) => {
                format!("tcp://[{}]:{}", address.ip(), address.port())
            }
            other => other.to_string(),
        }
    }

    /// The socket address, if it is known.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Host { .. } | Self::Ipc(_) => None,
        }
    }

    /// The IP address, if it is known.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// The TCP port, if it has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Host { port, .. } => Some(*port),
            Self::Ipc(_) => None,
        }
    }

    /// The same endpoint, with an IPv4 address in the form of an IPv6 one as the IPv4
    /// address that it leads to.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V4(ip) => Self::Tcp(SocketAddr::from((ip, address.port()))),
                IpAddr::V6(_) => Self::Tcp(address),
            },
            other => other,
        }
    }

    /// Whether another host that sends this endpoint can mean itself: not if it is a path,
    /// a loopback address, or one that stands for all hosts or for none. A name can
    /// still stand for such an address: see [`is_of_one_host`].
    pub fn is_of_another_host(&self) -> bool {
        match self {
            Self::Tcp(address) => {
                let ip = address.ip().to_canonical();
                is_of_one_host(ip) && !ip.is_loopback()
            }
            Self::Host { .. } => true,
            Self::Ipc(_) => false,
        }
    }

    /// The same endpoint over the interface with this index. Sets the scope of a
    /// link-local IPv6 address; no other address has a scope.
    #[must_use]
    pub fn with_scope(self, scope: u32) -> Self {
        match self {
            Self::Tcp(SocketAddr::V6(address)) => {
                let local = address.ip().is_unicast_link_local();
                let scope = if local { scope } else { 0 };
                let place = SocketAddrV6::new(*address.ip(), address.port(), 0, scope);
                Self::Tcp(SocketAddr::V6(place))
            }
            other => other,
        }
    }
}

/// Drops the flow label, and the scope of an address that isn't link-local.
impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let scope = match address {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        Self::Tcp(address).with_scope(scope)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The standard library writes `[ip%scope]:port`.
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Host { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Ipc(path) => write!(f, "ipc://{path}"),
        }
    }
}

/// Why text isn't an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It begins with neither `tcp://` nor `ipc://`.
    #[error("{0:?} doesn't begin with tcp:// or ipc://")]
    Transport(String),
    /// It has no port that can be dialled.
    #[error("{0:?} doesn't end in a port from 1 to 65535, as in tcp://192.168.1.2:5670")]
    Port(String),
    /// It has neither an IP address nor a host name. A wildcard can't be dialled.
    #[error("{0:?} names no host: give an IP address ([..] around IPv6) or a host name")]
    Host(String),
    /// The part after `%` in an IPv6 address isn't a number.
    #[error("the scope in {0:?} must be the interface's index, as in [fe80::1%2]")]
    Scope(String),
    /// An `ipc://` without a path, or with a NUL in its path.
    #[error("{0:?} has no usable path")]
    Path(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `tcp://v4:port`, `tcp://[v6]:port`, `tcp://[v6%index]:port`,
    /// `tcp://host:port` and `ipc://path`; also C Zyre's IPv6 without brackets,
    /// where the last colon begins the port.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text, false)
    }
}

/// Whether one host can have that address, which may be in the form of an IPv6 one:
/// unspecified, multicast and broadcast addresses stand for none or for many.
#[must_use]
pub fn is_of_one_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let special = match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    !special && !ip.is_multicast()
}

/// How many characters of a text an error repeats.
const QUOTED: usize = 80;

fn parse(text: &str, drop_scope: bool) -> Result<Endpoint, EndpointError> {
    let quoted = || text.chars().take(QUOTED).collect::<String>();
    if let Some(path) = text.strip_prefix("ipc://") {
        if path.is_empty() || path.contains('\0') {
            return Err(EndpointError::Path(quoted()));
        }
        return Ok(Endpoint::Ipc(path.into()));
    }
    let rest = text
        .strip_prefix("tcp://")
        .ok_or_else(|| EndpointError::Transport(quoted()))?;
    let (host, port) = rest
        .rsplit_once(':')
        .ok_or_else(|| EndpointError::Port(quoted()))?;
    let port = match port.parse::<u16>() {
        // `parse` accepts a leading plus sign.
        Ok(number) if number != 0 && !port.starts_with('+') => number,
        _ => return Err(EndpointError::Port(quoted())),
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Ok(ip) = host.parse::<std::net::Ipv4Addr>() {
        return Ok(Endpoint::Tcp(SocketAddr::from((ip, port))));
    }
    let (ip, scope) = split_scope(bracketed.unwrap_or(host));
    if let Ok(ip) = ip.parse::<Ipv6Addr>() {
        let scope = match scope {
            None => 0,
            Some(_) if drop_scope => 0,
            Some(scope) => scope.parse().map_err(|_| EndpointError::Scope(quoted()))?,
        };
        let address = SocketAddrV6::new(ip, port, 0, scope);
        return Ok(Endpoint::from(SocketAddr::V6(address)));
    }
    if bracketed.is_some() || !is_host_name(host) {
        return Err(EndpointError::Host(quoted()));
    }
    Ok(Endpoint::Host {
        host: host.to_ascii_lowercase().into(),
        port,
    })
}

fn split_scope(host: &str) -> (&str, Option<&str>) {
    match host.split_once('%') {
        Some((ip, scope)) => (ip, Some(scope)),
        None => (host, None),
    }
}

/// The host names of RFC 1123, and the underscore that mDNS and containers use. A name
/// of digits and dots alone is a mistyped address.
fn is_host_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
        && !name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_survive_as_text() {
        for text in [
            "tcp://1.2.3.4:5",
            "tcp://[fe80::1]:5",
            "tcp://[fe80::1%7]:5",
            "tcp://[::1]:65535",
            "tcp://camera-1.local:49152",
            "tcp://a_b:1",
            "ipc:///run/user/0/zre/x",
            "ipc://@abstract",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(
                Endpoint::from_wire(&endpoint.to_wire()),
                text.replace("%7", "").parse()
            );
        }
    }

    #[test]
    fn ipv6_without_brackets_ends_at_the_last_colon() {
        assert_eq!(
            "tcp://fe80::1:5".parse(),
            "tcp://[fe80::1]:5".parse::<Endpoint>()
        );
        assert_eq!(
            "tcp://fe80::1%2:5".parse(),
            "tcp://[fe80::1%2]:5".parse::<Endpoint>()
        );
    }

    #[test]
    fn a_scope_from_the_wire_is_dropped() {
        let theirs = "tcp://[fe80::1%eth0]:5";
        assert!(matches!(
            theirs.parse::<Endpoint>(),
            Err(EndpointError::Scope(_))
        ));
        let heard = Endpoint::from_wire(theirs).unwrap();
        assert_eq!(heard.to_string(), "tcp://[fe80::1]:5");
        let dialled = heard.clone().with_scope(3);
        assert_eq!(dialled.to_string(), "tcp://[fe80::1%3]:5");
        assert_eq!(dialled.to_wire(), heard.to_string());
        assert_ne!(dialled, heard);
        let global: Endpoint = "tcp://[2001:db8::1]:5".parse().unwrap();
        assert_eq!(global.clone().with_scope(3), global);
        assert_eq!("tcp://[2001:db8::1%3]:5".parse(), Ok(global));
    }

    #[test]
    fn text_that_cannot_be_dialled_is_refused() {
        use EndpointError as E;
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err();
        assert!(matches!(error(""), E::Transport(_)));
        assert!(matches!(error("udp://1.2.3.4:5"), E::Transport(_)));
        assert!(matches!(error("tcp://1.2.3.4"), E::Port(_)));
        assert!(matches!(error("tcp://1.2.3.4:0"), E::Port(_)));
        assert!(matches!(error("tcp://1.2.3.4:+5"), E::Port(_)));
        assert!(matches!(error("tcp://1.2.3.4:65536"), E::Port(_)));
        assert!(matches!(error("tcp://*:5"), E::Host(_)));
        assert!(matches!(error("tcp://:5"), E::Host(_)));
        assert!(matches!(error("tcp://[host]:5"), E::Host(_)));
        assert!(matches!(error("tcp://1.2.3.400:5"), E::Host(_)));
        assert!(matches!(error("tcp://a b:5"), E::Host(_)));
        assert!(matches!(error("tcp://[fe80::1:5"), E::Host(_)));
        assert!(matches!(error("ipc://"), E::Path(_)));
        assert!(error(&"x".repeat(1 << 20)).to_string().len() < 200);
    }
}
