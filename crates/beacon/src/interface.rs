//! The host's interfaces, and those of them that are chosen.

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
    /// The interface's name in the system.
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
    /// Whether it has only one peer (a tunnel). Then it has no broadcast, and often carries no
    /// multicast.
    pub point_to_point: bool,
    /// The subnet's broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// Why it can't be used, if it can't.
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

    /// Whether it is the same address of the same interface, usable or not.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.index == other.index && self.addr == other.addr
    }

    /// Whether a name in [`Interfaces::Named`] means this address.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
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

/// All addresses of all interfaces in the network namespace of the calling thread. Those that
/// can't be used now say why in [`problem`](Interface::problem).
///
/// # Errors
///
/// The system's error when it can't list them.
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
/// interface doesn't broadcast, and datagrams to that address are lost.
const LOOPBACK_BROADCAST: bool = cfg!(any(target_os = "linux", windows));

/// The broadcast address of the interface. If it has none of its own, the last address of the
/// subnet, which the kernel treats as one. Windows doesn't report it, and the one that
/// `if-addrs` derives from its list of prefixes may be the host's own address or
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

/// Whether an interface exists, with an address or without. `false` if the system doesn't list
/// those without.
pub(crate) fn is_present(name: &str) -> bool {
    // Of the thread's own network namespace, as opposed to /sys/class/net.
    let table = cfg!(target_os = "linux")
        .then(|| std::fs::read_to_string("/proc/thread-self/net/dev").ok())
        .flatten()
        .unwrap_or_default();
    let mut names = table.lines().filter_map(|line| line.split_once(':'));
    names.any(|(present, _)| present.trim() == name)
}

/// What a choice of interfaces means on this host now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) interfaces: Vec<Interface>,
    /// What was chosen and has no address, a line for each.
    pub(crate) missing: Vec<String>,
    /// The first of the chosen names, if none of them exists.
    pub(crate) unknown: Option<String>,
}

/// Selects from all addresses of the host those that are wanted. `is_present` is asked whether
/// an interface that has no address exists.
pub(crate) fn select(
    wanted: &Interfaces,
    all: Vec<Interface>,
    is_present: impl Fn(&str) -> bool,
) -> Selection {
    let chosen = match wanted {
        Interfaces::All => return some_or(all, "this host has no interface with an address"),
        Interfaces::Loopback => {
            let loopback = all.into_iter().filter(|i| i.loopback).collect();
            return some_or(
                loopback,
                "the loopback interface has no address: it is down",
            );
        }
        Interfaces::Named(chosen) => chosen,
    };
    let mut selection = Selection::default();
    let mut known = 0usize;
    for name in chosen {
        if all.iter().any(|i| i.is_called(name)) {
            known = known.saturating_add(1);
        } else if name == "loopback" || is_present(name) {
            known = known.saturating_add(1);
            selection
                .missing
                .push(format!("{name}: it has no address yet"));
        } else {
            let missing = format!("{name}: there is no such interface or address");
            selection.missing.push(missing);
        }
    }
    if known == 0 {
        selection.unknown = chosen.first().cloned();
    }
    let is_chosen = |i: &Interface| chosen.iter().any(|name| i.is_called(name));
    selection.interfaces = all.into_iter().filter(is_chosen).collect();
    selection
}

fn some_or(interfaces: Vec<Interface>, reason: &str) -> Selection {
    Selection {
        missing: if interfaces.is_empty() {
            vec![reason.to_owned()]
        } else {
            Vec::new()
        },
        interfaces,
        unknown: None,
    }
}

impl Interfaces {
    /// The addresses of the chosen interfaces on this host now, usable or not. Empty if none of
    /// them has an address yet.
    ///
    /// # Errors
    /// [`OpenError::UnknownInterface`] if none of the chosen names exists, or the interfaces
    /// can't be listed.
    pub fn resolve(&self) -> Result<Vec<Interface>, OpenError> {
        self.select().map(|selection| selection.interfaces)
    }

    pub(crate) fn select(&self) -> Result<Selection, OpenError> {
        let all = interfaces().map_err(OpenError::List)?;
        let selection = select(self, all, is_present);
        match selection.unknown {
            Some(name) => Err(OpenError::UnknownInterface {
                name,
                known: describe(&interfaces().unwrap_or_default()),
            }),
            None => Ok(selection),
        }
    }

    /// Whether the choice names addresses only, so that no other one can become a part of it.
    pub(crate) fn is_fixed(&self) -> bool {
        let is_addr = |name: &String| {
            let addr = name.split_once('%').map_or(&**name, |(addr, _)| addr);
            addr.parse::<IpAddr>().is_ok()
        };
        matches!(self, Self::Named(names) if names.iter().all(is_addr))
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

    fn chosen(names: &[&str]) -> Selection {
        let wanted = Interfaces::Named(names.iter().map(|&n| n.into()).collect());
        let names = ["lo", "eth0", "eth1", "wlan0"];
        select(&wanted, host(), |name| names.contains(&name))
    }

    fn addrs(names: &[&str]) -> Vec<(u32, IpAddr)> {
        let selection = chosen(names);
        assert_eq!((selection.missing, selection.unknown), (vec![], None));
        let addr = |i: &Interface| (i.index, i.addr);
        selection.interfaces.iter().map(addr).collect()
    }

    #[test]
    fn chosen_by_name_address_and_scope() {
        assert_eq!(addrs(&["eth0"]).len(), 2);
        assert_eq!(addrs(&["10.0.0.5"]), [(2, "10.0.0.5".parse().unwrap())]);
        assert_eq!(addrs(&["fe80::5"]).len(), 2);
        assert_eq!(addrs(&["fe80::5%eth1"]), [(3, "fe80::5".parse().unwrap())]);
        assert_eq!(addrs(&["fe80::5%2"]), [(2, "fe80::5".parse().unwrap())]);
        assert_eq!(addrs(&["loopback"]).len(), 2);
        assert_eq!(addrs(&["eth0", "10.0.0.5"]).len(), 2);
    }

    #[test]
    fn a_name_is_unknown_only_if_no_other_exists() {
        let one_missing = chosen(&["wlan9", "eth0"]);
        assert_eq!(one_missing.interfaces.len(), 2);
        assert_eq!(one_missing.unknown, None);
        assert_eq!(
            one_missing.missing,
            ["wlan9: there is no such interface or address"]
        );
        assert_eq!(
            chosen(&["wlan9", "10.9.9.9"]).unknown.as_deref(),
            Some("wlan9")
        );
    }

    #[test]
    fn an_interface_without_an_address_is_known() {
        let waiting = chosen(&["wlan0"]);
        assert_eq!((waiting.interfaces, waiting.unknown), (vec![], None));
        assert_eq!(waiting.missing, ["wlan0: it has no address yet"]);
        let down = select(&Interfaces::Loopback, Vec::new(), |_| false);
        assert_eq!((down.missing.len(), down.unknown), (1, None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn interfaces_are_listed_without_their_addresses_too() {
        assert!(is_present("lo"));
        assert!(!is_present("no-such-0"));
    }

    #[test]
    fn only_addresses_are_fixed() {
        let fixed = |names: &[&str]| {
            Interfaces::Named(names.iter().map(|&n| n.into()).collect()).is_fixed()
        };
        assert!(fixed(&["10.0.0.5", "fe80::5%eth0"]));
        assert!(!fixed(&["10.0.0.5", "eth0"]));
        assert!(!Interfaces::All.is_fixed());
    }

    #[test]
    fn the_list_names_each_interface_once() {
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
