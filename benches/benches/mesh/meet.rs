//! How long it takes to meet, and to notice that somebody has gone, by us and by
//! pyre.

use zre::Link;

use crate::measure::child::wall_clock;
use crate::measure::figures::median;
use crate::measure::meet::{Meeting, clock, milliseconds, pause};
use crate::measure::plan::LINKS;
use crate::measure::process::MeasureError;
use crate::measure::task::free_port;
use crate::options::Options;
use crate::pyre::Pyre;
use crate::report::Report;

pub(crate) async fn discover(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    let times = options.amount.visits();
    report.section(&format!(
        "milliseconds from start() to Enter on both sides, of {times} newcomers"
    ));
    for link in LINKS {
        let meeting = Meeting {
            encrypted: false,
            link,
            visits: times,
            dir,
        };
        let mut samples = meeting.meet().await?;
        show(report, "discover", &link.to_string(), &mut samples);
    }
    if options.has("pyre") {
        match Pyre::new() {
            Ok(pyre) => pyre_discover(report, &pyre, times.min(5)).await?,
            Err(why) => report.note(&format!("pyre skipped: {why}")),
        }
    }
    Ok(())
}

async fn pyre_discover(report: &mut Report, pyre: &Pyre, times: usize) -> Result<(), MeasureError> {
    let mut samples = Vec::new();
    for _ in 0..times {
        let mut watcher = pyre.child(0, "watch", 0, 0, 0)?;
        watcher.hear("ready").await?;
        pause().await;
        let mut visitor = pyre.child(1, "visit", 0, 0, 0)?;
        let begin = clock(&mut visitor, "begin").await?;
        let entered = clock(&mut visitor, "enter").await?;
        let seen = entered.max(clock(&mut watcher, "enter").await?);
        samples.push(milliseconds(begin, seen));
    }
    show(report, "discover", "pyre tcp", &mut samples);
    Ok(())
}

fn show(report: &mut Report, what: &'static str, case: &str, samples: &mut [f64]) {
    samples.sort_by(f64::total_cmp);
    let last = samples.len() - 1;
    let figures = [
        ("median", median(samples), "ms"),
        ("best", samples[0], "ms"),
        ("worst", samples[last], "ms"),
    ];
    report.row(what, case, &figures, "");
}

pub(crate) async fn leave(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section("milliseconds until a peer's end is noticed");
    let times = options.amount.visits();
    for link in LINKS {
        let meeting = Meeting {
            encrypted: false,
            link,
            visits: times,
            dir,
        };
        let [mut stopped, mut killed] = meeting.leave().await?;
        show(report, "leave", &format!("{link} stop"), &mut stopped);
        // A process can't be killed in part.
        if !killed.is_empty() {
            show(report, "leave", &format!("{link} kill -9"), &mut killed);
        }
    }
    if !options.amount.quick {
        frozen(report, dir).await?;
    }
    Ok(())
}

/// Peers that stand still (SIGSTOP), all at once: the timers take half a minute.
async fn frozen(report: &mut Report, dir: &str) -> Result<(), MeasureError> {
    let meeting = Meeting {
        encrypted: false,
        link: Link::Tcp,
        visits: 5,
        dir,
    };
    let port = free_port()?;
    let mut watcher = meeting.start("watch", port)?;
    watcher.hear("ready").await?;
    // Each alone with the watcher would take minutes; but they know each other,
    // and what the watcher says of them is in the order of their freezing.
    let mut visitors = Vec::new();
    for _ in 0..meeting.visits {
        let mut visitor = meeting.start("visit", port)?;
        visitor.hear("enter").await?;
        watcher.hear("enter").await?;
        visitors.push(visitor);
    }
    let mut frozen = Vec::new();
    for visitor in &visitors {
        let pid = rustix::process::Pid::from_raw(visitor.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        frozen.push(wall_clock());
    }
    for (case, word) in [
        ("frozen, evasive", "evasive"),
        ("frozen, exit", "exit-expired"),
    ] {
        let mut samples = Vec::new();
        for from in &frozen {
            samples.push(milliseconds(*from, clock(&mut watcher, word).await?));
        }
        show(report, "leave", case, &mut samples);
    }
    Ok(())
}
