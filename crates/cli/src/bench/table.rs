//! Writes figures as a table or as JSON lines.

use indicatif::HumanCount;
use serde::Serialize;
use zre::Link;

use super::BenchCommand;
use super::measure::figures::{median, size_name};
use crate::json;
use crate::paint::Paint;

/// A JSON line.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Bench"))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Line {
    Bench {
        version: &'static str,
        cores: usize,
        debug: bool,
        rounds: usize,
        quick: bool,
        encrypted: bool,
    },
    Whisper {
        link: String,
        size: usize,
        frames: usize,
        per_second: f64,
    },
    Senders {
        link: String,
        size: usize,
        senders: usize,
        per_second: f64,
    },
    #[serde(rename = "fan-in")]
    FanIn {
        link: String,
        size: usize,
        nodes: usize,
        per_second: f64,
    },
    Trip {
        link: String,
        size: usize,
        p50_us: f64,
        p99_us: f64,
        p999_us: f64,
    },
    Shout {
        link: String,
        size: usize,
        receivers: usize,
        per_second: f64,
    },
    Meet {
        link: String,
        #[serde(flatten)]
        times: Times,
    },
    Leave {
        link: String,
        how: &'static str,
        #[serde(flatten)]
        times: Times,
    },
}

/// Statistics of samples in milliseconds.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Times {
    median_ms: f64,
    best_ms: f64,
    worst_ms: f64,
}

impl Times {
    pub(super) fn of(samples: &[f64]) -> Self {
        Self {
            median_ms: median(samples),
            best_ms: samples.iter().copied().fold(f64::INFINITY, f64::min),
            worst_ms: samples.iter().copied().fold(0.0, f64::max),
        }
    }

    fn cells(&self) -> [String; 3] {
        [self.median_ms, self.best_ms, self.worst_ms].map(|ms| format!("{ms:.2}"))
    }
}

/// Formats the output, in the order of the measurements. Each method returns whole
/// lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) json: bool,
}

impl Table {
    /// The heading: the conditions of all figures.
    pub(super) fn top(self, command: &BenchCommand) -> Vec<u8> {
        let rounds = command.rounds();
        let (quick, encrypted) = (command.quick, command.encrypted);
        let version = env!("CARGO_PKG_VERSION");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let debug = cfg!(debug_assertions);
        if self.json {
            return lines([Line::Bench {
                version,
                cores,
                debug,
                rounds,
                quick,
                encrypted,
            }]);
        }
        let mut text = format!("zre {version}, cores: {cores}, rounds: {rounds}\n");
        if encrypted {
            text.push_str("encrypted: all nodes have keys\n");
        }
        if debug {
            text.push_str("a debug build: a release build is many times faster\n");
        }
        text.into_bytes()
    }

    pub(super) fn whispers_title(self, links: &[Link]) -> Vec<u8> {
        let title = "whispers a second";
        self.title(title, ["size", "frames"], &names(links))
    }

    pub(super) fn whispers(self, size: usize, frames: usize, rates: &[(Link, f64)]) -> Vec<u8> {
        if self.json {
            return lines(rates.iter().map(|&(link, per_second)| Line::Whisper {
                link: link.to_string(),
                size,
                frames,
                per_second,
            }));
        }
        let left = [size_name(size), frames.to_string()];
        row(left, rates.iter().map(|&(_, rate)| count(rate)))
    }

    pub(super) fn senders_title(self, links: &[Link]) -> Vec<u8> {
        let title = "whispers a second from several tasks to one peer";
        self.title(title, ["size", "tasks"], &names(links))
    }

    pub(super) fn senders(self, size: usize, senders: usize, rates: &[(Link, f64)]) -> Vec<u8> {
        if self.json {
            return lines(rates.iter().map(|&(link, per_second)| Line::Senders {
                link: link.to_string(),
                size,
                senders,
                per_second,
            }));
        }
        let left = [size_name(size), senders.to_string()];
        row(left, rates.iter().map(|&(_, rate)| count(rate)))
    }

    pub(super) fn fan_in_title(self, links: &[Link]) -> Vec<u8> {
        let title = "whispers a second from several nodes to one";
        self.title(title, ["size", "nodes"], &names(links))
    }

    pub(super) fn fan_in(self, size: usize, nodes: usize, rates: &[(Link, f64)]) -> Vec<u8> {
        if self.json {
            return lines(rates.iter().map(|&(link, per_second)| Line::FanIn {
                link: link.to_string(),
                size,
                nodes,
                per_second,
            }));
        }
        let left = [size_name(size), nodes.to_string()];
        row(left, rates.iter().map(|&(_, rate)| count(rate)))
    }

    pub(super) fn trips_title(self) -> Vec<u8> {
        let title = "round trips, microseconds";
        self.title(title, ["size", "link"], &["p50", "p99", "p99.9"])
    }

    pub(super) fn trip(self, size: usize, link: Link, [p50, p99, p999]: [f64; 3]) -> Vec<u8> {
        if self.json {
            return lines([Line::Trip {
                link: link.to_string(),
                size,
                p50_us: p50,
                p99_us: p99,
                p999_us: p999,
            }]);
        }
        let left = [size_name(size), link.to_string()];
        row(left, [p50, p99, p999].map(|us| format!("{us:.1}")))
    }

    pub(super) fn shouts_title(self, links: &[Link]) -> Vec<u8> {
        let title = "shouts: deliveries a second to all receivers together";
        self.title(title, ["size", "receivers"], &names(links))
    }

    pub(super) fn shouts(self, size: usize, receivers: usize, rates: &[(Link, f64)]) -> Vec<u8> {
        if self.json {
            return lines(rates.iter().map(|&(link, per_second)| Line::Shout {
                link: link.to_string(),
                size,
                receivers,
                per_second,
            }));
        }
        let left = [size_name(size), receivers.to_string()];
        row(left, rates.iter().map(|&(_, rate)| count(rate)))
    }

    pub(super) fn meet_title(self) -> Vec<u8> {
        let title = "milliseconds from the start of a node until both know each other";
        self.title(title, ["link", ""], &["median", "best", "worst"])
    }

    pub(super) fn meet(self, link: Link, times: Times) -> Vec<u8> {
        let link = link.to_string();
        match self.json {
            true => lines([Line::Meet { link, times }]),
            false => row([link, String::new()], times.cells()),
        }
    }

    pub(super) fn leave_title(self) -> Vec<u8> {
        let title = "milliseconds until the other knows that a node has gone";
        self.title(title, ["link", "how"], &["median", "best", "worst"])
    }

    pub(super) fn leave(self, link: Link, how: &'static str, times: Times) -> Vec<u8> {
        let link = link.to_string();
        match self.json {
            true => lines([Line::Leave { link, how, times }]),
            false => row([link, how.to_owned()], times.cells()),
        }
    }

    fn title(self, title: &str, left: [&str; 2], right: &[impl ToString]) -> Vec<u8> {
        if self.json {
            return Vec::new();
        }
        let mut text = format!("\n{}\n", Paint::Strong.on(title)).into_bytes();
        let right = right.iter().map(ToString::to_string);
        text.extend(row(left.map(str::to_owned), right));
        text
    }
}

fn lines(all: impl IntoIterator<Item = Line>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in all {
        json::line(&line, &mut text);
    }
    text
}

/// Fixed widths that fit all words and figures of a column, because rows are shown as
/// soon as they are measured.
fn row(left: [String; 2], right: impl IntoIterator<Item = String>) -> Vec<u8> {
    let [first, second] = left;
    let mut line = format!("{first:<10}{second:<10}");
    for cell in right {
        line.push_str(&format!("{cell:>13}"));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line.into_bytes()
}

fn names(links: &[Link]) -> Vec<String> {
    links.iter().map(ToString::to_string).collect()
}

/// A rate in a readable form.
fn count(rate: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no machine moves 2^64 messages a second"
    )]
    HumanCount(rate.round() as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: Vec<u8>) -> String {
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn figures_stand_below_their_words() {
        let table = Table { json: false };
        let links = [Link::Tcp, Link::Inproc];
        let rates = [(Link::Tcp, 1_234_567.4), (Link::Inproc, 99.0)];
        assert_eq!(
            text(table.whispers_title(&links)) + &text(table.whispers(1 << 20, 2, &rates)),
            "\nwhispers a second\n\
             size      frames              tcp       inproc\n\
             1 MiB     2             1,234,567           99\n"
        );
        assert_eq!(
            text(table.leave(Link::Ipc, "stop", Times::of(&[0.5, 4.0, 1.0]))),
            "ipc       stop               1.00         0.50         4.00\n"
        );
    }

    #[test]
    fn scripts_get_a_line_a_figure() {
        let table = Table { json: true };
        assert_eq!(text(table.trips_title()), "");
        assert_eq!(
            text(table.trip(16, Link::Tcp, [30.5, 60.0, 99.0])),
            "{\"event\":\"trip\",\"link\":\"tcp\",\"size\":16,\
             \"p50_us\":30.5,\"p99_us\":60.0,\"p999_us\":99.0}\n"
        );
        assert_eq!(
            text(table.meet(Link::Tcp, Times::of(&[2.0]))),
            "{\"event\":\"meet\",\"link\":\"tcp\",\
             \"median_ms\":2.0,\"best_ms\":2.0,\"worst_ms\":2.0}\n"
        );
    }
}
