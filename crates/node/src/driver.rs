//! The one task that owns the state machine.
//!
//! It carries what sockets, timers and the application bring to the machine,
//! and carries out what the machine wants. It never waits for a peer or for the
//! application.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;
use zre_beacon::{CastKind, Datagram, Datagrams};
use zre_proto::machine::{Event as Happening, Heard, Inbound, Output, Session, SharedOutgoing, Up};
use zre_proto::{Endpoint, LimitError, Machine, State, Time};
use zre_session::{
    Arrival, Batch, Identity, Inbox, Link, Links, Notice, Notices, SameHost, Target,
};

use crate::announcer::Announcer;
use crate::discovery::gossip::Gossiper;
use crate::discovery::{Names, News, Poke};
use crate::event::EventSender;
use crate::neighbours::{self, Neighbours};
use crate::node::View;
use crate::outlet::Outlet;
use crate::pressure::Pressure;
use crate::{Event, ExitReason, Peer, Source, Stats};

/// What a sleep of the host must exceed to count as one.
const SLEPT: Duration = Duration::from_secs(2);

/// How long what is queued for a peer may take to leave after our GOODBYE.
const LINGER: Duration = Duration::from_secs(1);

/// How many messages are handled before other things have their turn again.
const TURN: usize = 64;

/// How many of them are handled before a timeout: a busy node may find all that
/// its peers have said in the meantime when their time is up.
const CATCH_UP: usize = 16 << 10;

/// When a newcomer beacons again, where some nodes of its process hadn't
/// listened when it started.
const INTRODUCTION: Duration = Duration::from_millis(2);

/// What the application asks of the driver.
#[derive(Debug)]
pub(crate) enum Request {
    Join(String, oneshot::Sender<Result<bool, LimitError>>),
    Leave(String, oneshot::Sender<bool>),
    SetState(State, oneshot::Sender<()>),
    Stats(oneshot::Sender<Stats>),
    Shutdown(Duration, oneshot::Sender<()>),
}

/// The machine's time: since the start, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Time {
        Time::from_origin(self.0.elapsed())
    }

    fn instant(self, time: Time) -> Instant {
        self.0 + time.since_origin()
    }
}

/// The identity that our DEALERs announce.
///
/// RFC 36: "The identity SHALL be a binary 17-octet UUID value where the first
/// byte is always 1."
pub(crate) fn identity_of(uuid: Uuid) -> Identity {
    let mut bytes = [1u8; 17];
    if let Some(rest) = bytes.last_chunk_mut() {
        *rest = *uuid.as_bytes();
    }
    Identity::from(bytes)
}

fn uuid_of(identity: &Identity) -> Option<Uuid> {
    match identity.as_bytes().split_first() {
        Some((1, rest)) => Uuid::from_slice(rest).ok(),
        _ => None,
    }
}

#[derive(Debug)]
struct Way {
    outlet: Outlet,
    link: Option<Link>,
    /// Further addresses of the same name, for when this one fails.
    spare: Option<Box<(Dial, Vec<SocketAddr>)>>,
}

/// A name that was looked up.
type Resolved = (Session, Vec<SocketAddr>);

#[derive(Debug)]
pub(crate) struct Driver {
    machine: Machine,
    clock: Clock,
    links: Links,
    announcer: Option<Announcer>,
    events: EventSender,
    view: Arc<View>,
    ways: HashMap<Session, Way>,
    peers: HashMap<Uuid, Peer>,
    /// Who was heard last: mostly it is who is heard next.
    recent: Option<Peer>,
    neighbours: Neighbours,
    connections: HashMap<u64, Inbound>,
    /// Dials that wait for a name to be looked up.
    pending: HashMap<Session, Dial>,
    names: Names,
    poke: Poke,
    gossiper: Option<Gossiper>,
    resolver: mpsc::UnboundedSender<Resolved>,
    resolved: mpsc::UnboundedReceiver<Resolved>,
    said_exit: bool,
    stopped: bool,
    paused: bool,
    pressure: Pressure,
    busy: AutoBusy,
    /// Who waits for the shutdown, and until when it may take.
    stopping: Option<(Instant, Vec<oneshot::Sender<()>>)>,
    slept: Option<Duration>,
}

/// Whether, and when, a full queue of events shows as a state.
#[derive(Debug)]
pub(crate) struct AutoBusy {
    on: bool,
    /// It was us who set Busy, and nobody has set a state since.
    ours: bool,
}

impl AutoBusy {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, ours: false }
    }

    /// The state to show from now on, if it is to change: the queue is full, or
    /// has room again, while we show `shown`. What the user set stays, but for
    /// Ready.
    fn turn(&mut self, full: bool, shown: State) -> Option<State> {
        if full {
            self.ours = self.on && shown == State::Ready;
            return self.ours.then_some(State::Busy);
        }
        let ours = std::mem::take(&mut self.ours);
        (ours && shown == State::Busy).then_some(State::Ready)
    }

    /// The user has set a state.
    fn forget(&mut self) {
        self.ours = false;
    }
}

/// What the driver works with, beside the machine.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) links: Links,
    pub(crate) announcer: Option<Announcer>,
    pub(crate) names: Names,
    /// Wakes the sources that wait.
    pub(crate) poke: Poke,
    pub(crate) gossiper: Option<Gossiper>,
    pub(crate) events: EventSender,
    pub(crate) view: Arc<View>,
    pub(crate) pressure: Pressure,
    pub(crate) busy: AutoBusy,
}

#[derive(Clone, Debug)]
struct Dial {
    peer: Option<Uuid>,
    over_loopback: bool,
    outgoing: SharedOutgoing,
}

impl Driver {
    pub(crate) fn new(machine: Machine, clock: Clock, parts: Parts) -> Self {
        let Parts {
            links,
            announcer,
            names,
            poke,
            gossiper,
            events,
            view,
            pressure,
            busy,
        } = parts;
        let (resolver, resolved) = mpsc::unbounded_channel();
        Self {
            machine,
            clock,
            links,
            announcer,
            events,
            view,
            ways: HashMap::new(),
            peers: HashMap::new(),
            recent: None,
            neighbours: Neighbours::new(),
            connections: HashMap::new(),
            pending: HashMap::new(),
            names,
            poke,
            gossiper,
            resolver,
            resolved,
            said_exit: false,
            stopped: false,
            paused: false,
            pressure,
            busy,
            stopping: None,
            slept: time_asleep(),
        }
    }

    pub(crate) async fn run(
        mut self,
        mut inbox: Inbox,
        mut notices: Notices,
        mut datagrams: Option<Datagrams>,
        mut news: mpsc::Receiver<News>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        let timer = tokio::time::sleep(Duration::ZERO);
        let newcomer = neighbours::newcomer();
        tokio::pin!(timer, newcomer);
        if datagrams.is_some() && neighbours::introduce() {
            self.machine.announce_within(self.clock.now(), INTRODUCTION);
        }
        while !self.stopped {
            if self.is_due() {
                // Nobody is judged by what has come and wasn't read.
                self.take_turns(CATCH_UP, &mut inbox, &mut notices, &mut datagrams);
            }
            self.tick();
            if self.stopped {
                break;
            }
            self.events.flush();
            if let Some(datagrams) = &datagrams
                && let Some(listen) = self.neighbours.turn(self.has_strangers())
            {
                tracing::debug!(listen, "the beacons of this process");
                newcomer.set(neighbours::newcomer());
                datagrams.set_same_process(listen);
            }
            if let Some(due) = self.machine.poll_timeout() {
                let due = self.clock.instant(due);
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
            }
            let timing = self.machine.poll_timeout().is_some();
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(request) => self.handle_request(request),
                    // The last handle is gone: dropping says EXIT.
                    None => break,
                },
                Some(notice) = notices.recv() => self.handle_notice(notice),
                Some(datagram) = next(&mut datagrams) => self.handle_datagram(&datagram),
                Some((session, addrs)) = self.resolved.recv() => {
                    self.handle_resolved(session, addrs);
                }
                Some(news) = news.recv() => self.handle_news(news),
                (peer, on) = self.pressure.next() => self.handle_pressure(peer, on),
                () = &mut newcomer, if self.neighbours.is_resting() => {
                    self.neighbours.wake();
                    if let Some(datagrams) = &datagrams {
                        datagrams.set_same_process(true);
                    }
                }
                () = &mut timer, if timing => {}
                () = self.events.room(), if self.paused => self.pause(false),
                Some(arrival) = inbox.recv(), if !self.paused => {
                    self.handle_arrival(arrival);
                }
            }
            self.carry_out();
            self.take_turns(TURN, &mut inbox, &mut notices, &mut datagrams);
        }
        self.events.flush();
        if let Some((deadline, waiting)) = self.stopping.take() {
            let left = deadline.saturating_duration_since(Instant::now());
            let report = self.links.shutdown(left.max(LINGER)).await;
            tracing::debug!(lost = report.lost, "stopped");
            drop(self);
            for waiter in waiting {
                let _ = waiter.send(());
            }
        }
    }

    /// Takes what else is there, one of each kind after the other: a flood of
    /// beacons mustn't keep greetings waiting, nor a flood of messages beacons.
    fn take_turns(
        &mut self,
        most: usize,
        inbox: &mut Inbox,
        notices: &mut Notices,
        datagrams: &mut Option<Datagrams>,
    ) {
        let mut taken = 0;
        while taken < most && !self.stopped {
            let before = taken;
            if let Some(notice) = notices.try_recv() {
                self.handle_notice(notice);
                self.carry_out();
                taken += 1;
            }
            if let Some(datagram) = datagrams.as_mut().and_then(Datagrams::try_recv) {
                self.handle_datagram(&datagram);
                self.carry_out();
                taken += 1;
            }
            if !self.paused
                && !self.events.is_full()
                && let Some(arrival) = inbox.try_recv()
            {
                taken += self.handle_arrival(arrival);
                self.carry_out();
            }
            if taken == before {
                return;
            }
        }
    }

    /// Whether we have heard of somebody whom we haven't met.
    fn has_strangers(&self) -> bool {
        let [known, ..] = self.machine.table_sizes();
        known != self.peers.len()
    }

    /// A peer has come or gone.
    fn note_neighbour(&mut self, came: bool, link: Link) {
        self.recent = None;
        self.neighbours.changed(came, link == Link::Inproc);
        self.machine.stretch_interval(self.neighbours.interval());
    }

    fn is_due(&self) -> bool {
        let now = self.clock.now();
        self.machine.poll_timeout().is_some_and(|due| due <= now)
    }

    /// Does what time asks for.
    fn tick(&mut self) {
        let now = self.clock.now();
        if self.is_due() {
            // Beacons and PINGs make for a timeout every few seconds at most.
            let slept = time_asleep();
            if let (Some(before), Some(after)) = (self.slept, slept)
                && after.saturating_sub(before) > SLEPT
            {
                tracing::debug!(time = ?after.saturating_sub(before), "the host has slept");
                self.machine.handle_resume(now);
            }
            self.slept = slept;
            self.machine.handle_timeout(now);
            self.carry_out();
        }
        if !self.paused && self.events.is_full() {
            self.pause(true);
            self.carry_out();
        }
    }

    fn pause(&mut self, paused: bool) {
        tracing::debug!(paused, "the application's queue of events");
        self.paused = paused;
        let now = self.clock.now();
        self.machine.handle_paused(now, paused);
        let shown = self.machine.state();
        if let Some(state) = self.busy.turn(paused, shown) {
            self.machine.set_state(now, state);
        }
    }

    fn handle_pressure(&mut self, peer: Peer, on: bool) {
        // Nothing of a peer follows its exit.
        if self
            .peers
            .get(&peer.uuid())
            .is_some_and(|now| now.is(&peer))
        {
            tracing::debug!(%peer, on, "the queue to a peer");
            self.events.send(Event::Backpressure { peer, on });
        }
    }

    fn stats(&self) -> Stats {
        let [peers, sessions, seeds, tombstones, timers] = self.machine.table_sizes();
        Stats {
            peers: self.peers.len(),
            known: peers,
            sessions,
            seeds,
            tombstones,
            timers,
            connections: self.connections.len(),
            queued_bytes: self.links.queued_bytes(),
            event_bytes: self.events.bytes(),
            protocol: self.machine.counters(),
            links: self.links.counters(),
            beacons: self
                .announcer
                .as_ref()
                .map(|announcer| announcer.beacon.stats()),
        }
    }

    fn handle_request(&mut self, request: Request) {
        let now = self.clock.now();
        match request {
            Request::Join(group, reply) => {
                let joined = self.machine.join(&group);
                if let Ok(true) = joined {
                    self.view.write().own_groups.insert(group.as_str().into());
                }
                self.carry_out();
                let _ = reply.send(joined);
            }
            Request::Leave(group, reply) => {
                let left = self.machine.leave(&group);
                if left {
                    self.view.write().own_groups.remove(group.as_str());
                }
                self.carry_out();
                let _ = reply.send(left);
            }
            Request::Stats(reply) => {
                let _ = reply.send(self.stats());
            }
            Request::SetState(state, reply) => {
                self.busy.forget();
                self.machine.set_state(now, state);
                self.carry_out();
                let _ = reply.send(());
            }
            Request::Shutdown(patience, reply) => {
                let (_, waiting) = self
                    .stopping
                    .get_or_insert_with(|| (Instant::now() + patience, Vec::new()));
                waiting.push(reply);
                self.view.write().stopped = true;
                self.machine.shutdown(now, patience);
            }
        }
    }

    fn handle_notice(&mut self, notice: Notice) {
        let now = self.clock.now();
        match notice {
            Notice::Up {
                id,
                link,
                local,
                remote,
                identity,
            } => {
                let session = Session(id);
                let Some(way) = self.ways.get_mut(&session) else {
                    return;
                };
                way.link = Some(link);
                way.spare = None;
                let local = match (local, remote) {
                    (Some(local), _) => Some(local.ip()),
                    (None, Some(remote)) if link == Link::Tcp => source_towards(remote),
                    _ => None,
                };
                let up = Up {
                    local,
                    peer: identity.as_ref().and_then(uuid_of),
                    remote,
                    in_memory: link == Link::Inproc,
                };
                self.machine.handle_session_up(now, session, up);
            }
            Notice::Closed { id, reason, lost } => {
                tracing::debug!(session = id, %reason, lost, "session ended");
                if let Some(way) = self.ways.remove(&Session(id))
                    && let Some(spare) = way.spare
                {
                    let (dial, addrs) = *spare;
                    self.dial_any(Session(id), addrs, dial);
                    return;
                }
                self.machine.handle_session_closed(now, Session(id));
            }
        }
    }

    fn handle_datagram(&mut self, datagram: &Datagram) {
        let beacon = match zre_proto::Beacon::decode(&datagram.payload) {
            Ok(beacon) => beacon,
            Err(error) => {
                tracing::debug!(from = %datagram.from, %error, "not a beacon");
                return;
            }
        };
        let heard = Heard {
            from: datagram.from,
            over_loopback: datagram.loopback || datagram.same_process,
            source: match datagram.cast {
                CastKind::Multicast => Source::Multicast,
                _ => Source::Broadcast,
            },
        };
        self.machine
            .handle_beacon(self.clock.now(), &beacon, &heard);
    }

    /// Returns how much there was to do, in messages.
    fn handle_arrival(&mut self, arrival: Arrival) -> usize {
        match arrival {
            Arrival::Opened { connection, from } => {
                // RFC 36 wants the identity to be a 1 and a UUID; who says
                // something else isn't heard.
                let Some(peer) = uuid_of(&from.identity) else {
                    tracing::debug!(identity = ?from.identity, "not a ZRE identity");
                    return 1;
                };
                let inbound = Inbound {
                    peer,
                    connection,
                    from: from.addr,
                };
                self.connections.insert(connection, inbound);
                1
            }
            Arrival::Batch(batch) => self.handle_batch(batch),
            Arrival::Closed { connection, reason } => {
                if let Some(inbound) = self.connections.remove(&connection) {
                    tracing::debug!(uuid = %inbound.peer, %reason, "connection ended");
                    self.machine.handle_connection_closed(
                        self.clock.now(),
                        inbound.peer,
                        connection,
                    );
                }
                1
            }
        }
    }

    fn handle_batch(&mut self, mut batch: Batch) -> usize {
        let count = batch.messages.len();
        let Some(inbound) = self.connections.get(&batch.connection).copied() else {
            return count;
        };
        let now = self.clock.now();
        for frames in std::mem::take(&mut batch.messages) {
            self.machine.handle_message(now, &inbound, frames);
            self.carry_out();
        }
        count
    }

    /// Carries out what the machine wants, in order.
    pub(crate) fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Event(happening) => self.tell(happening),
                Output::Send { session, command } => {
                    if let Some(way) = self.ways.get(&session)
                        && let Err(error) = way.outlet.send_control(&command)
                    {
                        // A session without its JOINs or PINGs is worth nothing.
                        tracing::debug!(?session, %error, "a control message found no room");
                        way.outlet.close(Duration::ZERO);
                    }
                }
                Output::Connect {
                    session,
                    peer,
                    endpoint,
                    over_loopback,
                    outgoing,
                } => {
                    let dial = Dial {
                        peer,
                        over_loopback,
                        outgoing,
                    };
                    self.connect(session, endpoint, dial);
                }
                Output::Disconnect { session, linger } => {
                    self.pending.remove(&session);
                    if let Some(way) = self.ways.remove(&session) {
                        way.outlet
                            .close(if linger { LINGER } else { Duration::ZERO });
                    }
                }
                Output::Announce { state } => {
                    self.said_exit |= state == State::Exit;
                    if let Some(announcer) = &self.announcer {
                        announcer.announce(state);
                    }
                }
                Output::Stopped => self.stopped = true,
            }
        }
    }

    fn connect(&mut self, session: Session, endpoint: Endpoint, dial: Dial) {
        match endpoint {
            Endpoint::Tcp(addr) => self.dial(session, Some(addr), None, dial),
            Endpoint::Ipc(path) => self.dial(session, None, Some(path), dial),
            Endpoint::Host { host, port } => {
                self.pending.insert(session, dial);
                let resolver = self.resolver.clone();
                let names = self.names.clone();
                tokio::spawn(async move {
                    let addrs = names.lookup(&host, port).await;
                    // Nobody is there to hear it: the node has stopped.
                    let _ = resolver.send((session, addrs));
                });
            }
        }
    }

    fn handle_resolved(&mut self, session: Session, addrs: Vec<SocketAddr>) {
        let Some(dial) = self.pending.remove(&session) else {
            return;
        };
        let now = self.clock.now();
        if addrs.is_empty() {
            self.machine.handle_session_closed(now, session);
        } else if self.machine.handle_resolved(now, session, &addrs) {
            self.dial_any(session, addrs, dial);
        }
    }

    /// Dials the first of the addresses; the others when that fails.
    fn dial_any(&mut self, session: Session, mut addrs: Vec<SocketAddr>, dial: Dial) {
        if addrs.is_empty() {
            return;
        }
        let addr = addrs.remove(0);
        let spare = (!addrs.is_empty()).then(|| Box::new((dial.clone(), addrs)));
        self.dial(session, Some(addr), None, dial);
        if let Some(way) = self.ways.get_mut(&session) {
            way.spare = spare;
        }
    }

    fn handle_news(&mut self, news: News) {
        match news {
            News::Found(found) => self.machine.handle_found(self.clock.now(), found),
            News::Lost { endpoint, source } => self.machine.handle_lost(&endpoint, source),
            News::Interfaces(changes) => {
                // Whoever is out there hears of us at once, and whoever was
                // reached over what is gone is asked whether it still is.
                self.machine.handle_resume(self.clock.now());
                self.poke.notify_waiters();
                let up = changes.up.into_iter().map(|interface| (true, interface));
                let down = changes.down.into_iter().map(|interface| (false, interface));
                for (up, interface) in down.chain(up) {
                    let reason = match &interface.problem {
                        Some(problem) => problem.clone(),
                        None => "it is up and has the address".into(),
                    };
                    tracing::debug!(%interface, up, %reason, "an interface has changed");
                    self.events.send(Event::Discovery {
                        up,
                        interface,
                        reason,
                    });
                }
            }
        }
    }

    fn dial(
        &mut self,
        session: Session,
        addr: Option<SocketAddr>,
        ipc: Option<String>,
        dial: Dial,
    ) {
        // A loopback address is of this host only if it was heard over loopback.
        let elsewhere = addr.is_some_and(|addr| addr.ip().is_loopback()) && !dial.over_loopback;
        let mailbox = self.links.connect(
            session.0,
            Target {
                peer: dial.peer.map(identity_of),
                addr,
                ipc: ipc.map(Into::into),
                same_host: if elsewhere {
                    SameHost::Never
                } else {
                    SameHost::Detect
                },
            },
        );
        let outlet = Outlet::new(dial.outgoing, mailbox, self.pressure.gauge());
        let way = Way {
            outlet,
            link: None,
            spare: None,
        };
        self.ways.insert(session, way);
    }

    /// Brings the directory up to date, then tells the application.
    fn tell(&mut self, happening: Happening) {
        let event = match happening {
            Happening::Whisper { peer, content } => self.peer(peer).map(|peer| Event::Whisper {
                peer,
                message: content,
            }),
            Happening::Shout {
                peer,
                group,
                content,
            } => self.peer(peer).map(|peer| Event::Shout {
                peer,
                group,
                message: content,
            }),
            Happening::Enter {
                peer,
                session,
                info,
            } => self
                .ways
                .get(&session)
                .map(|way| (way.link, way.outlet.clone()))
                .map(|(link, outlet)| {
                    let link = link.unwrap_or(Link::Tcp);
                    let entered = Peer::new(peer, *info, link, outlet);
                    self.peers.insert(peer, entered.clone());
                    self.note_neighbour(true, link);
                    self.view.write().enter(entered.clone());
                    self.view.changed();
                    Event::Enter { peer: entered }
                }),
            Happening::Exit {
                peer,
                reason,
                unconfirmed,
            } => {
                if let Some(gossiper) = &self.gossiper
                    && reason == ExitReason::Goodbye
                {
                    gossiper.forget(peer);
                }
                let known = self.peers.remove(&peer);
                if let Some(known) = &known {
                    self.note_neighbour(false, known.link());
                }
                self.view.write().exit(peer);
                self.view.changed();
                known.map(|peer| Event::Exit {
                    peer,
                    reason,
                    unconfirmed,
                })
            }
            Happening::Join { peer, group } => self.peer(peer).map(|known| {
                self.view.write().join(peer, &group);
                self.view.changed();
                Event::Join { peer: known, group }
            }),
            Happening::Leave { peer, group } => self.peer(peer).map(|known| {
                self.view.write().leave(peer, &group);
                self.view.changed();
                Event::Leave { peer: known, group }
            }),
            Happening::State { peer, from, to } => self.peer(peer).map(|peer| {
                peer.set_state(to);
                self.view.changed();
                Event::State { peer, from, to }
            }),
            Happening::Evasive { peer } => self.peer(peer).map(|peer| Event::Evasive { peer }),
            Happening::Silent { peer } => self.peer(peer).map(|peer| Event::Silent { peer }),
            Happening::Responsive { peer } => {
                self.peer(peer).map(|peer| Event::Responsive { peer })
            }
            Happening::Conflict { peer } => Some(Event::Conflict { uuid: peer }),
        };
        if let Some(event) = event {
            self.events.send(event);
        }
    }

    fn peer(&mut self, uuid: Uuid) -> Option<Peer> {
        if self.recent.as_ref().is_none_or(|peer| peer.uuid() != uuid) {
            self.recent = self.peers.get(&uuid).cloned();
        }
        self.recent.clone()
    }
}

/// Says EXIT once, without waiting, where no shutdown has said it: the last
/// handle was dropped, or the runtime is going.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(announcer) = &self.announcer
            && !self.said_exit
        {
            announcer.announce(State::Exit);
        }
        let mut directory = self.view.write();
        directory.stopped = true;
        directory.peers.clear();
        directory.groups.clear();
        drop(directory);
        self.view.changed();
    }
}

async fn next(datagrams: &mut Option<Datagrams>) -> Option<Datagram> {
    match datagrams {
        Some(datagrams) => datagrams.recv().await,
        None => std::future::pending().await,
    }
}

/// Our address on the way to that one, as the routing table has it. Connecting
/// a UDP socket sends nothing.
fn source_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// How long the host has slept since it started, where the system tells: the
/// monotonic clock stands meanwhile, the boot clock doesn't.
#[cfg(target_os = "linux")]
fn time_asleep() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| Duration::try_from(clock_gettime(clock)).ok();
    let boot = read(ClockId::Boottime)?;
    Some(boot.saturating_sub(read(ClockId::Monotonic)?))
}

#[cfg(not(target_os = "linux"))]
fn time_asleep() -> Option<Duration> {
    None
}
