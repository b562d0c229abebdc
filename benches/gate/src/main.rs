//! Counts what the hot paths cost, and fails when that has grown.
//!
//! `cargo run --profile bench -p zre-gate --example gate` runs every case under valgrind, which counts
//! instructions and allocations, and compares them with `limits.tsv`. Nothing is
//! timed: on one machine the same program gives the same figures, however busy
//! that machine is. `-- --bless` writes the new figures down instead, `-- --only
//! whisper` looks at the cases that have this in their names.
//!
//! Each case does its work n times, and 2n times in a second run; the difference
//! is what n of them cost, without what comes before and after.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod cases;
mod codec;
mod limits;
mod machine;
mod node;
mod traffic;
mod valgrind;

use std::error::Error;
use std::process::ExitCode;

use cases::Case;
use limits::{Cost, Limits, Verdict};

/// What of this program's arguments it runs by itself, under valgrind.
const CASE: &str = "--case";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, name, count] = args.as_slice()
        && word == CASE
    {
        let case = Case::find(name).ok_or("no such case")?;
        (case.run)(count.parse()?);
        return Ok(ExitCode::SUCCESS);
    }
    let (mut bless, mut only) = (false, String::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bless" => bless = true,
            "--only" => only = args.next().ok_or("--only what?")?,
            other => return Err(format!("what is {other}? There are --bless and --only").into()),
        }
    }
    judge(bless, &only)
}

fn judge(bless: bool, only: &str) -> Result<ExitCode, Box<dyn Error>> {
    let limits = Limits::read()?;
    let mut found: Vec<(&str, Cost)> = Vec::new();
    for case in cases::all().filter(|case| case.name.contains(only)) {
        let cost = valgrind::cost(case).map_err(|error| error.to_string())?;
        found.push((case.name, cost));
    }
    let mesh = &node::MESH;
    if mesh.name.contains(only) {
        let cost = valgrind::memory(mesh).map_err(|error| error.to_string())?;
        found.push((mesh.name, cost));
    }
    found.extend(
        traffic::figures()?
            .into_iter()
            .filter(|(name, _)| name.contains(only)),
    );
    if found.is_empty() {
        return Err("no case has such a name".into());
    }
    println!(
        "{:<44} {:>12} {:>12} {:>7} {:>9} {:>9}",
        "", "cost", "limit", "", "allocs", "limit"
    );
    let mut worse = 0;
    let mut better = 0;
    for (name, cost) in &found {
        let limit = limits.of(name);
        let verdict = limits.judge(name, *cost);
        worse += usize::from(matches!(verdict, Verdict::Worse | Verdict::New));
        better += usize::from(matches!(verdict, Verdict::Better));
        println!(
            "{name:<44} {:>12} {:>12} {:>6.1}% {:>9} {:>9}  {verdict}",
            cost.work_shown(),
            limit.map_or("-".into(), |limit| limit.work_shown()),
            limit.map_or(0.0, |limit| (cost.work / limit.work - 1.0) * 100.0),
            cost.allocations_shown(),
            limit.map_or("-".into(), |limit| limit.allocations_shown()),
        );
    }
    if bless {
        limits.with(&found).write()?;
        println!("\nwritten to {}", limits::path().display());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(other) = limits.other_compiler() {
        println!("\nThe limits were counted with {other}: a wider tolerance holds.");
    }
    if worse == 0 {
        if better > 0 {
            println!(
                "\nSome of it has become cheaper. To keep it so: cargo run --profile bench -p zre-gate --example gate -- --bless"
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "\n{worse} of these cost more than they did (or are new). Find out why; where it is worth \
         it, write the new figures down with\n    cargo run --profile bench -p zre-gate --example gate -- --bless\nand \
         say in the commit what they buy."
    );
    Ok(ExitCode::FAILURE)
}
