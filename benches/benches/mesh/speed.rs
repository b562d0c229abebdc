//! Throughput and round trips of whispers beside those of the rivals.

use zre::Link;

use crate::case::{Case, Contestant, Job, Role, Transport};
use crate::options::Options;
use crate::process::Process;
use crate::pyre::Pyre;
use crate::report::{Report, median, size_name};
use crate::task::{Task, free_port};

const LINKS: [Link; 3] = [Link::Tcp, Link::Ipc, Link::Inproc];

/// Sizes, and how many messages of each are sent.
const SIZES: [(usize, usize); 6] = [
    (16, 1_500_000),
    (256, 1_000_000),
    (1 << 10, 500_000),
    (16 << 10, 60_000),
    (64 << 10, 20_000),
    (1 << 20, 1_500),
];

/// pyre's sockets hold 3,000 messages, and it has other things to do.
const PYRE_MESSAGES: usize = 10_000;

/// Who is measured.
#[derive(Clone, Copy)]
enum Who<'a> {
    Zre(&'static str),
    Rival(Contestant),
    Pyre(&'a Pyre),
}

impl Who<'_> {
    fn name(self) -> &'static str {
        match self {
            Who::Zre("zeromq") => "zre-on-zeromq",
            Who::Zre(_) => "zre",
            Who::Rival(contestant) => contestant.name(),
            Who::Pyre(_) => "pyre",
        }
    }

    fn plays(self, link: Link, size: usize) -> bool {
        match self {
            Who::Zre("zeromq") => link != Link::Inproc,
            Who::Zre(_) => true,
            Who::Rival(_) => link != Link::Inproc,
            Who::Pyre(_) => link == Link::Tcp && size <= 64 << 10,
        }
    }
}

fn contestants<'a>(
    options: &Options,
    rivals: &[Contestant],
    pyre: Option<&'a Pyre>,
) -> Vec<Who<'a>> {
    let mut all = vec![Who::Zre("native"), Who::Zre("zeromq")];
    all.extend(rivals.iter().map(|rival| Who::Rival(*rival)));
    all.extend(pyre.map(Who::Pyre));
    all.retain(|who| options.has(who.name()));
    all
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

struct Measured<'a> {
    link: Link,
    size: usize,
    frames: usize,
    count: usize,
    dir: &'a str,
}

impl Measured<'_> {
    fn name(&self) -> String {
        format!("{} {:>7} x{}", self.link, size_name(self.size), self.frames)
    }

    fn task(&self, role: &str, engine: &str, port: u16) -> Task {
        Task::new(role, self.link, self.dir)
            .with("engine", engine)
            .with("port", port)
            .with("size", self.size)
            .with("frames", self.frames)
            .with("count", self.count)
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

    /// Two children; the one that knows the result, and the other.
    fn children(&self, who: Who<'_>, first: Role, second: Role) -> (Process, Process) {
        let words = |role| match role {
            Role::Receive => "receive",
            Role::Send => "send",
            Role::Echo => "echo",
            _ => "ping",
        };
        match who {
            Who::Zre(engine) => {
                let port = free_port();
                let start =
                    |role| Process::ourselves(&self.task(words(role), engine, port).to_args());
                let mut waiting = start(first);
                waiting.hear("ready");
                (waiting, start(second))
            }
            Who::Rival(contestant) => {
                let job = self.job(first, contestant, "-");
                let mut waiting = Process::ourselves(&job.to_args());
                let to = waiting.hear("ready");
                let job = self.job(second, contestant, &to);
                (waiting, Process::ourselves(&job.to_args()))
            }
            Who::Pyre(pyre) => {
                let count = self.count.min(PYRE_MESSAGES);
                let start =
                    |host, role| pyre.child(host, words(role), self.size, self.frames, count);
                let mut waiting = start(0, first);
                waiting.hear("ready");
                (waiting, start(1, second))
            }
        }
    }

    fn throughput(&self, who: Who<'_>) -> f64 {
        let count = match who {
            Who::Pyre(_) => self.count.min(PYRE_MESSAGES),
            _ => self.count,
        };
        let seconds = if self.link == Link::Inproc {
            let task = self.task("send-to-self", "native", free_port());
            Process::ourselves(&task.to_args()).hear_number("seconds")
        } else {
            let (mut receiver, _sender) = self.children(who, Role::Receive, Role::Send);
            receiver.hear_number("seconds")
        };
        count as f64 / seconds
    }

    /// Microseconds.
    fn trip(&self, who: Who<'_>) -> [f64; 3] {
        let mut ping = if self.link == Link::Inproc {
            let task = self.task("ping-self", "native", free_port());
            (None, Process::ourselves(&task.to_args()))
        } else {
            let (echo, ping) = self.children(who, Role::Echo, Role::Ping);
            (Some(echo), ping)
        };
        ["p50", "p99", "p99.9"].map(|word| ping.1.hear_number(word) / 1e3)
    }
}

pub(crate) fn throughputs(options: &Options, report: &mut Report, dir: &str) {
    report.section(&format!(
        "whispers a second, median of {}; rivals send the same content without a node around it",
        options.rounds
    ));
    let mut place = None;
    let pyre = pyre(options, report, &mut place);
    let rivals = [Contestant::ZeroMq, Contestant::LibZmq, Contestant::Raw];
    let all = contestants(options, &rivals, pyre);
    for link in LINKS {
        for (size, count) in SIZES {
            for frames in [1, 2] {
                let measured = Measured {
                    link,
                    size,
                    frames,
                    count: count / options.divide,
                    dir,
                };
                let who: Vec<_> = all.iter().filter(|w| w.plays(link, size)).collect();
                let mut rates = vec![Vec::new(); who.len()];
                for _ in 0..options.rounds {
                    for (who, rates) in who.iter().zip(&mut rates) {
                        rates.push(measured.throughput(**who));
                    }
                }
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
}

pub(crate) fn trips(options: &Options, report: &mut Report, dir: &str) {
    report.section(&format!(
        "round trips, microseconds p50 / p99 / p99.9, medians of {}",
        options.rounds
    ));
    let mut place = None;
    let pyre = pyre(options, report, &mut place);
    let rivals = [
        Contestant::ZeroMq,
        Contestant::LibZmq,
        Contestant::Raw,
        Contestant::Tokio,
    ];
    let all = contestants(options, &rivals, pyre);
    for link in LINKS {
        for size in [16, 1 << 10, 64 << 10] {
            let measured = Measured {
                link,
                size,
                frames: 1,
                count: 20_000 / options.divide,
                dir,
            };
            let who: Vec<_> = all.iter().filter(|w| w.plays(link, size)).collect();
            let mut trips: Vec<[Vec<f64>; 3]> = vec![Default::default(); who.len()];
            for _ in 0..options.rounds {
                for (who, trips) in who.iter().zip(&mut trips) {
                    for (all, one) in trips.iter_mut().zip(measured.trip(**who)) {
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
}

/// Ours beside each of theirs.
fn ratios(figures: &[(&str, f64, &str)], of: impl Fn(f64, f64) -> f64) -> String {
    let Some((_, ours, _)) = figures.iter().find(|(name, ..)| *name == "zre") else {
        return String::new();
    };
    figures
        .iter()
        .filter(|(name, ..)| *name != "zre")
        .map(|(name, theirs, _)| format!("  zre:{name} {:.2}", of(*ours, *theirs)))
        .collect()
}
