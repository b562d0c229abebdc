use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use uuid::Uuid;
use zre_beacon::{Beacon, Cast};
use zre_proto::State;
use zre_proto::machine::Audience;

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
    /// Whether nodes without keys are to find us, too.
    pub(crate) plain: bool,
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
    /// Sends a beacon to that audience. Never waits.
    pub(crate) fn announce(&self, state: State, to: Audience) {
        let with_state = self.with_state(state);
        match to {
            Audience::Ours => {
                self.beacon.send(Cast::Groups, &with_state);
            }
            Audience::EachNetwork if !self.groups.is_empty() => {
                self.beacon.send(Cast::EachNetwork, &with_state);
            }
            // Without a group, broadcasts are all that there is.
            Audience::Everybody | Audience::EachNetwork => {
                self.beacon.send(Cast::Groups, &with_state);
                self.announce_to_others(state);
            }
        }
    }

    /// The form with a state, which other implementations don't take.
    fn with_state(&self, state: State) -> Vec<u8> {
        let (uuid, port) = (self.uuid, self.port);
        match self.key {
            None => zre_proto::Beacon::State { uuid, port, state },
            Some(public_key) => zre_proto::Beacon::Curve {
                uuid,
                port,
                public_key,
                state: Some(state),
            },
        }
        .encode()
    }

    /// In the forms of other implementations: to groups where they may listen, and by
    /// broadcast. With our key by broadcast only if the user has asked for it, because it
    /// would end pyre.
    fn announce_to_others(&self, state: State) {
        let uuid = self.uuid;
        let port = if state == State::Exit { 0 } else { self.port };
        if let Some(public_key) = self.key {
            let beacon = zre_proto::Beacon::Curve {
                uuid,
                port,
                public_key,
                state: None,
            }
            .encode();
            for group in self.groups.iter().filter(|group| group.named) {
                self.beacon.send(Cast::Group(group.addr), &beacon);
            }
            if self.broadcast_key {
                self.beacon.send(Cast::Broadcast, &beacon);
            }
        }
        if self.plain {
            let beacon = zre_proto::Beacon::Classic { uuid, port }.encode();
            for group in &self.groups {
                if group.named || group.addr.ip() == ALL_NODES {
                    self.beacon.send(Cast::Group(group.addr), &beacon);
                }
            }
            self.beacon.send(Cast::Broadcast, &beacon);
        }
    }
}
