//! The state machine, with inputs of any kind in any order: no panic, tables
//! bounded, time that passes, and events that keep what they promise.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;
use zre_proto::machine::{Config, Event, Found, Heard, Inbound, Output, SessionId, Source, Up};
use zre_proto::{
    Beacon, Command, Endpoint, Frames, Hello, MessageLimits, Machine, Profile, State, Time, split_header,
};

/// One input. Small numbers stand for peers, connections, addresses and groups,
/// so that they meet.
#[derive(Arbitrary, Debug)]
enum Input {
    Beacon {
        who: u8,
        port: u8,
        state: Option<u8>,
        from: u8,
        multicast: bool,
    },
    Found {
        at: u8,
        who: Option<u8>,
        source: u8,
        named: bool,
    },
    Lost {
        at: u8,
        source: u8,
    },
    Resolved {
        session: u8,
        at: u8,
    },
    Up {
        session: u8,
        who: Option<u8>,
        in_memory: bool,
    },
    Closed {
        session: u8,
    },
    Message {
        who: u8,
        connection: u8,
        /// None: the next one.
        sequence: Option<u16>,
        what: Said,
    },
    Bytes {
        who: u8,
        connection: u8,
        frames: Vec<Vec<u8>>,
    },
    ConnectionClosed {
        who: u8,
        connection: u8,
    },
    /// In milliseconds; a step of time between inputs.
    Wait(u16),
    Join(u8),
    Leave(u8),
    Contest(u8),
    State(u8),
    Paused(bool),
    Resume,
    Shutdown(u16),
    Ping(u8),
}

#[derive(Arbitrary, Debug)]
enum Said {
    Hello {
        port: u8,
        groups: u8,
        shows_state: bool,
    },
    Whisper,
    Shout(u8),
    Join(u8, u8),
    Leave(u8, u8),
    Ping,
    PingOk,
    Elect(u8, u8),
    Leader(u8, u8),
    Goodbye,
    State(u8),
    Request(u64),
    Reply(u64, bool),
    Update(u8),
}

/// Somebody of few; 0 is the node itself.
fn who(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number % 6) + 1)
}

/// Of somebody in an election, or nobody's.
fn name(number: u8) -> String {
    match number % 8 {
        7 => "somebody".to_owned(),
        number => who(number).simple().to_string(),
    }
}

fn group(number: u8) -> String {
    format!("group {}", number % 8)
}

fn addr(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number % 4], 5000 + u16::from(number % 5)))
}

fn source(number: u8) -> Source {
    [
        Source::Multicast,
        Source::Broadcast,
        Source::Dns,
        Source::Gossip,
        Source::Static,
    ][usize::from(number) % 5]
}

fn limits() -> MessageLimits {
    let mut limits = MessageLimits::default();
    limits.peers = 4;
    limits.bootstraps = 3;
    limits.groups_per_peer = 5;
    limits
}

impl Said {
    fn command(self) -> Command {
        match self {
            Self::Hello {
                port,
                groups,
                shows_state,
            } => Command::Hello(Hello {
                endpoint: format!("tcp://{}", addr(port)),
                groups: (0..groups % 8).map(group).collect(),
                status: groups,
                name: "peer".into(),
                headers: shows_state
                    .then(|| {
                        ["X-ZRE-STATE", "X-ZRE-REQUEST", "X-ZRE-UPDATE"]
                            .map(|key| (key.to_owned(), "2".to_owned()))
                    })
                    .into_iter()
                    .flatten()
                    .collect(),
            }),
            Self::Whisper => Command::Whisper {
                content: "content".into(),
            },
            Self::Shout(number) => Command::Shout {
                group: group(number).as_str().into(),
                content: "content".into(),
            },
            Self::Join(number, status) => Command::Join {
                group: group(number).as_str().into(),
                status,
            },
            Self::Leave(number, status) => Command::Leave {
                group: group(number).as_str().into(),
                status,
            },
            Self::Ping => Command::Ping(None),
            Self::PingOk => Command::PingOk(None),
            Self::Elect(number, whom) => Command::Elect {
                group: group(number).as_str().into(),
                challenger_id: name(whom).as_str().into(),
            },
            Self::Leader(number, whom) => Command::Leader {
                group: group(number).as_str().into(),
                leader_id: name(whom).as_str().into(),
            },
            Self::Goodbye => Command::Goodbye,
            Self::State(state) => Command::State(State::from(state)),
            Self::Request(id) => Command::Request {
                id,
                content: "content".into(),
            },
            Self::Reply(id, answered) => Command::Reply {
                id,
                content: answered.then(|| "content".into()),
            },
            Self::Update(number) => Command::Update(Profile {
                name: name(number),
                headers: [("X-ZRE-STATE".into(), group(number))].into(),
            }),
        }
    }
}

/// The machine and what must hold of what it says.
struct World {
    machine: Machine,
    now: Time,
    open: Vec<SessionId>,
    up: BTreeSet<SessionId>,
    next: BTreeMap<(Uuid, u64), u16>,
    here: BTreeMap<Uuid, BTreeSet<String>>,
    stopped: bool,
    /// Whether to print what goes in and out: `FUZZ_TRACE` is set.
    trace: bool,
}

impl World {
    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            if self.trace {
                eprintln!("{:?}: {output:?}", self.now);
            }
            assert!(!self.stopped, "{output:?} after the end");
            match output {
                Output::Connect { session, .. } => {
                    assert!(!self.open.contains(&session), "{session:?} twice");
                    self.open.push(session);
                }
                Output::Send { session, .. } => {
                    assert!(self.open.contains(&session), "{session:?} isn't open");
                }
                Output::Disconnect { session, .. } => {
                    assert!(self.open.contains(&session), "{session:?} isn't open");
                    self.open.retain(|other| *other != session);
                }
                Output::Admit { .. } | Output::Refuse { .. } => {}
                // It leaves: the end of its events is the end of everybody's.
                Output::Announce {
                    state: State::Exit, ..
                } => self.here.clear(),
                Output::Announce { .. } => {}
                Output::Event(event) => self.judge(event),
                Output::Stopped => self.stopped = true,
            }
        }
        let [peers, sessions, bootstraps, tombstones, timers] = self.machine.table_sizes();
        let limits = limits();
        assert!(peers <= limits.peers && bootstraps <= limits.bootstraps);
        assert!(tombstones <= limits.peers);
        assert!(sessions <= 3 * (limits.peers + limits.bootstraps), "{sessions}");
        // Beacons, departure, sweep, elections and updates have one each.
        assert!(timers <= peers + bootstraps + 5, "{timers}");
        let mine: BTreeSet<Uuid> = self.machine.peers().collect();
        let told: BTreeSet<Uuid> = self.here.keys().copied().collect();
        assert_eq!(mine, told, "who is here, and who entered");
        for (peer, groups) in &self.here {
            assert!(groups.len() <= limits.groups_per_peer);
            let theirs = self.machine.peer_groups(*peer).expect("it is here");
            assert!(theirs.iter().map(|group| &**group).eq(groups.iter()));
        }
    }

    fn judge(&mut self, event: Event) {
        match event {
            Event::Enter { peer, .. } => {
                assert_ne!(peer, self.machine.uuid(), "met itself");
                assert!(self.here.insert(peer, BTreeSet::new()).is_none());
            }
            Event::Exit { peer, .. } => {
                assert!(self.here.remove(&peer).is_some(), "gone already");
            }
            Event::Join { peer, group } => {
                let groups = self.here.get_mut(&peer).expect("it is here");
                assert!(groups.insert(group.to_string()), "joined twice");
            }
            Event::Leave { peer, group } => {
                let groups = self.here.get_mut(&peer).expect("it is here");
                assert!(groups.remove(&*group), "left what it wasn't in");
            }
            Event::Conflict { .. } | Event::Unanswered { .. } => {}
            Event::Leader { leader, .. } => {
                assert!(leader == self.machine.uuid() || self.here.contains_key(&leader));
            }
            Event::Undecided { missing, .. } => {
                assert!(missing.iter().all(|peer| self.here.contains_key(peer)));
            }
            Event::Whisper { peer, .. }
            | Event::Shout { peer, .. }
            | Event::Evasive { peer }
            | Event::Silent { peer }
            | Event::Pong { peer, .. }
            | Event::Request { peer, .. }
            | Event::Reply { peer, .. }
            | Event::Responsive { peer } => assert!(self.here.contains_key(&peer)),
            Event::Update { peer, profile } => {
                assert!(self.here.contains_key(&peer));
                assert!(profile.headers.is_empty(), "reserved headers");
            }
            Event::State { peer, from, to } => {
                assert!(self.here.contains_key(&peer));
                assert_ne!(from, to);
            }
        }
    }

    /// Lets time pass, with every timeout on its way.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let mut idle = 0;
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= until) {
            if due > self.now {
                self.now = due;
                idle = 0;
            } else {
                idle += 1;
                assert!(idle < 1000, "timeouts without end");
            }
            self.machine.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn session(&self, number: u8) -> SessionId {
        // Some that are open, and some that are not or no longer.
        match self.open.get(usize::from(number % 16)) {
            Some(session) => *session,
            None => SessionId(u64::from(number)),
        }
    }

    fn receive(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        if self.machine.handle_whisper(now, from, header, &content) {
            let (peer, content) = (from.peer, content.into());
            self.judge(Event::Whisper { peer, content });
        } else {
            self.machine.handle_message(now, from, header, content);
        }
    }

    fn carry(&mut self, input: Input) {
        let now = self.now;
        if self.trace {
            eprintln!("{now:?}: {input:?}");
        }
        match input {
            Input::Beacon {
                who: number,
                port,
                state,
                from,
                multicast,
            } => {
                let uuid = who(number);
                let port = match port % 4 {
                    0 => 0,
                    port => 5000 + u16::from(port),
                };
                let beacon = match state {
                    Some(state) => Beacon::State {
                        uuid,
                        port,
                        state: State::from(state % 8),
                    },
                    None => Beacon::Classic { uuid, port },
                };
                let heard = Heard::new(addr(from), match multicast {
                        true => Source::Multicast,
                        false => Source::Broadcast,
                    }, from & 0x80 != 0);
                self.machine.handle_beacon(now, &beacon, &heard);
            }
            Input::Found {
                at,
                who: number,
                source: by,
                named,
            } => {
                let endpoint = match named {
                    true => Endpoint::Host {
                        host: format!("host{}", at % 3).into(),
                        port: 5000,
                    },
                    false => Endpoint::Tcp(addr(at)),
                };
                let found = Found::new(endpoint, number.map(who), source(by));
                self.machine.handle_found(now, found);
            }
            Input::Lost { at, source: by } => {
                let endpoint = Endpoint::Tcp(addr(at));
                self.machine.handle_lost(&endpoint, source(by));
            }
            Input::Resolved { session, at } => {
                let session = self.session(session);
                let _ = self.machine.handle_resolved(now, session, &[addr(at)]);
            }
            Input::Up {
                session,
                who: number,
                in_memory,
            } => {
                let mut up = Up::new(Some(addr(1).ip()), Some(addr(session)));
                up.peer = number.map(who);
                up.in_memory = in_memory;
                let session = self.session(session);
                // A mailbox opens once; that is for the links to keep.
                if self.up.insert(session) {
                    self.machine.handle_session_up(now, session, up);
                }
            }
            Input::Closed { session } => {
                let session = self.session(session);
                self.open.retain(|other| *other != session);
                self.machine.handle_session_closed(now, session);
            }
            Input::Message {
                who: number,
                connection,
                sequence,
                what,
            } => {
                let from = inbound(number, connection);
                let next = self.next.entry((from.peer, from.connection)).or_insert(0);
                *next = sequence.unwrap_or(next.wrapping_add(1));
                let (header, content) = split_header(what.command().encode(*next));
                self.receive(now, &from, &header, content);
            }
            Input::Bytes {
                who: number,
                connection,
                frames,
            } => {
                let frames: Frames = frames.into_iter().map(Bytes::from).collect();
                let from = inbound(number, connection);
                let (header, content) = split_header(frames);
                self.receive(now, &from, &header, content);
            }
            Input::ConnectionClosed {
                who: number,
                connection,
            } => {
                let from = inbound(number, connection);
                self.machine
                    .handle_connection_closed(now, from.peer, from.connection);
            }
            Input::Wait(time) => self.wait(Duration::from_millis(u64::from(time))),
            Input::Join(number) => drop(self.machine.join(self.now, &group(number))),
            Input::Ping(number) => drop(self.machine.ping(self.now, who(number))),
            Input::Contest(number) => drop(self.machine.contest(self.now, &group(number))),
            Input::Leave(number) => drop(self.machine.leave(&group(number))),
            Input::State(state) => {
                let state = State::from(state);
                if state.is_settable() {
                    self.machine.set_state(now, state);
                }
            }
            Input::Paused(paused) => self.machine.handle_paused(now, paused),
            Input::Resume => self.machine.handle_resume(now),
            Input::Shutdown(patience) => {
                let patience = Duration::from_millis(u64::from(patience));
                self.machine.shutdown(now, patience);
            }
        }
    }
}

fn inbound(number: u8, connection: u8) -> Inbound {
    Inbound::new(who(number), u64::from(connection % 8), Some(addr(connection)))
}

fuzz_target!(|inputs: Vec<Input>| {
    let mut config = Config::new(who(0), 5000);
    config.limits = limits();
    let now = Time::from_origin(Duration::ZERO);
    let mut world = World {
        machine: Machine::new(config, 7, now),
        now,
        open: Vec::new(),
        up: BTreeSet::new(),
        next: BTreeMap::new(),
        here: BTreeMap::new(),
        stopped: false,
        trace: std::env::var_os("FUZZ_TRACE").is_some(),
    };
    world.drain();
    for input in inputs {
        if world.stopped {
            return;
        }
        world.carry(input);
        world.drain();
    }
    // Whatever went before, it leaves; an earlier call may have more patience.
    world.machine.shutdown(world.now, Duration::from_secs(1));
    world.drain();
    world.wait(Duration::from_secs(70));
    assert!(world.stopped, "it never leaves");
});
