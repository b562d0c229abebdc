//! The content of the screen: the peers, the events, and the line being typed.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use zre::Uuid;
use zre::json::{Command, Event, Line as Answer, Member, Node, Peer};

use super::entry::Entry;
use crate::sentence::{happened, sentence};
use crate::text::shown;

/// How many lines of events are kept.
const KEPT: usize = 1000;

/// Everything that is drawn.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) own: Node,
    rows: BTreeMap<Uuid, Row>,
    lines: VecDeque<Line>,
    /// The UUID of the selected peer.
    pub(super) chosen: Option<Uuid>,
    /// In lower case; empty for none.
    pub(super) filter: String,
    pub(super) typing: Option<Typing>,
    /// The outcome of the last command.
    pub(super) notice: Option<Notice>,
}

/// A peer and its counters.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) peer: Peer,
    pub(super) presence: Presence,
    pub(super) received: u64,
    pub(super) sent: u64,
    /// When it was last heard, if that is known.
    heard: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Well,
    Evasive,
    Silent,
}

/// A line about an event.
#[derive(Debug)]
pub(super) struct Line {
    /// UTC, as 12:00:03.
    pub(super) time: String,
    pub(super) text: String,
    pub(super) weight: Weight,
}

/// The importance of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Said,
    Came,
    Went,
    Worry,
    Other,
}

/// The line being typed, and its purpose.
#[derive(Debug)]
pub(super) struct Typing {
    pub(super) aim: Aim,
    pub(super) entry: Entry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    Filter,
    Whisper { peer: String, name: String },
    Shout,
    Join,
    Leave,
}

/// The outcome of a command.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) good: bool,
}

impl Board {
    pub(super) fn new(own: Node) -> Self {
        Self {
            own,
            rows: BTreeMap::new(),
            lines: VecDeque::new(),
            chosen: None,
            filter: String::new(),
            typing: None,
            notice: None,
        }
    }

    /// Replaces the peers. Their counters stay.
    pub(super) fn fill(&mut self, peers: Vec<Peer>, own: Node, now: Instant) {
        self.own = own;
        let mut before = std::mem::take(&mut self.rows);
        for peer in peers {
            let old = before.remove(&peer.uuid);
            self.rows.insert(peer.uuid, Row::new(peer, old, now));
        }
    }

    /// Handles a line of the node.
    pub(super) fn happened(&mut self, line: &Answer, now: Instant) {
        let (text, weight) = match line {
            Answer::Event(event) => (Some(happened(event)), self.take(event, now)),
            Answer::Error { .. } => (sentence(line), Weight::Worry),
            other => (sentence(other), Weight::Other),
        };
        if let Some(text) = text {
            // Without the headers, which are on further lines.
            let text = text.lines().next().unwrap_or_default().to_owned();
            self.write(text, weight);
        }
    }

    /// Brings the table up to date. Returns the importance of the event.
    fn take(&mut self, event: &Event, now: Instant) -> Weight {
        match event {
            Event::Enter(peer) => {
                let old = self.rows.remove(&peer.uuid);
                let row = Row::new(peer.clone(), old, now);
                self.rows.insert(peer.uuid, row);
                self.heard(peer.uuid, now);
                Weight::Came
            }
            Event::Exit { peer, .. } => {
                self.rows.remove(&peer.uuid);
                Weight::Went
            }
            Event::Whisper { peer, .. }
            | Event::Shout { peer, .. }
            | Event::Request { peer, .. } => {
                if let Some(row) = self.heard(peer.uuid, now) {
                    row.received += 1;
                }
                Weight::Said
            }
            Event::Evasive(peer) => self.worry(peer, Presence::Evasive),
            Event::Silent(peer) => self.worry(peer, Presence::Silent),
            Event::Responsive(peer) => {
                self.heard(peer.uuid, now);
                Weight::Other
            }
            Event::Join { peer, group } => {
                if let Some(row) = self.heard(peer.uuid, now)
                    && !row.peer.groups.contains(group)
                {
                    row.peer.groups.push(group.clone());
                    row.peer.groups.sort();
                }
                Weight::Other
            }
            Event::Leave { peer, group } => {
                if let Some(row) = self.heard(peer.uuid, now) {
                    row.peer.groups.retain(|other| other != group);
                }
                Weight::Other
            }
            Event::State { peer, to, .. } => {
                if let Some(row) = self.heard(peer.uuid, now) {
                    row.peer.state = *to;
                }
                Weight::Other
            }
            Event::Update { peer, headers, .. } => {
                if let Some(row) = self.heard(peer.uuid, now) {
                    row.peer.name.clone_from(&peer.name);
                    row.peer.headers.clone_from(headers);
                }
                Weight::Other
            }
            Event::Conflict { .. }
            | Event::Unreachable { .. }
            | Event::OneWay { .. }
            | Event::Failed { .. } => Weight::Worry,
            Event::Leader { .. }
            | Event::Undecided { .. }
            | Event::Backpressure { .. }
            | Event::Discovery { .. }
            | Event::Unknown => Weight::Other,
        }
    }

    /// A peer was heard.
    fn heard(&mut self, peer: Uuid, now: Instant) -> Option<&mut Row> {
        let row = self.rows.get_mut(&peer)?;
        row.heard = Some(now);
        row.presence = Presence::Well;
        Some(row)
    }

    fn worry(&mut self, peer: &Member, presence: Presence) -> Weight {
        if let Some(row) = self.rows.get_mut(&peer.uuid) {
            row.presence = presence;
        }
        Weight::Worry
    }

    /// Shows the outcome of a command.
    pub(super) fn said(&mut self, command: &Command, answer: Result<Answer, String>) {
        let (text, good) = match answer {
            Err(error) => (shown(&error).into_owned(), false),
            Ok(Answer::Whispered(sent) | Answer::Shouted(sent)) => {
                for member in &sent.peers {
                    if let Some(row) = self.rows.get_mut(&member.uuid) {
                        row.sent += 1;
                    }
                }
                match (sent.peers.len(), sent.full.len()) {
                    (0, 0) => ("nobody is in that group".into(), false),
                    (taken, 0) => (format!("sent to {taken}"), true),
                    (taken, full) => (
                        format!("sent to {taken}; {full} don't keep up and didn't get it"),
                        false,
                    ),
                }
            }
            Ok(_) => match command {
                Command::Join { group } => (format!("joined {}", shown(group)), true),
                Command::Leave { group } => (format!("left {}", shown(group)), true),
                _ => ("done".into(), true),
            },
        };
        self.notice = Some(Notice { text, good });
    }

    fn write(&mut self, text: String, weight: Weight) {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let time = now.get(11..19).unwrap_or_default().to_owned();
        self.lines.push_back(Line { time, text, weight });
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// The peers that pass the filter, by name.
    pub(super) fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self
            .rows
            .values()
            .filter(|row| row.holds(&self.filter))
            .collect();
        rows.sort_by(|a, b| (&a.peer.name, a.peer.uuid).cmp(&(&b.peer.name, b.peer.uuid)));
        rows
    }

    /// The number of all peers.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The last `most` lines that pass the filter, in order.
    pub(super) fn lines(&self, most: usize) -> Vec<&Line> {
        let lines = self.lines.iter().rev();
        let mut lines: Vec<&Line> = lines
            .filter(|line| holds(&line.text, &self.filter))
            .take(most)
            .collect();
        lines.reverse();
        lines
    }

    /// The position of the selected peer in the list.
    pub(super) fn position(&self) -> Option<usize> {
        let chosen = self.chosen?;
        self.rows().iter().position(|row| row.peer.uuid == chosen)
    }

    /// Moves the selection down by so many peers.
    pub(super) fn choose(&mut self, by: isize) {
        let rows = self.rows();
        let last = rows.len().saturating_sub(1);
        let at = match self.position() {
            Some(at) => at.saturating_add_signed(by).min(last),
            // Home, or no peer was selected.
            None if by == isize::MIN || (0..isize::MAX).contains(&by) => 0,
            None => last,
        };
        self.chosen = rows.get(at).map(|row| row.peer.uuid);
    }

    /// The selected peer, or the only one.
    pub(super) fn target(&self) -> Option<&Row> {
        let rows = self.rows();
        match (self.position(), rows.as_slice()) {
            (Some(at), rows) => rows.get(at).copied(),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

impl Row {
    fn new(peer: Peer, old: Option<Self>, now: Instant) -> Self {
        let silence = peer
            .silence
            .and_then(|s| Duration::try_from_secs_f64(s).ok());
        let told = silence.and_then(|silence| now.checked_sub(silence));
        match old {
            Some(old) => Self {
                peer,
                heard: told.max(old.heard),
                ..old
            },
            None => Self {
                peer,
                presence: Presence::Well,
                received: 0,
                sent: 0,
                heard: told,
            },
        }
    }

    /// The time since it was last heard, if that means anything.
    pub(super) fn silence(&self, now: Instant) -> Option<Duration> {
        // Peers in the same process don't prove that they are there.
        if self.peer.link == "inproc" {
            return None;
        }
        Some(now.saturating_duration_since(self.heard?))
    }

    fn holds(&self, filter: &str) -> bool {
        let peer = &self.peer;
        let (uuid, state) = (peer.uuid.simple().to_string(), peer.state.to_string());
        let mut texts = [&peer.name, &uuid, &state, &peer.link, &peer.endpoint]
            .into_iter()
            .chain(&peer.groups)
            .chain(&peer.via);
        filter.is_empty() || texts.any(|text| holds(text, filter))
    }
}

fn holds(text: &str, filter: &str) -> bool {
    filter.is_empty() || text.to_lowercase().contains(filter)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::watch) fn board(names: &[&str]) -> Board {
        let own = serde_json::json!({ "uuid": "00".repeat(16), "name": "me",
            "endpoint": "tcp://127.0.0.1:1", "groups": [] });
        let mut board = Board::new(serde_json::from_value(own).unwrap());
        for (number, name) in names.iter().enumerate() {
            let enter = serde_json::json!({ "event": "enter", "peer": format!("{number:032x}"),
                "name": name, "headers": {}, "endpoint": format!("tcp://10.0.0.{number}:1"),
                "link": "tcp", "state": "ready", "groups": [], "via": ["multicast"] });
            board.happened(&serde_json::from_value(enter).unwrap(), Instant::now());
        }
        board
    }

    fn names(board: &Board) -> Vec<&str> {
        board.rows().iter().map(|r| r.peer.name.as_str()).collect()
    }

    #[tokio::test]
    async fn the_filter_and_the_choice_follow_the_peers() {
        let mut board = board(&["carl", "alice", "bob"]);
        assert_eq!(names(&board), ["alice", "bob", "carl"]);
        board.choose(1);
        board.choose(1);
        assert_eq!(board.target().unwrap().peer.name, "bob");
        board.filter = "10.0.0.0".into();
        assert_eq!(names(&board), ["carl"]);
        assert_eq!(board.target().unwrap().peer.name, "carl");
        board.filter = String::new();
        assert_eq!(board.target().unwrap().peer.name, "bob");
        let exit = format!(
            r#"{{"event":"exit","peer":"{:032x}","name":"bob","reason":"x","unconfirmed":0}}"#,
            2
        );
        board.happened(&serde_json::from_str(&exit).unwrap(), Instant::now());
        assert_eq!(names(&board), ["alice", "carl"]);
        assert!(board.target().is_none());
        assert_eq!(board.lines(2)[1].text, "bob has gone: x");
        board.filter = "carl".into();
        assert_eq!(board.lines(9).len(), 1);
    }

    #[tokio::test]
    async fn what_happened_is_kept_up_to_a_bound() {
        let mut board = board(&["alice"]);
        let line = format!(
            r#"{{"event":"whisper","peer":"{:032x}","name":"alice","frames":["\u001b[2J"]}}"#,
            0
        );
        for _ in 0..KEPT + 5 {
            board.happened(&serde_json::from_str(&line).unwrap(), Instant::now());
        }
        assert_eq!(board.lines(usize::MAX).len(), KEPT);
        assert_eq!(board.rows()[0].received as usize, KEPT + 5);
        let text = &board.lines(1)[0].text;
        assert_eq!(text, r"alice whispers: \u{1b}[2J");
    }
}
