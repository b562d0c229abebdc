//! One machine, and peers of which every frame is written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use zre_proto::machine::{
    Audience, Config, Event, Found, Heard, Inbound, Output, REQUEST_HEADER, STATE_HEADER,
    SessionId, SharedOutgoing, Source, UPDATE_HEADER, Up,
};
use zre_proto::{
    Beacon, Command, Endpoint, Frames, Hello, Machine, Message, MessageLimits, Outgoing, State,
    Time, split_header,
};

pub(crate) const OUR_PORT: u16 = 49200;
pub(crate) const OUR_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 99));

pub(crate) fn our_uuid() -> Uuid {
    Uuid::from_u128(0x99)
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One line for an event: peers are the last two digits of their UUIDs.
pub(crate) fn tell(event: &Event) -> String {
    let id = |peer: &Uuid| format!("{:02x}", peer.as_u128());
    match event {
        Event::Enter { peer, .. } => format!("enter {}", id(peer)),
        Event::Exit { peer, reason, .. } => format!("exit {} {reason}", id(peer)),
        Event::Join { peer, group } => format!("join {} {group}", id(peer)),
        Event::Leave { peer, group } => format!("leave {} {group}", id(peer)),
        Event::Whisper { peer, content } => {
            format!("whisper {} {}", id(peer), content.to_str().unwrap_or("?"))
        }
        Event::Shout {
            peer,
            group,
            content,
        } => format!(
            "shout {} {group} {}",
            id(peer),
            content.to_str().unwrap_or("?")
        ),
        Event::Evasive { peer } => format!("evasive {}", id(peer)),
        Event::Silent { peer } => format!("silent {}", id(peer)),
        Event::Responsive { peer } => format!("responsive {}", id(peer)),
        Event::State { peer, from, to } => format!("state {} {from} {to}", id(peer)),
        Event::Update { peer, profile } => {
            format!("update {} {} {:?}", id(peer), profile.name, profile.headers)
        }
        Event::Request {
            peer,
            id: n,
            content,
        } => {
            format!(
                "request {} {n} {}",
                id(peer),
                content.to_str().unwrap_or("?")
            )
        }
        Event::Reply {
            peer,
            id: n,
            content,
        } => {
            let content = content
                .as_ref()
                .map(|content| content.to_str().unwrap_or("?"));
            format!("reply {} {n} {content:?}", id(peer))
        }
        Event::Pong { peer, round_trip } => format!("pong {} {round_trip:?}", id(peer)),
        Event::Conflict { peer } => format!("conflict {}", id(peer)),
        Event::Unanswered { peer, endpoint } => format!("unanswered {} {endpoint}", id(peer)),
        Event::Leader { group, leader } => format!("leader {} {group}", id(leader)),
        Event::Undecided { group, missing } => {
            let missing: Vec<String> = missing.iter().map(id).collect();
            format!("undecided {group} {}", missing.join(" "))
        }
    }
}

/// Checks that events keep the discipline that the application relies on.
#[derive(Default)]
pub(crate) struct Discipline {
    here: BTreeMap<Uuid, BTreeSet<String>>,
    evasive: BTreeMap<Uuid, u8>,
}

impl Discipline {
    pub(crate) fn check(&mut self, event: &Event) {
        match event {
            Event::Enter { peer, .. } => {
                let twice = self.here.insert(*peer, BTreeSet::new()).is_some();
                assert!(!twice, "{peer} enters twice");
                self.evasive.insert(*peer, 0);
            }
            Event::Exit { peer, .. } => {
                assert!(self.here.remove(peer).is_some(), "{peer} exits unseen");
            }
            Event::Conflict { .. } | Event::Leader { .. } | Event::Undecided { .. } => {}
            Event::Unanswered { peer, .. } => {
                assert!(
                    !self.here.contains_key(peer),
                    "unanswered by one who greeted"
                );
            }
            Event::Join { peer, group } => {
                let groups = self.here.get_mut(peer).expect("join before enter");
                assert!(groups.insert(group.to_string()), "joins {group} twice");
            }
            Event::Leave { peer, group } => {
                let groups = self.here.get_mut(peer).expect("leave before enter");
                assert!(groups.remove(&**group), "leaves {group} unjoined");
            }
            Event::State { peer, from, to } => {
                assert!(self.here.contains_key(peer), "state before enter");
                assert_ne!(from, to);
            }
            Event::Pong { peer, .. } => assert!(self.here.contains_key(peer), "a pong of nobody"),
            Event::Whisper { peer, .. }
            | Event::Shout { peer, .. }
            | Event::Request { peer, .. }
            | Event::Update { peer, .. }
            | Event::Reply { peer, .. } => {
                assert!(self.here.contains_key(peer), "a message before enter");
            }
            Event::Evasive { peer } => self.presence(*peer, &[0], 1),
            Event::Silent { peer } => self.presence(*peer, &[1], 2),
            Event::Responsive { peer } => self.presence(*peer, &[1, 2], 0),
        }
    }

    fn presence(&mut self, peer: Uuid, from: &[u8], to: u8) {
        assert!(self.here.contains_key(&peer), "presence before enter");
        let was = self.evasive.insert(peer, to).unwrap_or_default();
        assert!(from.contains(&was), "presence {was} to {to}");
    }
}

struct Mailbox {
    endpoint: Endpoint,
    outgoing: SharedOutgoing,
    up: bool,
}

/// One machine, driven by hand.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) now: Time,
    /// Whether mailboxes open at once.
    pub(crate) open: bool,
    /// What such a mailbox says of itself when it opens.
    pub(crate) up: Up,
    pub(crate) connects: Vec<(SessionId, Option<Uuid>, Endpoint)>,
    pub(crate) sent: Vec<(SessionId, u16, Command)>,
    pub(crate) disconnected: Vec<(SessionId, bool)>,
    pub(crate) announced: Vec<(Time, State)>,
    /// The connections to our inbox that may stay, and those that are closed.
    pub(crate) admitted: Vec<u64>,
    pub(crate) refused: Vec<u64>,
    /// How many PINGs of a session a test has answered.
    pub(crate) answered: usize,
    /// How many of the beacons other implementations could hear.
    pub(crate) to_others: usize,
    pub(crate) stopped: Option<Time>,
    events: Vec<String>,
    pub(crate) exits: Vec<u64>,
    /// What those who entered said of themselves.
    pub(crate) takes_requests: Vec<bool>,
    mailboxes: BTreeMap<SessionId, Mailbox>,
    discipline: Discipline,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let now = Time::from_origin(secs(100));
        let mut config = Config::new(our_uuid(), OUR_PORT);
        config.state = State::Ready;
        configure(&mut config);
        let mut bench = Self {
            machine: Machine::new(config, 7, now),
            now,
            open: true,
            up: Up::new(Some(OUR_IP), None),
            connects: Vec::new(),
            sent: Vec::new(),
            disconnected: Vec::new(),
            announced: Vec::new(),
            admitted: Vec::new(),
            refused: Vec::new(),
            answered: 0,
            to_others: 0,
            stopped: None,
            events: Vec::new(),
            exits: Vec::new(),
            takes_requests: Vec::new(),
            mailboxes: BTreeMap::new(),
            discipline: Discipline::default(),
        };
        bench.drain();
        bench
    }

    /// Carries out what the machine wants, and checks that it may want it.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            assert!(self.stopped.is_none(), "{output:?} after Stopped");
            match output {
                Output::Connect {
                    session,
                    target,
                    outgoing,
                } => {
                    let (peer, endpoint) = (target.peer, target.endpoint);
                    self.connects.push((session, peer, endpoint.clone()));
                    let mailbox = Mailbox {
                        endpoint,
                        outgoing,
                        up: false,
                    };
                    let twice = self.mailboxes.insert(session, mailbox).is_some();
                    assert!(!twice, "{session:?} is used twice");
                    if self.open {
                        self.mailbox_opens(session);
                    }
                }
                Output::Send { session, command } => {
                    let mailbox = self.mailboxes.get(&session);
                    let mailbox = mailbox.unwrap_or_else(|| panic!("{command:?} to {session:?}"));
                    assert!(mailbox.up, "{command:?} before {session:?} is up");
                    let frames = mailbox.outgoing.send_control(&command, Ok::<_, Infallible>);
                    let is_hello = matches!(command, Command::Hello(_));
                    assert_eq!(
                        is_hello,
                        mailbox.outgoing.with(|numbers| numbers.total()) == 1,
                        "HELLO is first and only first"
                    );
                    let read = Command::decode(frames.unwrap(), &MessageLimits::default());
                    let (sequence, read) = read.unwrap();
                    assert_eq!(read, command);
                    self.sent.push((session, sequence, command));
                }
                Output::Disconnect { session, linger } => {
                    let known = self.mailboxes.remove(&session).is_some();
                    assert!(known, "{session:?} isn't there to be closed");
                    self.disconnected.push((session, linger));
                }
                Output::Admit { connection } => self.admitted.push(connection),
                Output::Refuse { connection } => self.refused.push(connection),
                Output::Announce { state, to } => {
                    self.announced.push((self.now, state));
                    self.to_others += usize::from(to == Audience::Everybody);
                }
                Output::Event(event) => self.note(&event),
                Output::Stopped => self.stopped = Some(self.now),
            }
        }
    }

    fn note(&mut self, event: &Event) {
        self.discipline.check(event);
        match event {
            Event::Enter { session, info, .. } => {
                let mailbox = &self.mailboxes[session];
                assert!(
                    mailbox.outgoing.with(|numbers| numbers.total()) > 0,
                    "Enter before our HELLO"
                );
                self.takes_requests.push(info.takes_requests);
            }
            Event::Exit { unconfirmed, .. } => self.exits.push(*unconfirmed),
            _ => {}
        }
        self.events.push(tell(event));
    }

    pub(crate) fn mailbox_opens(&mut self, session: SessionId) {
        if let Some(mailbox) = self.mailboxes.get_mut(&session) {
            mailbox.up = true;
            self.machine.handle_session_up(self.now, session, self.up);
            self.drain();
        }
    }

    /// The mailbox ends, or can't be opened.
    pub(crate) fn mailbox_closes(&mut self, session: SessionId) {
        self.mailboxes.remove(&session);
        self.machine.handle_session_closed(self.now, session);
        self.drain();
    }

    pub(crate) fn is_open(&self, session: SessionId) -> bool {
        self.mailboxes.contains_key(&session)
    }

    pub(crate) fn endpoint(&self, session: SessionId) -> &Endpoint {
        &self.mailboxes[&session].endpoint
    }

    pub(crate) fn open_mailboxes(&self) -> usize {
        self.mailboxes.len()
    }

    /// Puts that many whispers of the application into a mailbox.
    pub(crate) fn whisper_out(&self, session: SessionId, count: u32) -> u16 {
        let mut last = 0;
        for _ in 0..count {
            last = self.mailboxes[&session].outgoing.with(Outgoing::next_data);
        }
        last
    }

    pub(crate) fn last_session(&self) -> SessionId {
        self.connects.last().expect("nothing was dialled").0
    }

    /// Lets time pass, doing what is due when it is due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.machine.poll_timeout()
            && due <= end
        {
            self.now = self.now.max(due);
            self.machine.handle_timeout(self.now);
            self.drain();
            rounds += 1;
            assert!(rounds < 2_000_000, "time doesn't pass");
        }
        self.now = end;
    }

    /// Lets time pass with nobody minding the timers.
    pub(crate) fn stand_still(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn wake(&mut self) {
        self.machine.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        self.machine.handle_paused(self.now, paused);
        self.drain();
    }

    pub(crate) fn hear_beacon(&mut self, beacon: &Beacon, from: IpAddr) {
        self.hear_beacon_by(beacon, from, Source::Broadcast);
    }

    pub(crate) fn hear_beacon_by(&mut self, beacon: &Beacon, from: IpAddr, source: Source) {
        let read = Beacon::decode(&beacon.encode()).unwrap();
        let heard = Heard::new(SocketAddr::new(from, 5670), source, from.is_loopback());
        self.machine.handle_beacon(self.now, &read, &heard);
        self.drain();
    }

    /// The classic beacon of a peer.
    pub(crate) fn hear(&mut self, peer: &Peer) {
        self.hear_beacon(&peer.beacon(), peer.ip);
    }

    pub(crate) fn hear_state(&mut self, peer: &Peer, state: State) {
        self.hear_beacon_by(&peer.state_beacon(state), peer.ip, Source::Multicast);
    }

    /// Raw frames of a peer.
    pub(crate) fn receive(&mut self, peer: &Peer, frames: Frames) {
        let (header, content) = split_header(frames);
        let (now, from) = (self.now, peer.inbound());
        if self.machine.handle_whisper(now, &from, &header, &content) {
            assert!(
                self.machine.poll_output().is_none(),
                "an output that should have come before"
            );
            let (peer, content) = (from.peer, content.into());
            self.note(&Event::Whisper { peer, content });
        } else {
            self.machine.handle_message(now, &from, &header, content);
        }
        self.drain();
    }

    /// A peer says something, with the number that is due.
    pub(crate) fn say(&mut self, peer: &mut Peer, command: Command) {
        let frames = command.encode(peer.number());
        self.receive(peer, frames);
    }

    /// A peer greets on its connection, as the first of its messages.
    pub(crate) fn greet(&mut self, peer: &mut Peer) {
        peer.next = 1;
        let hello = Command::Hello(peer.hello());
        self.say(peer, hello);
    }

    pub(crate) fn connection_closes(&mut self, peer: &Peer) {
        self.machine
            .handle_connection_closed(self.now, peer.uuid, peer.connection);
        self.drain();
    }

    pub(crate) fn find(&mut self, endpoint: &str, source: Source) {
        self.machine.handle_found(
            self.now,
            Found::new(endpoint.parse().unwrap(), None, source),
        );
        self.drain();
    }

    pub(crate) fn shut_down(&mut self, patience: Duration) {
        self.machine.shutdown(self.now, patience);
        self.drain();
    }

    /// Meets a peer by its beacon, and gives back the session.
    pub(crate) fn meet(&mut self, peer: &mut Peer) -> SessionId {
        self.hear(peer);
        let session = self.last_session();
        self.greet(peer);
        let entered = format!("enter {:02x}", peer.uuid.as_u128());
        let told = self.events();
        assert_eq!(told.first(), Some(&entered), "{told:?}");
        session
    }

    /// The events since the last look.
    pub(crate) fn events(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
    }

    /// What was sent in a session since its beginning, HELLO apart.
    pub(crate) fn said(&self, session: SessionId) -> Vec<&Command> {
        self.sent
            .iter()
            .filter(|(to, ..)| *to == session)
            .map(|(.., command)| command)
            .filter(|command| !matches!(command, Command::Hello(_)))
            .collect()
    }

    pub(crate) fn hellos(&self) -> usize {
        self.sent
            .iter()
            .filter(|(.., command)| matches!(command, Command::Hello(_)))
            .count()
    }

    pub(crate) fn pings(&self, session: SessionId) -> usize {
        self.said(session)
            .iter()
            .filter(|command| matches!(command, Command::Ping(_)))
            .count()
    }
}

/// A peer whose frames are written by hand. As it comes it is like C Zyre: no
/// state, classic beacons.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) uuid: Uuid,
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    /// The number of its connection to our inbox.
    pub(crate) connection: u64,
    pub(crate) groups: Vec<String>,
    pub(crate) status: u8,
    /// Whether it shows a state in its HELLO.
    pub(crate) state: Option<State>,
    /// The number of its next message.
    pub(crate) next: u16,
    /// Whether it has proved no key to a node that has one.
    pub(crate) is_plain: bool,
}

impl Peer {
    pub(crate) fn new(id: u8) -> Self {
        Self {
            uuid: Uuid::from_u128(id.into()),
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, id)),
            port: 49152 + u16::from(id),
            connection: 1000 + u64::from(id),
            groups: Vec::new(),
            status: 0,
            state: None,
            next: 1,
            is_plain: false,
        }
    }

    /// One that shows its state and takes requests, like ours.
    pub(crate) fn ours(id: u8) -> Self {
        Self {
            state: Some(State::Ready),
            ..Self::new(id)
        }
    }

    pub(crate) fn number(&mut self) -> u16 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        number
    }

    pub(crate) fn endpoint(&self) -> String {
        Endpoint::Tcp(SocketAddr::new(self.ip, self.port)).to_wire()
    }

    pub(crate) fn hello(&self) -> Hello {
        let mut headers = BTreeMap::from([("role".to_owned(), "test".to_owned())]);
        if let Some(state) = self.state {
            headers.insert(STATE_HEADER.to_owned(), u8::from(state).to_string());
            headers.insert(REQUEST_HEADER.to_owned(), "1".to_owned());
            headers.insert(UPDATE_HEADER.to_owned(), "1".to_owned());
        }
        Hello {
            endpoint: self.endpoint(),
            groups: self.groups.clone(),
            status: self.status,
            name: format!("peer-{}", self.uuid.as_u128()),
            headers,
        }
    }

    pub(crate) fn inbound(&self) -> Inbound {
        Inbound::new(
            self.uuid,
            self.connection,
            Some(SocketAddr::new(self.ip, 30_000)),
        )
        .plain(self.is_plain)
    }

    pub(crate) fn beacon(&self) -> Beacon {
        Beacon::Classic {
            uuid: self.uuid,
            port: self.port,
        }
    }

    pub(crate) fn state_beacon(&self, state: State) -> Beacon {
        Beacon::State {
            uuid: self.uuid,
            port: self.port,
            state,
        }
    }

    pub(crate) fn goodbye_beacon(&self) -> Beacon {
        Beacon::Classic {
            uuid: self.uuid,
            port: 0,
        }
    }
}

/// Whether a message is the application's.
pub(crate) fn is_data(command: &Command) -> bool {
    matches!(
        command,
        Command::Whisper { .. }
            | Command::Shout { .. }
            | Command::Request { .. }
            | Command::Reply { .. }
    )
}

pub(crate) fn whisper(text: &str) -> Command {
    Command::Whisper {
        content: Message::from(text),
    }
}

pub(crate) fn join(group: &str, status: u8) -> Command {
    Command::Join {
        group: group.into(),
        status,
    }
}

pub(crate) fn leave(group: &str, status: u8) -> Command {
    Command::Leave {
        group: group.into(),
        status,
    }
}

/// A header frame of any id, whatever it means.
pub(crate) fn header(id: u8, version: u8, sequence: u16, fields: &[u8]) -> Frames {
    let mut frame = vec![0xAA, 0xA1, id, version];
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(fields);
    Frames::from_iter([Bytes::from(frame)])
}
