//! Several interfaces and several hosts, made of network namespaces. Needs root; without,
//! each test says that it is skipped, and on CI (`CI=true`) that is a failure.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{next, until, with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use zre_beacon::{
    Beacon, Broadcast, Cast, CastKind, Config, Datagram, Datagrams, Interface, Interfaces,
    OpenError, interfaces,
};

const PORT: u16 = 45670;
const GROUP: &str = "239.192.77.1:45670";
const GROUP_V6: &str = "[ff02::7a:7265]:45670";

/// A network namespace that ends with the test.
struct Host {
    name: String,
}

/// `ip`, and whether it worked.
fn try_ip(args: &str) -> bool {
    Command::new("ip")
        .args(args.split_whitespace())
        .status()
        .is_ok_and(|status| status.success())
}

fn ip(args: &str) {
    assert!(try_ip(args), "ip {args}");
}

impl Host {
    /// None without the right to make one.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("beacon-{}-{number}", std::process::id());
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if !root || !try_ip(&format!("netns add {name}")) {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "on CI network namespaces must be at hand"
            );
            eprintln!("skipped: needs root");
            return None;
        }
        let host = Self { name };
        // Else a link-local address is tentative for seconds, and a datagram is dropped
        // where the answer would leave by another interface.
        host.within(|| {
            for kind in ["default", "all"] {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{kind}/rp_filter"), "0").unwrap();
            }
            std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
        });
        host.ip("link set lo up");
        Some(host)
    }

    fn ip(&self, args: &str) {
        ip(&format!("-n {} {args}", self.name));
    }

    /// Gives an address, and waits until it can be used.
    fn up(&self, interface: &str, addrs: &[&str]) {
        self.ip(&format!("link set {interface} addrgenmode none"));
        for addr in addrs {
            let nodad = if addr.contains(':') { "nodad" } else { "" };
            self.ip(&format!("addr add {addr} dev {interface} {nodad}"));
        }
        self.ip(&format!("link set {interface} up"));
    }

    fn wait_up(&self, interface: &str, addrs: usize) {
        self.within(|| {
            until("the interface is up", || {
                let there = interfaces().unwrap();
                let of_it = there.iter().filter(|i| &*i.name == interface);
                of_it.filter(|i| i.problem.is_none()).count() == addrs
            });
        });
    }

    /// Runs something on a thread that lives in the namespace.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    fn open(&self, interfaces: Interfaces) -> (Beacon, Datagrams) {
        self.within(|| Beacon::open(config(interfaces)).unwrap())
    }

    /// A plain socket that may broadcast.
    fn socket(&self, addr: &str) -> UdpSocket {
        self.within(|| {
            let socket = UdpSocket::bind(addr).unwrap();
            socket.set_broadcast(true).unwrap();
            socket
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        try_ip(&format!("netns del {}", self.name));
    }
}

/// A cable between two hosts.
fn cable(one: &Host, end: &str, other: &Host, other_end: &str) {
    one.ip(&format!(
        "link add {end} type veth peer name {other_end} netns {}",
        other.name
    ));
}

fn config(interfaces: Interfaces) -> Config {
    with(Config::default(), |config| {
        config.port = PORT;
        config.interfaces = interfaces;
        config.groups = vec![GROUP.parse().unwrap(), GROUP_V6.parse().unwrap()];
    })
}

fn named(name: &str) -> Interfaces {
    Interfaces::Named(vec![name.to_owned()])
}

/// How it was heard: over what, from whom, how.
fn how(heard: &Datagram) -> (String, String, CastKind) {
    assert!(!heard.same_process && !heard.loopback);
    let from = match heard.from {
        SocketAddr::V4(from) => from.ip().to_string(),
        SocketAddr::V6(from) => format!("{}%{}", from.ip(), from.scope_id()),
    };
    (heard.interface_name.to_string(), from, heard.cast)
}

/// A host with two interfaces, each with a neighbour of its own.
struct Two {
    host: Host,
    left: Host,
    right: Host,
}

impl Two {
    fn new(addrs: [[&str; 2]; 4]) -> Option<Self> {
        let (host, left, right) = (Host::new()?, Host::new()?, Host::new()?);
        cable(&host, "a0", &left, "b0");
        cable(&host, "a1", &right, "c0");
        let [a0, a1, b0, c0] = addrs;
        let ends = [
            (&host, "a0", a0),
            (&host, "a1", a1),
            (&left, "b0", b0),
            (&right, "c0", c0),
        ];
        for (host, end, addrs) in &ends {
            host.up(end, addrs);
        }
        for (host, end, addrs) in &ends {
            host.wait_up(end, addrs.len());
        }
        Some(Self { host, left, right })
    }

    fn distinct() -> Option<Self> {
        Self::new([
            ["10.1.0.1/24", "fe80::a0/64"],
            ["10.2.0.1/24", "fe80::a1/64"],
            ["10.1.0.2/24", "fe80::b0/64"],
            ["10.2.0.2/24", "fe80::c0/64"],
        ])
    }
}

fn index(host: &Host, interface: &str) -> u32 {
    let all = host.within(|| interfaces().unwrap());
    all.iter().find(|i| &*i.name == interface).unwrap().index
}

#[tokio::test]
async fn two_interfaces_are_distinguished_in_both_directions() {
    let Some(net) = Two::distinct() else { return };
    let (beacon, mut datagrams) = net.host.open(Interfaces::All);
    let (_a1_only, mut to_a1_only) = net.host.open(named("a1"));
    let (left, mut to_left) = net.left.open(named("b0"));
    let (right, mut to_right) = net.right.open(named("c0"));

    for (group, family) in [(GROUP, 4), (GROUP_V6, 6)] {
        let group: SocketAddr = group.parse().unwrap();
        let source = |v4: &str, v6: &str, index: u32| match family {
            4 => v4.to_owned(),
            _ => format!("{v6}%{index}"),
        };
        left.send(Cast::Group(group), b"left");
        let heard = next(&mut datagrams).await;
        assert_eq!(&heard.payload[..], b"left");
        let a0 = index(&net.host, "a0");
        assert_eq!(heard.interface, a0);
        let from = source("10.1.0.2", "fe80::b0", a0);
        assert_eq!(how(&heard), ("a0".into(), from, CastKind::Multicast));

        right.send(Cast::Group(group), b"right");
        for datagrams in [&mut datagrams, &mut to_a1_only] {
            let heard = next(datagrams).await;
            assert_eq!(&heard.payload[..], b"right");
            let from = source("10.2.0.2", "fe80::c0", index(&net.host, "a1"));
            assert_eq!(how(&heard), ("a1".into(), from, CastKind::Multicast));
        }

        beacon.send(Cast::Group(group), b"both");
        let heard = next(&mut to_left).await;
        let from = source("10.1.0.1", "fe80::a0", index(&net.left, "b0"));
        assert_eq!(how(&heard), ("b0".into(), from, CastKind::Multicast));
        let heard = next(&mut to_right).await;
        let from = source("10.2.0.1", "fe80::a1", index(&net.right, "c0"));
        assert_eq!(how(&heard), ("c0".into(), from, CastKind::Multicast));
        // Those of the same namespace and process hear it in memory.
        let heard = next(&mut to_a1_only).await;
        assert!(heard.same_process);
        let from = source("10.2.0.1", "fe80::a1", index(&net.host, "a1"));
        assert_eq!(heard.from.ip().to_string(), from.split('%').next().unwrap());
    }

    left.send(Cast::Broadcast, b"left");
    let heard = next(&mut datagrams).await;
    let from = "10.1.0.2".to_owned();
    assert_eq!(how(&heard), ("a0".into(), from, CastKind::Broadcast));
    right.send(Cast::Broadcast, b"right");
    for datagrams in [&mut datagrams, &mut to_a1_only] {
        let from = "10.2.0.2".to_owned();
        let heard = next(datagrams).await;
        assert_eq!(how(&heard), ("a1".into(), from, CastKind::Broadcast));
    }
    beacon.send(Cast::Broadcast, b"both");
    assert_eq!(how(&next(&mut to_left).await).1, "10.1.0.1");
    assert_eq!(how(&next(&mut to_right).await).1, "10.2.0.1");

    // Nobody heard anything twice or by mistake.
    assert!(next(&mut to_a1_only).await.same_process);
    for datagrams in [&mut datagrams, &mut to_a1_only, &mut to_left, &mut to_right] {
        assert_eq!(datagrams.try_recv(), None);
    }
}

/// The hardest case for attribution: one subnet, and so one broadcast address, on both
/// interfaces.
#[tokio::test]
async fn one_subnet_on_two_interfaces_is_distinguished() {
    let Some(net) = Two::new([
        ["10.1.0.1/24", "fe80::1/64"],
        ["10.1.0.2/24", "fe80::1/64"],
        ["10.1.0.3/24", "fe80::b0/64"],
        ["10.1.0.4/24", "fe80::c0/64"],
    ]) else {
        return;
    };
    let (beacon, mut datagrams) = net.host.open(Interfaces::All);
    let (left, mut to_left) = net.left.open(named("b0"));
    let (right, mut to_right) = net.right.open(named("c0"));
    for cast in [
        Cast::Broadcast,
        Cast::Group(GROUP.parse().unwrap()),
        Cast::Group(GROUP_V6.parse().unwrap()),
    ] {
        for (neighbour, over) in [(&left, "a0"), (&right, "a1")] {
            neighbour.send(cast, b"x");
            assert_eq!(how(&next(&mut datagrams).await).0, over);
        }
        beacon.send(cast, b"y");
        let heard = [next(&mut to_left).await, next(&mut to_right).await];
        if let Cast::Group(SocketAddr::V6(_)) = cast {
            assert!(heard[0].from.to_string().starts_with("[fe80::1%"));
        } else {
            assert_eq!(heard[0].from.ip(), IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)));
            assert_eq!(heard[1].from.ip(), IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2)));
        }
    }
    for datagrams in [&mut datagrams, &mut to_left, &mut to_right] {
        assert_eq!(datagrams.try_recv(), None);
    }
}

#[tokio::test]
async fn limited_broadcasts_are_heard_over_their_interface() {
    let Some(net) = Two::distinct() else { return };
    let (_beacon, mut datagrams) = net.host.open(Interfaces::All);
    let left = net.left.socket("10.1.0.2:0");
    let right = net.right.socket("10.2.0.2:0");
    // Without a route the system doesn't know where 255.255.255.255 is.
    net.left.ip("route add default via 10.1.0.1");
    net.right.ip("route add default via 10.2.0.1");
    left.send_to(b"left", (Ipv4Addr::BROADCAST, PORT)).unwrap();
    let heard = next(&mut datagrams).await;
    let from = "10.1.0.2".to_owned();
    assert_eq!(how(&heard), ("a0".into(), from, CastKind::Broadcast));
    right
        .send_to(b"right", (Ipv4Addr::BROADCAST, PORT))
        .unwrap();
    let heard = next(&mut datagrams).await;
    let from = "10.2.0.2".to_owned();
    assert_eq!(how(&heard), ("a1".into(), from, CastKind::Broadcast));
    assert_eq!(datagrams.try_recv(), None);

    // And sent, over each interface with its own source.
    let (sender, _of_it) = net.host.within(|| {
        Beacon::open(with(config(Interfaces::All), |config| {
            config.groups = Vec::new();
            config.broadcast = Broadcast::To("255.255.255.255:0".parse().unwrap());
            config.interfaces = Interfaces::Named(vec!["a0".into(), "a1".into()]);
        }))
        .unwrap()
    });
    let (_left, mut to_left) = net.left.open(named("b0"));
    let (_right, mut to_right) = net.right.open(named("c0"));
    assert_eq!(sender.send(Cast::Broadcast, b"x"), 2);
    assert_eq!(how(&next(&mut to_left).await).1, "10.1.0.1");
    assert_eq!(how(&next(&mut to_right).await).1, "10.2.0.1");
}

#[tokio::test]
async fn interfaces_that_come_and_go_are_followed() {
    let Some(net) = Two::distinct() else { return };
    let (beacon, mut datagrams) = net.host.open(Interfaces::All);
    let (left, mut to_left) = net.left.open(named("b0"));
    let (right, _to_right) = net.right.open(named("c0"));
    let names = |list: &[Interface]| {
        let mut names: Vec<_> = list.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    let used = |beacon: &Beacon| {
        let stats = beacon.stats().interfaces;
        let used = stats.into_iter().filter(|i| i.usable);
        names(&used.map(|i| i.interface).collect::<Vec<_>>())
    };
    let all = [
        "a0 (10.1.0.1)",
        "a0 (fe80::a0)",
        "a1 (10.2.0.1)",
        "a1 (fe80::a1)",
        "lo (127.0.0.1)",
    ];
    assert_eq!(used(&beacon), all);
    assert!(beacon.refresh().unwrap().is_empty());

    // Down: sending fails without harm, and a refresh tells.
    net.host.ip("link set a1 down");
    beacon.send(Cast::Groups, b"while a1 is down");
    let heard = next(&mut to_left).await;
    assert_eq!(&heard.payload[..], b"while a1 is down");
    assert_eq!(&next(&mut to_left).await.payload[..], b"while a1 is down");
    let failed = |beacon: &Beacon| {
        let stats = beacon.stats().interfaces;
        let of_a1 = stats.into_iter().filter(|i| &*i.interface.name == "a1");
        of_a1
            .map(|i| (i.failed, i.last_error.is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(failed(&beacon), [(1, true), (1, true)]);
    let changes = beacon.refresh().unwrap();
    assert_eq!(changes.up, []);
    // An interface that goes down loses its IPv6 addresses.
    assert_eq!(names(&changes.down), ["a1 (10.2.0.1)", "a1 (fe80::a1)"]);
    assert!(changes.down.iter().all(|i| i.problem.is_some()));
    assert_eq!(used(&beacon).len(), 3);

    // Up again, with another address.
    net.host.ip("addr del 10.2.0.1/24 dev a1");
    net.host.up("a1", &["10.2.0.9/24", "fe80::a9/64"]);
    net.host.wait_up("a1", 2);
    net.right.wait_up("c0", 2);
    let changes = beacon.refresh().unwrap();
    assert_eq!(changes.down, []);
    assert_eq!(names(&changes.up), ["a1 (10.2.0.9)", "a1 (fe80::a9)"]);
    right.send(Cast::Group(GROUP.parse().unwrap()), b"again");
    let heard = next(&mut datagrams).await;
    assert_eq!(how(&heard).0, "a1");

    // One that wasn't there when the beacon was opened, found from any namespace.
    cable(&net.host, "a2", &net.left, "b2");
    net.host.up("a2", &["10.3.0.1/24"]);
    net.left.up("b2", &["10.3.0.2/24"]);
    net.host.wait_up("a2", 1);
    net.left.wait_up("b2", 1);
    assert_eq!(names(&beacon.refresh().unwrap().up), ["a2 (10.3.0.1)"]);
    assert_eq!(names(&left.refresh().unwrap().up), Vec::<String>::new());
    let (third, _of_it) = net.left.open(named("b2"));
    third.send(Cast::Group(GROUP.parse().unwrap()), b"new");
    let heard = next(&mut datagrams).await;
    let from = "10.3.0.2".to_owned();
    assert_eq!(how(&heard), ("a2".into(), from, CastKind::Multicast));

    // Gone for good.
    net.host.ip("link del a2");
    let changes = beacon.refresh().unwrap();
    assert_eq!(names(&changes.down), ["a2 (10.3.0.1)"]);
    assert!(beacon.refresh().unwrap().is_empty());
    assert!(!used(&beacon).iter().any(|name| name.starts_with("a2")));
    assert_eq!(datagrams.try_recv(), None);
}

/// A cable that is out for a while needs no refresh: the same sockets work again.
#[tokio::test]
async fn sockets_recover_by_themselves() {
    let Some(net) = Two::distinct() else { return };
    let (beacon, mut datagrams) = net.host.open(named("a0"));
    let (left, mut to_left) = net.left.open(named("b0"));
    for _ in 0..3 {
        net.host.ip("link set a0 down");
        assert_eq!(beacon.send(Cast::Groups, b"lost"), 0);
        assert_eq!(beacon.send(Cast::Broadcast, b"lost"), 0);
        net.host.ip("addr add fe80::a0/64 dev a0 nodad");
        net.host.ip("link set a0 up");
        net.host.wait_up("a0", 2);
        net.left.wait_up("b0", 2);

        assert_eq!(beacon.send(Cast::Groups, b"again"), 2);
        assert_eq!(beacon.send(Cast::Broadcast, b"again"), 1);
        assert_eq!(left.send(Cast::Groups, b"welcome"), 2);
        assert_eq!(left.send(Cast::Broadcast, b"welcome"), 1);
        for _ in 0..3 {
            assert_eq!(&next(&mut to_left).await.payload[..], b"again");
            assert_eq!(&next(&mut datagrams).await.payload[..], b"welcome");
        }
    }
    assert_eq!(beacon.stats().failed, 9);
}

#[test]
fn an_unusable_interface_is_reported_and_harms_no_other() {
    let Some(net) = Two::distinct() else { return };
    net.host.ip("link set a1 down");
    let (beacon, _datagrams) = net.host.open(Interfaces::All);
    let broken: Vec<_> = beacon
        .interfaces()
        .into_iter()
        .filter(|i| i.problem.is_some())
        .map(|i| i.to_string())
        .collect();
    // IPv6 multicast has no route over Linux's loopback.
    assert_eq!(broken, ["a1 (10.2.0.1)", "lo (::1)"]);
    // a0 and lo by IPv4, a0 by IPv6.
    assert_eq!(beacon.send(Cast::Groups, b"x"), 3);
    assert_eq!(beacon.stats().failed, 0);

    // Alone it is waited for.
    let (waiting, _of_it) = net.host.open(named("a1"));
    assert!(!waiting.is_usable());
    assert_eq!(
        waiting.problems(),
        ["a1 (10.2.0.1): it is down or has no link"]
    );
    net.host.ip("link set a1 up");
    net.host.wait_up("a1", 1);
    assert!(!waiting.refresh().unwrap().up.is_empty());
    assert!(waiting.is_usable());

    // A beacon that has lost every interface waits for the next.
    let (last, _of_it) = net.left.open(named("b0"));
    net.left.ip("link set b0 down");
    assert_eq!(last.refresh().unwrap().down.len(), 2);
    assert_eq!(last.send(Cast::Groups, b"x"), 0);
    net.left.up("b0", &["fe80::b0/64"]);
    net.left.wait_up("b0", 2);
    assert_eq!(last.refresh().unwrap().up.len(), 2);
    assert_eq!(last.send(Cast::Groups, b"x"), 2);
}

/// Interfaces without an address, that don't exist, or that are down don't prevent a start.
#[test]
fn interfaces_are_waited_for() {
    let (Some(host), Some(other)) = (Host::new(), Host::new()) else {
        return;
    };
    cable(&host, "d0", &other, "e0");
    other.up("e0", &[]);
    let (beacon, _of_it) = host.open(named("d0"));
    assert_eq!(beacon.problems(), ["d0: it has no address yet"]);
    assert_eq!(beacon.send(Cast::Groups, b"x"), 0);
    host.up("d0", &["10.7.0.1/24"]);
    host.wait_up("d0", 1);
    assert_eq!(beacon.refresh().unwrap().up.len(), 1);
    assert_eq!(beacon.problems(), Vec::<String>::new());
    assert_eq!(beacon.send(Cast::Groups, b"x"), 1);

    // One of two doesn't exist.
    let both = Interfaces::Named(vec!["d1".into(), "d0".into()]);
    let (beacon, _of_it) = host.open(both);
    assert!(beacon.is_usable());
    assert_eq!(
        beacon.problems(),
        ["d1: there is no such interface or address"]
    );
    cable(&host, "d1", &other, "e1");
    other.up("e1", &[]);
    host.up("d1", &["10.8.0.1/24"]);
    host.wait_up("d1", 1);
    assert_eq!(beacon.refresh().unwrap().up.len(), 1);

    // Neither exists.
    let error = host.within(|| Beacon::open(config(named("d9"))).unwrap_err());
    let OpenError::UnknownInterface { name, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(name, "d9");

    // A host with nothing but a loopback interface that is down.
    let Some(bare) = Host::new() else { return };
    bare.ip("link set lo down");
    bare.ip("addr flush dev lo");
    for interfaces in [Interfaces::All, Interfaces::Loopback, named("lo")] {
        let (beacon, _of_it) = bare.open(interfaces);
        assert!(!beacon.is_usable());
        assert_eq!(beacon.problems().len(), 1, "{:?}", beacon.problems());
        bare.ip("addr add 127.0.0.1/8 dev lo");
        bare.ip("link set lo up");
        bare.wait_up("lo", 2);
        assert_eq!(beacon.refresh().unwrap().up.len(), 1);
        assert!(beacon.is_usable());
        bare.ip("link set lo down");
        bare.ip("addr flush dev lo");
    }
}

/// Something of an address that comes can't be used: that is a problem and no error, and
/// costs nothing else.
#[test]
fn what_cannot_be_used_of_an_address_is_named_and_waited_for() {
    let (Some(host), Some(other)) = (Host::new(), Host::new()) else {
        return;
    };
    cable(&host, "d0", &other, "e0");
    other.up("e0", &[]);
    let (beacon, _of_it) = host.open(named("d0"));

    // Another program holds the port: nothing can be heard.
    let exclusive = host.socket(&format!("0.0.0.0:{PORT}"));
    host.up("d0", &["10.7.0.1/24"]);
    host.wait_up("d0", 1);
    beacon.refresh().unwrap();
    assert!(!beacon.is_usable());
    let problem = beacon.problems().concat();
    assert!(problem.starts_with("d0 (10.7.0.1): UDP "), "{problem}");
    assert!(problem.contains("is held by another program"), "{problem}");
    drop(exclusive);
    // A process that another test is just starting may have it for a moment.
    until("the port is free", || {
        beacon.refresh().unwrap().up.len() == 1
    });
    assert!(beacon.is_usable() && beacon.problems().is_empty());

    // The system still looks for others with the address: nothing can be sent from it.
    host.ip("addr del 10.7.0.1/24 dev d0");
    assert_eq!(beacon.refresh().unwrap().down.len(), 1);
    host.within(|| {
        std::fs::write("/proc/sys/net/ipv6/conf/d0/accept_dad", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/d0/dad_transmits", "100").unwrap();
    });
    host.ip("addr add fe80::d0/64 dev d0");
    host.wait_up("d0", 1);
    beacon.refresh().unwrap();
    assert!(!beacon.is_usable());
    let problem = beacon.problems().concat();
    assert!(problem.contains("bind to its address: "), "{problem}");
    assert_eq!(beacon.send(Cast::Groups, b"x"), 0);
    host.ip("addr del fe80::d0/64 dev d0");
    host.ip("addr add fe80::d1/64 dev d0 nodad");
    assert_eq!(beacon.refresh().unwrap().up.len(), 1);
    assert!(beacon.is_usable());

    // One of two groups has no route.
    let (beacon, _of_it) = host.within(|| {
        host.ip("-6 route del ff00::/8 dev d0 table local");
        host.ip("-6 route add multicast ff02::/16 dev d0 table local");
        let groups = [GROUP_V6, "[ff05::7a:7265]:45670"];
        let groups = groups.map(|group| group.parse().unwrap()).into();
        Beacon::open(with(config(named("d0")), |config| config.groups = groups)).unwrap()
    });
    assert!(beacon.is_usable());
    let problem = beacon.problems().concat();
    assert!(problem.contains("ff05::7a:7265"), "{problem}");
    assert_eq!(beacon.send(Cast::Groups, b"x"), 1);
    assert_eq!(beacon.stats().failed, 0);
}

/// One datagram to each network: not also by IPv6 where IPv4 reaches all, nor over loopback.
#[tokio::test]
async fn each_network_is_reached_once() {
    let Some(net) = Two::distinct() else { return };
    let (beacon, _of_it) = net.host.open(Interfaces::All);
    let (_left, mut to_left) = net.left.open(named("b0"));
    let (_right, mut to_right) = net.right.open(named("c0"));
    assert_eq!(beacon.send(Cast::EachNetwork, b"one"), 2);
    assert!(how(&next(&mut to_left).await).1.starts_with("10."));
    assert!(how(&next(&mut to_right).await).1.starts_with("10."));

    // By IPv6 where there is no IPv4.
    net.host.ip("addr del 10.2.0.1/24 dev a1");
    beacon.refresh().unwrap();
    assert_eq!(beacon.send(Cast::EachNetwork, b"two"), 2);
    assert!(how(&next(&mut to_left).await).1.starts_with("10."));
    assert!(how(&next(&mut to_right).await).1.starts_with("fe80:"));

    // And where IPv4 only broadcasts.
    let (beacon, _of_it) = net.host.within(|| {
        Beacon::open(with(config(Interfaces::All), |config| {
            config.groups = vec![GROUP_V6.parse().unwrap()];
        }))
        .unwrap()
    });
    assert_eq!(beacon.send(Cast::EachNetwork, b"three"), 2);
    assert!(how(&next(&mut to_left).await).1.starts_with("fe80:"));
    assert!(how(&next(&mut to_right).await).1.starts_with("fe80:"));

    // Over loopback if there is nothing else.
    net.host.ip("link set a0 down");
    net.host.ip("link set a1 down");
    let (alone, _of_it) = net.host.open(Interfaces::All);
    assert_eq!(alone.send(Cast::EachNetwork, b"four"), 1);
    for datagrams in [&mut to_left, &mut to_right] {
        assert_eq!(datagrams.try_recv(), None);
    }
}

/// The same addresses and names in two namespaces of one process: nothing is shared.
#[tokio::test]
async fn namespaces_are_kept_apart() {
    let (Some(one), Some(other)) = (Host::new(), Host::new()) else {
        return;
    };
    let (first, mut to_first) = one.open(Interfaces::Loopback);
    let (_second, mut to_second) = one.open(Interfaces::Loopback);
    let (elsewhere, mut to_elsewhere) = other.open(Interfaces::Loopback);
    let group = Cast::Group(GROUP.parse().unwrap());
    first.send(group, b"here");
    assert!(next(&mut to_second).await.same_process);
    elsewhere.send(group, b"there");
    until("the echo is back", || elsewhere.stats().echoes == 1);
    until("the echo is back", || first.stats().echoes == 1);
    for datagrams in [&mut to_first, &mut to_second, &mut to_elsewhere] {
        assert_eq!(datagrams.try_recv(), None);
    }
    // A refresh looks at the beacon's own namespace, whoever asks.
    assert!(elsewhere.refresh().unwrap().is_empty());
}

/// With a TTL of 0 nothing leaves the host, and everybody on it hears it.
#[tokio::test]
async fn a_ttl_of_zero_stays_on_the_host() {
    let Some(net) = Two::distinct() else { return };
    let group: SocketAddr = GROUP.parse().unwrap();
    let (_left, mut to_left) = net.left.open(named("b0"));
    let neighbour = net.host.within(|| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_read_timeout(Some(common::DEADLINE)).unwrap();
        socket.bind(&group.into()).unwrap();
        socket
            .join_multicast_v4(&common::GROUP, &Ipv4Addr::new(10, 1, 0, 1))
            .unwrap();
        UdpSocket::from(socket)
    });
    let open = |ttl: u32| {
        net.host
            .within(|| Beacon::open(with(config(named("a0")), |config| config.ttl = ttl)).unwrap())
    };
    let (near, _to_near) = open(0);
    let (far, _to_far) = open(1);
    assert_eq!(near.send(Cast::Groups, b"near"), 2);
    assert_eq!(far.send(Cast::Group(group), b"far"), 1);
    assert_eq!(&next(&mut to_left).await.payload[..], b"far");
    let mut buffer = [0; 8];
    for expected in [&b"near"[..], b"far"] {
        let (length, _) = neighbour.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], expected);
    }
    assert_eq!(to_left.try_recv(), None);
}
