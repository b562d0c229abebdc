//! Runs a simulated network of ZRE nodes and says what happened.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is what this program is for"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use zre_sim::{Options, Script, Weather, World};

/// N ZRE nodes in virtual time, with faults by a seed or by a script.
///
/// After the given time all faults end, the network gets time to settle, and what
/// must be true then is checked. A broken promise ends the run with status 1, its
/// seed, and a script that breaks it again.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many hosts there are.
    #[arg(long, default_value_t = 10)]
    nodes: usize,
    /// Simulated hours.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Simulated milliseconds, instead of hours. With them, faults go on at the
    /// end unless the script has its own `mend`.
    #[arg(long)]
    length_ms: Option<u64>,
    /// Checks what must be true of a settled network, although nothing was mended.
    #[arg(long, requires = "length_ms")]
    check: bool,
    /// After a broken promise, looks for a shorter script that breaks one.
    #[arg(long, conflicts_with = "length_ms")]
    shrink: bool,
    /// Everything that chance decides follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chance that a datagram is lost; links turn it into delay.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Chance that a datagram comes twice.
    #[arg(long, default_value_t = 0.02)]
    duplicate: f64,
    /// Chance that a datagram comes late.
    #[arg(long, default_value_t = 0.02)]
    late: f64,
    /// Over how long the starts are spread.
    #[arg(long, default_value_t = 1000)]
    stagger_ms: u64,
    /// Milliseconds between two actions of chance, on average; 0 for none.
    #[arg(long, default_value_t = 1000)]
    pace_ms: u64,
    /// How many peers a node dials at a time.
    #[arg(long, default_value_t = 256)]
    dials: usize,
    /// How many messages a mailbox holds.
    #[arg(long, default_value_t = 2000)]
    mailbox: usize,
    /// How many of the hosts, the last ones, run another implementation.
    #[arg(long, default_value_t = 0)]
    legacy: usize,
    /// Those wrap 65534 to 0, as pyre does.
    #[arg(long)]
    short_wrap: bool,
    /// A handshake tells a dialler whom it has reached.
    #[arg(long)]
    names: bool,
    /// No beacons: nodes meet only by `found`.
    #[arg(long)]
    no_beacons: bool,
    /// Each process that starts is told the addresses of all other hosts.
    #[arg(long)]
    addresses: bool,
    /// Prints what is done, said and told.
    #[arg(long)]
    log: bool,
    /// What is done, instead of chance: lines like `12.5 whisper 0 3 10`.
    #[arg(long)]
    script: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let length = match arguments.length_ms {
        Some(milliseconds) => Duration::from_millis(milliseconds),
        None => Duration::try_from_secs_f64(arguments.hours * 3600.0)?,
    };
    let mut options = Options::new(arguments.nodes, arguments.seed);
    options.weather = Weather {
        loss: arguments.loss,
        duplicate: arguments.duplicate,
        late: arguments.late,
        ..Weather::default()
    };
    options.stagger = Duration::from_millis(arguments.stagger_ms);
    options.dials = arguments.dials;
    options.mailbox = arguments.mailbox;
    options.names = arguments.names;
    options.beacons = !arguments.no_beacons;
    options.addresses = arguments.addresses;
    options.legacy = arguments.legacy;
    options.short_wrap = arguments.short_wrap;
    options.log = arguments.log;
    options.script = match &arguments.script {
        Some(path) => std::fs::read_to_string(path)?.parse()?,
        None if arguments.pace_ms == 0 => Script::default(),
        None => Script::random(
            &mut fastrand::Rng::with_seed(arguments.seed ^ SCRIPT),
            arguments.nodes,
            length,
            Duration::from_millis(arguments.pace_ms),
        ),
    };
    let begun = Instant::now();
    let mut world = World::new(options.clone());
    let mut outcome = world.run(length);
    if outcome.is_ok() && arguments.length_ms.is_none() {
        outcome = world.settle();
    } else if outcome.is_ok() && arguments.check {
        outcome = world.check_whole().and_then(|()| world.check_ledgers());
    }
    for line in world.log() {
        println!("{line}");
    }
    println!("{}", world.report());
    println!("{:<11} {:.3} s", "took", begun.elapsed().as_secs_f64());
    if let Err(violation) = outcome {
        let shorter = arguments
            .shrink
            .then(|| World::shrink(&options, length))
            .flatten();
        return Err(shorter.unwrap_or(violation).into());
    }
    if arguments.length_ms.is_none() || arguments.check {
        println!(
            "settled     all know all, agree on groups and states, and nothing was lost silently"
        );
    }
    Ok(())
}

/// The script's chances are not those of the network.
const SCRIPT: u64 = 0x5c21_97e0_0d5e_ed00;
