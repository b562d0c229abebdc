//! Many nodes at once: how long until all know each other, and what that
//! costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use zre::{Event, Link};

use crate::measure::child::{ParentLines, TaskError, wall_clock};
use crate::measure::figures::median;
use crate::measure::meet::{clock, milliseconds};
use crate::measure::process::{MeasureError, Process};
use crate::measure::task::{Task, free_port};
use crate::options::Options;
use crate::report::Report;
use crate::{memory, say};

pub(crate) async fn all(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "nodes that all know each other, medians of {}: time, and what a node costs",
        options.rounds
    ));
    let pause = Duration::from_secs(if options.amount.quick { 3 } else { 12 });
    for nodes in &options.nodes {
        // In one process, in memory.
        rows(report, options, (*nodes, 1), Link::Inproc, pause, dir).await?;
    }
    let four = if options.amount.quick { 40 } else { 200 };
    rows(report, options, (four, 4), Link::Ipc, pause, dir).await
}

/// Each node is a process of its own, as programs are that people run.
pub(crate) async fn crowd(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "processes of one node that all know each other, medians of {}",
        options.rounds
    ));
    // Until no node repeats its news any more.
    let pause = Duration::from_secs(if options.amount.quick { 20 } else { 120 });
    for nodes in &options.crowds {
        rows(report, options, (*nodes, *nodes), Link::Ipc, pause, dir).await?;
    }
    Ok(())
}

async fn rows(
    report: &mut Report,
    options: &Options,
    (nodes, processes): (usize, usize),
    link: Link,
    pause: Duration,
    dir: &str,
) -> Result<(), MeasureError> {
    let mut all: [Vec<f64>; 4] = Default::default();
    let idle = Duration::from_secs(if options.amount.quick { 3 } else { 10 });
    for _ in 0..options.rounds {
        let figures = once(nodes, processes, link, (pause, idle), dir).await?;
        for (all, one) in all.iter_mut().zip(figures) {
            all.push(one);
        }
    }
    let [seconds, bytes, files, cpu] = all.map(|all| median(&all));
    let case = match processes {
        1 => format!("{nodes} {link}"),
        n => format!("{nodes} in {n} {link}"),
    };
    let figures = [
        ("mesh", seconds, "s"),
        ("memory", bytes / 1e6 / nodes as f64, "MB a node"),
        ("in all", bytes / 1e6, "MB"),
        ("descriptors", files / nodes as f64, "a node"),
        ("idle", cpu * 100.0, "% of a core"),
    ];
    report.row("mesh", &case, &figures, "");
    Ok(())
}

/// Seconds, bytes, descriptors, share of a core: the last three after a pause, the share over
/// that time.
async fn once(
    nodes: usize,
    processes: usize,
    link: Link,
    (pause, idle): (Duration, Duration),
    dir: &str,
) -> Result<[f64; 4], MeasureError> {
    let task = Task::new("mesh", link, dir)
        .with("port", free_port()?)
        .with("nodes", nodes / processes)
        .with("all", nodes);
    let mut children = Vec::new();
    let mut before = Vec::new();
    for _ in 0..processes {
        children.push(Process::of(&task)?);
    }
    for child in &mut children {
        child.hear("ready").await?;
        before.push(memory::resident(child.id()));
    }
    let start = wall_clock();
    for child in &mut children {
        child.tell("go");
    }
    let mut meshed = 0;
    for child in &mut children {
        meshed = meshed.max(clock(child, "meshed").await?);
    }
    let seconds = milliseconds(start, meshed) / 1e3;
    // Whatever it does once, it has done by then.
    tokio::time::sleep(pause).await;
    let cpu = |children: &[Process]| children.iter().map(|c| cpu_seconds(c.id())).sum::<f64>();
    let cpu_before = cpu(&children);
    tokio::time::sleep(idle).await;
    let cpu_share = (cpu(&children) - cpu_before) / idle.as_secs_f64();
    let bytes: u64 = children
        .iter()
        .zip(before)
        .map(|(child, before)| memory::resident(child.id()).saturating_sub(before))
        .sum();
    let files: usize = children.iter().map(|child| descriptors(child.id())).sum();
    Ok([seconds, bytes as f64, files as f64, cpu_share])
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// What a process has used of all processors so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name in parentheses: the state is the first, utime the 12th.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / rustix::param::clock_ticks_per_second() as f64
}

/// A process with some of the nodes. They stay until the process is ended.
pub(crate) async fn mesh(task: &Task, mut parent: ParentLines) -> Result<(), TaskError> {
    raise_descriptors();
    say("ready", "-");
    parent.recv().await;
    let (count, all) = (task.number("nodes")?, task.number("all")?);
    let expected = count * (all - 1);
    let (seen, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut nodes = Vec::with_capacity(count);
    for i in 0..count {
        // Neighbours in a process meet in memory whatever carries the rest.
        let builder = task.builder(&format!("node {i}"))?.inproc(true);
        let (node, mut events) = builder.start().await?;
        nodes.push(node);
        let (seen, done) = (Arc::clone(&seen), Arc::clone(&done));
        let link = task.link();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Enter { peer } => {
                        assert!([link, Link::Inproc].contains(&peer.link()));
                        if seen.fetch_add(1, Ordering::AcqRel) + 1 == expected {
                            done.notify_one();
                        }
                    }
                    // At the end the processes go one after the other.
                    Event::Exit { peer, reason, .. } if seen.load(Ordering::Acquire) < expected => {
                        panic!("{peer} has gone: {reason}")
                    }
                    _ => {}
                }
            }
        });
    }
    done.notified().await;
    say("meshed", wall_clock());
    std::future::pending().await
}

/// As many as we may have.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, all);
}
