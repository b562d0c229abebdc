//! The options that say where beacons go and are heard.

use std::net::SocketAddr;

use clap::Args;
use zre::{Broadcast, Interfaces};

use crate::values::{Multicast, broadcast, multicast};

#[derive(Args, Clone, Debug)]
pub(crate) struct Places {
    /// The network interface to use: a name (eth0), one of its addresses, lo for
    /// this host only, or * for all; may be repeated [default: all that are up]
    #[arg(
        long = "interface",
        env = "ZRE_INTERFACE",
        value_name = "INTERFACE",
        value_delimiter = ',',
        help_heading = "Finding peers"
    )]
    interfaces: Vec<String>,

    /// The UDP port of the beacons
    #[arg(
        long,
        env = "ZRE_PORT",
        default_value_t = 5670,
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = "Finding peers"
    )]
    pub(crate) port: u16,

    /// The multicast group to send beacons to, or off; may be repeated
    /// [default: an IPv4 and an IPv6 group of this program's own]
    ///
    /// A group that is named here gets the beacons of other ZRE implementations
    /// as well. Without a port, it is that of --port.
    #[arg(
        long,
        env = "ZRE_MULTICAST",
        value_name = "ADDR[:PORT]|off",
        value_delimiter = ',',
        value_parser = multicast,
        help_heading = "Finding peers"
    )]
    multicast: Vec<Multicast>,

    /// Where to broadcast the beacons that C Zyre, pyre and zyre.js understand:
    /// an IPv4 address, off, or auto for each interface's own [default: auto]
    #[arg(
        long,
        env = "ZRE_BROADCAST",
        value_name = "ADDR|off|auto",
        value_parser = broadcast,
        help_heading = "Finding peers"
    )]
    pub(crate) broadcast: Option<Broadcast>,
}

impl Places {
    /// `None` where it is left to the library. An empty variable counts as none.
    pub(crate) fn interfaces(&self) -> Option<Interfaces> {
        let names: Vec<&str> = self
            .interfaces
            .iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
            .collect();
        match names.as_slice() {
            [] => None,
            ["lo" | "loopback"] => Some(Interfaces::Loopback),
            names if names.contains(&"*") => Some(Interfaces::All),
            names => Some(Interfaces::Named(
                names.iter().map(|&name| name.to_owned()).collect(),
            )),
        }
    }

    pub(crate) fn multicast(&self) -> Result<Option<Vec<SocketAddr>>, String> {
        if self.multicast.is_empty() {
            return Ok(None);
        }
        let groups: Vec<SocketAddr> = self
            .multicast
            .iter()
            .filter_map(|item| match item {
                Multicast::Off => None,
                Multicast::Group(addr) => Some(*addr),
            })
            .collect();
        if !groups.is_empty() && groups.len() < self.multicast.len() {
            return Err("--multicast is off and names a group: say one of them".into());
        }
        Ok(Some(groups))
    }
}
