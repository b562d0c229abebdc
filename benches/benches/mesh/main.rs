//! The whole node side by side with its rivals: whispers, round trips, shouts,
//! discovery, leaving, and many nodes at once.
//!
//! `cargo bench --bench mesh`, with `-- --quick` for a rough look, `-- --what
//! whisper,trip,discover,leave,shout,mesh` for a part, `-- --rounds N`, `--
//! --only zre,libzmq` for some of the contestants, `-- --json` for other
//! programs, `-- --svg DIR` for plots, with `-- --from FILE,…` of what `--json`
//! has written before.
//!
//! Nothing leaves the host: our nodes use the loopback interface, and pyre,
//! which refuses that, runs in two network namespaces made for it.
//!
//! Every figure is the median of interleaved rounds: each round runs every
//! contestant once, so that a noisy minute hits all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a program for measuring
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../links/case.rs"]
mod case;
#[path = "../links/libzmq.rs"]
mod libzmq;
mod meet;
#[path = "../links/memory.rs"]
mod memory;
mod options;
mod plot;
mod process;
mod pyre;
#[path = "../links/raw.rs"]
mod raw;
mod report;
mod shout;
mod speed;
mod task;
mod whisper;
mod wide;
#[path = "../links/zeromq_bare.rs"]
mod zeromq_bare;

use case::{Contestant, Job};
use options::Options;
use report::Report;
use task::Task;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(job) = Job::from_args(&args) {
        rival(&job);
        return;
    }
    if let Some(task) = Task::from_args(&args) {
        task.run();
        return;
    }
    let options = Options::from_args(&args);
    if let (Some(files), Some(dir)) = (&options.from, &options.svg) {
        plot::all(&Report::read(files), dir);
        return;
    }
    let mut report = Report::new(options.json);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    if options.wants("whisper") {
        speed::throughputs(&options, &mut report, dir);
    }
    if options.wants("trip") {
        speed::trips(&options, &mut report, dir);
    }
    if options.wants("shout") {
        shout::all(&options, &mut report, dir);
    }
    if options.wants("discover") {
        meet::discover(&options, &mut report, dir);
    }
    if options.wants("leave") {
        meet::leave(&options, &mut report, dir);
    }
    if options.wants("mesh") {
        wide::all(&options, &mut report, dir);
    }
    report.finish();
    if let Some(dir) = &options.svg {
        plot::all(&report, dir);
    }
}

/// A rival's part of a measurement.
fn rival(job: &Job) {
    match job.case.contestant {
        Contestant::ZeroMq => zeromq_bare::work(job),
        Contestant::LibZmq => libzmq::work(job),
        Contestant::Raw => raw::work(job),
        Contestant::Tokio => raw::work_tokio(job),
        Contestant::Native | Contestant::Engine => {}
    }
}

/// Says something to the parent.
fn say(word: &str, value: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word} {value}").unwrap();
    out.flush().unwrap();
}

/// Nanoseconds: percentiles of the second half of `samples`, as the first
/// warms up.
fn say_trips(mut samples: Vec<u64>) {
    samples.drain(..samples.len() / 2);
    samples.sort_unstable();
    let at = |per_mille: usize| samples[(samples.len() - 1) * per_mille / 1000];
    say("p50", at(500));
    say("p99", at(990));
    say("p99.9", at(999));
}
