use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zre_beacon::{Interface, Interfaces};
use zre_proto::Endpoint;

/// The addresses at which the node can be reached, while interfaces come and go. Pure:
/// the caller lists the interfaces.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    wanted: Interfaces,
    /// The addresses to listen at, if the user named some.
    named: Vec<IpAddr>,
    /// The endpoint that the user wants peers to dial.
    advertise: Option<Endpoint>,
    here: Vec<Interface>,
}

impl Reach {
    pub(crate) fn new(
        wanted: Interfaces,
        named: Vec<IpAddr>,
        advertise: Option<Endpoint>,
        here: Vec<Interface>,
    ) -> Self {
        Self {
            wanted,
            named,
            advertise,
            here,
        }
    }

    pub(crate) fn here(&self) -> &[Interface] {
        &self.here
    }

    /// Replaces the interfaces that can be used.
    pub(crate) fn set_here(&mut self, here: Vec<Interface>) {
        self.here = here;
    }

    /// Whether the addresses to listen at are those that the system lists.
    pub(crate) fn is_listed(&self) -> bool {
        self.named.is_empty() && self.wanted != Interfaces::All
    }

    /// The addresses to listen at: those that the user named; otherwise all, if all
    /// interfaces are used, which includes interfaces that come later; otherwise those
    /// of the chosen interfaces.
    pub(crate) fn addrs(&self, port: u16) -> Vec<SocketAddr> {
        if !self.named.is_empty() {
            return self.named.iter().map(|addr| (*addr, port).into()).collect();
        }
        if self.wanted == Interfaces::All {
            let v6 = self.here.iter().any(|interface| interface.addr.is_ipv6());
            let v6 = v6.then_some((Ipv6Addr::UNSPECIFIED, port).into());
            return [(Ipv4Addr::UNSPECIFIED, port).into()]
                .into_iter()
                .chain(v6)
                .collect();
        }
        let mut addrs: Vec<SocketAddr> = Vec::new();
        for interface in &self.here {
            // Other addresses of the loopback interface are reached from outside.
            let inside = !interface.loopback || interface.addr.is_loopback();
            let addr = interface.socket_addr(port);
            if inside && !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
        if addrs.is_empty() {
            // Keeps the port until an interface has an address.
            addrs.push((Ipv4Addr::LOCALHOST, port).into());
        }
        addrs
    }

    /// The endpoint to advertise, unless each peer is to be sent the one that it sees.
    pub(crate) fn advertised(&self, port: u16) -> Option<Endpoint> {
        let named = self.named.iter().find(|addr| !addr.is_unspecified());
        self.advertise
            .clone()
            .or_else(|| named.map(|addr| Endpoint::Tcp((*addr, port).into())))
    }

    /// An endpoint at which this node can be dialled.
    pub(crate) fn endpoint(&self, port: u16) -> Endpoint {
        self.advertised(port).unwrap_or_else(|| {
            // A link-local address means nothing without a scope of the peer's.
            let rank = |interface: &&Interface| {
                let v6 = interface.addr.is_ipv6();
                (interface.loopback, interface.scope_id() != 0, v6)
            };
            let best = self.here.iter().min_by_key(rank);
            let addr = best.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |interface| interface.addr);
            Endpoint::Tcp((addr, port).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the system lists for loopback, under other names and addresses.
    fn made_up(list: &[(&str, u32, &str)]) -> Vec<Interface> {
        let host = zre_beacon::interfaces().unwrap();
        let pattern = host.iter().find(|interface| interface.loopback).unwrap();
        let make = |(name, index, addr): &(&str, u32, &str)| {
            let mut interface = pattern.clone();
            interface.name = (*name).into();
            interface.index = *index;
            interface.addr = addr.parse().unwrap();
            interface.loopback = *name == "lo";
            interface
        };
        list.iter().map(make).collect()
    }

    fn named(list: &[(&str, u32, &str)]) -> Reach {
        let wanted = Interfaces::Named(vec!["some".into()]);
        Reach::new(wanted, Vec::new(), None, made_up(list))
    }

    fn lines(reach: &Reach) -> Vec<String> {
        reach.addrs(9).iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn each_address_of_the_chosen_interfaces() {
        let mut reach = named(&[
            ("lo", 1, "127.0.0.1"),
            ("lo", 1, "10.1.1.1"),
            ("eth0", 2, "fe80::5"),
            ("eth0", 2, "10.0.0.5"),
            ("eth1", 3, "fe80::5"),
        ]);
        assert!(reach.is_listed());
        assert_eq!(
            lines(&reach),
            [
                "127.0.0.1:9",
                "[fe80::5%2]:9",
                "10.0.0.5:9",
                "[fe80::5%3]:9"
            ]
        );
        assert_eq!(reach.endpoint(9).to_string(), "tcp://10.0.0.5:9");
        reach.set_here(made_up(&[("lo", 1, "127.0.0.1"), ("eth0", 2, "fd00::5")]));
        assert_eq!(lines(&reach), ["127.0.0.1:9", "[fd00::5]:9"]);
        assert_eq!(reach.endpoint(9).to_string(), "tcp://[fd00::5]:9");
        reach.set_here(Vec::new());
        assert_eq!(lines(&reach), ["127.0.0.1:9"]);
    }

    #[test]
    fn all_interfaces_are_all_that_ever_come() {
        let here = made_up(&[("eth0", 2, "10.0.0.5")]);
        let mut reach = Reach::new(Interfaces::All, Vec::new(), None, here);
        assert_eq!(lines(&reach), ["0.0.0.0:9"]);
        assert!(!reach.is_listed());
        reach.set_here(made_up(&[("eth0", 2, "10.0.0.6"), ("eth0", 2, "fe80::5")]));
        assert_eq!(lines(&reach), ["0.0.0.0:9", "[::]:9"]);
        assert_eq!(reach.endpoint(9).to_string(), "tcp://10.0.0.6:9");
        reach.set_here(Vec::new());
        assert_eq!(lines(&reach), ["0.0.0.0:9"]);
    }

    #[test]
    fn what_the_user_names_stands() {
        let here = made_up(&[("eth0", 2, "10.0.0.5")]);
        let at = |listen: &str, advertise: Option<&str>| {
            let listen: crate::Listen = listen.parse().unwrap();
            Reach::new(
                Interfaces::All,
                listen.addrs(),
                advertise.map(|endpoint| endpoint.parse().unwrap()),
                here.clone(),
            )
        };
        let fixed = at("10.0.0.5:9", None);
        assert_eq!(lines(&fixed), ["10.0.0.5:9"]);
        assert_eq!(fixed.advertised(9).unwrap().to_string(), "tcp://10.0.0.5:9");
        let any = at("0.0.0.0:9", None);
        assert_eq!(any.advertised(9), None);
        assert_eq!(any.endpoint(9).to_string(), "tcp://10.0.0.5:9");
        let everywhere = at("*:9", None);
        assert_eq!(lines(&everywhere), ["0.0.0.0:9", "[::]:9"]);
        assert_eq!(everywhere.advertised(9), None);
        let nat = at("0.0.0.0:9", Some("tcp://example.org:7"));
        assert_eq!(nat.endpoint(9).to_string(), "tcp://example.org:7");
    }
}
