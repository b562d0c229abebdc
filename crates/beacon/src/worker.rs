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

use crate::binding::Binding;
use crate::changes::Changes;
use crate::config::{Broadcast, CastKind};
use crate::datagram::MAX_DATAGRAM;
use crate::error::{OpenError, RefreshError};
use crate::interface::{Interface, interfaces, is_present, select};
use crate::member::{Listener, Member};
use crate::plan::{Plan, plan};
use crate::receiver::{BUFFER, Receiver};
use crate::sender::{Sender, plain};
use crate::shared::{Command, Key, Shared};
use crate::socket::{self, SocketError};

/// The token of the commands; sockets have others.
pub(crate) const WAKER: Token = Token(0);

/// How many datagrams are read from one socket before the next one is looked at: a flood on
/// one interface must not silence the others.
const READ_BUDGET: usize = 64;

/// After so many errors in a row a socket isn't read until something arrives on it.
const MAX_ERRORS: usize = 8;

/// The pause after the system's poll fails: without it a lasting failure would spin.
const POLL_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Worker {
    poll: Poll,
    /// Kept alive here: when the last reference to a waker is dropped, a wake that the thread
    /// hasn't seen is lost, and the thread would sleep through the command to stop.
    _waker: Arc<Waker>,
    commands: mpsc::Receiver<Command>,
    shared: Arc<Shared>,
    members: HashMap<u64, Arc<Member>>,
    receivers: HashMap<Key, (Token, Receiver)>,
    keys: HashMap<Token, Key>,
    senders: HashMap<(u32, IpAddr, u32), Weak<Sender>>,
    last_token: usize,
}

/// The bindings that were made of a member's plans.
struct Built {
    bindings: Vec<Arc<Binding>>,
    /// An address that another program holds.
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

    /// Serves until the command to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        // Sockets that had more to read than their budget: readiness is reported only once.
        let mut unfinished: BTreeSet<Token> = BTreeSet::new();
        loop {
            let timeout = (!unfinished.is_empty()).then_some(Duration::ZERO);
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::debug!(%error, "the beacon thread can't poll");
                thread::sleep(POLL_PAUSE);
            }
            if !self.handle_commands() {
                return;
            }
            unfinished.extend(events.iter().map(|event| event.token()));
            unfinished.retain(|&token| !self.read(token));
        }
    }

    /// Carries out the commands that wait. Returns whether to go on.
    fn handle_commands(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Join { member, reply }) => {
                    // The caller waits for the reply, so it can't be gone.
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
        let selection = config.interfaces.select()?;
        let chosen = selection.interfaces;
        let plans = plan(config, &chosen);
        let broadcasts = |plan: &Plan| plan.sends.iter().any(|t| t.cast == CastKind::Broadcast);
        if let Broadcast::To(addr) = config.broadcast
            && !chosen.is_empty()
            && !plans.iter().any(broadcasts)
        {
            return Err(OpenError::NotBroadcast { addr });
        }
        let unplanned = unplanned(&chosen, &plans);
        if plans.is_empty() && config.interfaces.is_fixed() {
            return Err(OpenError::NoInterface { reasons: unplanned });
        }
        let built = self.build(member, &[], plans);
        if let Some(addr) = built.in_use {
            // A beacon that can't hear some of its neighbours would be worse than none.
            drop(built);
            self.sweep();
            return Err(OpenError::PortInUse { addr, holder: None });
        }
        self.members.insert(member.id, Arc::clone(member));
        let mut missing = selection.missing;
        missing.extend(unplanned);
        self.install(member, built.bindings, missing);
        Ok(())
    }

    fn refresh(&mut self, member: &Arc<Member>) -> Result<Changes, RefreshError> {
        let all = interfaces().map_err(RefreshError::List)?;
        // A name that doesn't exist now may come back.
        let selection = select(&member.config.interfaces, all, is_present);
        let before = member.bindings();
        let plans = plan(&member.config, &selection.interfaces);
        let mut missing = selection.missing;
        missing.extend(unplanned(&selection.interfaces, &plans));
        let built = self.build(member, &before, plans);
        let now = built.bindings.clone();
        self.install(member, built.bindings, missing);
        Ok(Changes::of_bindings(&before, &now))
    }

    /// Opens the sockets of the plans that aren't open yet. Bindings that are as planned stay.
    fn build(&mut self, member: &Member, before: &[Arc<Binding>], plans: Vec<Plan>) -> Built {
        let mut built = Built {
            bindings: Vec::with_capacity(plans.len()),
            in_use: None,
        };
        for plan in plans {
            let same = before
                .iter()
                .find(|binding| binding.plan == plan && binding.interface.problem.is_none());
            let binding = match same {
                Some(binding) => Arc::clone(binding),
                None => Arc::new(self.bind(member, before, plan, &mut built.in_use)),
            };
            if let Some(problem) = &binding.interface.problem {
                let interface = &binding.interface;
                tracing::debug!(%interface, %problem, "an interface can't be used in full");
            }
            built.bindings.push(binding);
        }
        built
    }

    fn bind(
        &mut self,
        member: &Member,
        before: &[Arc<Binding>],
        plan: Plan,
        in_use: &mut Option<SocketAddr>,
    ) -> Binding {
        let counters = before
            .iter()
            .find(|binding| binding.interface.is(&plan.interface))
            .map(|binding| Arc::clone(&binding.counters))
            .unwrap_or_default();
        let mut binding = Binding {
            interface: plan.interface.clone(),
            plan,
            sender: None,
            unreachable: Vec::new(),
            usable: false,
            counters,
        };
        if binding.interface.problem.is_some() {
            return binding;
        }
        let mut problems: Vec<String> = Vec::new();
        match self.sender(&binding.interface, member.config.ttl) {
            Ok(sender) => binding.sender = Some(sender),
            Err(error) => problems.push(error.to_string()),
        }
        let mut heard = 0usize;
        for target in &binding.plan.hears {
            match self.listen(&binding.interface, target.dest) {
                Ok(()) => heard = heard.saturating_add(1),
                Err(SocketError::InUse(addr)) => {
                    problems.push(SocketError::InUse(addr).to_string());
                    in_use.get_or_insert(addr);
                }
                // Old kernels refuse it, and it is only an extra.
                Err(error) if is_extra(&binding.plan, target.dest) => {
                    tracing::debug!(interface = %binding.interface, %error, "no limited broadcasts");
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        for target in &binding.plan.sends {
            if let Err(error) = socket::probe(&binding.interface, target.dest) {
                problems.push(format!("{}: {error}", target.dest));
                binding.unreachable.push(target.dest);
            }
        }
        problems.dedup();
        binding.usable = binding.sender.is_some()
            && heard > 0
            && binding.unreachable.len() < binding.plan.sends.len();
        binding.interface.problem = (!problems.is_empty()).then(|| problems.join(", ").into());
        binding
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

    /// Gives the member its bindings and routes, and closes the sockets that nobody needs any
    /// longer.
    fn install(&mut self, member: &Arc<Member>, bindings: Vec<Arc<Binding>>, missing: Vec<String>) {
        let mut wanted: HashMap<Key, Listener> = HashMap::new();
        for binding in &bindings {
            if binding.sender.is_none() {
                continue;
            }
            let interface = Arc::new(binding.interface.clone());
            for target in &binding.plan.hears {
                wanted
                    .entry((interface.index, target.dest))
                    .or_insert_with(|| Listener {
                        member: Arc::clone(member),
                        interface: Arc::clone(&interface),
                        cast: target.cast,
                        counters: Arc::clone(&binding.counters),
                    });
            }
        }
        self.shared.route(member.id, &wanted);
        member.set_bindings(bindings, missing);
        self.sweep();
    }

    /// Closes unused sockets.
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
                    tracing::debug!(%error, "can't deregister a socket");
                }
            }
            used
        });
        senders.retain(|_, sender| sender.strong_count() > 0);
    }

    /// Reads up to the budget from a socket. Returns whether nothing is left to read.
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
        for _ in 0..READ_BUDGET {
            match receiver.recv(&mut buffer) {
                Ok(None) => {}
                Ok(Some((length, from))) => match buffer.get(..length) {
                    Some(payload) if length <= MAX_DATAGRAM => {
                        self.distribute(&listeners, payload, from);
                    }
                    _ => too_long(&listeners, from),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    for listener in listeners.iter() {
                        let counters = &listener.counters;
                        counters.receive_errors.fetch_add(1, Ordering::Relaxed);
                        counters.record_error(&listener.interface, "receive", &error);
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

    fn distribute(&self, listeners: &[Listener], payload: &[u8], from: SocketAddr) {
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

impl Drop for Worker {
    fn drop(&mut self) {
        if thread::panicking() {
            for member in self.members.values() {
                member.died.notify_one();
            }
        }
    }
}

/// Counts a datagram that is too long.
fn too_long(listeners: &[Listener], from: SocketAddr) {
    for listener in listeners {
        let oversized = &listener.member.counters.oversized;
        let before = oversized.fetch_add(1, Ordering::Relaxed);
        // Logged at powers of two, so that a flood writes few lines.
        if before.wrapping_add(1).is_power_of_two() {
            tracing::debug!(%from, interface = %listener.interface, "datagram over {MAX_DATAGRAM} bytes");
        }
    }
}

/// Whether a target is heard only for completeness: nothing is sent there.
fn is_extra(plan: &Plan, dest: SocketAddr) -> bool {
    dest.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) && !plan.sends.iter().any(|t| t.dest == dest)
}

/// Why nothing is planned on any of the chosen interfaces, a line for each.
fn unplanned(chosen: &[Interface], plans: &[Plan]) -> Vec<String> {
    if !plans.is_empty() {
        return Vec::new();
    }
    let nothing = "no group of its address family is chosen, and it has no broadcast";
    let line = |interface: &Interface| format!("{interface}: {nothing}");
    chosen.iter().map(line).collect()
}
