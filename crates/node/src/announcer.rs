use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use uuid::Uuid;
use zre_beacon::{Beacon, Cast};
use zre_proto::State;

/// The IPv4 group of our beacons: Z, R and E in the block that every
/// organisation may use for itself (RFC 2365).
pub const MULTICAST_V4: &str = "239.90.82.69:0";

/// The IPv6 group of our beacons, on one link.
pub const MULTICAST_V6: &str = "[ff02::5a52:4501]:0";

/// All nodes of a link: where C Zyre listens in IPv6 mode.
const ALL_NODES: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));

/// Sends beacons, in the form that each address accepts.
///
/// The form with a state goes to multicast groups only: C Zyre and zyre.js drop it,
/// and it crashes pyre, which listens to broadcasts. Groups that the user names may
/// have such listeners, and therefore get both forms.
#[derive(Debug)]
pub(crate) struct Announcer {
    pub(crate) beacon: Beacon,
    pub(crate) uuid: Uuid,
    pub(crate) port: u16,
    /// Our public key, if we have one.
    pub(crate) key: Option<[u8; 32]>,
    /// Whether C Zyre's form with a key is broadcast.
    pub(crate) broadcast_key: bool,
    pub(crate) groups: Vec<Group>,
}

/// A multicast group, and whether nodes other than ours may listen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) addr: SocketAddr,
    pub(crate) named: bool,
}

impl Announcer {
    /// Sends a beacon of each form to all its addresses. Never waits.
    pub(crate) fn announce(&self, state: State) {
        match self.key {
            Some(key) => self.announce_key(state, key),
            None => self.announce_plainly(state),
        }
    }

    /// Sends a beacon in the form with a state only, which other implementations don't take.
    /// Never waits.
    pub(crate) fn announce_to_ours(&self, state: State) {
        let (uuid, port) = (self.uuid, self.port);
        let beacon = match self.key {
            None => zre_proto::Beacon::State { uuid, port, state },
            Some(public_key) => zre_proto::Beacon::Curve {
                uuid,
                port,
                public_key,
                state: Some(state),
            },
        }
        .encode();
        for group in &self.groups {
            self.beacon.send(Cast::Group(group.addr), &beacon);
        }
    }

    /// With our key and state, to multicast groups. Groups that the user has named
    /// get C Zyre's form, too. Broadcasts only if the user has asked for them: they
    /// would end pyre.
    fn announce_key(&self, state: State, public_key: [u8; 32]) {
        let leaving = state == State::Exit;
        let (uuid, port) = (self.uuid, self.port);
        let form = |port, state| {
            zre_proto::Beacon::Curve {
                uuid,
                port,
                public_key,
                state,
            }
            .encode()
        };
        let with_state = form(port, Some(state));
        let zyre = form(if leaving { 0 } else { port }, None);
        for group in &self.groups {
            let to = Cast::Group(group.addr);
            self.beacon.send(to, &with_state);
            if group.named {
                self.beacon.send(to, &zyre);
            }
        }
        if self.broadcast_key {
            self.beacon.send(Cast::Broadcast, &zyre);
        }
    }

    fn announce_plainly(&self, state: State) {
        let leaving = state == State::Exit;
        let classic = zre_proto::Beacon::Classic {
            uuid: self.uuid,
            port: if leaving { 0 } else { self.port },
        }
        .encode();
        let with_state = zre_proto::Beacon::State {
            uuid: self.uuid,
            port: self.port,
            state,
        }
        .encode();
        for group in &self.groups {
            let to = Cast::Group(group.addr);
            self.beacon.send(to, &with_state);
            if group.named || group.addr.ip() == ALL_NODES {
                self.beacon.send(to, &classic);
            }
        }
        self.beacon.send(Cast::Broadcast, &classic);
    }
}
