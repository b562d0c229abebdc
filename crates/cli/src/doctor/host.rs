//! Checks of the host itself.

use std::time::{Duration, Instant};

use zre::Node;

use super::finding::Finding;

/// If a host wakes a program later than this, peers look silent.
const STALL: Duration = Duration::from_secs(1);

/// Checks the unix sockets for peers on the same host, unless they are `off`.
pub(crate) fn ipc(node: &Node, off: bool) -> Finding {
    match node.ipc_path() {
        Ok(path) => Finding::ok(
            "ipc",
            format!("peers on this host may use {}", path.display()),
        ),
        Err(_) if off => Finding::note("ipc", "off: peers on this host are reached by tcp"),
        Err(why) if !cfg!(unix) => Finding::note(
            "ipc",
            format!("{why}: peers on this host are reached by tcp"),
        ),
        Err(why) => ipc_problem(&format!("{why}; peers on this host are reached by tcp")),
    }
}

pub(crate) fn ipc_problem(why: &str) -> Finding {
    let advice =
        "make this user the owner of the directory with mode 0700, or name another with --ipc";
    Finding::problem("ipc", why, advice)
}

/// Checks that the host wakes programs in time.
pub(crate) async fn clock() -> Vec<Finding> {
    let asked = Duration::from_millis(20);
    let begun = Instant::now();
    tokio::time::sleep(asked).await;
    let late = begun.elapsed().saturating_sub(asked);
    let mut findings = vec![match late > STALL {
        true => Finding::note(
            "clock",
            format!(
                "the host is so busy that a program wakes {late:.1?} too late: peers may look silent"
            ),
        ),
        false => Finding::ok("clock", format!("programs wake in time ({late:.1?} late)")),
    }];
    if let Some(slept) = slept().filter(|slept| *slept >= Duration::from_secs(1)) {
        findings.push(Finding::note(
            "clock",
            format!("this host has slept for {slept:.0?} since it started; if a node sleeps longer than --expired, its peers treat it as gone and meet it again"),
        ));
    }
    findings
}

/// A peer takes about so many file descriptors: a connection for each direction.
#[cfg(unix)]
const DESCRIPTORS_A_PEER: u64 = 2;

/// A node needs some descriptors for itself; a lower limit leaves too few for its peers.
#[cfg(unix)]
const FEW_DESCRIPTORS: u64 = 256;

/// How many peers the limit on open files allows. The program has raised its soft limit at
/// its start, therefore the hard limit counts.
#[cfg(unix)]
pub(crate) fn descriptors() -> Option<Finding> {
    use rustix::process::{Resource, getrlimit};

    let limit = getrlimit(Resource::Nofile);
    let hard = match limit.maximum {
        Some(hard) => hard.to_string(),
        None => "unlimited".to_owned(),
    };
    let Some(soft) = limit.current else {
        return Some(Finding::note(
            "descriptors",
            "a process may open any number of files: the limit doesn't restrict peers",
        ));
    };
    let peers = soft / DESCRIPTORS_A_PEER;
    let text = format!(
        "a process may open {soft} files (hard limit {hard}): enough for about {peers} peers, at \
         about {DESCRIPTORS_A_PEER} descriptors each"
    );
    Some(match soft < FEW_DESCRIPTORS {
        true => Finding::problem(
            "descriptors",
            text,
            "raise the hard limit: `ulimit -n 4096` as root in the shell that starts the node, \
             or LimitNOFILE=4096 in its systemd unit",
        ),
        false => Finding::note("descriptors", text),
    })
}

/// This system has no such limit.
#[cfg(not(unix))]
pub(crate) fn descriptors() -> Option<Finding> {
    None
}

/// The time that the host has slept since it started.
#[cfg(target_os = "linux")]
fn slept() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    let read = |clock| {
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).ok()?;
        Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
    };
    let monotonic = read(ClockId::Monotonic)?;
    Some(read(ClockId::Boottime)?.saturating_sub(monotonic))
}

#[cfg(not(target_os = "linux"))]
fn slept() -> Option<Duration> {
    None
}
