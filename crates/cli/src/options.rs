//! The options that all subcommands share, and the node that they describe.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use zre::{Builder, Endpoint, Engine, IpcDir, Listen, Node, State, Uuid};

use crate::places::Places;
use crate::values::{gossip_bind, header, ipc, name_server, state, switch, time, uuid};

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

    /// A group to lead, if no lower UUID wants to; may be repeated
    ///
    /// The node isn't in it by this alone. C Zyre takes part in elections, pyre and
    /// zyre.js don't: with such a member a group has no leader.
    #[arg(
        long = "contest",
        env = "ZRE_CONTEST",
        value_name = "GROUP",
        help_heading = "Who"
    )]
    contests: Vec<String>,

    /// Something that every peer learns when it meets the node; may be repeated
    #[arg(long = "header", env = "ZRE_HEADER", value_name = "KEY=VALUE", value_parser = header, help_heading = "Who")]
    headers: Vec<(String, String)>,

    /// How the node is: init, ready, busy, draining, asleep, or a number from 128
    /// to 255 with a meaning of your own [default: ready]
    #[arg(long, env = "ZRE_STATE", value_parser = state, help_heading = "Who")]
    state: Option<State>,

    #[command(flatten)]
    pub(crate) places: Places,

    /// How many routers a multicast beacon may pass, plus one [default: 1]
    #[arg(
        long,
        env = "ZRE_TTL",
        value_parser = clap::value_parser!(u32).range(0..=255),
        help_heading = "Finding peers"
    )]
    ttl: Option<u32>,

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

    /// How far multicasts go.
    pub(crate) fn ttl(&self) -> u32 {
        self.ttl.unwrap_or(1)
    }

    /// Whether beacons are to be sent and heard at all.
    pub(crate) fn beacons(&self) -> bool {
        !self.no_beacon
    }

    /// Whether unix sockets aren't wanted.
    pub(crate) fn ipc_is_off(&self) -> bool {
        matches!(self.ipc, Some(IpcDir::Off))
    }

    /// The name whose SRV records list nodes, and whom to ask.
    pub(crate) fn dns_question(&self) -> Option<(String, Option<SocketAddr>)> {
        let domain = self.dns.as_deref()?;
        let service = self.dns_service.as_deref().unwrap_or("_zre._tcp");
        Some((format!("{service}.{domain}"), self.dns_server))
    }

    /// The node as it was described.
    ///
    /// # Errors
    /// Options that contradict each other, in words for the user.
    pub(crate) fn builder(&self) -> Result<Builder, String> {
        let mut builder = Node::builder().beacon_port(self.places.port);
        if let Some(name) = &self.name {
            builder = builder.name(name);
        }
        if let Some(uuid) = self.uuid {
            builder = builder.uuid(uuid);
        }
        for group in &self.groups {
            builder = builder.group(group);
        }
        for group in &self.contests {
            builder = builder.contest(group);
        }
        for (key, value) in &self.headers {
            builder = builder.header(key, value);
        }
        if let Some(state) = self.state {
            builder = builder.state(state);
        }
        if let Some(interfaces) = self.places.interfaces() {
            builder = builder.interfaces(interfaces);
        }
        if let Some(groups) = self.places.multicast()? {
            builder = builder.multicast(groups);
        }
        if let Some(ttl) = self.ttl {
            builder = builder.ttl(ttl);
        }
        if let Some(broadcast) = self.places.broadcast {
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
        if self.dns.is_none() && self.dns_service.is_some() {
            return Err("--dns-service stands before a domain: name that by --dns".into());
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
}
