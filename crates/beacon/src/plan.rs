//! What to send and hear on which interface. Pure: opens no socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::config::{Broadcast, CastKind, Config};
use crate::interface::Interface;

/// How many IPv4 addresses of one interface send. Some hosts have a virtual address for each
/// service on an interface; beacons from hundreds of them help nobody.
const MAX_ADDRESSES: usize = 8;

/// A destination to send to, or to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// A group's or a broadcast address, with the interface's index as scope if the group needs
    /// one.
    pub(crate) dest: SocketAddr,
    pub(crate) cast: CastKind,
}

/// What to send from one address of one interface, and what to hear there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) interface: Interface,
    pub(crate) sends: Vec<Target>,
    pub(crate) hears: Vec<Target>,
}

/// The plans that a checked configuration makes of the chosen interfaces.
pub(crate) fn plan(config: &Config, chosen: &[Interface]) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (position, interface) in chosen.iter().enumerate() {
        let earlier = chosen.get(..position).unwrap_or_default();
        match interface.addr {
            IpAddr::V4(_) if sends_from(interface, earlier) => {
                plans.extend(plan_v4(config, interface));
            }
            IpAddr::V4(_) => {}
            IpAddr::V6(_) => plans.extend(plan_v6(config, interface, chosen)),
        }
    }
    plans
}

/// Whether to send from an IPv4 address: each subnet needs one source that it can reach.
fn sends_from(interface: &Interface, earlier: &[Interface]) -> bool {
    let mut others = earlier
        .iter()
        .filter(|other| other.index == interface.index && other.addr.is_ipv4());
    let misplaced = interface.loopback && !interface.addr.is_loopback();
    !misplaced
        && others.clone().count() < MAX_ADDRESSES
        && !others.any(|other| other.contains(interface.addr))
}

fn plan_v4(config: &Config, interface: &Interface) -> Option<Plan> {
    let mut sends: Vec<Target> = config
        .groups
        .iter()
        .filter(|group| group.is_ipv4())
        .map(|&dest| Target {
            dest,
            cast: CastKind::Multicast,
        })
        .collect();
    let mut hears = sends.clone();
    let limited = Ipv4Addr::BROADCAST;
    let mut broadcast = |dest: SocketAddr, send: bool| {
        let target = Target {
            dest,
            cast: CastKind::Broadcast,
        };
        hears.push(target);
        if send {
            sends.push(target);
        }
    };
    match config.broadcast {
        Broadcast::Off => {}
        Broadcast::Auto => {
            if let Some(own) = interface.broadcast {
                broadcast((own, config.port).into(), true);
                // C Zyre sends there if it is configured to use any interface.
                if own != limited && !interface.loopback {
                    broadcast((limited, config.port).into(), false);
                }
            }
        }
        Broadcast::To(addr) => {
            let own = interface.broadcast == Some(*addr.ip());
            if own || (*addr.ip() == limited && !interface.point_to_point) {
                broadcast(addr.into(), true);
            }
        }
    }
    (!sends.is_empty()).then(|| Plan {
        interface: interface.clone(),
        sends,
        hears,
    })
}

fn plan_v6(config: &Config, interface: &Interface, chosen: &[Interface]) -> Option<Plan> {
    let targets: Vec<Target> = config
        .groups
        .iter()
        .filter_map(|group| match group {
            SocketAddr::V6(group) => Some(group),
            SocketAddr::V4(_) => None,
        })
        .filter(|group| group.scope_id() == 0 || group.scope_id() == interface.index)
        .filter(|group| is_source(interface, needs_scope(group.ip()), chosen))
        .map(|group| Target {
            dest: scoped(group, interface.index).into(),
            cast: CastKind::Multicast,
        })
        .collect();
    (!targets.is_empty()).then(|| Plan {
        interface: interface.clone(),
        sends: targets.clone(),
        hears: targets,
    })
}

/// The group, with its scope on one interface.
pub(crate) fn scoped(group: &SocketAddrV6, index: u32) -> SocketAddrV6 {
    let scope = if needs_scope(group.ip()) { index } else { 0 };
    SocketAddrV6::new(*group.ip(), group.port(), 0, scope)
}

/// Whether a group is a different one on each interface (interface-local, link-local).
pub(crate) fn needs_scope(group: &Ipv6Addr) -> bool {
    matches!(group.segments().first().map(|s| s & 0xf), Some(1 | 2))
}

/// Whether to send from this address: only one of an interface's IPv6 addresses sends, so that
/// peers hear us once. On the link it is the link-local address, which exists even without a
/// router; beyond the link, an address that routers forward.
fn is_source(interface: &Interface, on_link: bool, chosen: &[Interface]) -> bool {
    let rank = |candidate: &Interface| {
        candidate.scope_id() != 0 && !on_link || candidate.scope_id() == 0 && on_link
    };
    chosen
        .iter()
        .filter(|other| other.index == interface.index && other.addr.is_ipv6())
        .min_by_key(|other| rank(other))
        .is_some_and(|best| best.is(interface))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::made_up;

    fn config(groups: &[&str], broadcast: Broadcast) -> Config {
        Config {
            groups: groups.iter().map(|g| g.parse().unwrap()).collect(),
            broadcast,
            ..Config::default()
        }
        .checked()
        .unwrap()
    }

    /// The plans as text: interface, source, sent to, heard only.
    fn lines(config: &Config, chosen: &[Interface]) -> Vec<String> {
        plan(config, chosen)
            .iter()
            .map(|p| {
                let sends: Vec<_> = p.sends.iter().map(|t| t.dest.to_string()).collect();
                let only = p.hears.iter().filter(|t| !p.sends.contains(t));
                let only: Vec<_> = only.map(|t| t.dest.to_string()).collect();
                format!(
                    "{} -> {} | {}",
                    p.interface,
                    sends.join(" "),
                    only.join(" ")
                )
            })
            .collect()
    }

    #[test]
    fn each_interface_sends_from_its_own_address() {
        let host = [
            made_up("lo", 1, "127.0.0.1", 8),
            made_up("eth0", 2, "10.0.0.5", 24),
            made_up("wg0", 4, "10.9.0.1", 32),
        ];
        assert_eq!(
            lines(&config(&["239.1.1.1:0"], Broadcast::Auto), &host),
            [
                "lo (127.0.0.1) -> 239.1.1.1:5670 127.255.255.255:5670 | ",
                "eth0 (10.0.0.5) -> 239.1.1.1:5670 10.0.0.255:5670 | 255.255.255.255:5670",
                "wg0 (10.9.0.1) -> 239.1.1.1:5670 | ",
            ]
        );
    }

    #[test]
    fn one_source_for_a_subnet_and_one_for_each_subnet() {
        let host = [
            made_up("eth0", 2, "10.0.0.5", 24),
            made_up("eth0", 2, "10.0.0.6", 24),
            made_up("eth0", 2, "10.0.1.5", 24),
        ];
        assert_eq!(
            lines(&config(&["239.1.1.1:0"], Broadcast::Off), &host),
            [
                "eth0 (10.0.0.5) -> 239.1.1.1:5670 | ",
                "eth0 (10.0.1.5) -> 239.1.1.1:5670 | ",
            ]
        );
        let many: Vec<_> = (0..50)
            .map(|n| made_up("eth0", 2, &format!("10.0.{n}.1"), 24))
            .collect();
        assert_eq!(
            plan(&config(&["239.1.1.1:0"], Broadcast::Off), &many).len(),
            MAX_ADDRESSES
        );
    }

    #[test]
    fn a_service_address_on_loopback_stays_silent() {
        let host = [
            made_up("lo", 1, "10.1.1.1", 32),
            made_up("lo", 1, "127.0.0.1", 8),
        ];
        assert_eq!(
            lines(&config(&["239.1.1.1:0"], Broadcast::Off), &host),
            ["lo (127.0.0.1) -> 239.1.1.1:5670 | "]
        );
    }

    #[test]
    fn ipv6_source_follows_the_groups_scope() {
        let host = [
            made_up("eth0", 2, "fd00::5", 64),
            made_up("eth0", 2, "fe80::5", 64),
            made_up("eth0", 2, "fd00::6", 64),
            made_up("eth1", 3, "fe80::7", 64),
        ];
        assert_eq!(
            lines(
                &config(&["[ff02::7]:0", "[ff05::7]:0"], Broadcast::Off),
                &host
            ),
            [
                "eth0 (fd00::5) -> [ff05::7]:5670 | ",
                "eth0 (fe80::5) -> [ff02::7%2]:5670 | ",
                "eth1 (fe80::7) -> [ff02::7%3]:5670 [ff05::7]:5670 | ",
            ]
        );
        let one = config(&["[ff02::7%3]:0"], Broadcast::Off);
        assert_eq!(
            lines(&one, &host),
            ["eth1 (fe80::7) -> [ff02::7%3]:5670 | "]
        );
    }

    #[test]
    fn a_given_broadcast_address_finds_its_interface() {
        let host = [
            made_up("eth0", 2, "10.0.0.5", 24),
            made_up("eth1", 3, "10.0.1.5", 24),
        ];
        let to = |addr: &str| config(&[], Broadcast::To(addr.parse().unwrap()));
        assert_eq!(
            lines(&to("10.0.1.255:0"), &host),
            ["eth1 (10.0.1.5) -> 10.0.1.255:5670 | "]
        );
        assert_eq!(lines(&to("255.255.255.255:9"), &host).len(), 2);
        assert_eq!(lines(&to("10.0.1.77:0"), &host).len(), 0);
    }
}
