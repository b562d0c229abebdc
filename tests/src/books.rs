//! Nodes that keep books, and what their books come to together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{Clock, DEADLINE, Host};

/// A process of the program `bookkeeper`, with some nodes that send to all they
/// meet. Dropping it kills it.
pub struct Bookkeeper {
    /// Its nodes.
    pub uuids: Vec<String>,
    /// The ports of their inboxes.
    pub ports: Vec<u16>,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
}

/// Settings of a bookkeeper whose nodes beacon at this port; a test changes
/// what it is about.
pub fn settings(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "port": port,
        "nodes": 1,
        "loopback": true,
        "engine": "native",
        // Between two messages to the same peer.
        "pause_ms": 20,
        "size": 256,
        "queue_bytes": 8 << 20,
        "event_bytes": 16 << 20,
        "interval_ms": 500,
        "evasive_ms": 1000,
        "expired_ms": 6000,
    })
}

impl Bookkeeper {
    /// Runs `program` (the path of the program `bookkeeper`, which Cargo tells
    /// the tests of this package) and waits until its nodes have started.
    pub fn start(program: &str, host: Option<&Host>, settings: &Value) -> Self {
        Self::start_by(program, host, settings, None)
    }

    /// As [`start`](Self::start), by this clock.
    pub fn start_by(
        program: &str,
        host: Option<&Host>,
        settings: &Value,
        clock: Option<&Clock>,
    ) -> Self {
        let mut command = match host {
            Some(host) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", host.namespace(), program]);
                command
            }
            None => Command::new(program),
        };
        if let Some(clock) = clock {
            clock.set_for(&mut command);
        }
        let mut child = command
            .env_remove("ZRE_INTERFACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line).expect("a line of JSON");
                if sender.send(json).is_err() {
                    return;
                }
            }
        });
        let mut keeper = Self {
            uuids: Vec::new(),
            ports: Vec::new(),
            input: child.stdin.take(),
            child,
            lines,
        };
        keeper.tell(&settings.to_string());
        let started = keeper.answer();
        assert_eq!(started["event"], "started");
        keeper.uuids = texts(&started["uuids"]);
        keeper.ports = list(&started["ports"])
            .iter()
            .filter_map(|port| u16::try_from(number(port)).ok())
            .collect();
        keeper
    }

    /// Gives a command: `go`, `hold`.
    pub fn tell(&mut self, command: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{command}").expect("the program reads");
    }

    /// The books of its nodes, now.
    pub fn books(&mut self) -> Vec<Value> {
        self.tell("book");
        list(&self.answer()["nodes"]).to_vec()
    }

    /// What its first node holds and has counted.
    pub fn stats(&mut self) -> Value {
        self.tell("stats");
        list(&self.answer()["nodes"])[0].clone()
    }

    /// The time of day, as the program sees it.
    pub fn date(&mut self) -> SystemTime {
        self.tell("date");
        SystemTime::UNIX_EPOCH + Duration::from_secs(number(&self.answer()["unix"]))
    }

    /// Lets its nodes leave; the last books.
    pub fn stop(&mut self) -> Vec<Value> {
        self.tell("stop");
        list(&self.answer()["nodes"]).to_vec()
    }

    fn answer(&self) -> Value {
        self.lines
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("it still ran");
        self.child.wait().expect("it has ended");
    }

    /// Its resident memory, in bytes.
    pub fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process lives");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|text| text.trim().strip_suffix("kB"))
            .and_then(|text| text.trim().parse::<usize>().ok())
            .expect("VmRSS in kB");
        kib * 1024
    }
}

impl Drop for Bookkeeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What books come to. A message to a group counts once for each receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that a queue accepted.
    pub sent: u64,
    /// Those that arrived.
    pub delivered: u64,
    /// Those that didn't, and of which an Exit told.
    pub reported: u64,
    /// Those that a node had taken when its process was killed.
    pub taken_along: u64,
    /// Those that didn't arrive, and nobody was told. Must be 0.
    pub silent: u64,
    /// Messages that came twice, or not in order. Must be 0.
    pub disorder: u64,
    /// Messages that weren't accepted, which the sender was told at once.
    pub refused: u64,
    /// Sessions that ended.
    pub exits: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.reported += other.reported;
        self.taken_along += other.taken_along;
        self.silent += other.silent;
        self.disorder += other.disorder;
        self.refused += other.refused;
        self.exits += other.exits;
    }
}

/// Settles the books of nodes against each other. `dead` are those whose
/// process was killed: what they received is known up to their last book only,
/// and what waited in their queues went with them.
/// What nodes say of others that aren't in the books doesn't count.
///
/// For each session, what was accepted and didn't arrive must be within what
/// its Exit counted, and what did arrive must be in order without a gap.
pub fn settle(books: &[Value], dead: &BTreeSet<String>) -> Tally {
    let mut heard: BTreeMap<(String, String, u64), &Value> = BTreeMap::new();
    let mut shouts: BTreeMap<String, u64> = BTreeMap::new();
    let mut all = Tally::default();
    for book in books {
        let to = text(&book["uuid"]);
        for series in list(&book["whispers"]) {
            // A gap in the middle of a session can't be told by its end.
            all.silent += number(&series["missing"]);
            all.disorder += number(&series["disorder"]);
            let key = (
                text(&series["from"]),
                to.clone(),
                number(&series["session"]),
            );
            heard.insert(key, series);
        }
        for series in list(&book["heard_shouts"]) {
            all.disorder += number(&series["disorder"]);
            *shouts.entry(text(&series["from"])).or_default() += number(&series["delivered"]);
        }
    }
    for book in books {
        let from = text(&book["uuid"]);
        let mut tally = Tally::default();
        // What Exits told beyond the whispers that are missing.
        let mut spare = 0;
        let mut lost_with_process = 0;
        for session in list(&book["sessions"]) {
            let to = text(&session["peer"]);
            let accepted = number(&session["accepted"]);
            let key = (from.clone(), to.clone(), number(&session["session"]));
            let delivered = heard
                .get(&key)
                .map_or(0, |series| number(&series["delivered"]));
            let told = session["unconfirmed"].as_u64();
            tally.sent += accepted;
            tally.delivered += delivered;
            tally.refused += number(&session["full"]);
            tally.exits += u64::from(told.is_some());
            let missing = accepted.saturating_sub(delivered);
            let reported = missing.min(told.unwrap_or(0));
            tally.reported += reported;
            spare += told.unwrap_or(0) - reported;
            if dead.contains(&to) || dead.contains(&from) {
                tally.taken_along += missing - reported;
                lost_with_process = u64::MAX;
            } else {
                tally.silent += missing - reported;
            }
        }
        // An Exit counts shouts and whispers together.
        let accepted = number(&book["shouts"]["accepted"]);
        let delivered = shouts.get(&from).copied().unwrap_or(0);
        tally.sent += accepted;
        tally.delivered += delivered;
        tally.refused += number(&book["shouts"]["full"]) + number(&book["shouts"]["gone"]);
        let missing = accepted.saturating_sub(delivered);
        let reported = missing.min(spare);
        let taken_along = (missing - reported).min(lost_with_process);
        tally.reported += reported;
        tally.taken_along += taken_along;
        tally.silent += missing - reported - taken_along;
        all += tally;
    }
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(accepted: u64, told: Option<u64>, delivered: u64, missing: u64) -> Vec<Value> {
        let silence = json!({ "accepted": 0, "full": 0, "gone": 0 });
        vec![
            json!({
                "uuid": "a", "shouts": silence, "whispers": [], "heard_shouts": [],
                "sessions": [{
                    "session": 0, "peer": "b", "accepted": accepted, "full": 1,
                    "unconfirmed": told,
                }],
            }),
            json!({
                "uuid": "b", "shouts": silence, "sessions": [], "heard_shouts": [],
                "whispers": [{
                    "from": "a", "session": 0, "delivered": delivered,
                    "missing": missing, "disorder": 0,
                }],
            }),
        ]
    }

    #[test]
    fn what_is_missing_must_have_been_told() {
        let alive = BTreeSet::new();
        let tally = settle(&books(10, None, 10, 0), &alive);
        assert_eq!((tally.sent, tally.delivered, tally.silent), (10, 10, 0));
        assert_eq!(settle(&books(10, None, 9, 0), &alive).silent, 1);
        let tally = settle(&books(10, Some(3), 8, 0), &alive);
        assert_eq!((tally.reported, tally.silent, tally.exits), (2, 0, 1));
        assert_eq!(settle(&books(10, Some(1), 8, 0), &alive).silent, 1);
        assert_eq!(settle(&books(10, Some(5), 9, 1), &alive).silent, 1);
        let dead = BTreeSet::from(["b".to_owned()]);
        let tally = settle(&books(10, Some(1), 8, 0), &dead);
        assert_eq!((tally.taken_along, tally.silent), (1, 0));
    }
}
