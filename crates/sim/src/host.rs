//! A host, and the process on it that is a node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::SessionId;
use zre_proto::{Endpoint, Time};

use crate::brain::Brain;
use crate::checker::Checker;
use crate::justify::Session;
use crate::link::ProcessId;

/// The UDP port of beacons.
const BEACON_PORT: u16 = 5670;

/// Where ephemeral ports begin.
const FIRST_PORT: u16 = 49_152;

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    /// Since then: nothing moves, and its clock stands.
    Asleep(Time),
    Off,
}

/// One host, which runs one process at a time.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) power: Power,
    /// Of its last process.
    pub(crate) uuid: Uuid,
    pub(crate) port: u16,
    /// When its process was started, and the one before it.
    pub(crate) started: [Time; 2],
    /// How many processes it has had.
    pub(crate) lives: u32,
    pub(crate) process: Option<Process>,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    pub(crate) brain: Brain,
    pub(crate) checker: Checker,
    /// Its mailboxes, by the number of the link.
    pub(crate) mailboxes: BTreeMap<SessionId, usize>,
    /// All links that it has dialled.
    pub(crate) dialled: BTreeMap<SessionId, usize>,
    /// The links into its inbox, by the identity at their other end.
    pub(crate) inbound: BTreeMap<Uuid, usize>,
    pub(crate) enters: BTreeMap<Uuid, u64>,
    /// The sessions that its application knows.
    pub(crate) sessions: BTreeMap<Uuid, Session>,
    /// The groups that it would lead.
    pub(crate) contests: BTreeSet<String>,
    /// The name that it was given while it runs.
    pub(crate) name: Option<String>,
    /// How long its host has slept, which its clock doesn't know.
    pub(crate) slept: Duration,
    /// When it last began or ended to do what keeps others waiting.
    pub(crate) disturbed: Time,
    pub(crate) stopped: bool,
    /// Its application doesn't read.
    pub(crate) held: bool,
    /// It has been told to shut down.
    pub(crate) leaving: bool,
    /// When a happening is planned that will look at its timeouts.
    pub(crate) wake: Option<Time>,
    /// Datagrams that wait for a stopped process in its socket.
    pub(crate) waiting: Vec<Datagram>,
}

/// What a socket holds for a process that doesn't read it.
pub(crate) const SOCKET_BUFFER: usize = 200;

/// One datagram on its last step.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) multicast: bool,
    pub(crate) beacon: zre_proto::Beacon,
}

impl Host {
    /// A host that is off. Each four neighbours begin at the same port: some
    /// networks give every node the same, most give each its own.
    pub(crate) fn new(number: usize) -> Self {
        let offset = u16::try_from(number / 4 * 16 % 16_000).unwrap_or(0);
        Self {
            power: Power::Off,
            uuid: Uuid::nil(),
            port: FIRST_PORT + offset,
            started: [Time::ZERO; 2],
            lives: 0,
            process: None,
        }
    }

    /// The process, if it is the one meant.
    pub(crate) fn process(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.process.as_mut().filter(|process| process.id == id)
    }

    /// The process, if it can do anything at all now.
    pub(crate) fn active(&mut self) -> Option<&mut Process> {
        let on = self.power == Power::On;
        self.process
            .as_mut()
            .filter(|process| on && !process.stopped)
    }
}

impl Process {
    /// The time on its clock.
    pub(crate) fn clock(&self, now: Time) -> Time {
        Time::from_origin(now.since_origin().saturating_sub(self.slept))
    }
}

/// The address of a host.
pub(crate) fn ip(host: usize) -> IpAddr {
    let number = u32::try_from(host).unwrap_or(u32::MAX >> 8);
    let [_, high, middle, low] = number.saturating_add(1).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, high, middle, low))
}

/// Where a host's beacons come from.
pub(crate) fn beacon_address(host: usize) -> SocketAddr {
    SocketAddr::new(ip(host), BEACON_PORT)
}

/// The host at an endpoint, if there can be one, and the port.
pub(crate) fn host_at(endpoint: &Endpoint) -> Option<(usize, u16)> {
    let SocketAddr::V4(address) = endpoint.socket_addr()? else {
        return None;
    };
    let [network, high, middle, low] = address.ip().octets();
    let number = u32::from_be_bytes([0, high, middle, low]).checked_sub(1)?;
    let host = usize::try_from(number).ok()?;
    (network == 10).then_some((host, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_its_host() {
        for host in [0, 1, 254, 255, 256, 70_000] {
            let endpoint = Endpoint::from(SocketAddr::new(ip(host), 7));
            assert_eq!(host_at(&endpoint), Some((host, 7)));
        }
        let elsewhere = "tcp://192.168.0.1:7".parse().unwrap();
        assert_eq!(host_at(&elsewhere), None);
    }
}
