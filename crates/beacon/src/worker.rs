//! The thread that opens and reads the sockets of a namespace.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::changes::Changes;
use crate::config::{Broadcast, Interfaces};
use crate::datagram::{CastKind, MAX_DATAGRAM};
use crate::error::{OpenError, RefreshError};
use crate::hub::{Command, Key, Shared};
use crate::interface::{Interface, Unknown, describe, interfaces, select};
use crate::lane::{Lane, Sender, plain};
use crate::member::{Listener, Member};
use crate::plan::{Plan, plan};
use crate::receiver::{BUFFER, Receiver};
use crate::socket::{self, SocketError};

/// The token of the commands; sockets have others.
pub(crate) const WAKER: Token = Token(0);

/// Datagrams read from one socket before the next one's turn, so that a flood on one
/// interface doesn't silence the others.
const TURN: usize = 64;

/// Errors in a row after which a socket is left alone until something arrives on it.
const MAX_ERRORS: usize = 8;

/// The pause after the system's poll itself fails, which has no reason to be brief.
const POLL_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Worker {
    poll: Poll,
    /// Held here too: a waker that is dropped takes a wake that wasn't seen yet along, and
    /// the thread would sleep through the command to stop.
    _waker: Arc<Waker>,
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    members: HashMap<u64, Arc<Member>>,
    receivers: HashMap<Key, (Token, Receiver)>,
    keys: HashMap<Token, Key>,
    senders: HashMap<(u32, IpAddr, u32), Weak<Sender>>,
    last_token: usize,
}

/// What came of a member's plans.
struct Built {
    lanes: Vec<Arc<Lane>>,
    in_use: Option<SocketAddr>,
}

impl Worker {
    pub(crate) fn new(
        poll: Poll,
        waker: Arc<Waker>,
        commands: mpsc::Receiver<Command>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            poll,
            _waker: waker,
            commands,
            shared,
            members: HashMap::new(),
            receivers: HashMap::new(),
            keys: HashMap::new(),
            senders: HashMap::new(),
            last_token: WAKER.0,
        }
    }

    /// Serves until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        // Sockets that had more to read when their turn was over: readiness is told once.
        let mut unfinished: BTreeSet<Token> = BTreeSet::new();
        loop {
            let timeout = (!unfinished.is_empty()).then_some(Duration::ZERO);
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::debug!(%error, "the beacon thread can't poll");
                thread::sleep(POLL_PAUSE);
            }
            if !self.obey() {
                return;
            }
            unfinished.extend(events.iter().map(|event| event.token()));
            unfinished.retain(|&token| !self.read(token));
        }
    }

    /// Follows the commands that wait. Whether to go on.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Join { member, reply }) => {
                    // The asker waits for the answer, so it is there to take it.
                    let _ = reply.send(self.join(&member));
                }
                Ok(Command::Refresh { member, reply }) => {
                    let _ = reply.send(self.refresh(&member));
                }
                Ok(Command::Leave { id }) => {
                    self.members.remove(&id);
                    self.shared.route(id, &HashMap::new());
                    self.sweep();
                }
                Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return false,
                Err(mpsc::TryRecvError::Empty) => return true,
            }
        }
    }

    fn join(&mut self, member: &Arc<Member>) -> Result<(), OpenError> {
        let config = &member.config;
        let all = interfaces().map_err(OpenError::List)?;
        let known = describe(&all);
        let chosen = select(&config.interfaces, all, true)
            .map_err(|Unknown(name)| OpenError::UnknownInterface { name, known })?;
        let plans = plan(config, &chosen);
        let broadcasts = |plan: &Plan| plan.sends.iter().any(|t| t.cast == CastKind::Broadcast);
        if let Broadcast::To(addr) = config.broadcast
            && !chosen.is_empty()
            && !plans.iter().any(broadcasts)
        {
            return Err(OpenError::NotBroadcast { addr });
        }
        let built = self.build(member, &[], plans);
        let failure = if let Some(addr) = built.in_use {
            // Half a beacon that hears nothing of its neighbours would be worse than none.
            Some(OpenError::PortInUse { addr, holder: None })
        } else if built.lanes.iter().any(|lane| lane.usable) {
            None
        } else {
            Some(OpenError::NoInterface {
                reasons: reasons(&config.interfaces, &chosen, &built.lanes),
            })
        };
        if let Some(failure) = failure {
            drop(built);
            self.sweep();
            return Err(failure);
        }
        self.members.insert(member.id, Arc::clone(member));
        self.settle(member, built.lanes);
        Ok(())
    }

    fn refresh(&mut self, member: &Arc<Member>) -> Result<Changes, RefreshError> {
        let all = interfaces().map_err(RefreshError::List)?;
        // Never fails: a name that nothing is called by now may come back.
        let chosen = select(&member.config.interfaces, all, false).unwrap_or_default();
        let before = member.lanes();
        let built = self.build(member, &before, plan(&member.config, &chosen));
        let now = built.lanes.clone();
        self.settle(member, built.lanes);
        Ok(Changes::between(&before, &now))
    }

    /// Opens what the plans need and isn't open yet. Lanes that are as planned stay.
    fn build(&mut self, member: &Member, before: &[Arc<Lane>], plans: Vec<Plan>) -> Built {
        let mut built = Built {
            lanes: Vec::with_capacity(plans.len()),
            in_use: None,
        };
        for plan in plans {
            let same = before
                .iter()
                .find(|lane| lane.plan == plan && lane.interface.problem.is_none());
            let lane = match same {
                Some(lane) => Arc::clone(lane),
                None => Arc::new(self.lane(member, before, plan, &mut built.in_use)),
            };
            if let Some(problem) = &lane.interface.problem {
                tracing::debug!(interface = %lane.interface, %problem, "trouble with an interface");
            }
            built.lanes.push(lane);
        }
        built
    }

    fn lane(
        &mut self,
        member: &Member,
        before: &[Arc<Lane>],
        plan: Plan,
        in_use: &mut Option<SocketAddr>,
    ) -> Lane {
        let counters = before
            .iter()
            .find(|lane| lane.interface.is(&plan.interface))
            .map(|lane| Arc::clone(&lane.counters))
            .unwrap_or_default();
        let mut lane = Lane {
            interface: plan.interface.clone(),
            plan,
            sender: None,
            unreachable: Vec::new(),
            usable: false,
            counters,
        };
        if lane.interface.problem.is_some() {
            return lane;
        }
        let mut problems: Vec<String> = Vec::new();
        match self.sender(&lane.interface, member.config.ttl) {
            Ok(sender) => lane.sender = Some(sender),
            Err(error) => problems.push(error.to_string()),
        }
        let mut heard = 0usize;
        for target in &lane.plan.hears {
            match self.listen(&lane.interface, target.dest) {
                Ok(()) => heard = heard.saturating_add(1),
                Err(SocketError::InUse(addr)) => {
                    problems.push(SocketError::InUse(addr).to_string());
                    in_use.get_or_insert(addr);
                }
                // An extra that old kernels don't grant.
                Err(error) if is_extra(&lane.plan, target.dest) => {
                    tracing::debug!(interface = %lane.interface, %error, "no limited broadcasts");
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        for target in &lane.plan.sends {
            if let Err(error) = socket::probe(&lane.interface, target.dest) {
                problems.push(format!("{}: {error}", target.dest));
                lane.unreachable.push(target.dest);
            }
        }
        problems.dedup();
        lane.usable =
            lane.sender.is_some() && heard > 0 && lane.unreachable.len() < lane.plan.sends.len();
        lane.interface.problem = (!problems.is_empty()).then(|| problems.join(", ").into());
        lane
    }

    fn sender(&mut self, interface: &Interface, ttl: u32) -> Result<Arc<Sender>, SocketError> {
        let key = (interface.index, interface.addr, ttl);
        if let Some(sender) = self.senders.get(&key).and_then(Weak::upgrade) {
            return Ok(sender);
        }
        let socket = socket::sender(interface, ttl)?;
        let sender = Sender::new(socket, &self.shared.own)
            .map(Arc::new)
            .map_err(|error| SocketError::Other("read its own address", error))?;
        self.senders.insert(key, Arc::downgrade(&sender));
        Ok(sender)
    }

    /// Opens the socket that hears a target, unless it is open.
    fn listen(&mut self, interface: &Interface, dest: SocketAddr) -> Result<(), SocketError> {
        let key = (interface.index, dest);
        if self.receivers.contains_key(&key) {
            return Ok(());
        }
        let mut receiver = socket::receiver(interface, dest)?;
        let token = Token(self.last_token.wrapping_add(1));
        self.poll
            .registry()
            .register(receiver.source(), token, Interest::READABLE)
            .map_err(|error| SocketError::Other("poll a socket", error))?;
        self.last_token = token.0;
        self.receivers.insert(key, (token, receiver));
        self.keys.insert(token, key);
        Ok(())
    }

    /// Makes the lanes the member's own: what it hears is routed to it, what nobody needs
    /// any longer is closed.
    fn settle(&mut self, member: &Arc<Member>, lanes: Vec<Arc<Lane>>) {
        let mut wanted: HashMap<Key, Listener> = HashMap::new();
        for lane in &lanes {
            if lane.sender.is_none() {
                continue;
            }
            let interface = Arc::new(lane.interface.clone());
            for target in &lane.plan.hears {
                wanted
                    .entry((interface.index, target.dest))
                    .or_insert_with(|| Listener {
                        member: Arc::clone(member),
                        interface: Arc::clone(&interface),
                        cast: target.cast,
                        counters: Arc::clone(&lane.counters),
                    });
            }
        }
        self.shared.route(member.id, &wanted);
        member.set_lanes(lanes);
        self.sweep();
    }

    /// Closes the sockets that nobody uses.
    fn sweep(&mut self) {
        let Self {
            poll,
            shared,
            receivers,
            keys,
            senders,
            ..
        } = self;
        receivers.retain(|key, (token, receiver)| {
            let used = shared.has_listeners(key);
            if !used {
                keys.remove(token);
                if let Err(error) = poll.registry().deregister(receiver.source()) {
                    tracing::debug!(%error, "can't take a socket out of the poll");
                }
            }
            used
        });
        senders.retain(|_, sender| sender.strong_count() > 0);
    }

    /// Reads a socket's turn. Whether nothing is left to read.
    fn read(&self, token: Token) -> bool {
        let Some(key) = self.keys.get(&token) else {
            return true;
        };
        let Some((_, receiver)) = self.receivers.get(key) else {
            return true;
        };
        let listeners = self.shared.listeners(key).unwrap_or_else(|| Arc::new([]));
        let mut buffer = [0u8; BUFFER];
        let mut errors = 0usize;
        for _ in 0..TURN {
            match receiver.recv(&mut buffer) {
                Ok(None) => {}
                Ok(Some((length, from))) => match buffer.get(..length) {
                    Some(payload) if length <= MAX_DATAGRAM => {
                        self.hand_out(&listeners, payload, from);
                    }
                    _ => too_long(&listeners, from),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    for listener in listeners.iter() {
                        let counters = &listener.counters;
                        counters.receive_errors.fetch_add(1, Ordering::Relaxed);
                        counters.complain(&listener.interface, "receive", &error);
                    }
                    errors = errors.saturating_add(1);
                    if errors >= MAX_ERRORS {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn hand_out(&self, listeners: &[Listener], payload: &[u8], from: SocketAddr) {
        let from = plain(from);
        if self.shared.own.contains(from) {
            for listener in listeners {
                let echoes = &listener.member.counters.echoes;
                echoes.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let payload = Bytes::copy_from_slice(payload);
        for listener in listeners {
            listener.deliver(&payload, from, false);
        }
    }
}

/// Counts a datagram that is longer than any that is taken in.
fn too_long(listeners: &[Listener], from: SocketAddr) {
    for listener in listeners {
        let oversized = &listener.member.counters.oversized;
        let before = oversized.fetch_add(1, Ordering::Relaxed);
        // Logged at powers of two: the first, and ever fewer of a flood.
        if before.wrapping_add(1).is_power_of_two() {
            tracing::debug!(%from, interface = %listener.interface, "datagram over {MAX_DATAGRAM} bytes");
        }
    }
}

/// Whether a target is heard for completeness only.
fn is_extra(plan: &Plan, dest: SocketAddr) -> bool {
    dest.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) && !plan.sends.iter().any(|t| t.dest == dest)
}

/// Why nothing can be used, one line for each interface.
fn reasons(wanted: &Interfaces, chosen: &[Interface], lanes: &[Arc<Lane>]) -> Vec<String> {
    let line = |interface: &Interface| {
        let problem = interface.problem.as_deref();
        format!("{interface}: {}", problem.unwrap_or("it can't be used"))
    };
    if !lanes.is_empty() {
        return lanes.iter().map(|lane| line(&lane.interface)).collect();
    }
    if chosen.is_empty() {
        let what = match wanted {
            Interfaces::Loopback => "this host has no loopback interface with an address",
            _ => "this host has no interface with an address",
        };
        return vec![what.to_owned()];
    }
    chosen
        .iter()
        .map(|interface| {
            let nothing = "no group of its address family is chosen, and it has no broadcast";
            format!("{interface}: {nothing}")
        })
        .collect()
}
