//! What the tests share. All of it stays on loopback, or in namespaces of the tests' own.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use zre_beacon::{Beacon, Config, Datagram, Datagrams, Interfaces};

/// Far longer than anything here takes: only a failure waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Holds the ports that were given out, so that the system gives them to nobody else.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A UDP port for this test alone, of all tests and processes. It is held on 127.0.0.1,
/// where it is in the way of neither groups nor broadcast addresses. Where beacons are bound
/// to the wildcard address, it has to be shared.
pub(crate) fn free_port() -> u16 {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    if !cfg!(target_os = "linux") {
        socket.set_reuse_address(true).unwrap();
    }
    let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&addr.into()).unwrap();
    let socket = UdpSocket::from(socket);
    let port = socket.local_addr().unwrap().port();
    RESERVED.lock().unwrap().push(socket);
    port
}

/// The loopback interface's name: `lo`, `lo0`, `Loopback Pseudo-Interface 1`.
pub(crate) fn loopback() -> String {
    let mut all = zre_beacon::interfaces().unwrap().into_iter();
    let loopback = all.find(|interface| interface.loopback).unwrap();
    loopback.name.to_string()
}

/// Loopback only, one IPv4 group, broadcast on 127.255.255.255.
pub(crate) fn config(port: u16) -> Config {
    with(Config::default(), |config| {
        config.port = port;
        config.interfaces = Interfaces::Loopback;
        config.groups = vec![group(port)];
    })
}

/// The configuration with a change.
pub(crate) fn with(mut config: Config, change: impl FnOnce(&mut Config)) -> Config {
    change(&mut config);
    config
}

/// The group of most tests.
pub(crate) const GROUP: std::net::Ipv4Addr = std::net::Ipv4Addr::new(239, 192, 77, 1);

pub(crate) fn group(port: u16) -> SocketAddr {
    SocketAddr::from((GROUP, port))
}

pub(crate) fn open(port: u16) -> (Beacon, Datagrams) {
    Beacon::open(config(port)).unwrap()
}

/// The next datagram, or a failure.
pub(crate) async fn next(datagrams: &mut Datagrams) -> Datagram {
    tokio::time::timeout(DEADLINE, datagrams.recv())
        .await
        .expect("a datagram in time")
        .expect("the beacon is open")
}

/// Waits until something holds, looking often.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what} didn't come true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A stranger: sends from loopback, over loopback, with a socket of its own.
pub(crate) fn stranger() -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket
        .set_multicast_if_v4(&std::net::Ipv4Addr::LOCALHOST)
        .unwrap();
    socket.set_multicast_ttl_v4(1).unwrap();
    socket.set_broadcast(true).unwrap();
    let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&addr.into()).unwrap();
    socket.into()
}
