//! The one task that owns the state machine.
//!
//! It passes the input of sockets, timers and the application to the machine and
//! carries out the machine's outputs. It never waits for a peer or for the application.

mod backpressure;
mod busy;
mod carry;
mod clock;
mod command;
mod identity;
mod keys;
mod ping;
mod receive;
mod report;
mod sessions;
mod unreachable;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zre_beacon::{Datagram, Datagrams};
use zre_proto::machine::{Audience, SessionId};
use zre_proto::{Machine, State, Time};
use zre_session::{Inbox, Link, Links, Notices};

pub(crate) use self::backpressure::BackpressureMonitor;
pub(crate) use self::busy::AutoBusy;
pub(crate) use self::clock::Clock;
pub(crate) use self::identity::identity_of;
pub(crate) use self::keys::{Key, KeyRing};
#[cfg(feature = "curve")]
pub(crate) use self::keys::{KeyGuard, OwnKey};
use self::ping::PingWaiters;
use self::sessions::{Dial, Resolved, SessionEntry};
use self::unreachable::Unreachable;
use crate::Gossip;
use crate::announcer::Announcer;
use crate::commands::Command;
use crate::discovery::{ChangeNotifier, DiscoveryUpdate, Names};
use crate::events::EventSender;
use crate::meters::{Meters, Publisher};
use crate::neighbours::{self, Neighbours};
use crate::reach::Reach;
use crate::shared::Shared;
use crate::supervisor::{Panicked, Supervisor};
use crate::{Peer, SendPolicy};

/// A shorter sleep of the host is ignored.
const SLEPT: Duration = Duration::from_secs(2);

/// How long the queue to a peer may take to drain after our GOODBYE.
const LINGER: Duration = Duration::from_secs(1);

/// How many messages are handled before the other inputs are looked at again.
const BUDGET: usize = 64;

/// How many messages are handled before a timeout: a busy node may find many that came
/// before its peers' time was up.
const CATCH_UP: usize = 16 << 10;

/// When a new node sends its beacon again if some nodes of its process weren't
/// listening when it started.
const INTRODUCTION: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Driver {
    machine: Machine,
    clock: Clock,
    links: Links,
    reach: Reach,
    port: u16,
    announcer: Option<Announcer>,
    events: EventSender,
    shared: Arc<Shared>,
    sessions: HashMap<SessionId, SessionEntry>,
    /// How many peers have entered and not exited.
    entered: usize,
    pings: PingWaiters,
    /// The peer that was heard last, which usually is heard next.
    recent: Option<Peer>,
    neighbours: Neighbours,
    /// How many nodes are connected to the inbox.
    connections: usize,
    /// Nodes that are heard and can't be dialled.
    unreachable: Unreachable,
    /// Whether beacons that told nothing new may tell something now.
    beacons_matter: bool,
    /// Nodes that are reached and don't greet back.
    one_way: Unreachable,
    /// Dials that wait for a name to be looked up.
    pending: HashMap<SessionId, Dial>,
    keys: KeyRing,
    names: Names,
    network_changes: ChangeNotifier,
    gossip: Option<Gossip>,
    supervisor: Supervisor,
    resolver: mpsc::UnboundedSender<Resolved>,
    resolved: mpsc::UnboundedReceiver<Resolved>,
    said_exit: bool,
    stopped: bool,
    paused: bool,
    backpressure: BackpressureMonitor,
    meters: Meters,
    publisher: Publisher,
    /// For answers that find no room.
    policy: SendPolicy,
    busy: AutoBusy,
    /// The deadline of the shutdown, and those that wait for it.
    stopping: Option<(Instant, Vec<oneshot::Sender<()>>)>,
    slept: Option<Duration>,
}

/// What the driver needs beside the machine.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) links: Links,
    pub(crate) reach: Reach,
    /// The port of the inbox.
    pub(crate) port: u16,
    pub(crate) announcer: Option<Announcer>,
    pub(crate) keys: KeyRing,
    pub(crate) names: Names,
    /// Wakes sources of addresses when the network has changed.
    pub(crate) network_changes: ChangeNotifier,
    pub(crate) gossip: Option<Gossip>,
    pub(crate) supervisor: Supervisor,
    pub(crate) events: EventSender,
    pub(crate) shared: Arc<Shared>,
    pub(crate) backpressure: BackpressureMonitor,
    pub(crate) meters: Meters,
    pub(crate) policy: SendPolicy,
    pub(crate) busy: AutoBusy,
}

impl Driver {
    pub(crate) fn new(machine: Machine, clock: Clock, parts: Parts) -> Self {
        let Parts {
            links,
            reach,
            port,
            announcer,
            keys,
            names,
            network_changes,
            gossip,
            supervisor,
            events,
            shared,
            backpressure,
            meters,
            policy,
            busy,
        } = parts;
        let (resolver, resolved) = mpsc::unbounded_channel();
        Self {
            machine,
            slept: clock.time_asleep(),
            clock,
            links,
            reach,
            port,
            announcer,
            events,
            shared,
            sessions: HashMap::new(),
            entered: 0,
            pings: PingWaiters::default(),
            recent: None,
            neighbours: Neighbours::new(),
            connections: 0,
            unreachable: Unreachable::by_us(),
            beacons_matter: false,
            one_way: Unreachable::by_them(),
            pending: HashMap::new(),
            keys,
            names,
            network_changes,
            gossip,
            supervisor,
            resolver,
            resolved,
            said_exit: false,
            stopped: false,
            paused: false,
            backpressure,
            publisher: meters.publisher(),
            meters,
            policy,
            busy,
            stopping: None,
        }
    }

    pub(crate) async fn run(
        mut self,
        mut inbox: Inbox,
        mut notices: Notices,
        mut datagrams: Option<Datagrams>,
        mut updates: mpsc::Receiver<DiscoveryUpdate>,
        mut panicked: mpsc::UnboundedReceiver<Panicked>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let timer = tokio::time::sleep(Duration::ZERO);
        let newcomer = neighbours::newcomer();
        tokio::pin!(timer, newcomer);
        if datagrams.is_some() && neighbours::introduce() {
            self.machine.announce_within(self.clock.now(), INTRODUCTION);
        }
        while !self.stopped {
            if self.is_due(self.clock.now()) {
                // What has come already counts before a peer is given up.
                self.hear_familiar(datagrams.as_ref());
                self.take_waiting(CATCH_UP, &mut inbox, &mut notices, &mut datagrams);
                self.handle_timeout();
            }
            if !self.paused && self.events.is_full() {
                self.pause(true);
                self.carry_out();
            }
            if self.stopped {
                break;
            }
            self.events.flush();
            if self.publisher.is_due() {
                self.publish();
            }
            if let Some(datagrams) = &datagrams
                && let Some(listen) = self.neighbours.update(self.has_strangers())
            {
                tracing::debug!(listen, "the beacons of this process");
                newcomer.set(neighbours::newcomer());
                datagrams.set_same_process(listen);
            }
            if std::mem::take(&mut self.beacons_matter)
                && let Some(datagrams) = &datagrams
            {
                datagrams.forget_familiar();
            }
            let alarm = self.clock.alarm(self.machine.poll_timeout());
            if let Some(due) = alarm.filter(|due| timer.deadline() != *due) {
                timer.as_mut().reset(due);
            }
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command),
                    // The last handle is gone: dropping the driver sends EXIT.
                    None => break,
                },
                Some(task) = panicked.recv() => self.fail(task),
                Some(notice) = notices.recv() => {
                    self.hear_familiar(datagrams.as_ref());
                    self.handle_notice(notice);
                }
                datagram = next(&mut datagrams) => match datagram {
                    Some(datagram) => {
                        self.hear_familiar(datagrams.as_ref());
                        self.handle_datagram(&datagram, datagrams.as_ref());
                    }
                    None => self.fail("sending and hearing beacons"),
                },
                Some((session, addrs)) = self.resolved.recv() => {
                    self.handle_resolved(session, addrs);
                }
                Some(updates) = updates.recv() => self.handle_news(updates),
                edge = self.backpressure.next() => self.handle_edge(edge),
                () = &mut newcomer, if self.neighbours.is_resting() => {
                    self.neighbours.wake();
                    if let Some(datagrams) = &datagrams {
                        datagrams.set_same_process(true);
                    }
                }
                () = &mut timer, if alarm.is_some() => {}
                () = self.events.room(), if self.paused => self.pause(false),
                Some(arrival) = inbox.recv(), if !self.paused => {
                    self.hear_familiar(datagrams.as_ref());
                    self.handle_arrival(arrival);
                }
            }
            self.carry_out();
            self.take_waiting(BUDGET, &mut inbox, &mut notices, &mut datagrams);
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

    /// Ends the node, because a task that it can't do without has panicked.
    pub(super) fn fail(&mut self, task: &str) {
        if !self.stopped {
            tracing::error!(task, "a task has panicked, and the node ends");
            self.stopped = true;
            self.send_event(crate::Event::panicked(task));
        }
    }

    /// Takes the inputs that are waiting, one of each kind in turn: a flood of beacons
    /// must not delay greetings, nor a flood of messages beacons.
    fn take_waiting(
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
                taken = taken.saturating_add(1);
            }
            if let Some(datagram) = datagrams.as_mut().and_then(Datagrams::try_recv) {
                self.handle_datagram(&datagram, datagrams.as_ref());
                self.carry_out();
                taken = taken.saturating_add(1);
            }
            if !self.paused
                && !self.events.is_full()
                && let Some(arrival) = inbox.try_recv()
            {
                taken = taken.saturating_add(self.handle_arrival(arrival));
                self.carry_out();
            }
            if taken == before {
                return;
            }
        }
    }

    /// Whether this node has heard of a node that it hasn't met.
    fn has_strangers(&self) -> bool {
        let [known, ..] = self.machine.table_sizes();
        known != self.entered
    }

    /// A peer has come or gone.
    fn count_peer(&mut self, came: bool, link: Link) {
        self.recent = None;
        if came {
            self.entered = self.entered.saturating_add(1);
        } else {
            self.entered = self.entered.saturating_sub(1);
        }
        self.neighbours.changed(came, link == Link::Inproc);
    }

    fn is_due(&self, now: Time) -> bool {
        self.machine.poll_timeout().is_some_and(|due| due <= now)
    }

    /// Handles the timeout if it is due.
    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.is_due(now) {
            // Beacons and PINGs make a timeout due every few seconds.
            let slept = self.clock.time_asleep();
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
    }

    fn pause(&mut self, paused: bool) {
        tracing::debug!(paused, "the application's queue of events");
        self.paused = paused;
        let now = self.clock.now();
        self.machine.handle_paused(now, paused);
        let shown = self.machine.state();
        if let Some(state) = self.busy.update(paused, shown) {
            self.machine.set_state(now, state);
        }
    }
}

/// Sends EXIT once, without waiting, if no shutdown has sent it: the last handle was
/// dropped, or the runtime is shutting down.
impl Drop for Driver {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.stopped {
            self.send_event(crate::Event::panicked("running the protocol"));
        }
        if let Some(announcer) = &self.announcer
            && !self.said_exit
        {
            announcer.announce(State::Exit, Audience::Everybody);
        }
        self.entered = 0;
        self.publish();
        self.shared.stop();
        self.shared.write().end();
        self.shared.pending_requests.stop();
        self.shared.open_requests.stop();
        self.shared.changed();
    }
}

async fn next(datagrams: &mut Option<Datagrams>) -> Option<Datagram> {
    match datagrams {
        Some(datagrams) => datagrams.recv().await,
        None => std::future::pending().await,
    }
}
