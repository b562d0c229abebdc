//! What a process's state machine asks for.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use zre_proto::machine::{Audience, Event, ExitReason, NotSent, Output, SessionId, SharedOutgoing};
use zre_proto::{Beacon, Command, Endpoint, Frames, Message, State, split_header};

use crate::host;
use crate::link::{Full, Item, Link, Way};
use crate::world::{Happening, World};

/// How many messages that aren't the application's a full mailbox still takes.
const RESERVE: usize = 300;

/// How long a mailbox takes to end.
const CLOSING: Duration = Duration::from_micros(50);

/// How long a dial may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Tables of one process may hold this many entries for each host, and some.
const TABLE_FACTOR: usize = 8;
const TABLE_SLACK: usize = 64;

impl World {
    /// Does all that a process asks for, and plans its next timeout.
    pub(crate) fn drain(&mut self, host: usize) {
        while let Some(output) = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.process.as_mut())
            .and_then(|process| process.brain.poll_output())
        {
            match output {
                Output::Connect {
                    session,
                    target,
                    outgoing,
                } => self.dial(host, session, &target.endpoint, outgoing),
                Output::Send { session, command } => self.send(host, session, &command),
                Output::Disconnect { session, linger } => self.hang_up(host, session, linger),
                Output::Admit { connection } => self.admit(host, connection),
                Output::Refuse { connection } => self.refuse_inbound(host, connection),
                Output::Announce { state, to } => self.announce(host, state, to),
                Output::Event(event) => self.tell(host, &event),
                Output::Stopped => {
                    self.end_process(host, true);
                    return;
                }
            }
        }
        self.measure(host);
        self.plan_wake(host);
    }

    fn measure(&mut self, host: usize) {
        let Some(process) = self.hosts.get(host).and_then(|host| host.process.as_ref()) else {
            return;
        };
        let sizes = process.brain.table_sizes();
        for (largest, size) in self.report.largest.iter_mut().zip(sizes) {
            *largest = size.max(*largest);
        }
        let most = self.hosts.len() * TABLE_FACTOR + TABLE_SLACK;
        if sizes.iter().any(|size| *size > most) {
            self.accuse(host, &format!("has tables of {sizes:?} entries"));
        }
    }

    fn dial(&mut self, from: usize, session: SessionId, endpoint: &Endpoint, out: SharedOutgoing) {
        let Some(host) = self.hosts.get_mut(from) else {
            return;
        };
        let identity = host.uuid;
        let Some(process) = host.process.as_mut() else {
            return;
        };
        let number = self.links.len();
        let (target, port) = host::host_at(endpoint).unwrap_or((usize::MAX, 0));
        process.mailboxes.insert(session, number);
        process.dialled.insert(session, number);
        let link = Link::new(process.id, identity, session, out, (target, port));
        self.open_link(link);
        self.report.dials += 1;
        self.note(|| format!("{from} dials {endpoint} as {session:?} on link {number}"));
        self.trace(2, from, u64::from(port));
        if target < self.hosts.len() {
            self.put(number, Way::There, Item::Dial);
        } else {
            self.put(number, Way::Back, Item::End);
        }
    }

    /// The link of a session whose mailbox is still there.
    fn link_of(&self, host: usize, session: SessionId) -> Option<usize> {
        let process = self.hosts.get(host)?.process.as_ref()?;
        let number = *process.mailboxes.get(&session)?;
        self.links.get(number)?.mailbox.then_some(number)
    }

    fn send(&mut self, host: usize, session: SessionId, command: &Command) {
        let Some(number) = self.link_of(host, session) else {
            return;
        };
        let Some(link) = self.links.get(number) else {
            return;
        };
        let room = link.room(self.options.mailbox + RESERVE);
        let queued = link
            .outgoing
            .send_control(command, |frames| room.map(|()| frames));
        match queued {
            Ok(frames) => self.transmit(host, number, command, frames),
            // A control message is never left out: the session ends instead.
            Err(Full) => self.put(number, Way::Back, Item::End),
        }
    }

    /// Sends the application's next message on a session, if it has room.
    pub(crate) fn send_data(&mut self, host: usize, session: SessionId, data: Data) {
        let Some(number) = self.link_of(host, session) else {
            self.report.full += 1;
            return;
        };
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        let mark = Mark {
            link: u64::try_from(number).unwrap_or(u64::MAX),
            count: link.ledger.sent + 1,
        };
        let content = mark.message();
        let command = match data {
            Data::Whisper => Command::Whisper { content },
            Data::Shout(group) => Command::Shout {
                group: group_name(group).into(),
                content,
            },
            Data::Request(id) => Command::Request { id, content },
            Data::Reply(id) => Command::Reply {
                id,
                content: Some(content),
            },
        };
        let room = link.room(self.options.mailbox);
        let (header, content) = split_header(command.encode(0));
        let queued = link.outgoing.send_data(&mut header.to_vec(), |header| {
            let header = Bytes::copy_from_slice(header);
            room.map(|()| [header].into_iter().chain(content).collect())
        });
        match queued {
            Ok(frames) => {
                link.ledger.sent = mark.count;
                self.transmit(host, number, &command, frames);
            }
            Err(NotSent::Refused(Full)) => self.report.full += 1,
            Err(NotSent::Ended) => {
                let what = format!("sends into {session:?}, whose Exit has been told");
                self.accuse(host, &what);
            }
        }
    }

    fn reply(&mut self, host: usize, peer: Uuid, id: u64) {
        let process = self.hosts.get(host).and_then(|host| host.process.as_ref());
        let view = process.and_then(|process| process.checker.peers().get(&peer));
        if let Some(session) = view.map(|view| view.session) {
            self.send_data(host, session, Data::Reply(id));
        }
    }

    fn transmit(&mut self, host: usize, number: usize, command: &Command, frames: Frames) {
        *self.report.messages.entry(command.name()).or_insert(0) += 1;
        let sequence = frames.first().and_then(|header| header.get(4..6));
        let sequence = sequence.map_or(0, |bytes| {
            bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
        });
        self.trace(3, host, sequence);
        let first_legacy = self.first_legacy();
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        let short = link.outgoing.with(|outgoing| outgoing.skips_65535());
        let knows_state = link.target < first_legacy;
        let seen = if host < first_legacy {
            link.wire.see(&frames, short, knows_state)
        } else {
            Ok(command.clone())
        };
        match seen {
            Ok(read) if read == *command => {}
            Ok(read) => self.accuse(host, &format!("says {command:?}, which reads {read:?}")),
            Err(what) => self.accuse(host, &what),
        }
        self.note(|| format!("{host} says {} {sequence} on link {number}", command.name()));
        self.put(number, Way::There, Item::Frames(frames));
    }

    /// A link under the next number. It is given up if nothing comes of it in time.
    pub(crate) fn open_link(&mut self, link: Link) {
        let number = self.links.len();
        self.links.push(link);
        self.open.insert(number);
        self.queue
            .push(self.now + DIAL_TIMEOUT, Happening::GiveUp(number));
    }

    /// Puts something on its way.
    pub(crate) fn put(&mut self, number: usize, way: Way, item: Item) {
        let arrives = self.now + self.network.link_delay(&mut self.random);
        if let Some(link) = self.links.get_mut(number) {
            let arrives = link.lane(way).push(arrives, item);
            self.note_delay(number, arrives);
        }
        self.plan_lane(number, way);
    }

    fn hang_up(&mut self, host: usize, session: SessionId, linger: bool) {
        let Some(number) = self.link_of(host, session) else {
            return;
        };
        if let Some(process) = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.process.as_mut())
        {
            process.mailboxes.remove(&session);
        }
        self.note(|| format!("{host} hangs up link {number}"));
        self.close_mailbox(number, linger);
        // A mailbox of ours reports its end whoever closes it.
        if host < self.first_legacy()
            && let Some(link) = self.links.get(number)
        {
            let closed = Happening::Closed(link.dialler, session);
            self.queue.push(self.now + CLOSING, closed);
        }
    }

    /// The mailbox is gone; what it had queued goes out, or some of it.
    pub(crate) fn close_mailbox(&mut self, number: usize, linger: bool) {
        let Some(link) = self.links.get_mut(number) else {
            return;
        };
        link.mailbox = false;
        if !linger && link.there.len() > 0 {
            // The kernel has taken some of it, nobody knows how much.
            let keep = self.random.usize(0..=link.there.len());
            link.there.truncate(keep);
        }
        self.put(number, Way::There, Item::End);
    }

    /// Other implementations hear only broadcasts.
    fn announce(&mut self, host: usize, state: State, to: Audience) {
        let Some(from) = self.hosts.get(host) else {
            return;
        };
        let (uuid, port) = (from.uuid, from.port);
        let shown = Beacon::State { uuid, port, state };
        let leaving = state == State::Exit;
        let classic = Beacon::Classic {
            uuid,
            port: if leaving { 0 } else { port },
        };
        let first_legacy = self.first_legacy();
        let forms = [(true, shown), (false, classic)]
            .into_iter()
            .filter(|(multicast, _)| host < first_legacy || !multicast)
            .filter(|(multicast, _)| *multicast || to == Audience::Everybody)
            .map(|(multicast, beacon)| (multicast, Bytes::copy_from_slice(&beacon.encode())))
            .collect::<Box<[_]>>();
        self.report.beacons += u64::try_from(forms.len()).unwrap_or(0);
        self.trace(4, host, u64::from(u8::from(state)));
        let delay = self.network.delay(&mut self.random);
        self.queue
            .push(self.now + delay, Happening::Cast(host, forms));
    }

    /// An event: the application's view, and the accounts of what was sent.
    fn tell(&mut self, host: usize, event: &Event) {
        let name = event_name(event);
        *self.report.events.entry(name).or_insert(0) += 1;
        self.note(|| format!("{host} is told {event:?}"));
        self.trace(5, host, u64::try_from(name.len()).unwrap_or(0));
        let Some(process) = self
            .hosts
            .get_mut(host)
            .and_then(|host| host.process.as_mut())
        else {
            return;
        };
        let ended = match event {
            Event::Exit { peer, .. } => process.checker.peers().get(peer).map(|view| view.session),
            _ => None,
        };
        let seen = process.checker.see(event);
        if let Event::Enter { peer, .. } = event {
            let enters = process.enters.entry(*peer).or_insert(0);
            *enters += 1;
            self.report.most_enters = self.report.most_enters.max(*enters);
        }
        if let Err(what) = seen {
            self.accuse(host, &what);
        }
        match event {
            Event::Enter { peer, session, .. } => {
                let link = self.link_of(host, *session);
                let link = link.and_then(|number| self.links.get(number));
                let greeted = link.is_some_and(|link| link.wire.has_greeted());
                if host < self.first_legacy() && !greeted {
                    self.accuse(host, &format!("is told of {peer} before its HELLO is out"));
                }
                self.begin_session(host, *peer, *session);
            }
            Event::Exit {
                peer,
                reason,
                unconfirmed,
            } => {
                self.judge_exit(host, *peer, *reason);
                *self.report.exits.entry(reason.to_string()).or_insert(0) += 1;
                let bad = matches!(reason, ExitReason::Sequence | ExitReason::Protocol);
                if bad && self.options.legacy == 0 {
                    // Links lose nothing and all speak well.
                    self.accuse(host, &format!("parts with a peer for its {reason}"));
                }
                if let Some(session) = ended {
                    self.note_told(host, session, *unconfirmed);
                }
            }
            Event::Whisper { peer, content } => self.note_delivered(host, *peer, content, None),
            Event::Shout {
                peer,
                group,
                content,
            } => self.note_delivered(host, *peer, content, Some(group)),
            Event::Request { peer, id, content } => {
                self.note_delivered(host, *peer, content, None);
                self.reply(host, *peer, *id);
            }
            Event::Reply { peer, content, .. } => match content {
                Some(content) => self.note_delivered(host, *peer, content, None),
                None => self.accuse(host, "is told that nobody answers, where everybody does"),
            },
            Event::Leader { group, leader }
                if !self.contested.contains(&(group.to_string(), *leader)) =>
            {
                self.accuse(
                    host,
                    &format!("has {leader} lead {group}, which never would"),
                );
            }
            _ => {}
        }
    }
}

/// A message of the application.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data {
    Whisper,
    Shout(u8),
    Request(u64),
    Reply(u64),
}

/// The name of a group of the script.
pub(crate) fn group_name(group: u8) -> String {
    format!("group {group}")
}

/// What makes each message of the application one of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) link: u64,
    /// From 1 on each link.
    pub(crate) count: u64,
}

impl Mark {
    fn message(self) -> Message {
        let mut message = Message::from(&self.link.to_be_bytes());
        message.push(self.count.to_be_bytes().to_vec());
        // Some have more frames, some of them empty.
        for _ in 0..self.count % 3 {
            message.push(Bytes::new());
        }
        message
    }

    pub(crate) fn of(message: &Message) -> Option<Self> {
        let word = |index| {
            let bytes = message.frame(index)?.try_into().ok()?;
            Some(u64::from_be_bytes(bytes))
        };
        let mark = Self {
            link: word(0)?,
            count: word(1)?,
        };
        (*message == mark.message()).then_some(mark)
    }
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Enter { .. } => "Enter",
        Event::Exit { .. } => "Exit",
        Event::Join { .. } => "Join",
        Event::Leave { .. } => "Leave",
        Event::Whisper { .. } => "Whisper",
        Event::Shout { .. } => "Shout",
        Event::Evasive { .. } => "Evasive",
        Event::Silent { .. } => "Silent",
        Event::Responsive { .. } => "Responsive",
        Event::State { .. } => "State",
        Event::Request { .. } => "Request",
        Event::Reply { .. } => "Reply",
        Event::Update { .. } => "Update",
        Event::Pong { .. } => "Pong",
        Event::Conflict { .. } => "Conflict",
        Event::Unanswered { .. } => "Unanswered",
        Event::Leader { .. } => "Leader",
        Event::Undecided { .. } => "Undecided",
    }
}
