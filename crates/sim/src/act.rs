//! What the actions of a script do.

use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::{Config, Found, Source};
use zre_proto::{Endpoint, Machine, State};

use crate::action::{Action, Start};
use crate::brain::Brain;
use crate::checker::Checker;
use crate::drain::{Data, group_name};
use crate::host::{self, Host, Power, Process};
use crate::legacy::Legacy;
use crate::link::{Item, ProcessId, Way};
use crate::network::Weather;
use crate::world::{Happening, Options, World};

/// A process that has slept notices within that time.
const NOTICE_MS: u64 = 1000;

impl World {
    pub(crate) fn apply(&mut self, action: &Action) {
        self.report.actions += 1;
        self.note(|| action.to_string());
        match *action {
            Action::Join(host, group) => self.call(host, |brain, now| {
                brain.join(now, &group_name(group));
            }),
            Action::Leave(host, group) => {
                self.call(host, |brain, _| brain.leave(&group_name(group)))
            }
            Action::Whisper(from, to, count) => self.whisper(from, to, count),
            Action::Shout(from, group, count) => self.shout(from, group, count),
            Action::Request(from, to, count) => self.request(from, to, count),
            Action::Ping(from, to) => self.ping(from, to),
            Action::Contest(host, group) => {
                let place = self.hosts.get_mut(host).and_then(Host::active);
                if let Some(process) = place {
                    process.contests.insert(group_name(group));
                    self.contested.insert((group_name(group), self.uuid(host)));
                }
                self.call(host, |brain, now| brain.contest(now, &group_name(group)));
            }
            Action::State(host, state) => {
                self.disturb(host);
                self.call(host, |brain, now| brain.set_state(now, state));
            }
            Action::Rename(host, name) => self.rename(host, name),
            Action::Partition(ref island) => {
                self.note_cuts();
                self.network.partition(island);
            }
            Action::Block(from, to) => self.network.block(from, to),
            Action::Heal => {
                self.note_cuts();
                self.network.heal();
                self.pump_all();
            }
            Action::Reset(a, b) => self.reset(a, b),
            Action::Stop(host) => {
                if let Some(process) = self.process(host) {
                    process.stopped = true;
                }
            }
            Action::Continue(host) => self.proceed(host),
            Action::Sleep(host) => {
                let now = self.now;
                if let Some(host) = self.hosts.get_mut(host)
                    && host.power == Power::On
                {
                    host.power = Power::Asleep(now);
                }
            }
            Action::Wake(host) => self.awake(host),
            Action::Hold(host) => self.hold(host, true),
            Action::Read(host) => self.hold(host, false),
            Action::Kill(host) => self.end_process(host, false),
            Action::Cut(host) => self.cut(host),
            Action::Start(host, start) => self.start(host, start),
            Action::Shutdown(host, patience) => {
                if let Some(process) = self.process(host) {
                    process.leaving = true;
                }
                self.call(host, |brain, now| brain.shutdown(now, patience));
            }
            Action::Loss(percent) => {
                self.network.weather.loss = f64::from(percent.min(100)) / 100.0;
            }
            Action::Found(host, at) => self.find(host, at),
            Action::Claim(from, whose, at) => self.claim(from, whose, at),
            Action::Mend => self.mend(),
        }
    }

    /// A process begins or ends something that keeps others waiting.
    fn disturb(&mut self, host: usize) {
        let now = self.now;
        if let Some(process) = self.process(host) {
            process.disturbed = now;
        }
    }

    fn process(&mut self, host: usize) -> Option<&mut Process> {
        self.hosts.get_mut(host).and_then(Host::active)
    }

    fn start(&mut self, host: usize, start: Start) {
        let unable = self.hosts.get(host).is_some_and(|host| {
            let process = host.process.as_ref();
            host.power != Power::On || process.is_some_and(|it| it.stopped || it.held)
        });
        if unable {
            self.note_standstill(host);
        }
        self.end_process(host, false);
        let now = self.now;
        let (uuid, seed) = (self.random.u128(..), self.random.u64(..));
        let moves = match start {
            Start::Same => false,
            Start::Moved => true,
            Start::Anew => self.random.bool(),
        };
        let Options {
            beacons,
            short_wrap,
            dials,
            ..
        } = self.options;
        let ours = self.options.hosts - self.options.legacy.min(self.options.hosts);
        let Some(place) = self.hosts.get_mut(host) else {
            return;
        };
        place.power = Power::On;
        place.started = [now, place.started[0]];
        if start == Start::Anew || place.lives == 0 {
            place.uuid = uuid::Builder::from_random_bytes(uuid.to_be_bytes()).into_uuid();
        }
        if moves {
            place.port = place.port.checked_add(1).unwrap_or(49_152);
        }
        place.lives += 1;
        // Nothing can wait for the first process of a host.
        let again = place.lives > 1;
        let brain = if host < ours {
            let mut config = Config::new(place.uuid, place.port);
            config.limits.dials = dials;
            if !beacons {
                config.interval = None;
            }
            Brain::Ours(Box::new(Machine::new(config, seed, now)), None)
        } else {
            let address = (host::ip(host), place.port).into();
            Brain::Legacy(Box::new(Legacy::new(place.uuid, address, short_wrap, now)))
        };
        let id = ProcessId {
            host,
            life: place.lives,
        };
        place.process = Some(Process {
            id,
            disturbed: now,
            brain,
            checker: Checker::default(),
            mailboxes: Default::default(),
            dialled: Default::default(),
            inbound: Default::default(),
            enters: Default::default(),
            contests: Default::default(),
            name: None,
            sessions: Default::default(),
            slept: Duration::ZERO,
            stopped: false,
            held: false,
            leaving: false,
            wake: None,
            waiting: Vec::new(),
        });
        self.report.started += 1;
        self.plan_reunion(id);
        self.trace(7, host, 0);
        self.call(host, |brain, now| brain.set_state(now, State::Ready));
        if self.options.addresses {
            for other in (0..self.hosts.len()).filter(|other| *other != host) {
                self.find(host, other);
            }
        }
        if again {
            self.pump_all();
        }
    }

    /// The process ends, by itself or not, and its kernel closes its links.
    pub(crate) fn end_process(&mut self, host: usize, lingers: bool) {
        let process = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.process.take());
        let Some(process) = process else {
            return;
        };
        let id = process.id;
        self.orphan(&process);
        let open: Vec<usize> = self.open.iter().copied().collect();
        for number in open {
            let Some(link) = self.links.get_mut(number) else {
                continue;
            };
            if link.dialler == id {
                if link.mailbox {
                    self.close_mailbox(number, lingers);
                }
            } else if link.listener == Some(id) && link.inbox {
                link.inbox = false;
                self.put(number, Way::Back, Item::End);
            }
        }
        self.pump_all();
    }

    /// The process that could be told what is lost is no more.
    fn orphan(&mut self, process: &Process) {
        for number in process.dialled.values() {
            if let Some(link) = self.links.get_mut(*number) {
                link.ledger.orphaned = true;
            }
        }
    }

    /// The host is gone, with all that it had; nobody is told.
    fn cut(&mut self, host: usize) {
        let Some(place) = self.hosts.get_mut(host) else {
            return;
        };
        place.power = Power::Off;
        self.note_standstill(host);
        let Some(place) = self.hosts.get_mut(host) else {
            return;
        };
        if let Some(process) = place.process.take() {
            self.orphan(&process);
        }
        let open: Vec<usize> = self.open.iter().copied().collect();
        for number in open {
            let Some(link) = self.links.get_mut(number) else {
                continue;
            };
            if link.dialler.host == host {
                link.mailbox = false;
                link.there.truncate(0);
                link.back.truncate(0);
            } else if link.target == host {
                link.inbox = false;
                link.back.truncate(0);
            }
            if link.is_over() {
                self.open.remove(&number);
            }
        }
    }

    /// A stopped process goes on: what has waited comes in some order.
    fn proceed(&mut self, host: usize) {
        let Some(process) = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.process.as_mut())
            .filter(|process| process.stopped)
        else {
            return;
        };
        process.stopped = false;
        self.disturb(host);
        self.note_standstill(host);
        let Some(process) = self.process(host) else {
            return;
        };
        let waiting = std::mem::take(&mut process.waiting);
        if self.random.bool() {
            self.call(host, |brain, now| brain.handle_timeout(now));
        }
        for datagram in waiting {
            self.deliver_datagram(datagram);
        }
        self.pump_all();
        self.plan_wake(host);
    }

    fn awake(&mut self, host: usize) {
        let now = self.now;
        let notices = self.now + Duration::from_millis(self.random.u64(0..NOTICE_MS));
        let Some(place) = self.hosts.get_mut(host) else {
            return;
        };
        let Power::Asleep(since) = place.power else {
            return;
        };
        place.power = Power::On;
        self.disturb(host);
        self.note_standstill(host);
        let Some(place) = self.hosts.get_mut(host) else {
            return;
        };
        if let Some(process) = &mut place.process {
            process.slept += now - since;
            process.wake = None;
            self.queue.push(notices, Happening::Resume(process.id));
        }
        self.plan_wake(host);
        self.pump_all();
    }

    fn hold(&mut self, host: usize, held: bool) {
        let Some(process) = self.process(host).filter(|process| process.held != held) else {
            return;
        };
        process.held = held;
        self.disturb(host);
        self.call(host, |brain, now| brain.handle_paused(now, held));
        self.pump_all();
    }

    fn reset(&mut self, a: usize, b: usize) {
        self.troubles.note(a, b, self.now);
        let open: Vec<usize> = self.open.iter().copied().collect();
        for number in open {
            let Some(link) = self.links.get_mut(number) else {
                continue;
            };
            let ends = [link.dialler.host, link.target];
            if ends != [a, b] && ends != [b, a] {
                continue;
            }
            link.there.truncate(0);
            link.back.truncate(0);
            let (mailbox, inbox) = (link.mailbox, link.inbox);
            if mailbox {
                self.put(number, Way::Back, Item::End);
            }
            if inbox {
                self.put(number, Way::There, Item::End);
            }
        }
    }

    fn whisper(&mut self, from: usize, to: usize, count: u16) {
        let Some(peer) = self.hosts.get(to).map(|host| host.uuid) else {
            return;
        };
        for _ in 0..count {
            let Some(view) = self
                .process(from)
                .and_then(|process| process.checker.peers().get(&peer))
            else {
                return;
            };
            let session = view.session;
            self.send_data(from, session, Data::Whisper);
        }
    }

    fn request(&mut self, from: usize, to: usize, count: u16) {
        let Some(peer) = self.hosts.get(to).map(|host| host.uuid) else {
            return;
        };
        for _ in 0..count {
            self.last_request += 1;
            let id = self.last_request;
            let Some(process) = self.process(from) else {
                return;
            };
            let view = process.checker.peers().get(&peer);
            let Some(view) = view.filter(|view| view.takes_requests) else {
                return;
            };
            let session = view.session;
            process.checker.note_request(peer, id);
            self.send_data(from, session, Data::Request(id));
        }
    }

    /// Another implementation has no command for it.
    fn rename(&mut self, host: usize, name: u16) {
        let name = format!("name {name}");
        if let Some(process) = self.process(host)
            && process.brain.ours().is_some()
        {
            process.name = Some(name.clone());
            self.call(host, |brain, now| brain.set_name(now, &name));
        }
    }

    fn ping(&mut self, from: usize, to: usize) {
        let Some(peer) = self.hosts.get(to).map(|host| host.uuid) else {
            return;
        };
        let mut sent = false;
        // The PING is counted before its answer can come.
        self.call(from, |brain, now| sent = brain.ping(now, peer));
        if sent
            && let Some(process) = self.process(from)
            && let Some(view) = process.checker.peer_mut(peer)
        {
            view.pings += 1;
        }
    }

    fn shout(&mut self, from: usize, group: u8, count: u16) {
        for _ in 0..count {
            let Some(process) = self.process(from) else {
                return;
            };
            let name = group_name(group);
            let sessions: Vec<_> = process
                .checker
                .peers()
                .values()
                .filter(|view| view.groups.contains(&name))
                .map(|view| view.session)
                .collect();
            for session in sessions {
                self.send_data(from, session, Data::Shout(group));
            }
        }
    }

    fn find(&mut self, host: usize, at: usize) {
        let Some(port) = self.hosts.get(at).map(|host| host.port) else {
            return;
        };
        let found = Found::new(
            Endpoint::from(std::net::SocketAddr::from((host::ip(at), port))),
            None,
            Source::Static,
        );
        self.call(host, |brain, now| brain.handle_found(now, found));
    }

    fn mend(&mut self) {
        self.note_cuts();
        self.network.heal();
        self.network.weather = Weather::default();
        for host in 0..self.hosts.len() {
            self.awake(host);
            self.proceed(host);
            self.hold(host, false);
            let runs = self.process(host).is_some_and(|process| !process.leaving);
            if !runs {
                self.start(host, Start::Same);
            }
            self.call(host, |brain, now| brain.set_state(now, State::Ready));
        }
        self.pump_all();
    }

    /// Starts a second process under the UUID of another: a cloned image.
    pub fn clone_of(&mut self, host: usize, original: usize) {
        let Some(uuid) = self.hosts.get(original).map(|host| host.uuid) else {
            return;
        };
        if let Some(host) = self.hosts.get_mut(host) {
            host.uuid = uuid;
            host.lives = host.lives.max(1);
        }
        self.start(host, Start::Same);
    }

    /// The UUID of a host's process.
    pub fn uuid(&self, host: usize) -> Uuid {
        self.hosts
            .get(host)
            .map(|host| host.uuid)
            .unwrap_or_default()
    }
}
