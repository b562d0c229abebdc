//! The whole node side by side with its rivals: whispers, round trips, shouts, fan-in,
//! discovery, leaving, many nodes at once, and how far runs are apart.
//!
//! `cargo bench --bench mesh`, with `-- --quick` for a rough look, `-- --what
//! whisper,trip,shout,senders,fan-in,discover,leave,mesh,crowd` for a part, `-- --what
//! spread` for the slowest of many runs (only if it is named), `-- --rounds N`, `-- --only
//! zre,libzmq` for some of the contestants, `-- --links tcp` and `-- --sizes 16,1024` for
//! whispers, round trips, shouts and fan-in, `-- --json` for other programs, `-- --svg DIR`
//! for plots, with `-- --from FILE,…` of what `--json` has written before.
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
mod fan;
#[path = "../links/libzmq.rs"]
mod libzmq;
#[path = "../../../crates/cli/src/bench/measure/mod.rs"]
mod measure;
mod meet;
#[path = "../links/memory.rs"]
mod memory;
mod options;
mod plot;
mod pyre;
#[path = "../links/raw.rs"]
mod raw;
mod report;
mod speed;
mod spread;
mod wide;
#[path = "../links/zeromq_bare.rs"]
mod zeromq_bare;

use std::process::ExitCode;

use case::{Contestant, Job};
use measure::process::MeasureError;
use measure::task::Task;
use options::Options;
use report::Report;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(job) = Job::from_args(&args) {
        rival(&job);
        return ExitCode::SUCCESS;
    }
    if let Some(task) = Task::of_this_process() {
        return match task.role() {
            "mesh" => measure::child::child(async move |told| wide::mesh(&task, told).await),
            _ => measure::perform(task),
        };
    }
    let options = Options::from_args(&args);
    if let (Some(files), Some(dir)) = (&options.from, &options.svg) {
        plot::all(&Report::read(files), dir);
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new(options.json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let measured = runtime.unwrap().block_on(measure(&options, &mut report));
    report.finish();
    if let Some(dir) = &options.svg {
        plot::all(&report, dir);
    }
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options, report: &mut Report) -> Result<(), MeasureError> {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    if options.wants("whisper") {
        speed::throughputs(options, report, dir).await?;
    }
    if options.names("spread") {
        spread::all(options, report, dir).await?;
    }
    if options.wants("trip") {
        speed::trips(options, report, dir).await?;
    }
    if options.wants("shout") {
        fan::shouts(options, report, dir).await?;
    }
    if options.wants("senders") {
        fan::senders(options, report, dir).await?;
    }
    if options.wants("fan-in") {
        fan::fan_in(options, report, dir).await?;
    }
    if options.wants("discover") {
        meet::discover(options, report, dir).await?;
    }
    if options.wants("leave") {
        meet::leave(options, report, dir).await?;
    }
    if options.wants("mesh") {
        wide::all(options, report, dir).await?;
    }
    if options.wants("crowd") {
        wide::crowd(options, report, dir).await?;
    }
    Ok(())
}

/// A rival's part of a measurement.
fn rival(job: &Job) {
    match job.case.contestant {
        Contestant::ZeroMq => zeromq_bare::work(job),
        Contestant::LibZmq | Contestant::LibZmqCurve => libzmq::work(job),
        Contestant::Raw => raw::work(job),
        Contestant::Tokio => raw::work_tokio(job),
        // Not here, and a program of their own.
        Contestant::Native | Contestant::Engine => {}
        Contestant::Zenoh | Contestant::ZenohExpress => {}
    }
}

/// Says something to the parent.
fn say(word: &str, value: impl std::fmt::Display) {
    measure::child::say(word, value).unwrap();
}

/// Says percentiles of round trips.
fn say_trips(samples: Vec<u64>) {
    measure::figures::say_trips(samples).unwrap();
}
