//! Settings of a beacon: port, groups, interfaces.

use std::net::{SocketAddr, SocketAddrV4};

use crate::error::OpenError;

/// The port that ZRE's beacons use (IANA: `zre-disc`).
pub const DEFAULT_PORT: u16 = 5670;

/// The variable that [`Interfaces::from_env`] reads.
const VARIABLE: &str = "ZRE_INTERFACE";

/// What [`Beacon::open`](crate::Beacon::open) opens.
///
/// ```
/// let mut config = zre_beacon::Config::default();
/// config.groups.push("239.192.56.70:0".parse()?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The UDP port of broadcasts, and of each group whose own port is 0. It can't be 0: the
    /// senders have to know it. Default: [`DEFAULT_PORT`].
    pub port: u16,
    /// The interfaces to send and listen on. Default: [`Interfaces::All`].
    pub interfaces: Interfaces,
    /// Multicast groups, IPv4 and IPv6. Each is heard and sent to on every chosen interface
    /// that has an address of its family. A port of 0 stands for [`port`](Self::port). A
    /// scope id other than 0 keeps the group to the interface of that index. Default: none.
    pub groups: Vec<SocketAddr>,
    /// Time to live (IPv4) or hop limit (IPv6) of sent datagrams, 0 to 255. 1, the default,
    /// keeps them on the link; each multicast router on the way needs one more; 0 keeps
    /// multicasts on this host. Broadcasts never pass a router, and always have at least 1,
    /// because the system allows no 0 for them.
    pub ttl: u32,
    /// Whether and where to broadcast. Default: [`Broadcast::Auto`].
    pub broadcast: Broadcast,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            interfaces: Interfaces::All,
            groups: Vec::new(),
            ttl: 1,
            broadcast: Broadcast::Auto,
        }
    }
}

impl Config {
    /// Checks everything that doesn't depend on the host, gives each group its port, and drops
    /// duplicate groups.
    pub(crate) fn checked(mut self) -> Result<Self, OpenError> {
        if self.port == 0 {
            return Err(OpenError::PortZero);
        }
        if self.ttl > 255 {
            return Err(OpenError::Ttl { ttl: self.ttl });
        }
        let mut groups: Vec<SocketAddr> = Vec::with_capacity(self.groups.len());
        for mut group in self.groups {
            if !group.ip().is_multicast() {
                return Err(OpenError::NotMulticast { addr: group });
            }
            if group.port() == 0 {
                group.set_port(self.port);
            }
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        self.groups = groups;
        if let Broadcast::To(addr) = &mut self.broadcast {
            if addr.ip().is_multicast() || addr.ip().is_unspecified() {
                return Err(OpenError::NotBroadcast { addr: *addr });
            }
            if addr.port() == 0 {
                addr.set_port(self.port);
            }
        }
        if self.groups.is_empty() && self.broadcast == Broadcast::Off {
            return Err(OpenError::Nowhere);
        }
        Ok(self)
    }
}

/// Which interfaces a beacon uses.
///
/// ```
/// use zre_beacon::Interfaces;
///
/// let wired = Interfaces::Named(vec!["eth0".into()]);
/// assert!(Interfaces::Loopback.resolve()?.iter().all(|interface| interface.loopback));
/// # drop(wired);
/// # Ok::<(), zre_beacon::OpenError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interfaces {
    /// All that are up, loopback included: over it nodes of one host meet even if a firewall
    /// or a VPN drops multicasts, or there is no network.
    All,
    /// The named ones: by name (`eth0`), or by address (`192.168.1.7`, `fe80::1%eth0`), which
    /// is then the only one used. `loopback` names the loopback interface on every system.
    /// It is an error if none of the names exists; a missing one among others, and an
    /// interface that has no address yet, are used as soon as they appear.
    Named(Vec<String>),
    /// Loopback only: nothing leaves the host.
    Loopback,
}

impl Interfaces {
    /// The choice in the environment variable `ZRE_INTERFACE`: `*` for all, `lo` or
    /// `loopback` for loopback only, else names or addresses separated by commas. `None` if it
    /// is unset or empty.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        Self::parse(&std::env::var(VARIABLE).ok()?)
    }

    /// Reads what [`from_env`](Self::from_env) reads. `None` where nothing is named.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let names: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        match names.as_slice() {
            [] => None,
            ["lo" | "loopback"] => Some(Self::Loopback),
            names if names.contains(&"*") => Some(Self::All),
            names => Some(Self::Named(
                names.iter().map(|&name| name.to_owned()).collect(),
            )),
        }
    }
}

/// Whether and where a beacon broadcasts (IPv4 only; IPv6 has no broadcast).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broadcast {
    /// Doesn't send or hear broadcasts.
    Off,
    /// Each IPv4 interface's own broadcast address, 127.255.255.255 on loopback, at
    /// [`Config::port`]. Broadcasts of others to 255.255.255.255 are heard as well.
    Auto,
    /// This address only, from each chosen interface whose broadcast address it is;
    /// 255.255.255.255 goes out on each chosen interface. A port of 0 stands for
    /// [`Config::port`].
    To(SocketAddrV4),
}

/// Where to send a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// One of the configured groups. A port of 0 means the configured one. Nothing is sent to
    /// a group that isn't configured.
    Group(SocketAddr),
    /// All configured groups.
    Groups,
    /// The configured groups of one address family on each network, IPv4 if it has it. Not on
    /// loopback if another interface multicasts: the system hands those datagrams to the
    /// programs of this host as well.
    EachNetwork,
    /// The broadcast addresses.
    Broadcast,
}

/// How a datagram was sent. There is no unicast: the sockets are bound to groups and
/// broadcast addresses, so that only senders on the link can reach them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CastKind {
    /// To a multicast group.
    Multicast,
    /// To a broadcast address.
    Broadcast,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read() {
        assert_eq!(Interfaces::parse(""), None);
        assert_eq!(Interfaces::parse(" , "), None);
        assert_eq!(Interfaces::parse("*"), Some(Interfaces::All));
        assert_eq!(Interfaces::parse("eth0,*"), Some(Interfaces::All));
        assert_eq!(Interfaces::parse("lo"), Some(Interfaces::Loopback));
        assert_eq!(Interfaces::parse(" loopback "), Some(Interfaces::Loopback));
        assert_eq!(
            Interfaces::parse("eth0, 10.0.0.1"),
            Some(Interfaces::Named(vec!["eth0".into(), "10.0.0.1".into()]))
        );
    }

    #[test]
    fn impossible_settings_are_refused() {
        let checked = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.checked()
        };
        assert!(matches!(checked(|c| c.port = 0), Err(OpenError::PortZero)));
        assert!(matches!(
            checked(|c| c.ttl = 256),
            Err(OpenError::Ttl { ttl: 256 })
        ));
        let farthest = checked(|c| {
            c.ttl = 255;
            c.groups = vec!["239.0.0.1:1".parse().unwrap()];
        });
        assert_eq!(farthest.unwrap().ttl, 255);
        assert!(matches!(
            checked(|c| c.groups = vec!["10.0.0.1:1".parse().unwrap()]),
            Err(OpenError::NotMulticast { .. })
        ));
        assert!(matches!(
            checked(|c| c.broadcast = Broadcast::To("239.0.0.1:1".parse().unwrap())),
            Err(OpenError::NotBroadcast { .. })
        ));
        assert!(matches!(
            checked(|c| c.broadcast = Broadcast::Off),
            Err(OpenError::Nowhere)
        ));
    }

    #[test]
    fn port_zero_of_a_group_is_the_common_port() {
        let config = Config {
            port: 7000,
            groups: vec![
                "239.1.1.1:0".parse().unwrap(),
                "239.1.1.1:7000".parse().unwrap(),
                "239.1.1.1:7001".parse().unwrap(),
            ],
            broadcast: Broadcast::To("255.255.255.255:0".parse().unwrap()),
            ..Config::default()
        }
        .checked()
        .unwrap();
        assert_eq!(
            config.groups,
            [
                "239.1.1.1:7000".parse().unwrap(),
                "239.1.1.1:7001".parse().unwrap()
            ]
        );
        assert_eq!(
            config.broadcast,
            Broadcast::To("255.255.255.255:7000".parse().unwrap())
        );
    }
}
