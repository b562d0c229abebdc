//! Several machines against each other, over a network without faults but with
//! a delay.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use zre_proto::machine::{
    Config, Event, Heard, Inbound, Output, SessionId, SharedOutgoing, Source, Up,
};
use zre_proto::{Beacon, Command, Endpoint, Frames, Machine, State, Time, split_header};

use crate::bench::{Discipline, is_data, ms, tell};

enum Delivery {
    Beacon(Beacon, IpAddr),
    Opened(usize, SessionId),
    Refused(usize, SessionId),
    Message(usize, u64, Frames),
    ConnectionClosed(usize, u64),
    MailboxClosed(usize, SessionId),
}

struct Link {
    to: usize,
    connection: u64,
    outgoing: SharedOutgoing,
}

pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) events: Vec<String>,
    pub(crate) announced: Vec<(Time, State)>,
    pub(crate) hellos: usize,
    pub(crate) sent: Vec<(Time, Command)>,
    pub(crate) stopped: Option<Time>,
    port: u16,
    ip: IpAddr,
    links: BTreeMap<SessionId, Link>,
    /// Connections to its inbox: from whom, and over which mailbox.
    inbox: BTreeMap<u64, (usize, SessionId)>,
    discipline: Discipline,
    alive: bool,
}

/// The network. Node `n` is at 10.0.0.(n + 1).
pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node>,
    /// Whether beacons are heard.
    pub(crate) beacons: bool,
    /// Whether a mailbox learns who answered.
    pub(crate) identities: bool,
    pub(crate) in_memory: bool,
    delay: Duration,
    queue: BTreeMap<(Time, u64), Delivery>,
    counter: u64,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            now: Time::from_origin(ms(1)),
            nodes: Vec::new(),
            beacons: true,
            identities: false,
            in_memory: false,
            delay: ms(1),
            queue: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(crate) fn of(count: u8) -> Self {
        let mut net = Self::new();
        for _ in 0..count {
            net.start(|_| {});
        }
        net
    }

    pub(crate) fn start(&mut self, configure: impl FnOnce(&mut Config)) -> usize {
        let index = self.nodes.len();
        let id = u8::try_from(index + 1).unwrap();
        let port = 49152 + u16::from(id);
        let mut config = Config::new(Uuid::from_u128(id.into()), port);
        config.state = State::Ready;
        configure(&mut config);
        self.nodes.push(Node {
            port: config.port,
            machine: Machine::new(config, id.into(), self.now),
            events: Vec::new(),
            announced: Vec::new(),
            hellos: 0,
            sent: Vec::new(),
            stopped: None,
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, id)),
            links: BTreeMap::new(),
            inbox: BTreeMap::new(),
            discipline: Discipline::default(),
            alive: true,
        });
        self.drain(index);
        index
    }

    pub(crate) fn uuid(&self, index: usize) -> Uuid {
        self.nodes[index].machine.uuid()
    }

    pub(crate) fn endpoint(&self, index: usize) -> Endpoint {
        let node = &self.nodes[index];
        Endpoint::Tcp(SocketAddr::new(node.ip, node.port))
    }

    pub(crate) fn events(&mut self, index: usize) -> Vec<String> {
        std::mem::take(&mut self.nodes[index].events)
    }

    fn after(&mut self, delay: Duration, delivery: Delivery) {
        self.counter += 1;
        self.queue
            .insert((self.now + delay, self.counter), delivery);
    }

    /// Carries out what a node wants.
    pub(crate) fn drain(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].machine.poll_output() {
            let node = &mut self.nodes[index];
            assert!(node.stopped.is_none(), "{output:?} after Stopped");
            match output {
                Output::Connect {
                    session,
                    target,
                    outgoing,
                } => self.connect(index, session, &target.endpoint, outgoing),
                Output::Send { session, command } => self.send(index, session, command),
                Output::Disconnect { session, .. } => {
                    if let Some(link) = node.links.remove(&session) {
                        self.after(
                            self.delay,
                            Delivery::ConnectionClosed(link.to, link.connection),
                        );
                    }
                }
                Output::Announce { state, .. } => {
                    node.announced.push((self.now, state));
                    let beacon = Beacon::State {
                        uuid: node.machine.uuid(),
                        port: node.port,
                        state,
                    };
                    let ip = node.ip;
                    if self.beacons {
                        self.after(self.delay, Delivery::Beacon(beacon, ip));
                    }
                }
                Output::Event(event) => {
                    node.discipline.check(&event);
                    if !matches!(event, Event::Whisper { .. }) || node.events.len() < 100_000 {
                        node.events.push(tell(&event));
                    }
                }
                Output::Admit { .. } => {}
                Output::Refuse { connection } => {
                    if let Some((from, session)) = node.inbox.remove(&connection) {
                        self.after(self.delay, Delivery::Refused(from, session));
                    }
                }
                Output::Stopped => node.stopped = Some(self.now),
            }
        }
    }

    fn connect(
        &mut self,
        index: usize,
        session: SessionId,
        endpoint: &Endpoint,
        outgoing: SharedOutgoing,
    ) {
        let to = self.nodes.iter().position(|node| {
            node.alive && *endpoint == Endpoint::Tcp(SocketAddr::new(node.ip, node.port))
        });
        let delay = self.delay * 2;
        let Some(to) = to else {
            self.after(delay, Delivery::Refused(index, session));
            return;
        };
        self.counter += 1;
        let connection = self.counter;
        let link = Link {
            to,
            connection,
            outgoing,
        };
        self.nodes[index].links.insert(session, link);
        self.nodes[to].inbox.insert(connection, (index, session));
        self.after(delay, Delivery::Opened(index, session));
    }

    fn send(&mut self, index: usize, session: SessionId, command: Command) {
        let node = &mut self.nodes[index];
        node.sent.push((self.now, command.clone()));
        if matches!(command, Command::Hello(_)) {
            node.hellos += 1;
        }
        let Some(link) = node.links.get(&session) else {
            panic!("{command:?} into {session:?}, which isn't open");
        };
        let frames = if is_data(&command) {
            let (header, content) = split_header(command.encode(0));
            let queued = link.outgoing.send_data(&mut header.to_vec(), |header| {
                let header = Bytes::copy_from_slice(header);
                Ok::<_, Infallible>([header].into_iter().chain(content).collect())
            });
            queued.unwrap()
        } else {
            let queued = link.outgoing.send_control(&command, Ok::<_, Infallible>);
            queued.unwrap()
        };
        let delivery = Delivery::Message(link.to, link.connection, frames);
        self.after(self.delay, delivery);
    }

    /// The application whispers.
    pub(crate) fn whisper(&mut self, from: usize, to: usize, text: &str) {
        self.say(from, to, crate::bench::whisper(text));
    }

    /// Puts a message of the application into a mailbox.
    pub(crate) fn say(&mut self, from: usize, to: usize, command: Command) {
        let session = self.session(from, to).expect("no session");
        self.send(from, session, command);
    }

    pub(crate) fn session(&self, from: usize, to: usize) -> Option<SessionId> {
        let mut links = self.nodes[from].links.iter();
        links
            .find(|(_, link)| link.to == to)
            .map(|(session, _)| *session)
    }

    /// A process dies: its connections end.
    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes[index].alive = false;
        let links = std::mem::take(&mut self.nodes[index].links);
        for link in links.into_values() {
            self.after(
                self.delay,
                Delivery::ConnectionClosed(link.to, link.connection),
            );
        }
        let inbox = std::mem::take(&mut self.nodes[index].inbox);
        for (from, session) in inbox.into_values() {
            self.after(self.delay, Delivery::MailboxClosed(from, session));
        }
    }

    pub(crate) fn act(&mut self, index: usize, act: impl FnOnce(&mut Machine, Time)) {
        act(&mut self.nodes[index].machine, self.now);
        self.drain(index);
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0u32;
        loop {
            let timer = self
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, node)| node.alive)
                .filter_map(|(index, node)| Some((node.machine.poll_timeout()?, index)))
                .min();
            let delivery = self.queue.first_key_value().map(|(key, _)| *key);
            rounds += 1;
            assert!(rounds < 10_000_000, "time doesn't pass");
            match (delivery, timer) {
                (Some((at, _)), timer) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    self.now = self.now.max(at);
                    if let Some((_, delivery)) = self.queue.pop_first() {
                        self.deliver(delivery);
                    }
                }
                (_, Some((due, index))) if due <= end => {
                    self.now = self.now.max(due);
                    self.nodes[index].machine.handle_timeout(self.now);
                    self.drain(index);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Beacon(beacon, from) => {
                let heard = Heard::new(SocketAddr::new(from, 5670), Source::Multicast, false);
                for index in 0..self.nodes.len() {
                    if self.nodes[index].alive {
                        self.act(index, |machine, now| {
                            machine.handle_beacon(now, &beacon, &heard);
                        });
                    }
                }
            }
            Delivery::Opened(index, session) => {
                let Some(to) = self.nodes[index].links.get(&session).map(|link| link.to) else {
                    return;
                };
                let peer = self.identities.then(|| self.uuid(to));
                let mut up = Up::new(Some(self.nodes[index].ip), None).with_peer(peer);
                up.in_memory = self.in_memory;
                self.act(index, |machine, now| {
                    machine.handle_session_up(now, session, up);
                });
            }
            Delivery::Refused(index, session) | Delivery::MailboxClosed(index, session) => {
                self.nodes[index].links.remove(&session);
                if self.nodes[index].alive {
                    self.act(index, |machine, now| {
                        machine.handle_session_closed(now, session);
                    });
                }
            }
            Delivery::Message(index, connection, frames) => {
                let Some((from, _)) = self.nodes[index].inbox.get(&connection).copied() else {
                    return;
                };
                let inbound = self.inbound(from, connection);
                self.act(index, |machine, now| {
                    let (header, content) = split_header(frames);
                    machine.handle_message(now, &inbound, &header, content);
                });
            }
            Delivery::ConnectionClosed(index, connection) => {
                let Some((from, _)) = self.nodes[index].inbox.remove(&connection) else {
                    return;
                };
                let uuid = self.uuid(from);
                if self.nodes[index].alive {
                    self.act(index, |machine, now| {
                        machine.handle_connection_closed(now, uuid, connection);
                    });
                }
            }
        }
    }

    fn inbound(&self, from: usize, connection: u64) -> Inbound {
        Inbound::new(
            self.uuid(from),
            connection,
            Some(SocketAddr::new(self.nodes[from].ip, 30_000)),
        )
    }
}
