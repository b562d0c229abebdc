//! The options that all subcommands share, and the node that they describe.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use zre::{Broadcast, Builder, Endpoint, Engine, Interfaces, IpcDir, Listen, Node, State, Uuid};

/// Shorter intervals would flood the network with beacons.
const SHORTEST: Duration = Duration::from_millis(10);
/// Longer times are taken for a mistake.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The public name [default: the first six hex digits of the UUID]
    #[arg(long, env = "ZRE_NAME", help_heading = "Who")]
    name: Option<String>,

    /// Who the node is, as 32 hex digits [default: a new random UUID]
    ///
    /// A node that keeps its UUID over a restart is recognised by its peers. Two
    /// live nodes must never share one.
    #[arg(long, env = "ZRE_UUID", value_parser = uuid, help_heading = "Who")]
    uuid: Option<Uuid>,

    /// A group to be in from the start; may be repeated
    #[arg(
        long = "group",
        env = "ZRE_GROUP",
        value_name = "GROUP",
        help_heading = "Who"
    )]
    groups: Vec<String>,

    /// Something that every peer learns when it meets the node; may be repeated
    #[arg(long = "header", value_name = "KEY=VALUE", value_parser = header, help_heading = "Who")]
    headers: Vec<(String, String)>,

    /// How the node is: init, ready, busy, draining, asleep, or a number from 128
    /// to 255 with a meaning of your own [default: ready]
    #[arg(long, env = "ZRE_STATE", value_parser = state, help_heading = "Who")]
    state: Option<State>,

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
    port: u16,

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

    /// How many routers a multicast beacon may pass, plus one [default: 1]
    #[arg(
        long,
        env = "ZRE_TTL",
        value_parser = clap::value_parser!(u32).range(0..=255),
        help_heading = "Finding peers"
    )]
    ttl: Option<u32>,

    /// Where to broadcast the beacons that C Zyre, pyre and zyre.js understand:
    /// an IPv4 address, off, or auto for each interface's own [default: auto]
    #[arg(
        long,
        env = "ZRE_BROADCAST",
        value_name = "ADDR|off|auto",
        value_parser = broadcast,
        help_heading = "Finding peers"
    )]
    broadcast: Option<Broadcast>,

    /// The time between two beacons, as 250ms or 5s [default: 1s]
    #[arg(
        long,
        env = "ZRE_INTERVAL",
        value_name = "TIME",
        value_parser = time,
        help_heading = "Finding peers"
    )]
    interval: Option<Duration>,

    /// Send and hear no beacons: peers are met by --peer, or by greeting us
    #[arg(
        long,
        env = "ZRE_NO_BEACON",
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Finding peers"
    )]
    no_beacon: bool,

    /// An address at which a node should be, as tcp://192.168.1.2:5670; may be
    /// repeated
    #[arg(
        long = "peer",
        env = "ZRE_PEER",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        help_heading = "Finding peers"
    )]
    peers: Vec<Endpoint>,

    /// Find nodes by the SRV records of _zre._tcp.DOMAIN too
    ///
    /// Instances by PTR, SRV and TXT records (RFC 6763) are found as well.
    #[arg(
        long,
        env = "ZRE_DNS",
        value_name = "DOMAIN",
        help_heading = "Finding peers"
    )]
    dns: Option<String>,

    /// What stands before the domain [default: _zre._tcp]
    #[arg(
        long,
        env = "ZRE_DNS_SERVICE",
        value_name = "LABELS",
        requires = "dns",
        help_heading = "Finding peers"
    )]
    dns_service: Option<String>,

    /// The name server to ask, as 192.168.1.1:53 [default: those of the system]
    #[arg(
        long,
        env = "ZRE_DNS_SERVER",
        value_name = "ADDR[:PORT]",
        value_parser = name_server,
        help_heading = "Finding peers"
    )]
    dns_server: Option<SocketAddr>,

    /// Where to listen for nodes that gossip, as C Zyre does, as
    /// tcp://0.0.0.0:5680; may be repeated
    #[arg(
        long,
        env = "ZRE_GOSSIP_BIND",
        value_name = "tcp://ADDR:PORT",
        value_delimiter = ',',
        value_parser = gossip_bind,
        help_heading = "Finding peers"
    )]
    gossip_bind: Vec<SocketAddr>,

    /// A node to gossip with, as tcp://192.168.1.2:5680; may be repeated
    #[arg(
        long,
        env = "ZRE_GOSSIP_CONNECT",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        help_heading = "Finding peers"
    )]
    gossip_connect: Vec<Endpoint>,

    /// Silence of a peer until it is pinged [default: 5s]
    #[arg(
        long,
        env = "ZRE_EVASIVE",
        value_name = "TIME",
        value_parser = time,
        help_heading = "Losing peers"
    )]
    evasive: Option<Duration>,

    /// Silence of a peer until it is given up; longer than --evasive
    /// [default: 30s]
    #[arg(
        long,
        env = "ZRE_EXPIRED",
        value_name = "TIME",
        value_parser = time,
        help_heading = "Losing peers"
    )]
    expired: Option<Duration>,

    /// Where to listen: a port, a range of ports for a firewall (the first free
    /// one is taken), or these at one address, as tcp://0.0.0.0:49152-49200
    /// [default: any free port of the chosen interfaces]
    #[arg(
        long,
        env = "ZRE_LISTEN",
        value_name = "[tcp://ADDR:]PORT[-PORT]",
        help_heading = "Links"
    )]
    listen: Option<Listen>,

    /// The endpoint to tell peers, where they can't use the one that they see:
    /// behind NAT, or in a container whose port is published
    #[arg(
        long,
        env = "ZRE_ADVERTISE",
        value_name = "ENDPOINT",
        help_heading = "Links"
    )]
    advertise: Option<Endpoint>,

    /// Where the unix sockets for peers on this host are: a directory, off, or
    /// auto for the user's own [default: auto]
    #[arg(
        long,
        env = "ZRE_IPC",
        value_name = "auto|off|DIR",
        value_parser = ipc,
        help_heading = "Links"
    )]
    ipc: Option<IpcDir>,

    /// Whether peers in the same process are reached in memory [default: on]
    #[arg(long, env = "ZRE_INPROC", value_name = "on|off", value_parser = switch, help_heading = "Links")]
    inproc: Option<bool>,

    /// What carries messages between processes [default: the library's choice]
    #[arg(long, env = "ZRE_ENGINE", value_enum, help_heading = "Links")]
    engine: Option<EngineName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Multicast {
    Off,
    /// With port 0 where none was said.
    Group(SocketAddr),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineName {
    /// The project's own.
    Native,
    /// The zeromq crate.
    #[value(name = "zeromq")]
    ZeroMq,
}

impl Options {
    /// The groups to be in from the start, in the order in which they were
    /// named.
    pub(crate) fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Names the group to be in where none was named.
    pub(crate) fn default_group(&mut self, group: &str) {
        if self.groups.is_empty() {
            self.groups.push(group.to_owned());
        }
    }

    /// The node as it was described.
    ///
    /// # Errors
    /// Options that contradict each other, in words for the user.
    pub(crate) fn builder(&self) -> Result<Builder, String> {
        let mut builder = Node::builder().beacon_port(self.port);
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        if let Some(uuid) = self.uuid {
            builder = builder.uuid(uuid);
        }
        for group in &self.groups {
            builder = builder.group(group);
        }
        for (key, value) in &self.headers {
            builder = builder.header(key, value);
        }
        if let Some(state) = self.state {
            builder = builder.state(state);
        }
        if let Some(interfaces) = self.interfaces() {
            builder = builder.interfaces(interfaces);
        }
        if let Some(groups) = self.multicast()? {
            builder = builder.multicast(groups);
        }
        if let Some(ttl) = self.ttl {
            builder = builder.ttl(ttl);
        }
        if let Some(broadcast) = self.broadcast {
            builder = builder.broadcast(broadcast);
        }
        if let Some(interval) = self.interval {
            builder = builder.interval(interval);
        }
        if self.no_beacon {
            builder = builder.no_beacon();
        }
        for peer in &self.peers {
            builder = builder.peer(peer.clone());
        }
        if let Some(domain) = &self.dns {
            builder = builder.dns(domain);
        }
        if let Some(service) = &self.dns_service {
            builder = builder.dns_service(service);
        }
        if let Some(server) = self.dns_server {
            builder = builder.dns_server(server);
        }
        for addr in &self.gossip_bind {
            builder = builder.gossip_bind(*addr);
        }
        for endpoint in &self.gossip_connect {
            builder = builder.gossip_connect(endpoint.clone());
        }
        if let Some(evasive) = self.evasive {
            builder = builder.evasive(evasive);
        }
        if let Some(expired) = self.expired {
            builder = builder.expired(expired);
        }
        if let Some(listen) = &self.listen {
            builder = builder.listen(listen.clone());
        }
        if let Some(endpoint) = &self.advertise {
            builder = builder.advertise(endpoint.clone());
        }
        if let Some(ipc) = &self.ipc {
            builder = builder.ipc(ipc.clone());
        }
        if let Some(inproc) = self.inproc {
            builder = builder.inproc(inproc);
        }
        if let Some(engine) = self.engine {
            builder = builder.engine(match engine {
                EngineName::Native => Engine::Native,
                EngineName::ZeroMq => Engine::ZeroMq,
            });
        }
        Ok(builder)
    }

    /// `None` where it is left to the library. An empty variable counts as none.
    fn interfaces(&self) -> Option<Interfaces> {
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

    fn multicast(&self) -> Result<Option<Vec<SocketAddr>>, String> {
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

fn uuid(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "it has 32 hex digits, with or without hyphens".into())
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write it as KEY=VALUE".into()),
    }
}

fn state(text: &str) -> Result<State, String> {
    let state: State = text
        .parse()
        .map_err(|error: zre::StateError| error.to_string())?;
    if state.is_settable() {
        Ok(state)
    } else {
        Err("a node can't be given it: say init, ready, busy, draining, asleep, or a number from 128 to 255".into())
    }
}

fn multicast(text: &str) -> Result<Multicast, String> {
    if text == "off" {
        return Ok(Multicast::Off);
    }
    let addr = address(text)?;
    if addr.ip().is_multicast() {
        Ok(Multicast::Group(addr))
    } else {
        Err("it is no multicast address (224.0.0.0/4 or ff00::/8); a broadcast address goes to --broadcast".into())
    }
}

fn broadcast(text: &str) -> Result<Broadcast, String> {
    match text {
        "off" => Ok(Broadcast::Off),
        "auto" => Ok(Broadcast::Auto),
        _ => match address(text)? {
            SocketAddr::V4(addr) if !addr.ip().is_multicast() => {
                Ok(Broadcast::To(SocketAddrV4::new(*addr.ip(), addr.port())))
            }
            SocketAddr::V4(_) => Err("a multicast group goes to --multicast".into()),
            SocketAddr::V6(_) => Err("IPv6 has no broadcast".into()),
        },
    }
}

/// An address with or without a port, which is 0 then.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok((ip, 0).into());
    }
    text.parse().map_err(|_| {
        "write an address, or one with a port: 239.1.2.3, 239.1.2.3:5670, [ff02::1]:5670".into()
    })
}

/// An address whose port is DNS's own where none is said.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    let mut addr = address(text)?;
    if addr.port() == 0 {
        addr.set_port(53);
    }
    Ok(addr)
}

fn gossip_bind(text: &str) -> Result<SocketAddr, String> {
    let listen: Listen = text
        .parse()
        .map_err(|error: zre::ListenError| error.to_string())?;
    let (ports, addr) = (listen.ports(), listen.addr());
    match addr {
        Some(addr) if ports.start() == ports.end() && *ports.start() != 0 => {
            Ok((addr, *ports.start()).into())
        }
        _ => Err("write an address and one port, as tcp://0.0.0.0:5680".into()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}: write 250ms, 5s or 1m"))?;
    if (SHORTEST..=LONGEST).contains(&time) {
        Ok(time)
    } else {
        Err("it must be from 10ms to 1day".into())
    }
}

fn ipc(text: &str) -> Result<IpcDir, String> {
    match text {
        "" => Err("say auto, off, or a directory".into()),
        "auto" => Ok(IpcDir::Auto),
        "off" => Ok(IpcDir::Off),
        directory => Ok(IpcDir::Path(PathBuf::from(directory))),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("say on or off".into()),
    }
}
