//! Throughput and round trips of whispers beside those of the rivals.

use std::path::{Path, PathBuf};
use std::process::Command;

use zre::Link;

use crate::case::{Case, Contestant, Job, Role, Transport};
use crate::measure::figures::{median, size_name};
use crate::measure::plan::{FRAMES, LINKS, TRIPS, WHISPERS};
use crate::measure::process::{MeasureError, Process};
use crate::measure::whisper::Whispers;
use crate::options::Options;
use crate::pyre::Pyre;
use crate::report::Report;

/// pyre's sockets hold 3,000 messages, and it has other things to do.
const PYRE_MESSAGES: usize = 10_000;

/// Those that send the same content without a node of ours.
pub(crate) const RIVALS: [Contestant; 6] = [
    Contestant::ZeroMq,
    Contestant::LibZmq,
    Contestant::LibZmqCurve,
    Contestant::Zenoh,
    Contestant::ZenohExpress,
    Contestant::Raw,
];

/// Who is measured.
#[derive(Clone, Copy)]
pub(crate) enum Who<'a> {
    /// Our nodes, on this engine.
    Zre(&'static str),
    /// Our nodes with keys.
    Encrypted,
    Rival(Rival<'a>),
}

#[derive(Clone, Copy)]
pub(crate) enum Rival<'a> {
    /// Sockets without a node around them.
    Bare(Contestant),
    Pyre(&'a Pyre),
}

impl Who<'_> {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Zre("zeromq") => "zre-on-zeromq",
            Who::Zre(_) => "zre",
            Who::Encrypted => "zre-curve",
            Who::Rival(Rival::Bare(contestant)) => contestant.name(),
            Who::Rival(Rival::Pyre(_)) => "pyre",
        }
    }

    fn is_zenoh(self) -> bool {
        matches!(
            self,
            Who::Rival(Rival::Bare(Contestant::Zenoh | Contestant::ZenohExpress))
        )
    }

    pub(crate) fn plays(self, link: Link, size: usize, frames: usize) -> bool {
        match self {
            Who::Zre("zeromq") | Who::Encrypted => link != Link::Inproc,
            Who::Zre(_) => true,
            // Its messages have no frames.
            who if who.is_zenoh() => link != Link::Inproc && frames == 1,
            Who::Rival(Rival::Bare(_)) => link != Link::Inproc,
            Who::Rival(Rival::Pyre(_)) => link == Link::Tcp && size <= 64 << 10,
        }
    }
}

pub(crate) fn contestants<'a>(
    options: &Options,
    report: &Report,
    rivals: &[Contestant],
    pyre: Option<&'a Pyre>,
) -> Vec<Who<'a>> {
    let mut all = vec![Who::Zre("native"), Who::Zre("zeromq"), Who::Encrypted];
    all.extend(rivals.iter().map(|rival| Who::Rival(Rival::Bare(*rival))));
    all.extend(pyre.map(|pyre| Who::Rival(Rival::Pyre(pyre))));
    all.retain(|who| options.has(who.name()));
    if all.iter().any(|who| who.name() == "libzmq-curve") && !zmq::has("curve").unwrap_or(false) {
        report.note("libzmq-curve skipped: this libzmq was built without libsodium");
        all.retain(|who| who.name() != "libzmq-curve");
    }
    if all.iter().any(|who| who.is_zenoh()) && !zenoh().is_file() {
        report.note(&format!(
            "zenoh skipped: there is no {}; `cargo build --release --manifest-path \
             benches/zenoh/Cargo.toml` makes it",
            zenoh().display()
        ));
        all.retain(|who| !who.is_zenoh());
    }
    all
}

/// zenoh's program: the one that is named, or the one that cargo builds.
fn zenoh() -> PathBuf {
    std::env::var_os("ZRE_BENCH_ZENOH").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("zenoh/target/release/zre-bench-zenoh"),
        PathBuf::from,
    )
}

fn pyre<'a>(options: &Options, report: &Report, place: &'a mut Option<Pyre>) -> Option<&'a Pyre> {
    if options.has("pyre") {
        match Pyre::new() {
            Ok(pyre) => *place = Some(pyre),
            Err(why) => report.note(&format!("pyre skipped: {why}")),
        }
    }
    place.as_ref()
}

pub(crate) struct Measured<'a> {
    pub(crate) link: Link,
    pub(crate) size: usize,
    pub(crate) frames: usize,
    pub(crate) count: usize,
    pub(crate) dir: &'a str,
}

impl Measured<'_> {
    pub(crate) fn name(&self) -> String {
        format!("{} {:>7} x{}", self.link, size_name(self.size), self.frames)
    }

    fn whispers(&self, engine: &'static str, encrypted: bool) -> Whispers<'_> {
        Whispers {
            encrypted,
            link: self.link,
            engine,
            size: self.size,
            frames: self.frames,
            senders: 1,
            count: self.count,
            dir: self.dir,
        }
    }

    fn job(&self, role: Role, contestant: Contestant, to: &str) -> Job {
        let transport = match self.link {
            Link::Tcp => Transport::Tcp,
            _ => Transport::Ipc,
        };
        Job {
            role,
            case: Case {
                contestant,
                transport,
                size: self.size,
                frames: self.frames,
                count: self.count,
            },
            to: to.to_owned(),
            dir: self.dir.to_owned(),
        }
    }

    /// Two children of a rival; the first is ready.
    async fn children(
        &self,
        who: Rival<'_>,
        first: Role,
        second: Role,
    ) -> Result<(Process, Process), MeasureError> {
        let words = |role| match role {
            Role::Receive => "receive",
            Role::Send => "send",
            Role::Echo => "echo",
            _ => "ping",
        };
        match who {
            Rival::Bare(contestant) => {
                let program = match contestant {
                    Contestant::Zenoh | Contestant::ZenohExpress => zenoh(),
                    _ => std::env::current_exe().unwrap(),
                };
                let start = |role, to: &str| {
                    let mut command = Command::new(&program);
                    command.args(self.job(role, contestant, to).to_args());
                    Process::start(&mut command)
                };
                let mut waiting = start(first, "-")?;
                let to = waiting.hear("ready").await?;
                Ok((waiting, start(second, &to)?))
            }
            Rival::Pyre(pyre) => {
                let count = self.count.min(PYRE_MESSAGES);
                let start =
                    |host, role| pyre.child(host, words(role), self.size, self.frames, count);
                let mut waiting = start(0, first)?;
                waiting.hear("ready").await?;
                Ok((waiting, start(1, second)?))
            }
        }
    }

    /// Messages a second of each contestant in each round.
    pub(crate) async fn throughputs(
        &self,
        who: &[&Who<'_>],
        rounds: usize,
    ) -> Result<Vec<Vec<f64>>, MeasureError> {
        let mut rates = vec![Vec::new(); who.len()];
        for _ in 0..rounds {
            for (who, rates) in who.iter().zip(&mut rates) {
                rates.push(self.throughput(**who).await?);
            }
        }
        Ok(rates)
    }

    async fn throughput(&self, who: Who<'_>) -> Result<f64, MeasureError> {
        let rival = match who {
            Who::Zre(engine) => return self.whispers(engine, false).rate().await,
            Who::Encrypted => return self.whispers("native", true).rate().await,
            Who::Rival(rival) => rival,
        };
        let count = match rival {
            Rival::Pyre(_) => self.count.min(PYRE_MESSAGES),
            Rival::Bare(_) => self.count,
        };
        let (mut receiver, _sender) = self.children(rival, Role::Receive, Role::Send).await?;
        Ok(count as f64 / receiver.hear_number("seconds").await?)
    }

    /// Microseconds.
    async fn trip(&self, who: Who<'_>) -> Result<[f64; 3], MeasureError> {
        let rival = match who {
            Who::Zre(engine) => return self.whispers(engine, false).trip().await,
            Who::Encrypted => return self.whispers("native", true).trip().await,
            Who::Rival(rival) => rival,
        };
        let (_echo, mut ping) = self.children(rival, Role::Echo, Role::Ping).await?;
        let mut trips = [0.0; 3];
        for (trip, word) in trips.iter_mut().zip(["p50", "p99", "p99.9"]) {
            *trip = ping.hear_number(word).await? / 1e3;
        }
        Ok(trips)
    }
}

pub(crate) async fn throughputs(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "whispers a second, median of {}; rivals send the same content without a node around it",
        options.rounds
    ));
    let mut place = None;
    let pyre = pyre(options, report, &mut place);
    let all = contestants(options, report, &RIVALS, pyre);
    for link in LINKS.into_iter().filter(|link| options.covers(*link)) {
        for size in options.sizes(&WHISPERS) {
            for frames in FRAMES {
                let measured = Measured {
                    link,
                    size,
                    frames,
                    count: options.amount.whispers(link, size),
                    dir,
                };
                let who: Vec<_> = all.iter().filter(|w| w.plays(link, size, frames)).collect();
                let rates = measured.throughputs(&who, options.rounds).await?;
                let figures: Vec<_> = who
                    .iter()
                    .zip(&rates)
                    .map(|(who, rates)| (who.name(), median(rates), "/s"))
                    .collect();
                let ratios = ratios(&figures, |ours, theirs| ours / theirs);
                report.row("whisper", &measured.name(), &figures, &ratios);
            }
        }
    }
    Ok(())
}

pub(crate) async fn trips(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "round trips, microseconds p50 / p99 / p99.9, medians of {}",
        options.rounds
    ));
    let mut place = None;
    let pyre = pyre(options, report, &mut place);
    let rivals = [&RIVALS[..], &[Contestant::Tokio]].concat();
    let all = contestants(options, report, &rivals, pyre);
    for link in LINKS.into_iter().filter(|link| options.covers(*link)) {
        for size in options.sizes(&TRIPS) {
            let measured = Measured {
                link,
                size,
                frames: 1,
                count: options.amount.trips(size),
                dir,
            };
            let who: Vec<_> = all.iter().filter(|w| w.plays(link, size, 1)).collect();
            let mut trips: Vec<[Vec<f64>; 3]> = vec![Default::default(); who.len()];
            for _ in 0..options.rounds {
                for (who, trips) in who.iter().zip(&mut trips) {
                    for (all, one) in trips.iter_mut().zip(measured.trip(**who).await?) {
                        all.push(one);
                    }
                }
            }
            let mut figures = Vec::new();
            let mut names = Vec::new();
            for (who, trips) in who.iter().zip(&trips) {
                for (percentile, trips) in ["p50", "p99", "p99.9"].iter().zip(trips) {
                    names.push((*who, format!("{} {percentile}", who.name()), median(trips)));
                }
            }
            for (_, name, value) in &names {
                figures.push((name.as_str(), *value, "us"));
            }
            let halves: Vec<_> = who
                .iter()
                .zip(&trips)
                .map(|(who, trips)| (who.name(), median(&trips[0]), "us"))
                .collect();
            let ratios = ratios(&halves, |ours, theirs| ours / theirs);
            report.row("trip", &measured.name(), &figures, &ratios);
        }
    }
    Ok(())
}

/// Ours beside each of the others.
fn ratios(figures: &[(&str, f64, &str)], of: impl Fn(f64, f64) -> f64) -> String {
    let mut text = String::new();
    for our in ["zre", "zre-curve"] {
        let Some((_, ours, _)) = figures.iter().find(|(name, ..)| *name == our) else {
            continue;
        };
        for (name, theirs, _) in figures.iter().filter(|(name, ..)| *name != our) {
            text.push_str(&format!("  {our}:{name} {:.2}", of(*ours, *theirs)));
        }
    }
    text
}
