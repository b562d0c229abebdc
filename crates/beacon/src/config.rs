//! What a beacon is to do: ports, groups, interfaces.

use std::net::{SocketAddr, SocketAddrV4};

use crate::error::OpenError;

/// The port that ZRE's beacons use (IANA: `zre-disc`).
pub const DEFAULT_PORT: u16 = 5670;

/// The variable that [`Interfaces::from_env`] reads.
const VARIABLE: &str = "ZRE_INTERFACE";

/// What [`Beacon::open`](crate::Beacon::open) opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The UDP port of broadcasts, and of each group whose own port is 0. Never 0: it is
    /// where strangers meet. Default: [`DEFAULT_PORT`].
    pub port: u16,
    /// The interfaces to send and listen on. Default: [`Interfaces::All`].
    pub interfaces: Interfaces,
    /// Multicast groups, IPv4 and IPv6, each heard and sent to on every chosen interface
    /// that has an address of its family. A port of 0 stands for [`port`](Self::port). A
    /// scope id other than 0 keeps the group to the interface of that index. Default: none.
    pub groups: Vec<SocketAddr>,
    /// Time to live (IPv4) or hop limit (IPv6) of what is sent, 0 to 255. 1, the default,
    /// keeps datagrams on the link; each multicast router on the way takes one more; 0
    /// keeps multicasts on this host. Broadcasts never pass a router, whatever this says,
    /// and go with at least 1, because the system has no 0 for them.
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
    /// Checks what can be judged without looking at the host, and gives each group its
    /// port; a group that is listed twice stays once.
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
    /// All that are up, loopback included: nodes of one host meet over it even where a
    /// firewall or a VPN eats multicasts, or no network is there.
    All,
    /// Those named: a name (`eth0`), or one of the interface's addresses (`192.168.1.7`,
    /// `fe80::1%eth0`), which then is the only one used. `loopback` names the loopback
    /// interface, whatever the system calls it.
    Named(Vec<String>),
    /// Loopback only: nothing leaves the host.
    Loopback,
}

impl Interfaces {
    /// What the environment variable `ZRE_INTERFACE` asks for: `*` for all, `lo` or
    /// `loopback` for loopback only, else names or addresses separated by commas. `None`
    /// where it is unset or empty.
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
    /// Neither sends nor hears broadcasts.
    Off,
    /// Each IPv4 interface's own broadcast address, 127.255.255.255 on loopback, at
    /// [`Config::port`]. What others send to 255.255.255.255 is heard as well.
    Auto,
    /// This address only, from each chosen interface whose broadcast address it is;
    /// 255.255.255.255 goes out on each chosen interface. A port of 0 stands for
    /// [`Config::port`].
    To(SocketAddrV4),
}

/// Where a datagram is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// One of the configured groups. A port of 0 means the group at whatever port it was
    /// configured with. A group that isn't configured takes nothing.
    Group(SocketAddr),
    /// All configured groups.
    Groups,
    /// The broadcast addresses.
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
    fn impossible_wishes_are_refused() {
        let wish = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.checked()
        };
        assert!(matches!(wish(|c| c.port = 0), Err(OpenError::PortZero)));
        assert!(matches!(
            wish(|c| c.ttl = 256),
            Err(OpenError::Ttl { ttl: 256 })
        ));
        assert!(matches!(
            wish(|c| c.groups = vec!["10.0.0.1:1".parse().unwrap()]),
            Err(OpenError::NotMulticast { .. })
        ));
        assert!(matches!(
            wish(|c| c.broadcast = Broadcast::To("239.0.0.1:1".parse().unwrap())),
            Err(OpenError::NotBroadcast { .. })
        ));
        assert!(matches!(
            wish(|c| c.broadcast = Broadcast::Off),
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
