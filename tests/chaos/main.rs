//! Twenty nodes in four processes on four hosts, a network that goes wrong in
//! every way, and a count of every message: it arrived, in order, or its sender
//! was told.
//!
//! ```text
//! cargo test -p zre-tests --test chaos -- --nocapture
//! ZRE_CHAOS=long cargo test -p zre-tests --test chaos -- --nocapture
//! ```
//! prints a table (`ZRE_CHAOS_FAULT` narrows it down to lines of that name,
//! `ZRE_CHAOS_ENGINE` to that link engine). The short form takes less than two
//! minutes, with patience of 1 and 6 s; the long one has the patience that nodes
//! have by default, faults of up to 60 s, and takes about seven. Both need root,
//! for network namespaces, python3, for a switch that loses frames, and
//! libfaketime, for a time of day that can be set.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is test code, and the table is for people"
)]

mod faults;

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde_json::Value;
use zre_tests::books::{Bookkeeper, Tally, settings, settle};
use zre_tests::{Clock, Network, beacon_port, skip, skipped};

use faults::{Fault, Switch, all};

const HOSTS: u8 = 4;
const NODES: usize = 5;

/// How long it may take until all have met, or all is settled, once nothing is
/// wrong any more.
const PATIENCE: Duration = Duration::from_secs(90);

struct Stage {
    network: Network,
    switch: Switch,
    keepers: Vec<Bookkeeper>,
    /// The last books of processes that were killed, and whose they are.
    left: Vec<Value>,
    dead: BTreeSet<String>,
    port: u16,
    long: bool,
    engine: Engine,
    /// What the first two hosts take the time of day from.
    clock: Option<Clock>,
}

/// The name of a link engine.
type Engine = &'static str;

impl Stage {
    fn start(&self, host: usize, name: &str) -> Bookkeeper {
        let mut settings = settings(name, self.port);
        settings["nodes"] = NODES.into();
        settings["loopback"] = false.into();
        settings["pause_ms"] = 200.into();
        settings["engine"] = self.engine.into();
        if self.long {
            settings["interval_ms"] = 1000.into();
            settings["evasive_ms"] = 5000.into();
            settings["expired_ms"] = 30_000.into();
        }
        let program = env!("CARGO_BIN_EXE_bookkeeper");
        let clock = self.clock.as_ref().filter(|_| host < 2);
        Bookkeeper::start_by(program, Some(self.network.host(host)), &settings, clock)
    }

    fn books(&mut self) -> Vec<Value> {
        let books = self.keepers.iter_mut().flat_map(Bookkeeper::books);
        books.collect()
    }

    /// Waits until everybody is in touch with everybody.
    fn meet(&mut self) {
        let wanted = usize::from(HOSTS) * NODES - 1;
        let until = Instant::now() + PATIENCE;
        loop {
            let books = self.books();
            if books.iter().all(|book| here(book) == wanted) {
                return;
            }
            assert!(Instant::now() < until, "{}", self.who_lacks_whom(&books));
            sleep(Duration::from_millis(200)); // between two questions
        }
    }

    /// For people: who isn't in touch with whom, and what ended that.
    fn who_lacks_whom(&mut self, books: &[Value]) -> String {
        let mut story = String::new();
        let name = |uuid: &Value| uuid.as_str().unwrap()[..6].to_owned();
        for book in books {
            let sessions = book["sessions"].as_array().unwrap();
            for other in books.iter().filter(|other| other["uuid"] != book["uuid"]) {
                let with = sessions.iter().filter(|s| s["peer"] == other["uuid"]);
                let reasons: Vec<&Value> = with.map(|s| &s["reason"]).collect();
                if reasons.last().is_none_or(|reason| !reason.is_null()) {
                    let (who, whom) = (name(&book["uuid"]), name(&other["uuid"]));
                    story += &format!("{who} lacks {whom}: {reasons:?}\n");
                }
            }
        }
        for keeper in &mut self.keepers {
            story += &format!("{}\n", keeper.stats());
        }
        story
    }

    fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Nothing => sleep(Duration::from_secs(3)),
            Fault::Switch(commands, seconds) => {
                for command in commands {
                    self.switch.tell(command);
                }
                sleep(Duration::from_secs(seconds));
                self.switch.tell("clear");
            }
            Fault::Flaps(times) => {
                for _ in 0..times {
                    self.network.host(1).set_link(false);
                    sleep(Duration::from_millis(500));
                    self.network.host(1).set_link(true);
                    sleep(Duration::from_millis(1000));
                }
            }
            Fault::Kill => {
                sleep(Duration::from_secs(2));
                let mut killed = self.keepers.remove(1);
                self.left.extend(killed.books());
                killed.kill();
                self.dead.extend(killed.uuids.iter().cloned());
                let mut heir = self.start(1, "heir");
                heir.tell("go");
                self.keepers.push(heir);
            }
            Fault::Stop(seconds) => {
                self.keepers[1].signal(Signal::STOP);
                sleep(Duration::from_secs(seconds));
                self.keepers[1].signal(Signal::CONT);
            }
            Fault::Steps(steps) => {
                let clock = self.clock.as_ref().unwrap();
                for seconds in steps {
                    clock.step(*seconds);
                    sleep(Duration::from_secs(3));
                    for (host, keeper) in self.keepers.iter_mut().enumerate() {
                        let wanted = if host < 2 { *seconds } else { 0 };
                        let off = off_by(keeper.date());
                        assert!((off - wanted).abs() < 60, "{off} s off, not {wanted}");
                    }
                }
            }
        }
    }

    /// Waits until all that was sent is accounted for, then gives the account.
    fn account(&mut self) -> Tally {
        for keeper in &mut self.keepers {
            keeper.tell("hold");
        }
        let until = Instant::now() + PATIENCE;
        let mut before = None;
        loop {
            let mut books = self.books();
            books.extend(self.left.iter().cloned());
            let tally = settle(&books, &self.dead);
            // Twice the same: nothing is on its way any more.
            if tally.silent == 0 && before == Some(tally) || Instant::now() > until {
                return tally;
            }
            before = Some(tally);
            sleep(Duration::from_millis(300)); // between two questions
        }
    }
}

/// How many seconds a time of day is ahead of ours.
fn off_by(date: SystemTime) -> i64 {
    let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap();
    match date.duration_since(SystemTime::now()) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// With how many a node is in touch.
fn here(book: &Value) -> usize {
    let sessions = book["sessions"].as_array().unwrap();
    sessions
        .iter()
        .filter(|s| s["unconfirmed"].is_null())
        .count()
}

fn play(fault: Fault, long: bool, engine: Engine) -> Result<Tally, String> {
    let network = Network::of(HOSTS)?;
    let switch = Switch::of(&network, HOSTS)?;
    let mut stage = Stage {
        network,
        switch,
        keepers: Vec::new(),
        left: Vec::new(),
        dead: BTreeSet::new(),
        port: beacon_port(),
        long,
        engine,
        clock: match fault {
            Fault::Steps(_) => Some(Clock::new()?),
            _ => None,
        },
    };
    for host in 0..usize::from(HOSTS) {
        let keeper = stage.start(host, &format!("host{host}"));
        stage.keepers.push(keeper);
    }
    stage.meet();
    for keeper in &mut stage.keepers {
        keeper.tell("go");
    }
    stage.suffer(fault);
    stage.meet();
    Ok(stage.account())
}

/// How many faults are played at a time, each on a network of its own.
const STAGES: usize = 3;

/// What the other engine is put through too, in the short form: what breaks
/// connections in each of the three ways.
const OTHER: [&str; 3] = ["20 % loss", "partition", "kill -9"];

/// What is played, on which engine.
fn programme(long: bool) -> Vec<(Engine, &'static str, Fault)> {
    let set = |key| std::env::var(key).ok();
    let (engine, only) = (set("ZRE_CHAOS_ENGINE"), set("ZRE_CHAOS_FAULT"));
    let mut all = all(long);
    if let Err(why) = Clock::new() {
        skipped(&format!("clock set: {why}"));
        all.retain(|(_, fault)| !matches!(fault, Fault::Steps(_)));
    }
    let is_asked_for = |(which, name, _): &(Engine, &str, Fault)| {
        let everything = engine.as_ref().is_some_and(|engine| engine == which);
        let usual = engine.is_none() && (*which == "native" || !long && OTHER.contains(name));
        (everything || usual) && only.as_ref().is_none_or(|only| only == name)
    };
    ["native", "zeromq"]
        .iter()
        .flat_map(|engine| all.iter().map(|(name, fault)| (*engine, *name, *fault)))
        .filter(is_asked_for)
        .collect()
}

#[test]
fn every_message_is_accounted_for() {
    let long = std::env::var("ZRE_CHAOS").is_ok_and(|form| form == "long");
    let mut failed = Vec::new();
    println!(
        "| engine | fault | sent | delivered | reported | died with the process | lost silently | disorder | refused | exits | s |"
    );
    println!("| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    let programme = programme(long);
    for faults in programme.chunks(STAGES) {
        let played: Vec<_> = std::thread::scope(|scope| {
            let play = |engine, fault| {
                let begun = Instant::now();
                (play(fault, long, engine), begun.elapsed())
            };
            let stages: Vec<_> = faults
                .iter()
                .map(|it @ (engine, _, fault)| (it, scope.spawn(move || play(engine, *fault))))
                .collect();
            let join = |(it, stage): (_, std::thread::ScopedJoinHandle<'_, _>)| {
                (it, stage.join().unwrap())
            };
            stages.into_iter().map(join).collect()
        });
        for ((engine, name, fault), (tally, took)) in played {
            let tally = match tally {
                Ok(tally) => tally,
                Err(why) => skip!("{why}"),
            };
            println!(
                "| {engine} | {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                tally.sent,
                tally.delivered,
                tally.reported,
                tally.taken_along,
                tally.silent,
                tally.disorder,
                tally.refused,
                tally.exits,
                took.as_secs(),
            );
            assert!(tally.delivered > 1000, "{name}: nothing was tested");
            // Nobody goes by the time of day.
            let unmoved = !matches!(fault, Fault::Steps(_)) || tally.exits == 0;
            if tally.silent > 0 || tally.disorder > 0 || !unmoved {
                failed.push((engine, name, tally));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
