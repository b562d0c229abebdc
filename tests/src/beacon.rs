//! Beacons written by hand, and sent on loopback only.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use socket2::{Domain, SockRef, Socket, Type};

/// A beacon in state form: signature, version 1, UUID, port, state.
pub fn with_state(uuid: &str, port: u16, state: u8) -> Vec<u8> {
    let mut beacon = classic(uuid, port);
    beacon.push(state);
    beacon
}

/// A classic beacon: signature, version 1, UUID, port.
pub fn classic(uuid: &str, port: u16) -> Vec<u8> {
    assert_eq!(uuid.len(), 32, "a UUID of 32 hex digits");
    let mut beacon = b"ZRE\x01".to_vec();
    for index in (0..32).step_by(2) {
        let octet = u8::from_str_radix(&uuid[index..index + 2], 16).expect("hex digits");
        beacon.push(octet);
    }
    beacon.extend(port.to_be_bytes());
    beacon
}

/// The port at the end of an endpoint.
pub fn port_of(endpoint: &str) -> u16 {
    let (_, port) = endpoint.rsplit_once(':').expect("an endpoint with a port");
    port.parse().expect("a port number")
}

/// Sends a datagram from 127.0.0.1, by the loopback interface.
pub fn send(to: SocketAddrV4, beacon: &[u8]) {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a UDP socket");
    let loopback = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    socket.bind(&loopback.into()).expect("bound to loopback");
    let socket = UdpSocket::from(socket);
    let options = SockRef::from(&socket);
    options
        .set_multicast_if_v4(&Ipv4Addr::LOCALHOST)
        .expect("multicast by loopback");
    options.set_broadcast(true).expect("broadcast allowed");
    assert!(
        to.ip().is_multicast() || to.ip().is_loopback(),
        "{to} would leave this machine"
    );
    socket.send_to(beacon, to).expect("sent on loopback");
}
