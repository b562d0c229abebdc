//! Links side by side: this workspace's engine, the zeromq crate, libzmq and
//! bare sockets, between two processes on loopback.
//!
//! `cargo bench --bench links`, with `-- --quick` for a rough look,
//! `-- --only native,raw` for some of the contestants, `-- --rounds N`.
//!
//! Every figure is the median of interleaved rounds: each round runs every
//! contestant once, so that a noisy minute hits all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a program for measuring
#![allow(clippy::print_stdout)]

mod case;
mod libzmq;
mod links;
mod memory;
mod raw;
mod run;
mod zeromq_bare;

use case::{Contestant, Job};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(job) = Job::from_args(&args) {
        work(&job);
        return;
    }
    run::all(&run::Options::from_args(&args));
}

/// One child's part of a measurement.
fn work(job: &Job) {
    match job.case.contestant {
        Contestant::Native | Contestant::Engine => links::work(job),
        Contestant::ZeroMq => zeromq_bare::work(job),
        Contestant::LibZmq | Contestant::LibZmqCurve => libzmq::work(job),
        Contestant::Raw => raw::work(job),
        Contestant::Tokio => raw::work_tokio(job),
        // A program of their own, for `--bench mesh`.
        Contestant::Zenoh | Contestant::ZenohExpress => {}
    }
}

/// Says something to the parent.
fn say(word: &str, value: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word} {value}").unwrap();
    out.flush().unwrap();
}

/// Nanoseconds: median and 99th percentile of the second half of `samples`,
/// as the first warms up.
fn say_trips(mut samples: Vec<u64>) {
    samples.drain(..samples.len() / 2);
    samples.sort_unstable();
    let at = |p: usize| samples[(samples.len() - 1) * p / 100];
    say("p50", at(50));
    say("p99", at(99));
}
