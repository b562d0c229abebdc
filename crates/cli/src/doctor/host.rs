//! What the host itself may have wrong.

use std::time::{Duration, Instant};

use zre::Node;

use super::finding::Finding;

/// A host that lets a program wait so much longer than it asked for makes peers
/// look silent.
const STALL: Duration = Duration::from_secs(1);

/// The unix sockets for peers on the same host; none are wanted where `off`.
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
    let advice = "make the directory this user's own with mode 0700, or name another by --ipc";
    Finding::problem("ipc", why, advice)
}

/// Whether the host keeps time.
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
            format!("this host has slept for {slept:.0?} since it started; peers take a node that sleeps longer than --expired for gone, and meet it anew"),
        ));
    }
    findings
}

/// How long the host has slept since it started.
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
