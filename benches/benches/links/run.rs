//! The parent: runs children, takes medians, prints tables.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::case::{Case, Contestant, Job, Role, Transport};

pub(crate) struct Options {
    rounds: usize,
    /// Divides how much is sent.
    divide: usize,
    only: Option<Vec<String>>,
    what: Option<String>,
    /// Bytes; all sizes if not given.
    sizes: Option<Vec<usize>>,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Options {
        let value = |name: &str| {
            let at = args.iter().position(|a| a == name)?;
            args.get(at + 1).cloned()
        };
        let quick = args.iter().any(|a| a == "--quick");
        Options {
            rounds: value("--rounds").map_or(if quick { 1 } else { 5 }, |r| r.parse().unwrap()),
            divide: if quick { 5 } else { 1 },
            only: value("--only").map(|o| o.split(',').map(str::to_owned).collect()),
            what: value("--what"),
            sizes: value("--sizes").map(|s| s.split(',').map(|n| n.parse().unwrap()).collect()),
        }
    }

    fn contestants(&self, of: &[Contestant]) -> Vec<Contestant> {
        let wanted = |c: &Contestant| match &self.only {
            None => *c != Contestant::Engine,
            Some(only) => only.iter().any(|o| o == c.name()),
        };
        of.iter().copied().filter(wanted).collect()
    }

    fn has(&self, size: usize) -> bool {
        self.sizes.as_ref().is_none_or(|s| s.contains(&size))
    }

    fn wants(&self, what: &str) -> bool {
        self.what.as_deref().is_none_or(|w| w == what)
    }
}

/// A child that is ended when it isn't wanted any more.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(job: &Job) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(job.to_args())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, lines }
    }

    /// The value that the child prints after this word.
    fn hear(&mut self, word: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if let Some((said, value)) = line.split_once(' ')
                && said == word
            {
                return value.to_owned();
            }
        }
        panic!("the child ended without saying {word}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn job(role: Role, case: Case, to: String, dir: &str) -> Job {
    let dir = dir.to_owned();
    Job {
        role,
        case,
        to,
        dir,
    }
}

fn throughput(case: Case, dir: &str) -> f64 {
    let mut receiver = Process::start(&job(Role::Receive, case, "-".into(), dir));
    let to = receiver.hear("ready");
    let _sender = Process::start(&job(Role::Send, case, to, dir));
    let seconds: f64 = receiver.hear("seconds").parse().unwrap();
    case.count as f64 / seconds
}

fn round_trip(case: Case, dir: &str) -> (f64, f64) {
    let mut echo = Process::start(&job(Role::Echo, case, "-".into(), dir));
    let to = echo.hear("ready");
    let mut ping = Process::start(&job(Role::Ping, case, to, dir));
    let p50: f64 = ping.hear("p50").parse().unwrap();
    let p99: f64 = ping.hear("p99").parse().unwrap();
    (p50 / 1e3, p99 / 1e3)
}

fn size_name(size: usize) -> String {
    match size {
        n if n >= 1 << 20 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} B"),
    }
}

pub(crate) fn all(options: &Options) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    if options.wants("throughput") {
        throughputs(options, dir);
    }
    if options.wants("trip") {
        trips(options, dir);
    }
    if options.wants("many") {
        many(options, dir);
    }
}

fn throughputs(options: &Options, dir: &str) {
    let contestants = options.contestants(&[
        Contestant::Native,
        Contestant::Engine,
        Contestant::ZeroMq,
        Contestant::LibZmq,
        Contestant::Raw,
    ]);
    println!(
        "throughput, messages a second (MB/s), median of {}",
        options.rounds
    );
    for transport in Transport::ALL {
        for (size, frames, count) in [
            (16, 1, 2_000_000),
            (16, 2, 1_500_000),
            (256, 1, 1_000_000),
            (256, 2, 1_000_000),
            (1 << 10, 1, 600_000),
            (1 << 10, 2, 600_000),
            (4 << 10, 1, 200_000),
            (4 << 10, 2, 200_000),
            (64 << 10, 1, 25_000),
            (64 << 10, 2, 25_000),
            (1 << 20, 1, 2_000),
            (1 << 20, 2, 2_000),
        ] {
            if !options.has(size) {
                continue;
            }
            let case = |contestant| Case {
                contestant,
                transport,
                size,
                frames,
                count: count / options.divide,
            };
            let mut rates = vec![Vec::new(); contestants.len()];
            for _ in 0..options.rounds {
                for (contestant, rates) in contestants.iter().zip(&mut rates) {
                    rates.push(throughput(case(*contestant), dir));
                }
            }
            print!("{} {:>7} x{frames}", transport.name(), size_name(size));
            for (contestant, rates) in contestants.iter().zip(rates) {
                let rate = median(rates);
                let mb = rate * size as f64 / 1e6;
                print!("  {} {rate:>9.0} ({mb:>5.0})", contestant.name());
            }
            println!();
        }
    }
}

fn trips(options: &Options, dir: &str) {
    let contestants = options.contestants(&[
        Contestant::Native,
        Contestant::Engine,
        Contestant::ZeroMq,
        Contestant::LibZmq,
        Contestant::LibZmqCurve,
        Contestant::Raw,
        Contestant::Tokio,
    ]);
    println!(
        "round trip, microseconds p50 / p99, median of {}",
        options.rounds
    );
    for transport in Transport::ALL {
        for size in [16, 1 << 10, 64 << 10] {
            if !options.has(size) {
                continue;
            }
            let case = |contestant| Case {
                contestant,
                transport,
                size,
                frames: 2,
                count: 20_000 / options.divide,
            };
            let mut trips = vec![(Vec::new(), Vec::new()); contestants.len()];
            for _ in 0..options.rounds {
                for (contestant, trips) in contestants.iter().zip(&mut trips) {
                    let (p50, p99) = round_trip(case(*contestant), dir);
                    trips.0.push(p50);
                    trips.1.push(p99);
                }
            }
            print!("{} {:>7}", transport.name(), size_name(size));
            for (contestant, (p50, p99)) in contestants.iter().zip(trips) {
                print!(
                    "  {} {:>5.1} / {:>5.1}",
                    contestant.name(),
                    median(p50),
                    median(p99)
                );
            }
            println!();
        }
    }
}

fn many(options: &Options, dir: &str) {
    println!("1,000 mailboxes to one inbox over tcp: bytes for each, fan-out a second");
    for contestant in options.contestants(&[Contestant::Native, Contestant::Engine]) {
        let case = |size| Case {
            contestant,
            transport: Transport::Tcp,
            size,
            frames: 2,
            count: 1000,
        };
        let listen = Case {
            count: usize::MAX,
            ..case(13)
        };
        let mut receiver = Process::start(&job(Role::Receive, listen, "-".into(), dir));
        let to = receiver.hear("ready");
        let pid = receiver.child.id() as usize;
        let mut sender = Process::start(&job(Role::Many, case(pid), to, dir));
        println!(
            "{}  mailbox {}  inbox's connection {}  fan-out {:.0}",
            contestant.name(),
            sender.hear("sender"),
            sender.hear("receiver"),
            sender.hear("fanout").parse::<f64>().unwrap(),
        );
    }
}
