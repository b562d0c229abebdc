mod start;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;
use zre_beacon::{Broadcast, Interfaces};
use zre_proto::machine::Config;
use zre_proto::{Endpoint, Limits, State};
use zre_session::{Engine, IpcDir};

use crate::{Listen, SendPolicy};

/// How a node is to be. Every setting has a default that suits a local network.
///
/// ```no_run
/// use zre::{Node, SendPolicy, State};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (node, events) = Node::builder()
///     .name("camera 3")
///     .header("resolution", "1920x1080")
///     .group("cameras")
///     .state(State::Busy)
///     // For a firewall.
///     .listen("49152-49200".parse::<zre::Listen>()?)
///     // Where datagrams don't pass.
///     .peer("tcp://recorder.example.org:49152".parse()?)
///     .send_policy(SendPolicy::Reject)
///     .start()
///     .await?;
/// # drop((node, events));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until start() is called"]
pub struct Builder {
    uuid: Uuid,
    name: Option<String>,
    headers: BTreeMap<String, String>,
    groups: Vec<String>,
    contests: Vec<String>,
    state: State,
    interfaces: Option<Interfaces>,
    beacon: bool,
    beacon_port: u16,
    multicast: Option<Vec<SocketAddr>>,
    ttl: u32,
    broadcast: Broadcast,
    interval: Duration,
    listen: Listen,
    advertise: Option<Endpoint>,
    peers: Vec<Endpoint>,
    gossip_bind: Vec<SocketAddr>,
    gossip_connect: Vec<Endpoint>,
    #[cfg(feature = "dns")]
    dns: Option<String>,
    #[cfg(feature = "dns")]
    dns_service: String,
    #[cfg(feature = "dns")]
    dns_server: Option<SocketAddr>,
    evasive: Duration,
    expired: Duration,
    engine: Engine,
    ipc: IpcDir,
    inproc: bool,
    policy: SendPolicy,
    event_queue_bytes: usize,
    auto_busy: bool,
    limits: Limits,
    link_limits: zre_session::Limits,
}

impl Default for Builder {
    fn default() -> Self {
        let defaults = Config::new(Uuid::nil(), 0);
        Self {
            uuid: Uuid::new_v4(),
            name: None,
            headers: BTreeMap::new(),
            groups: Vec::new(),
            contests: Vec::new(),
            state: State::Ready,
            interfaces: None,
            beacon: true,
            beacon_port: zre_beacon::DEFAULT_PORT,
            multicast: None,
            ttl: 1,
            broadcast: Broadcast::Auto,
            interval: defaults.interval.unwrap_or(Duration::from_secs(1)),
            listen: Listen::default(),
            advertise: None,
            peers: Vec::new(),
            gossip_bind: Vec::new(),
            gossip_connect: Vec::new(),
            #[cfg(feature = "dns")]
            dns: None,
            #[cfg(feature = "dns")]
            dns_service: "_zre._tcp".into(),
            #[cfg(feature = "dns")]
            dns_server: None,
            evasive: defaults.evasive,
            expired: defaults.expired,
            engine: Engine::default(),
            ipc: IpcDir::Auto,
            inproc: true,
            policy: SendPolicy::default(),
            event_queue_bytes: 16 << 20,
            auto_busy: false,
            limits: Limits::default(),
            link_limits: zre_session::Limits::default(),
        }
    }
}

impl Builder {
    /// The public name. Default: the first six hex digits of the UUID.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Who the node is. Default: a new random UUID. A node that keeps its UUID
    /// over a restart is recognised as the one that was there before; two live
    /// nodes must never share one.
    pub fn uuid(mut self, uuid: Uuid) -> Self {
        self.uuid = uuid;
        self
    }

    /// Adds a header, which every peer sees when we enter. `X-ZRE-…` is kept
    /// for the protocol.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(key.into(), value.into());
        self
    }

    /// Joins a group before the first peer is met.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// Wants to lead a group, as [`Node::contest`](crate::Node::contest) says. It
    /// doesn't join the group.
    pub fn contest(mut self, group: impl Into<String>) -> Self {
        self.contests.push(group.into());
        self
    }

    /// The state to show once started. Default: ready.
    pub fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Which network interfaces to use. Default: what the environment variable
    /// `ZRE_INTERFACE` says, else all that are up.
    pub fn interfaces(mut self, interfaces: Interfaces) -> Self {
        self.interfaces = Some(interfaces);
        self
    }

    /// Uses the loopback interface only: nothing leaves the host.
    pub fn loopback(self) -> Self {
        self.interfaces(Interfaces::Loopback)
    }

    /// Sends and hears no beacons: peers are met by [`peer`](Self::peer), or by
    /// greeting us.
    pub fn no_beacon(mut self) -> Self {
        self.beacon = false;
        self
    }

    /// The UDP port of beacons. Default: 5670.
    pub fn beacon_port(mut self, port: u16) -> Self {
        self.beacon_port = port;
        self
    }

    /// The multicast groups for beacons, instead of [`MULTICAST_V4`] and
    /// [`MULTICAST_V6`]; port 0 stands for the beacon port. Groups named here
    /// get the classic form beside the one with a state, so that other ZRE
    /// implementations may listen there. None: no multicast.
    ///
    /// [`MULTICAST_V4`]: crate::MULTICAST_V4
    /// [`MULTICAST_V6`]: crate::MULTICAST_V6
    pub fn multicast(mut self, groups: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.multicast = Some(groups.into_iter().collect());
        self
    }

    /// How many routers a multicast beacon may pass, plus one. Default: 1.
    pub fn ttl(mut self, ttl: u32) -> Self {
        self.ttl = ttl;
        self
    }

    /// Whether and where beacons are broadcast, in the classic form that C
    /// Zyre, pyre and zyre.js understand. Default: each interface's own
    /// broadcast address.
    pub fn broadcast(mut self, broadcast: Broadcast) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// The time between two beacons. Default: 1 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Where the inbox listens: for a firewall a fixed port or a range of them,
    /// of which the first free one is taken, or an address. Default: any free
    /// port of the chosen interfaces.
    ///
    /// Peers are told the address named here; where all addresses are listened
    /// at, each is told the one that it sees.
    pub fn listen(mut self, listen: impl Into<Listen>) -> Self {
        self.listen = listen.into();
        self
    }

    /// The TCP port of the inbox; 0 for any that is free. The same as
    /// [`listen`](Self::listen) with a port.
    pub fn listen_port(self, port: u16) -> Self {
        self.listen(port)
    }

    /// The endpoint to tell peers, where it isn't the one that they see: behind
    /// NAT, say.
    pub fn advertise(mut self, endpoint: Endpoint) -> Self {
        self.advertise = Some(endpoint);
        self
    }

    /// Adds an address at which a node should be, whoever it is. It is dialled
    /// until somebody answers, and again when that node has gone, with a wait
    /// that grows to 30 s.
    pub fn peer(mut self, endpoint: Endpoint) -> Self {
        self.peers.push(endpoint);
        self
    }

    /// Finds nodes by DNS too: those that the SRV records (RFC 2782) of
    /// `_zre._tcp.DOMAIN` list, or the instances (RFC 6763) that its PTR records
    /// list, whose TXT record may say `uuid=`. All of them are dialled. The
    /// records are asked for again when they run out, after 5 s to 5 min; a
    /// record that vanishes ends no session.
    ///
    /// A domain without a dot at its end is looked for in the system's search
    /// list too.
    #[cfg(feature = "dns")]
    pub fn dns(mut self, domain: impl Into<String>) -> Self {
        self.dns = Some(domain.into());
        self
    }

    /// What stands before the domain, instead of `_zre._tcp`.
    #[cfg(feature = "dns")]
    pub fn dns_service(mut self, service: impl Into<String>) -> Self {
        self.dns_service = service.into();
        self
    }

    /// The name server to ask, instead of those of the system. Names of
    /// [`peer`](Self::peer)s are looked up there first, too.
    #[cfg(feature = "dns")]
    pub fn dns_server(mut self, server: SocketAddr) -> Self {
        self.dns_server = Some(server);
        self
    }

    /// Listens there for nodes that gossip, as C Zyre's `gossip_bind`: whoever
    /// connects learns of all nodes that the others told of. Beacons go on
    /// beside it, unless [`no_beacon`](Self::no_beacon) is said.
    pub fn gossip_bind(mut self, addr: SocketAddr) -> Self {
        self.gossip_bind.push(addr);
        self
    }

    /// Gossips with the node that listens there: tells it our endpoint and
    /// whatever we learn, and hears the same. It is dialled again for as long as
    /// we run. A tcp endpoint; names are looked up each time.
    ///
    /// What is told is [`advertise`](Self::advertise), else
    /// [`Node::endpoint`](crate::Node::endpoint): a single address.
    pub fn gossip_connect(mut self, endpoint: Endpoint) -> Self {
        self.gossip_connect.push(endpoint);
        self
    }

    /// Silence of a peer after which it is pinged. Default: 5 s.
    pub fn evasive(mut self, evasive: Duration) -> Self {
        self.evasive = evasive;
        self
    }

    /// Silence of a peer after which it is given up. Default: 30 s; at least a
    /// few seconds longer than [`evasive`](Self::evasive).
    pub fn expired(mut self, expired: Duration) -> Self {
        self.expired = expired;
        self
    }

    /// What carries tcp and ipc links.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Where the unix sockets for peers on this host are, or that there are
    /// none. Default: the user's own runtime directory. Where it can't be used,
    /// such peers are reached by tcp.
    pub fn ipc(mut self, dir: IpcDir) -> Self {
        self.ipc = dir;
        self
    }

    /// Whether peers in this process are reached in memory. Default: yes.
    pub fn inproc(mut self, inproc: bool) -> Self {
        self.inproc = inproc;
        self
    }

    /// What happens when the queue to a peer is full. Default: wait 10 s.
    pub fn send_policy(mut self, policy: SendPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How many bytes of events may wait to be read before peers are held
    /// back. Default: 16 MiB.
    pub fn event_queue_bytes(mut self, bytes: usize) -> Self {
        self.event_queue_bytes = bytes;
        self
    }

    /// Whether the node shows [`State::Busy`] while as many bytes of events wait
    /// as [`event_queue_bytes`](Self::event_queue_bytes) says, and
    /// [`State::Ready`] again once half of them are read. Default: no.
    ///
    /// Only a node that is ready becomes busy so. A state that you set
    /// meanwhile stays.
    pub fn auto_busy(mut self, on: bool) -> Self {
        self.auto_busy = on;
        self
    }

    /// What a peer may cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What connections and queues may cost.
    pub fn link_limits(mut self, limits: zre_session::Limits) -> Self {
        self.link_limits = limits;
        self
    }
}
