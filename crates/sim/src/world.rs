//! The whole: hosts, what lies between them, and what happens next.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use uuid::Uuid;
use zre_proto::machine::{Heard, SessionId, Source};
use zre_proto::{Beacon, Machine, Time};

use crate::action::Action;
use crate::brain::Brain;
use crate::carry::NOTICE;
use crate::host::{self, Datagram, Host, Power, SOCKET_BUFFER};
use crate::justify::Troubles;
use crate::link::{Link, ProcessId, Way};
use crate::network::{Network, Weather};
use crate::queue::Queue;
use crate::report::Report;
use crate::script::Script;

/// What a simulation is made of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Everything that chance decides follows from it.
    pub seed: u64,
    /// How many hosts there are; on each a process starts within the first
    /// [`stagger`](Self::stagger).
    pub hosts: usize,
    /// What happens to datagrams.
    pub weather: Weather,
    /// Over how long the first starts are spread.
    pub stagger: Duration,
    /// Whether nodes send beacons; without them, they need `found`.
    pub beacons: bool,
    /// Whether each process that starts is told the addresses of all other hosts.
    pub addresses: bool,
    /// How many of them, the last ones, are of another implementation.
    pub legacy: usize,
    /// Whether those wrap 65534 to 0, as pyre does.
    pub short_wrap: bool,
    /// How many peers a node dials at a time, as
    /// [`MessageLimits::dials`](zre_proto::MessageLimits::dials).
    pub dials: usize,
    /// How many messages a mailbox holds before it refuses the application's.
    pub mailbox: usize,
    /// Whether a dialler learns from the handshake whom it has reached, as it
    /// does between nodes of our own link engine.
    pub names: bool,
    /// What is done to them.
    pub script: Script,
    /// Whether [`World::log`] is kept.
    pub log: bool,
}

impl Options {
    /// So many hosts on a network without faults, to which nothing is done.
    pub fn new(hosts: usize, seed: u64) -> Self {
        Self {
            seed,
            hosts,
            weather: Weather::default(),
            stagger: Duration::from_secs(1),
            beacons: true,
            addresses: false,
            legacy: 0,
            short_wrap: false,
            mailbox: 2000,
            names: false,
            dials: zre_proto::MessageLimits::default().dials,
            script: Script::default(),
            log: false,
        }
    }
}

/// A broken promise, with all that is needed to see it broken again.
#[derive(Clone, thiserror::Error)]
pub struct Violation {
    /// When, since the simulation's begin.
    pub at: Duration,
    /// What was broken, and by whom.
    pub what: String,
    /// Whether it is a promise about a network that has settled.
    pub settled: bool,
    /// The simulation.
    pub options: Box<Options>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let weather = options.weather;
        writeln!(f, "at {:.6} s: {}", self.at.as_secs_f64(), self.what)?;
        writeln!(
            f,
            "again with: zre-sim --nodes {} --seed {} --loss {} --duplicate {} --late {} \
             --stagger-ms {} --dials {} --mailbox {} --legacy {}{}{}{}{} --length-ms {}{} --script FILE, where FILE has",
            options.hosts,
            options.seed,
            weather.loss,
            weather.duplicate,
            weather.late,
            options.stagger.as_millis(),
            options.dials,
            options.mailbox,
            options.legacy,
            if options.short_wrap {
                " --short-wrap"
            } else {
                ""
            },
            if options.names { " --names" } else { "" },
            if options.beacons { "" } else { " --no-beacons" },
            if options.addresses {
                " --addresses"
            } else {
                ""
            },
            self.at.as_millis(),
            if self.settled { " --check" } else { "" },
        )?;
        write!(f, "{}", options.script)
    }
}

/// As [`Display`](fmt::Display): tests that fail print this.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is planned.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A process has a timeout.
    Wake(usize),
    /// A process notices that it has slept.
    Resume(ProcessId),
    /// The forms of a beacon reach the other hosts.
    Cast(usize, Box<[(bool, Bytes)]>),
    /// A datagram that came apart from the others.
    Datagram(Box<Datagram>),
    /// Something arrives on a link.
    Lane(usize, Way),
    /// A dial has taken too long.
    GiveUp(usize),
    /// A mailbox that its process has closed reports its end.
    Closed(ProcessId, SessionId),
    /// A process was started a while ago.
    Reunion(ProcessId),
    /// An action of the script.
    Act(Box<Action>),
}

/// A number of nodes, in virtual time.
#[derive(Debug)]
pub struct World {
    pub(crate) options: Options,
    pub(crate) random: Rng,
    pub(crate) now: Time,
    pub(crate) network: Network,
    pub(crate) hosts: Vec<Host>,
    pub(crate) links: Vec<Link>,
    /// The links on which something can still happen.
    pub(crate) open: BTreeSet<usize>,
    pub(crate) queue: Queue<Happening>,
    pub(crate) troubles: Troubles,
    /// Who has ever been a candidate, and for which group.
    pub(crate) contested: BTreeSet<(String, Uuid)>,
    pub(crate) last_request: u64,
    pub(crate) report: Report,
    pub(crate) wrong: Option<String>,
    pub(crate) log: Vec<String>,
}

impl World {
    /// The world before its first moment.
    pub fn new(options: Options) -> Self {
        let mut random = Rng::with_seed(options.seed);
        let mut queue = Queue::new();
        let stagger = u64::try_from(options.stagger.as_millis()).unwrap_or(u64::MAX);
        for host in 0..options.hosts {
            let at = Duration::from_millis(random.u64(0..=stagger));
            let start = Action::Start(host, crate::action::Start::Anew);
            queue.push(Time::from_origin(at), Happening::Act(Box::new(start)));
        }
        for (at, action) in &options.script.0 {
            queue.push(
                Time::from_origin(*at),
                Happening::Act(Box::new(action.clone())),
            );
        }
        Self {
            network: Network::new(options.weather),
            hosts: (0..options.hosts).map(Host::new).collect(),
            random,
            now: Time::ZERO,
            links: Vec::new(),
            open: BTreeSet::new(),
            queue,
            troubles: Troubles::default(),
            contested: BTreeSet::new(),
            last_request: 0,
            report: Report::default(),
            wrong: None,
            log: Vec::new(),
            options,
        }
    }

    /// Does something now. It becomes part of the script that a violation prints.
    ///
    /// # Errors
    /// The promise that this broke.
    pub fn act(&mut self, action: Action) -> Result<(), Violation> {
        let at = self.now.since_origin();
        self.options.script.0.push((at, action.clone()));
        self.apply(&action);
        self.verdict()
    }

    /// Lets so much time go by.
    ///
    /// # Errors
    /// The first promise that was broken meanwhile.
    pub fn run(&mut self, length: Duration) -> Result<(), Violation> {
        let until = self.now + length;
        self.verdict()?;
        while let Some((at, happening)) = self.queue.pop(until) {
            self.now = at;
            self.report.happenings += 1;
            self.happen(happening);
            self.verdict()?;
        }
        self.now = until;
        Ok(())
    }

    /// What has happened so far.
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.length = self.now.since_origin();
        self.settle_ledgers(&mut report);
        report
    }

    /// What was done, said and told, line by line, where
    /// [`Options::log`] asks for it.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.options.log {
            let at = self.now.since_origin().as_secs_f64();
            self.log.push(format!("{at:.6} {}", line()));
        }
    }

    /// The simulated time.
    pub fn now(&self) -> Duration {
        self.now.since_origin()
    }

    /// The state machine of a host's process, if it is ours.
    pub fn machine(&self, host: usize) -> Option<&Machine> {
        self.hosts.get(host)?.process.as_ref()?.brain.ours()
    }

    /// Whether the first host's application knows the second's process.
    pub fn sees(&self, host: usize, other: usize) -> bool {
        let (Some(host), Some(other)) = (self.hosts.get(host), self.hosts.get(other)) else {
            return false;
        };
        host.process
            .as_ref()
            .is_some_and(|process| process.checker.peers().contains_key(&other.uuid))
    }

    pub(crate) fn verdict(&mut self) -> Result<(), Violation> {
        match self.wrong.take() {
            None => Ok(()),
            Some(what) => Err(self.violation(what, false)),
        }
    }

    pub(crate) fn violation(&self, what: String, settled: bool) -> Violation {
        Violation {
            at: self.now.since_origin(),
            what,
            settled,
            options: Box::new(self.options.clone()),
        }
    }

    /// So long ago.
    pub(crate) fn before(&self, time: Duration) -> Time {
        Time::from_origin(self.now.since_origin().saturating_sub(time))
    }

    /// The number of the first host that isn't ours.
    pub(crate) fn first_legacy(&self) -> usize {
        self.options.hosts.saturating_sub(self.options.legacy)
    }

    /// The first wrong thing is the one that is told.
    pub(crate) fn accuse(&mut self, host: usize, what: &str) {
        let uuid = self
            .hosts
            .get(host)
            .map(|host| host.uuid)
            .unwrap_or_default();
        self.wrong
            .get_or_insert_with(|| format!("host {host} ({uuid}): {what}"));
    }

    /// Adds to the number that tells one course of things from another.
    pub(crate) fn trace(&mut self, kind: u64, a: usize, b: u64) {
        let nanoseconds = u64::try_from(self.now.since_origin().as_nanos()).unwrap_or(u64::MAX);
        let a = u64::try_from(a).unwrap_or(u64::MAX);
        for word in [nanoseconds, kind, a, b] {
            // FNV-1a, by words.
            self.report.trace = (self.report.trace ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(host) => self.wake(host),
            Happening::Resume(id) => {
                let current = self
                    .hosts
                    .get(id.host)
                    .and_then(|host| host.process.as_ref());
                if current.is_some_and(|process| process.id == id) {
                    self.call(id.host, |machine, now| machine.handle_resume(now));
                }
            }
            Happening::Cast(from, forms) => self.cast(from, &forms),
            Happening::Datagram(datagram) => self.deliver_datagram(*datagram),
            Happening::Lane(link, way) => {
                if let Some(link) = self.links.get_mut(link) {
                    link.lane(way).planned = None;
                }
                self.pump(link, way);
            }
            Happening::GiveUp(link) => self.give_up(link),
            Happening::Closed(id, session) => self.report_closed(id, session),
            Happening::Reunion(id) => self.check_reunion(id),
            Happening::Act(action) => self.apply(&action),
        }
    }

    /// Runs an input of a process that can take one, and does what it asks for.
    pub(crate) fn call(&mut self, host: usize, input: impl FnOnce(&mut Brain, Time)) {
        let now = self.now;
        let Some(process) = self.hosts.get_mut(host).and_then(Host::active) else {
            return;
        };
        let local = process.clock(now);
        input(&mut process.brain, local);
        if let Some(what) = process.brain.aborted() {
            self.accuse(host, &format!("a legacy node, would abort: {what}"));
        }
        self.drain(host);
    }

    fn report_closed(&mut self, id: ProcessId, session: SessionId) {
        let Some(host) = self.hosts.get_mut(id.host) else {
            return;
        };
        if host.process(id).is_none() {
            return;
        }
        if host.active().is_some() {
            self.call(id.host, |brain, now| {
                brain.handle_session_closed(now, session);
            });
        } else {
            // It stands still, and is told when it goes on.
            self.queue
                .push(self.now + NOTICE, Happening::Closed(id, session));
        }
    }

    fn wake(&mut self, host: usize) {
        let now = self.now;
        let Some(process) = self.hosts.get_mut(host).and_then(Host::active) else {
            return;
        };
        if process.wake != Some(now) {
            return; // Planned for what isn't due any more.
        }
        process.wake = None;
        self.trace(1, host, 0);
        self.call(host, |machine, now| machine.handle_timeout(now));
    }

    /// Plans the next look at a process's timeouts.
    pub(crate) fn plan_wake(&mut self, host: usize) {
        let now = self.now;
        let Some(process) = self.hosts.get_mut(host).and_then(Host::active) else {
            return;
        };
        let Some(due) = process.brain.poll_timeout() else {
            return;
        };
        let due = (due + process.slept).max(now);
        if process
            .wake
            .is_none_or(|planned| due < planned || planned < now)
        {
            process.wake = Some(due);
            self.queue.push(due, Happening::Wake(host));
        }
    }

    /// The forms of a beacon at the end of their ordinary delay. Each host hears
    /// both before the next hears any: what it knows of the sender is at hand
    /// then, which among a thousand hosts is most of the work.
    fn cast(&mut self, from: usize, forms: &[(bool, Bytes)]) {
        let mut beacons = Vec::with_capacity(forms.len());
        for (multicast, bytes) in forms {
            match Beacon::decode(bytes) {
                Ok(beacon) => beacons.push((*multicast, beacon)),
                Err(error) => self.accuse(from, &format!("sends {error}")),
            }
        }
        if self
            .hosts
            .get(from)
            .is_none_or(|host| host.power != Power::On)
        {
            return;
        }
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            if !self.network.passes(from, to) {
                continue;
            }
            for (multicast, beacon) in &beacons {
                for delay in self.network.copies(&mut self.random).into_iter().flatten() {
                    let datagram = Datagram {
                        from,
                        to,
                        multicast: *multicast,
                        beacon: beacon.clone(),
                    };
                    if delay.is_zero() {
                        self.deliver_datagram(datagram);
                    } else {
                        self.queue
                            .push(self.now + delay, Happening::Datagram(Box::new(datagram)));
                    }
                }
            }
        }
    }

    pub(crate) fn deliver_datagram(&mut self, datagram: Datagram) {
        let to = datagram.to;
        let Some(host) = self.hosts.get_mut(to) else {
            return;
        };
        let Some(process) = host.process.as_mut().filter(|_| host.power == Power::On) else {
            return;
        };
        if process.stopped {
            if process.waiting.len() < SOCKET_BUFFER {
                process.waiting.push(datagram);
            }
            return;
        }
        let heard = Heard::new(
            host::beacon_address(datagram.from),
            if datagram.multicast {
                Source::Multicast
            } else {
                Source::Broadcast
            },
            false,
        );
        self.report.heard += 1;
        self.call(to, |machine, now| {
            machine.handle_beacon(now, &datagram.beacon, &heard);
        });
    }
}
