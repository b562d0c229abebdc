//! Many nodes at once: how long until everybody knows everybody, and what that
//! costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use zre::{Event, Link};

use crate::options::Options;
use crate::process::Process;
use crate::report::{Report, median};
use crate::task::{Task, free_port, told, wall_clock};
use crate::{memory, say};

pub(crate) fn all(options: &Options, report: &mut Report, dir: &str) {
    report.section(&format!(
        "nodes that all know each other, medians of {}: time, and what a node costs",
        options.rounds
    ));
    for nodes in &options.nodes {
        // In one process, in memory.
        rows(report, options, *nodes, 1, Link::Inproc, dir);
    }
    let four = if options.quick { 40 } else { 200 };
    rows(report, options, four, 4, Link::Ipc, dir);
}

fn rows(
    report: &mut Report,
    options: &Options,
    nodes: usize,
    processes: usize,
    link: Link,
    dir: &str,
) {
    let mut all: [Vec<f64>; 4] = Default::default();
    for _ in 0..options.rounds {
        let figures = once(nodes, processes, link, options.quick, dir);
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
}

/// Seconds, bytes, descriptors, share of a core.
fn once(nodes: usize, processes: usize, link: Link, quick: bool, dir: &str) -> [f64; 4] {
    let port = free_port();
    let task = Task::new("mesh", link, dir)
        .with("port", port)
        .with("nodes", nodes / processes)
        .with("all", nodes);
    let mut children: Vec<Process> = (0..processes)
        .map(|_| Process::ourselves(&task.to_args()))
        .collect();
    let before: Vec<u64> = children
        .iter_mut()
        .map(|child| {
            child.hear("ready");
            memory::resident(child.id())
        })
        .collect();
    let start = wall_clock();
    for child in &mut children {
        child.tell("go");
    }
    let meshed = children
        .iter_mut()
        .map(|child| child.hear("meshed").parse::<u128>().unwrap())
        .max();
    let seconds = meshed.unwrap().saturating_sub(start) as f64 / 1e9;
    // Whatever it does once, it has done by then.
    std::thread::sleep(Duration::from_secs(if quick { 3 } else { 12 }));
    let idle = Duration::from_secs(if quick { 3 } else { 10 });
    let cpu = |children: &[Process]| children.iter().map(|c| cpu_seconds(c.id())).sum::<f64>();
    let cpu_before = cpu(&children);
    std::thread::sleep(idle);
    let cpu_share = (cpu(&children) - cpu_before) / idle.as_secs_f64();
    let bytes: u64 = children
        .iter()
        .zip(before)
        .map(|(child, before)| memory::resident(child.id()).saturating_sub(before))
        .sum();
    let files: usize = children.iter().map(|child| descriptors(child.id())).sum();
    [seconds, bytes as f64, files as f64, cpu_share]
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
pub(crate) async fn mesh(task: &Task) {
    raise_descriptors();
    say("ready", "-");
    told().await;
    let (count, all) = (task.number("nodes"), task.number("all"));
    let expected = count * (all - 1);
    let (seen, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut nodes = Vec::with_capacity(count);
    for i in 0..count {
        // Neighbours in a process meet in memory whatever carries the rest.
        let builder = task.builder(&format!("node {i}")).inproc(true);
        let (node, mut events) = builder.start().await.unwrap();
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
    std::future::pending::<()>().await;
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
