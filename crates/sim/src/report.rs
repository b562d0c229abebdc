//! What happened, in figures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use zre_proto::machine::ExitReason;

/// Totals over all hosts and all their processes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Simulated time.
    pub length: Duration,
    /// Things that happened: a beacon to all, a message, a timeout, an action.
    pub happenings: u64,
    /// A number that two runs share only if the same happened in both.
    pub trace: u64,
    /// Actions done.
    pub actions: u64,
    /// Processes started.
    pub started: u64,
    /// Beacons sent; each reaches every other host, or doesn't.
    pub beacons: u64,
    /// Beacons delivered.
    pub heard: u64,
    /// Links dialled.
    pub dials: u64,
    /// Links dialled that nobody took.
    pub refused: u64,
    /// Messages sent, by name.
    pub messages: BTreeMap<&'static str, u64>,
    /// WHISPERs and SHOUTs that the application's peer got.
    pub delivered: u64,
    /// WHISPERs and SHOUTs that weren't accepted, and whose sender knows it.
    pub full: u64,
    /// WHISPERs and SHOUTs that were lost with a link, and whose sender was told
    /// that as many or more may be.
    pub told: u64,
    /// WHISPERs and SHOUTs that were lost with their sender.
    pub orphaned: u64,
    /// Events that applications saw, by name.
    pub events: BTreeMap<&'static str, u64>,
    /// Exits by reason.
    pub exits: BTreeMap<String, u64>,
    /// How often it was looked whether two nodes had met again soon enough after one of
    /// them was started anew.
    pub reunions: u64,
    /// The most Enters of one peer that one process has seen.
    pub most_enters: u64,
    /// The most entries that any process had in its tables of peers, sessions,
    /// addresses, tombstones and timers.
    pub largest: [usize; 5],
}

impl Report {
    /// How many messages of that name were sent.
    pub fn sent(&self, name: &str) -> u64 {
        self.messages.get(name).copied().unwrap_or(0)
    }

    /// How many events of that name were seen.
    pub fn seen(&self, name: &str) -> u64 {
        self.events.get(name).copied().unwrap_or(0)
    }

    /// How many exits had that reason.
    pub fn exited(&self, reason: ExitReason) -> u64 {
        self.exits.get(&reason.to_string()).copied().unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, counts: &[(&str, u64)]| {
            write!(f, "{name:<11}")?;
            for (what, count) in counts {
                write!(f, " {what} {count}")?;
            }
            writeln!(f)
        };
        fn all<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<(&'a str, u64)> {
            counts.collect()
        }
        writeln!(
            f,
            "{:<11} {:.3} s simulated",
            "time",
            self.length.as_secs_f64()
        )?;
        line(
            f,
            "happened",
            &[("happenings", self.happenings), ("actions", self.actions)],
        )?;
        line(
            f,
            "processes",
            &[
                ("started", self.started),
                ("met again in time", self.reunions),
            ],
        )?;
        line(
            f,
            "beacons",
            &[("sent", self.beacons), ("heard", self.heard)],
        )?;
        line(
            f,
            "links",
            &[("dialled", self.dials), ("refused", self.refused)],
        )?;
        let counts = self.messages.iter().map(|(name, count)| (*name, *count));
        line(f, "messages", &all(counts))?;
        line(
            f,
            "data",
            &[
                ("delivered", self.delivered),
                ("full", self.full),
                ("lost and told", self.told),
                ("lost with their sender", self.orphaned),
                ("lost silently", 0),
            ],
        )?;
        let counts = self.events.iter().map(|(name, count)| (*name, *count));
        line(f, "events", &all(counts))?;
        let counts = self
            .exits
            .iter()
            .map(|(name, count)| (name.as_str(), *count));
        line(f, "exits", &all(counts))?;
        line(f, "enters", &[("most of one peer", self.most_enters)])?;
        let names = ["peers", "sessions", "addresses", "tombstones", "timers"];
        let largest: Vec<(&str, u64)> = names
            .into_iter()
            .zip(
                self.largest
                    .map(|size| u64::try_from(size).unwrap_or(u64::MAX)),
            )
            .collect();
        line(f, "at most", &largest)?;
        write!(f, "{:<11} {:016x}", "trace", self.trace)
    }
}
