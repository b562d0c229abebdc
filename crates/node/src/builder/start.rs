//! From settings to a running node.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
#[cfg(feature = "curve")]
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;
use uuid::Uuid;
use zre_beacon::{Beacon, Broadcast, Datagrams, Interface, Interfaces};
use zre_proto::machine::{Config, Found};
use zre_proto::{Endpoint, Machine, Time, is_of_one_host};
use zre_session::{Inbox, IpcDir, Links, Notices};

use super::Builder;
#[cfg(feature = "curve")]
use crate::Trust;
use crate::announcer::{Announcer, Group, MULTICAST_V4, MULTICAST_V6};
#[cfg(feature = "dns")]
use crate::discovery::UpdateSender;
#[cfg(feature = "dns")]
use crate::discovery::dns::{Dns, Resolver};
use crate::discovery::gossip::{self, GossipSetup};
use crate::discovery::{self, ChangeNotifier, InterfaceWatcher, Names};
#[cfg(feature = "curve")]
use crate::driver::OwnKey;
use crate::driver::{AutoBusy, BackpressureMonitor, Clock, Driver, KeyRing, Parts, identity_of};
use crate::meters::Meters;
use crate::node::Node;
use crate::reach::Reach;
use crate::shared::Shared;
use crate::supervisor::Supervisor;
#[cfg(feature = "curve")]
use crate::trust::{self, Warden};
use crate::{Events, GroupName, Settings, Source, StartError, events};

/// How many nodes may connect for gossip before we accept them: more than a whole
/// network that starts at once.
const BACKLOG: i32 = 1024;

/// How long a connection may take until its HELLO counts. It is the first message, so
/// this is patience with a network that loses most of what is sent.
const GREETING_TIME: Duration = Duration::from_secs(10);

impl Builder {
    /// Starts the node.
    ///
    /// When it returns, the node can be dialled and its first beacon is out.
    /// The node lives on the current tokio runtime until
    /// [`Node::shutdown`](crate::Node::shutdown) or until the last handle is
    /// dropped.
    ///
    /// # Errors
    /// Settings that contradict each other or that no peer would take, a port
    /// that is in use, or interfaces that don't exist. Nothing stays open then.
    /// An interface that can't be used yet isn't an error: the node waits for it
    /// and logs a warning.
    ///
    /// # Cancel safety
    /// When the future is dropped, the node isn't started and nothing stays
    /// open.
    pub async fn start(self) -> Result<(Node, Events), StartError> {
        let settings = self.settings;
        let uuid = settings.uuid.unwrap_or_else(Uuid::new_v4);
        let span = tracing::info_span!("node", id = %uuid, name = settings.name.as_deref());
        let start = Start { uuid, settings };
        start.run().instrument(span).await
    }
}

/// One node on its way up.
struct Start {
    uuid: Uuid,
    settings: Settings,
}

impl Start {
    /// The node logs in the span that is current here.
    async fn run(self) -> Result<(Node, Events), StartError> {
        let settings = &self.settings;
        let mut config = self.check()?;
        #[cfg(feature = "curve")]
        let (keys, warden) = self.key_ring()?;
        #[cfg(not(feature = "curve"))]
        let keys = KeyRing::default();
        config.public_key = keys.own_text();
        #[cfg(feature = "curve")]
        {
            config.plain_groups = settings.plain_group.iter().cloned().collect();
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let interfaces = settings
            .interface
            .clone()
            .or_else(Interfaces::from_env)
            .unwrap_or(Interfaces::All);

        let groups = self.multicast_groups();
        let (beacon, datagrams) = self.open_beacon(&interfaces, &groups)?.unzip();
        // Names that don't exist are an error at the start only.
        let mut usable = interfaces.resolve()?;
        usable.retain(|interface| interface.problem.is_none());
        warn_of_missing(&interfaces, &usable);
        let reach = Reach::new(
            interfaces.clone(),
            self.listen_addrs(),
            settings.advertise.clone(),
            usable,
        );
        let (links, inbox, notices) = self.open_links(&reach, &keys).await?;
        // A directory that was named must be usable; the automatic one needn't.
        if let (IpcDir::Path(_), Some(reason)) = (&settings.ipc, links.ipc_unavailable()) {
            return Err(StartError::Ipc(reason.to_owned()));
        }

        let port = links.listening().first().map_or(0, SocketAddr::port);
        config.port = port;
        config.advertise = reach.advertised(port);
        let listeners = self.gossip_listeners()?;
        let (endpoint, told) = watch::channel(reach.endpoint(port));
        let (supervisor, panicked) = Supervisor::new();
        let (updates, heard) = discovery::channel(supervisor.clone());
        let network_changes = ChangeNotifier::default();
        let names = self.names()?;
        // Loopback alone stays as it is, and a thousand nodes in a process on it
        // needn't have a socket each to hear that.
        if interfaces != Interfaces::Loopback || reach.here().is_empty() {
            let watcher = InterfaceWatcher::new(beacon.clone(), interfaces, reach.here().to_vec());
            discovery::watch(watcher, updates.clone());
        }
        #[cfg(feature = "dns")]
        self.watch_dns(&names, &updates, &network_changes)?;
        #[cfg(feature = "curve")]
        if let Some(warden) = &warden {
            trust::watch(warden, updates.clone());
        }
        let connect = settings.gossip_connect.iter();
        let connect = connect
            .map(|at| (at.clone(), keys.mechanism_for(None, at)))
            .collect();
        let gossip = (!listeners.is_empty() || !settings.gossip_connect.is_empty()).then(|| {
            let setup = GossipSetup {
                uuid: self.uuid,
                endpoint: told,
                listeners,
                connect,
                mechanism: keys.mechanism(),
                key: keys.own_text(),
            };
            gossip::start(setup, names.clone(), updates, network_changes.clone())
        });
        let announcer = beacon.map(|beacon| Announcer {
            beacon,
            uuid: self.uuid,
            port,
            key: keys.public(),
            plain: keys.is_plain_too(),
            broadcast_key: matches!(settings.broadcast, Broadcast::To(_)),
            groups,
        });
        config.interval = announcer.is_some().then_some(settings.interval);

        let clock = Clock::start();
        let now = clock.now();
        let name = config.name.clone();
        let seed = u64::from(port) ^ self.uuid.as_u64_pair().0;
        let mut machine = Machine::new(config, seed, now);
        self.apply_settings(&mut machine, now)?;

        let own_groups = machine.own_groups().cloned().map(GroupName::from);
        let shared = Shared::new(own_groups, machine.profile(), endpoint);
        let (events, receiver) = events::channel(settings.event_queue_bytes);
        let (commands, queue) = mpsc::channel(64);
        let meters = Meters::new(&name);
        let parts = Parts {
            links: links.clone(),
            reach,
            port,
            announcer,
            keys,
            names,
            network_changes,
            gossip: gossip.clone(),
            supervisor,
            events,
            shared: shared.clone(),
            backpressure: BackpressureMonitor::new(settings.link_limits.queue_bytes_per_peer),
            meters,
            policy: settings.send_policy,
            busy: AutoBusy::new(settings.auto_busy),
        };
        let mut driver = Driver::new(machine, clock, parts);
        driver.carry_out();
        let driving = driver.run(inbox, notices, datagrams, heard, panicked, queue);
        runtime.spawn(driving.in_current_span());
        tracing::debug!(%name, endpoint = %shared.endpoint(), "started");
        let node = Node::new(
            self.uuid,
            links,
            settings.send_policy,
            shared,
            gossip,
            commands,
        );
        Ok((node, receiver))
    }

    /// Opens the sockets for datagrams, unless the node sends and receives none.
    fn open_beacon(
        &self,
        interfaces: &Interfaces,
        groups: &[Group],
    ) -> Result<Option<(Beacon, Datagrams)>, StartError> {
        let settings = &self.settings;
        let nowhere = groups.is_empty() && settings.broadcast == Broadcast::Off;
        if settings.no_beacon || nowhere {
            return Ok(None);
        }
        let mut config = zre_beacon::Config::default();
        config.port = settings.udp_port();
        config.interfaces = interfaces.clone();
        config.groups = groups.iter().map(|group| group.addr).collect();
        config.ttl = settings.ttl;
        config.broadcast = settings.broadcast;
        Ok(Some(Beacon::open(config)?))
    }

    /// Applies what the settings say of groups, state and static peers.
    fn apply_settings(&self, machine: &mut Machine, now: Time) -> Result<(), StartError> {
        for group in &self.settings.contest {
            machine.contest(now, group)?;
        }
        for group in &self.settings.group {
            machine.join(now, group)?;
        }
        machine.set_state(now, self.settings.state);
        for endpoint in &self.settings.peer {
            machine.handle_found(now, Found::new(endpoint.clone(), None, Source::Static));
        }
        Ok(())
    }

    /// The addresses that the user wants to listen at, if any.
    fn listen_addrs(&self) -> Vec<IpAddr> {
        let addrs = self.settings.listen.addrs().into_iter();
        let addrs = available(addrs.map(|addr| (addr, 0).into()).collect());
        addrs.iter().map(SocketAddr::ip).collect()
    }

    fn gossip_listeners(&self) -> Result<Vec<TcpListener>, StartError> {
        available(self.settings.gossip_bind.clone())
            .into_iter()
            .map(|addr| listen(addr).map_err(|source| StartError::Gossip { addr, source }))
            .collect()
    }

    #[cfg(not(feature = "dns"))]
    #[allow(clippy::unnecessary_wraps, reason = "as with DNS")]
    fn names(&self) -> Result<Names, StartError> {
        Ok(Names::default())
    }

    /// How names are looked up: by the name server that the user named, if any.
    #[cfg(feature = "dns")]
    fn names(&self) -> Result<Names, StartError> {
        let resolver = self
            .settings
            .dns_server
            .map(|server| Resolver::new(Some(server)))
            .transpose()
            .map_err(StartError::Dns)?;
        Ok(Names { resolver })
    }

    #[cfg(feature = "dns")]
    fn watch_dns(
        &self,
        names: &Names,
        updates: &UpdateSender,
        network_changes: &ChangeNotifier,
    ) -> Result<(), StartError> {
        if let Some(domain) = &self.settings.dns {
            let resolver = match &names.resolver {
                Some(resolver) => resolver.clone(),
                None => Resolver::new(None).map_err(StartError::Dns)?,
            };
            let dns = Dns {
                domain: domain.clone(),
                service: self.settings.dns_service.clone(),
            };
            discovery::dns::watch(dns, resolver, updates.clone(), network_changes.clone());
        }
        Ok(())
    }

    /// What can be judged without touching the host.
    fn check(&self) -> Result<Config, StartError> {
        let mut config = Config::new(self.uuid, 0);
        if let Some(name) = &self.settings.name {
            self.settings.limits.validate_name(name)?;
            config.name.clone_from(name);
        }
        self.settings.limits.validate_headers(
            self.settings
                .header
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        )?;
        if !self.settings.state.is_settable() {
            return Err(StartError::State(self.settings.state));
        }
        if self.settings.expired <= self.settings.evasive {
            return Err(StartError::Patience {
                evasive: self.settings.evasive,
                expired: self.settings.expired,
            });
        }
        if let Some(endpoint) = &self.settings.advertise
            && endpoint.ip().is_some_and(|ip| !is_of_one_host(ip))
        {
            return Err(StartError::Advertise(endpoint.clone()));
        }
        let service = &self.settings.dns_service;
        if self.settings.dns.is_none() && *service != Settings::default().dns_service {
            return Err(StartError::DnsService(service.clone()));
        }
        let ipc = |endpoint: &&Endpoint| matches!(endpoint, Endpoint::Ipc(_));
        if let Some(endpoint) = self.settings.gossip_connect.iter().find(ipc) {
            return Err(StartError::GossipEndpoint(endpoint.clone()));
        }
        config.headers = self.settings.header.clone();
        config.advertise = self.settings.advertise.clone();
        config.ping_after = self.settings.evasive;
        config.expired = self.settings.expired;
        config.limits = self.settings.limits.clone();
        Ok(config)
    }

    fn multicast_groups(&self) -> Vec<Group> {
        let with_port = |mut addr: SocketAddr| {
            if addr.port() == 0 {
                addr.set_port(self.settings.udp_port());
            }
            addr
        };
        match &self.settings.multicast {
            Some(groups) => groups
                .iter()
                .map(|addr| Group {
                    addr: with_port(*addr),
                    named: true,
                })
                .collect(),
            None => [MULTICAST_V4, MULTICAST_V6]
                .iter()
                .filter_map(|text| text.parse().ok())
                .map(|addr| Group {
                    addr: with_port(addr),
                    named: false,
                })
                .collect(),
        }
    }

    /// The keys of this node and of others, if it has keys.
    #[cfg(feature = "curve")]
    fn key_ring(&self) -> Result<(KeyRing, Option<Arc<Warden>>), StartError> {
        let settings = &self.settings;
        let Some(source) = &settings.keys else {
            if !settings.plain_group.is_empty() {
                return Err(StartError::PlainGroup);
            }
            let idle = settings.trust == Trust::default()
                && settings.peer_keys.is_empty()
                && !settings.plain_too;
            let none = idle.then(KeyRing::default).ok_or(StartError::NoKeys);
            return none.map(|none| (none, None));
        };
        if !settings.plain_too && !settings.plain_group.is_empty() {
            return Err(StartError::PlainGroup);
        }
        // A node without a key may be at such an address, but gossip needs keys.
        let peers = settings.peer.iter().filter(|_| !settings.plain_too);
        let mut named = peers.chain(&settings.gossip_connect);
        if let Some(endpoint) = named.find(|named| !settings.peer_keys.contains_key(named)) {
            return Err(StartError::PeerKey(endpoint.clone()));
        }
        let warden = Warden::open(&settings.trust)?;
        let own = OwnKey::load(source, &warden)?;
        let keys = settings.peer_keys.iter();
        let configured = keys.map(|(at, key)| (at.clone(), (*key).into())).collect();
        let ring = KeyRing::new(own, configured, settings.plain_too);
        Ok((ring, Some(warden)))
    }

    /// Opens the links on the first port that is free.
    async fn open_links(
        &self,
        reach: &Reach,
        keys: &KeyRing,
    ) -> Result<(Links, Inbox, Notices), StartError> {
        let ports = self.settings.listen.ports();
        let single = ports.start() == ports.end();
        for port in ports {
            let listen = reach.addrs(port);
            let mut config = zre_session::Config::new(identity_of(self.uuid));
            config.engine = self.settings.engine;
            config.listen = listen;
            config.freebind = reach.is_listed();
            config.ipc = self.settings.ipc.clone();
            config.inproc = self.settings.inproc;
            config.mechanism = keys.mechanism_of_links();
            config.admission = Some(GREETING_TIME);
            config.limits = self.settings.link_limits.clone();
            match Links::open(config).await {
                Err(zre_session::OpenError::InUse(addr)) if !single => {
                    tracing::debug!(%addr, "in use");
                }
                other => return Ok(other?),
            }
        }
        Err(StartError::NoPort(self.settings.listen.clone()))
    }
}

/// Without `::` beside `0.0.0.0`, the two halves of `*`, if this host has no IPv6.
fn available(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let half = |addr: &SocketAddr| {
        addr.ip() == Ipv6Addr::UNSPECIFIED
            && addrs.contains(&(Ipv4Addr::UNSPECIFIED, addr.port()).into())
    };
    if !addrs.iter().any(half) {
        return addrs;
    }
    let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    let kept = addrs.iter().filter(|addr| v6 || !half(addr));
    kept.copied().collect()
}

/// A listener for gossip: on `::` for IPv6 alone, so that `0.0.0.0` can have the
/// same port.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Logs which of the chosen interfaces can't be used yet. The node waits for them.
fn warn_of_missing(interfaces: &Interfaces, usable: &[Interface]) {
    match interfaces {
        Interfaces::Named(names) => {
            for name in names {
                if !usable.iter().any(|interface| interface.is_called(name)) {
                    tracing::warn!("interface {name} can't be used yet: waiting for it");
                }
            }
        }
        _ if usable.is_empty() => {
            tracing::warn!("no interface is up and has an address: waiting for one");
        }
        _ => {}
    }
}
