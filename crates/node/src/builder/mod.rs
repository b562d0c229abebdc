mod start;

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;
use zre_beacon::{Broadcast, Interfaces};
use zre_session::{Engine, IpcDir};

use crate::{Endpoint, LinkLimits, Listen, MessageLimits, SendPolicy, Settings, State};

/// Configures a node. Every setting has a default that suits a local network.
///
/// [`Settings`] are the same as plain data, with names for files, variables and
/// other languages.
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
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until start() is called"]
pub struct Builder {
    settings: Settings,
}

impl From<Settings> for Builder {
    fn from(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Builder {
    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The public name. Default: the first six hex digits of the UUID.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Who the node is. Default: a new random UUID at each start. Peers recognise
    /// a node that keeps its UUID over a restart; two live nodes must never share
    /// one.
    pub fn uuid(mut self, uuid: Uuid) -> Self {
        self.settings.uuid = Some(uuid);
        self
    }

    /// Gives the node keys: everything that it sends and receives is encrypted, and each
    /// peer has to prove which key it holds ([`Peer::key`](crate::Peer::key)). It talks
    /// to no node without keys, unless [`plain_too`](Self::plain_too) is set. Default: none,
    /// and no encryption.
    ///
    /// [`Keys`](crate::Keys), or the name of a file, which is read when the node starts.
    /// Peers in the same process aren't encrypted. `Engine::ZeroMq` can't use keys.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), zre::StartError> {
    /// let (node, events) = zre::Node::builder().keys("/etc/camera.key").start().await?;
    /// # drop((node, events));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "curve")]
    pub fn keys(mut self, keys: impl Into<crate::KeySource>) -> Self {
        self.settings.keys = Some(keys.into());
        self
    }

    /// Which peers a node with keys talks to. Default: whoever has a key.
    #[cfg(feature = "curve")]
    pub fn trust(mut self, trust: crate::Trust) -> Self {
        self.settings.trust = trust;
        self
    }

    /// Talks to nodes without keys as well, although the node has
    /// [keys](Self::keys). Default: it doesn't.
    ///
    /// Such a peer has no [`Peer::key`](crate::Peer::key), [trust](Self::trust) says
    /// nothing of it, and all that passes between it and this node can be read and
    /// changed on the way: who it is and what it sends is as uncertain as without keys.
    /// It isn't a member of a group, unless [`plain_group`](Self::plain_group) opens the
    /// group to it. It hears the name, the headers and the groups of this node.
    ///
    /// A peer that has proved a key to this node, or whose HELLO shows one, is met only
    /// under a key. But somebody on the way can hide from both that the other has keys
    /// when they meet for the first time; they meet without keys then, and `Peer::key` is
    /// `None`. To be safe from that, name the peer's key
    /// ([`peer_with_key`](Self::peer_with_key)), or don't use this.
    #[cfg(feature = "curve")]
    pub fn plain_too(mut self) -> Self {
        self.settings.plain_too = true;
        self
    }

    /// Opens a group to peers without keys, for a node that meets such peers
    /// ([`plain_too`](Self::plain_too)): they are members of the group if they join it,
    /// and hear shouts to it in the clear. Default: no group is open to them, and what
    /// they shout to others is dropped.
    ///
    /// This alone doesn't join the group.
    #[cfg(feature = "curve")]
    pub fn plain_group(mut self, group: impl Into<String>) -> Self {
        self.settings.plain_group.push(group.into());
        self
    }

    /// Adds a header, which every peer learns when it meets the node. Names that
    /// begin with `X-ZRE-` are reserved for the protocol.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.header.insert(key.into(), value.into());
        self
    }

    /// Joins a group before the node meets its first peer.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.settings.group.push(group.into());
        self
    }

    /// Wants to lead a group, as [`Node::contest`](crate::Node::contest). It
    /// doesn't join the group.
    pub fn contest(mut self, group: impl Into<String>) -> Self {
        self.settings.contest.push(group.into());
        self
    }

    /// The state to show from the start. Default: ready.
    pub fn state(mut self, state: State) -> Self {
        self.settings.state = state;
        self
    }

    /// Adds a network interface to use: a name (`eth0`), one of its addresses, `lo`
    /// for this host only, or `*` for all. Default: those that the variable
    /// `ZRE_INTERFACE` names, else all that are up.
    pub fn interface(mut self, name: impl AsRef<str>) -> Self {
        self.settings.add_interface(name.as_ref());
        self
    }

    /// The network interfaces to use, instead of those named before.
    pub fn interfaces(mut self, interfaces: Interfaces) -> Self {
        self.settings.interface = Some(interfaces);
        self
    }

    /// Uses the loopback interface only: nothing leaves the host.
    pub fn loopback(self) -> Self {
        self.interfaces(Interfaces::Loopback)
    }

    /// Sends and hears no beacons. The node then meets the peers that it dials
    /// ([`peer`](Self::peer), DNS, gossip) or that dial it.
    pub fn no_beacon(mut self) -> Self {
        self.settings.no_beacon = true;
        self
    }

    /// Meets only nodes of this realm, so that several applications can share a network. The
    /// beacons then use the port [`realm_port`](crate::realm_port) of the name, whatever
    /// [`beacon_port`](Self::beacon_port) is. Default: none.
    ///
    /// Static peers, DNS and gossip aren't affected: don't share those between realms. A realm
    /// is no protection: anybody may choose the same.
    pub fn realm(mut self, name: impl Into<String>) -> Self {
        self.settings.realm = Some(name.into());
        self
    }

    /// The UDP port of beacons. Default: 5670.
    pub fn beacon_port(mut self, port: u16) -> Self {
        self.settings.beacon_port = port;
        self
    }

    /// The multicast groups for beacons, instead of [`MULTICAST_V4`] and
    /// [`MULTICAST_V6`]; port 0 stands for the beacon port. Groups named here
    /// get the classic form beside the one with a state, so that other ZRE
    /// implementations can listen there. An empty list: no multicast.
    ///
    /// [`MULTICAST_V4`]: crate::MULTICAST_V4
    /// [`MULTICAST_V6`]: crate::MULTICAST_V6
    pub fn multicast(mut self, groups: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.settings.multicast = Some(groups.into_iter().collect());
        self
    }

    /// How many routers a multicast beacon may pass, plus one. Default: 1.
    pub fn ttl(mut self, ttl: u32) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// Whether and where beacons are broadcast, in the classic form that C
    /// Zyre, pyre and zyre.js understand. Default: each interface's own
    /// broadcast address.
    pub fn broadcast(mut self, broadcast: Broadcast) -> Self {
        self.settings.broadcast = broadcast;
        self
    }

    /// The shortest time between two beacons. A node sends them at this interval while it
    /// knows three others or fewer, and after news. More nodes share a rate of four beacons
    /// in this time, and each beacons at least once in sixty times it. Default: 1 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Where the inbox listens: a fixed port or a range of ports for a firewall
    /// (the first free one is taken), or these at one address. Default: any free
    /// port of the chosen interfaces.
    ///
    /// Peers dial the address named here; if that stands for all addresses, each
    /// peer dials the one that it sees.
    pub fn listen(mut self, listen: impl Into<Listen>) -> Self {
        self.settings.listen = listen.into();
        self
    }

    /// The TCP port of the inbox; 0 for any that is free. The same as
    /// [`listen`](Self::listen) with a port.
    pub fn listen_port(self, port: u16) -> Self {
        self.listen(port)
    }

    /// The endpoint that peers are to dial, if they can't use the one that they
    /// see: behind NAT, say.
    pub fn advertise(mut self, endpoint: Endpoint) -> Self {
        self.settings.advertise = Some(endpoint);
        self
    }

    /// Adds an address at which a node should be, whatever its UUID. The node
    /// dials it until a peer answers, and again when that peer has gone, with a
    /// wait that grows to 30 s.
    pub fn peer(mut self, endpoint: Endpoint) -> Self {
        self.settings.peer.push(endpoint);
        self
    }

    /// [`peer`](Self::peer) for a node with keys: the node there is the holder of this
    /// one.
    #[cfg(feature = "curve")]
    pub fn peer_with_key(mut self, endpoint: Endpoint, key: crate::PublicKey) -> Self {
        self.settings.peer_keys.insert(endpoint.clone(), key);
        self.peer(endpoint)
    }

    /// Finds nodes by DNS too: those that the SRV records (RFC 2782) of
    /// `_zre._tcp.DOMAIN` list, or the instances (RFC 6763) that its PTR records
    /// list, whose TXT record may hold `uuid=`. All of them are dialled. When the
    /// records expire, they are looked up again, after 5 s at least and 5 min at
    /// most; a record that vanishes ends no session.
    ///
    /// A domain without a dot at its end is looked up in the system's search list
    /// too.
    #[cfg(feature = "dns")]
    pub fn dns(mut self, domain: impl Into<String>) -> Self {
        self.settings.dns = Some(domain.into());
        self
    }

    /// The service labels of the SRV records. Default: `_zre._tcp`.
    #[cfg(feature = "dns")]
    pub fn dns_service(mut self, service: impl Into<String>) -> Self {
        self.settings.dns_service = service.into();
        self
    }

    /// The name server to ask, instead of those of the system. The names of
    /// [`peer`](Self::peer)s are looked up there first, too.
    #[cfg(feature = "dns")]
    pub fn dns_server(mut self, server: SocketAddr) -> Self {
        self.settings.dns_server = Some(server);
        self
    }

    /// Listens there for nodes that gossip, as C Zyre's `gossip_bind`: a node that
    /// connects learns of all nodes that the others announced. Beacons go on
    /// beside it, unless [`no_beacon`](Self::no_beacon) ends them.
    pub fn gossip_bind(mut self, addr: SocketAddr) -> Self {
        self.settings.gossip_bind.push(addr);
        self
    }

    /// Gossips with the node that listens there: sends it our endpoint and what we
    /// learn of others, and receives the same. It is dialled again for as long as
    /// we run. A tcp endpoint; names are looked up each time.
    ///
    /// The endpoint that it sends is [`advertise`](Self::advertise), else
    /// [`Node::endpoint`](crate::Node::endpoint): a single address.
    pub fn gossip_connect(mut self, endpoint: Endpoint) -> Self {
        self.settings.gossip_connect.push(endpoint);
        self
    }

    /// Silence of a peer after which it is pinged. Default: 5 s.
    pub fn evasive(mut self, evasive: Duration) -> Self {
        self.settings.evasive = evasive;
        self
    }

    /// Silence of a peer after which it is given up. Default: 30 s; it must be
    /// longer than [`evasive`](Self::evasive), better by a few seconds.
    pub fn expired(mut self, expired: Duration) -> Self {
        self.settings.expired = expired;
        self
    }

    /// What carries tcp and ipc links.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.settings.engine = engine;
        self
    }

    /// Where the unix sockets for peers on this host are, or that there are none.
    /// Default: the user's own runtime directory; if that can't be used, such peers
    /// are reached by tcp.
    pub fn ipc(mut self, dir: IpcDir) -> Self {
        self.settings.ipc = dir;
        self
    }

    /// Whether peers in this process are reached in memory. Default: yes.
    pub fn inproc(mut self, inproc: bool) -> Self {
        self.settings.inproc = inproc;
        self
    }

    /// What happens when the queue to a peer is full. Default: wait 10 s.
    pub fn send_policy(mut self, policy: SendPolicy) -> Self {
        self.settings.send_policy = policy;
        self
    }

    /// How many bytes of events may wait to be read before peers are held
    /// back. Default: 16 MiB.
    pub fn event_queue_bytes(mut self, bytes: usize) -> Self {
        self.settings.event_queue_bytes = bytes;
        self
    }

    /// Whether the node shows [`State::Busy`] while as many bytes of events wait
    /// as [`event_queue_bytes`](Self::event_queue_bytes) says, and
    /// [`State::Ready`] again once half of them are read. Default: no.
    ///
    /// Only a `Ready` node is switched automatically. A state that you set
    /// meanwhile stays.
    pub fn auto_busy(mut self, on: bool) -> Self {
        self.settings.auto_busy = on;
        self
    }

    /// What a peer may cost.
    pub fn limits(mut self, limits: MessageLimits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// What connections and queues may cost.
    pub fn link_limits(mut self, limits: LinkLimits) -> Self {
        self.settings.link_limits = limits;
        self
    }
}
