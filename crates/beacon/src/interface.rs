//! The host's interfaces, and which of them are chosen.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use if_addrs::{IfAddr, IfOperStatus};

use crate::config::Interfaces;
use crate::error::OpenError;

/// An address of a network interface: an interface with three addresses is listed three
/// times.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Interface {
    /// The interface's name, as the system has it.
    pub name: Arc<str>,
    /// The interface's index: unique while it exists, and the scope id of its link-local
    /// addresses.
    pub index: u32,
    /// The address.
    pub addr: IpAddr,
    /// How many leading bits of the address name its subnet.
    pub prefix: u8,
    /// Whether the interface is the loopback.
    pub loopback: bool,
    /// Whether it has one peer only (a tunnel): it has no broadcast, and often carries no
    /// multicast.
    pub point_to_point: bool,
    /// The subnet's broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// What keeps it from being used, if anything does.
    pub problem: Option<Arc<str>>,
}

impl Interface {
    /// The scope id that the address needs: the index for link-local IPv6, else 0.
    #[must_use]
    pub fn scope_id(&self) -> u32 {
        match self.addr {
            IpAddr::V6(addr) if addr.is_unicast_link_local() => self.index,
            _ => 0,
        }
    }

    /// The address with a port, and with its scope.
    #[must_use]
    pub fn socket_addr(&self, port: u16) -> SocketAddr {
        match self.addr {
            IpAddr::V4(addr) => (addr, port).into(),
            IpAddr::V6(addr) => SocketAddrV6::new(addr, port, 0, self.scope_id()).into(),
        }
    }

    /// Whether an address lies in this one's subnet.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32u32.saturating_sub(self.prefix.into());
                u32::from(own).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128u32.saturating_sub(self.prefix.into());
                u128::from(own).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }

    /// Whether it is the same address of the same interface, in whatever condition.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.index == other.index && self.addr == other.addr
    }

    fn is_called(&self, name: &str) -> bool {
        // Windows doesn't distinguish the case of such names.
        if *self.name == *name || cfg!(windows) && self.name.eq_ignore_ascii_case(name) {
            return true;
        }
        if self.loopback && matches!(name, "lo" | "loopback") {
            return true;
        }
        let (addr, scope) = match name.split_once('%') {
            Some((addr, scope)) => (addr, Some(scope)),
            None => (name, None),
        };
        addr.parse() == Ok(self.addr)
            && scope.is_none_or(|s| *s == *self.name || s.parse() == Ok(self.index))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.addr)
    }
}

/// The addresses of the interfaces that the calling thread's network has; those that can't
/// be used now say why in [`problem`](Interface::problem).
///
/// # Errors
///
/// Whatever the system answers when it can't list them.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let listed = if_addrs::get_if_addrs()?;
    // An address outside 127/8 may sit on the loopback interface too: the interface
    // counts, not the address.
    let loopbacks: BTreeSet<u32> = listed
        .iter()
        .filter(|entry| entry.is_loopback())
        .filter_map(|entry| entry.index)
        .collect();
    Ok(listed
        .into_iter()
        .filter_map(|entry| {
            let index = entry.index.filter(|&index| index != 0)?;
            let loopback = loopbacks.contains(&index);
            let point_to_point = entry.is_p2p;
            let down = !matches!(entry.oper_status, IfOperStatus::Up);
            let (addr, prefix, broadcast) = match entry.addr {
                IfAddr::V4(v4) => {
                    let broadcast = broadcast(&v4, loopback, point_to_point);
                    (IpAddr::V4(v4.ip), v4.prefixlen, broadcast)
                }
                IfAddr::V6(v6) => (IpAddr::V6(v6.ip), v6.prefixlen, None),
            };
            let name = match entry.name.split_once(':') {
                // Linux labels an additional address `eth0:1`; the interface is eth0.
                Some((name, _)) if cfg!(target_os = "linux") => name,
                _ => &entry.name,
            };
            Some(Interface {
                name: name.into(),
                index,
                addr,
                prefix,
                loopback,
                point_to_point,
                broadcast,
                problem: down.then(|| "it is down or has no link".into()),
            })
        })
        .collect())
}

/// Whether 127.255.255.255 is a broadcast address. On the BSDs and macOS the loopback
/// interface isn't one that broadcasts, and what is sent there is lost.
const LOOPBACK_BROADCAST: bool = cfg!(any(target_os = "linux", windows));

/// The broadcast address as the interface has it; if it has none of its own, the subnet's
/// last address, which the kernel treats as one. Windows doesn't report an address of its
/// own, and what `if-addrs` makes of its list of prefixes may be the host's own address or
/// 255.255.255.255.
fn broadcast(v4: &if_addrs::Ifv4Addr, loopback: bool, point_to_point: bool) -> Option<Ipv4Addr> {
    if point_to_point || v4.prefixlen >= 31 {
        return None;
    }
    if loopback && !(LOOPBACK_BROADCAST && v4.ip.is_loopback()) {
        return None;
    }
    v4.broadcast
        .filter(|addr| !cfg!(windows) && !addr.is_unspecified() && *addr != v4.ip)
        .or_else(|| Some(v4.ip | Ipv4Addr::from(u32::MAX >> v4.prefixlen)))
}

/// A name that nothing is called by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown(pub(crate) String);

/// The interfaces that are asked for, each address once. An unknown name is an error only
/// where `strict`: one that went away while the program runs may come back.
pub(crate) fn select(
    wanted: &Interfaces,
    all: Vec<Interface>,
    strict: bool,
) -> Result<Vec<Interface>, Unknown> {
    match wanted {
        Interfaces::All => Ok(all),
        Interfaces::Loopback => Ok(all.into_iter().filter(|i| i.loopback).collect()),
        Interfaces::Named(names) => {
            let unknown = |name: &&String| !all.iter().any(|i| i.is_called(name));
            if strict && let Some(name) = names.iter().find(unknown) {
                return Err(Unknown(name.clone()));
            }
            Ok(all
                .into_iter()
                .filter(|i| names.iter().any(|name| i.is_called(name)))
                .collect())
        }
    }
}

impl Interfaces {
    /// The addresses that this choice means on this host now, usable or not.
    ///
    /// # Errors
    /// [`OpenError::UnknownInterface`], or the interfaces can't be listed.
    pub fn resolve(&self) -> Result<Vec<Interface>, OpenError> {
        let all = interfaces().map_err(OpenError::List)?;
        let known = describe(&all);
        select(self, all, true).map_err(|Unknown(name)| OpenError::UnknownInterface { name, known })
    }
}

/// The interfaces with their addresses, for a person to choose from.
pub(crate) fn describe(all: &[Interface]) -> Vec<String> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for interface in all {
        match lines
            .iter_mut()
            .find(|(index, _)| *index == interface.index)
        {
            Some((_, line)) => {
                line.pop();
                line.push_str(&format!(" {})", interface.addr));
            }
            None => lines.push((interface.index, interface.to_string())),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// An interface made up for a test.
#[cfg(test)]
pub(crate) fn made_up(name: &str, index: u32, addr: &str, prefix: u8) -> Interface {
    let addr: IpAddr = addr.parse().unwrap();
    Interface {
        name: name.into(),
        index,
        addr,
        prefix,
        loopback: name == "lo",
        point_to_point: false,
        broadcast: match addr {
            IpAddr::V4(v4) if prefix < 31 => Some(v4 | Ipv4Addr::from(u32::MAX >> prefix)),
            _ => None,
        },
        problem: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<Interface> {
        vec![
            made_up("lo", 1, "127.0.0.1", 8),
            made_up("eth0", 2, "10.0.0.5", 24),
            made_up("lo", 1, "::1", 128),
            made_up("eth0", 2, "fe80::5", 64),
            made_up("eth1", 3, "fe80::5", 64),
        ]
    }

    fn chosen(names: &[&str]) -> Vec<(u32, IpAddr)> {
        let names = Interfaces::Named(names.iter().map(|&n| n.into()).collect());
        select(&names, host(), true)
            .unwrap()
            .into_iter()
            .map(|i| (i.index, i.addr))
            .collect()
    }

    #[test]
    fn chosen_by_name_address_and_scope() {
        assert_eq!(chosen(&["eth0"]).len(), 2);
        assert_eq!(chosen(&["10.0.0.5"]), [(2, "10.0.0.5".parse().unwrap())]);
        assert_eq!(chosen(&["fe80::5"]).len(), 2);
        assert_eq!(chosen(&["fe80::5%eth1"]), [(3, "fe80::5".parse().unwrap())]);
        assert_eq!(chosen(&["fe80::5%2"]), [(2, "fe80::5".parse().unwrap())]);
        assert_eq!(chosen(&["loopback"]).len(), 2);
        assert_eq!(chosen(&["eth0", "10.0.0.5"]).len(), 2);
    }

    #[test]
    fn an_unknown_name_is_told_unless_it_may_come_back() {
        let names = Interfaces::Named(vec!["eth0".into(), "wlan9".into()]);
        assert_eq!(
            select(&names, host(), true),
            Err(Unknown("wlan9".to_owned()))
        );
        assert_eq!(select(&names, host(), false).unwrap().len(), 2);
    }

    #[test]
    fn a_person_can_choose_from_the_list() {
        assert_eq!(
            describe(&host()),
            [
                "lo (127.0.0.1 ::1)",
                "eth0 (10.0.0.5 fe80::5)",
                "eth1 (fe80::5)"
            ]
        );
    }

    #[test]
    fn subnets() {
        let eth0 = made_up("eth0", 2, "10.0.0.5", 24);
        assert!(eth0.contains("10.0.0.255".parse().unwrap()));
        assert!(!eth0.contains("10.0.1.5".parse().unwrap()));
        assert!(!eth0.contains("fe80::5".parse().unwrap()));
        let all = made_up("eth0", 2, "10.0.0.5", 0);
        assert!(all.contains("1.2.3.4".parse().unwrap()));
        let v6 = made_up("eth0", 2, "fe80::5", 64);
        assert!(v6.contains("fe80::77".parse().unwrap()));
        assert!(!v6.contains("fe80:0:0:1::77".parse().unwrap()));
    }

    #[test]
    fn link_local_addresses_carry_their_scope() {
        let v6 = made_up("eth0", 2, "fe80::5", 64);
        assert_eq!(v6.socket_addr(9).to_string(), "[fe80::5%2]:9");
        let v6 = made_up("eth0", 2, "fd00::5", 64);
        assert_eq!(v6.socket_addr(9).to_string(), "[fd00::5]:9");
    }
}
