//! Shouts to many nodes, and whispers from many tasks or nodes to one.

use zre::Link;

use crate::measure::fan_in::FanIn;
use crate::measure::figures::{median, size_name};
use crate::measure::plan::{CONVERGING, LINKS, NODES, RECEIVERS, SENDERS, SHOUTS};
use crate::measure::process::MeasureError;
use crate::measure::shout::Shouts;
use crate::measure::whisper::Whispers;
use crate::options::Options;
use crate::report::Report;

/// The cases of a measurement. In each, the links take turns.
struct Cases<'a> {
    what: &'static str,
    sizes: &'a [usize],
    /// Between the size and the number, in the name of a case.
    word: &'static str,
    numbers: [usize; 4],
}

/// To receivers that live together in one process.
pub(crate) async fn shouts(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "shouts: deliveries a second to all receivers together, median of {}",
        options.rounds
    ));
    let cases = Cases {
        what: "shout",
        sizes: &SHOUTS,
        word: "to",
        numbers: RECEIVERS,
    };
    let rate = async |link, size, receivers| {
        let shouts = Shouts {
            encrypted: false,
            link,
            size,
            receivers,
            deliveries: options.amount.deliveries(link, size),
            dir,
        };
        shouts.rate().await
    };
    rows(options, report, cases, rate).await
}

/// From several tasks of one node to one peer.
pub(crate) async fn senders(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "whispers a second from several tasks to one peer, median of {}",
        options.rounds
    ));
    let cases = Cases {
        what: "senders",
        sizes: &CONVERGING,
        word: "from",
        numbers: SENDERS,
    };
    let rate = async |link, size, senders| {
        let whispers = Whispers {
            link,
            engine: "native",
            size,
            frames: 1,
            senders,
            count: options.amount.whispers(link, size),
            encrypted: false,
            dir,
        };
        whispers.rate().await
    };
    rows(options, report, cases, rate).await
}

/// From several nodes, which live together in one process, to one.
pub(crate) async fn fan_in(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "whispers a second from several nodes to one, median of {}",
        options.rounds
    ));
    let cases = Cases {
        what: "fan-in",
        sizes: &CONVERGING,
        word: "from",
        numbers: NODES,
    };
    let rate = async |link, size, nodes| {
        let fan_in = FanIn {
            link,
            size,
            nodes,
            count: options.amount.whispers(link, size),
            encrypted: false,
            dir,
        };
        fan_in.rate().await
    };
    rows(options, report, cases, rate).await
}

async fn rows(
    options: &Options,
    report: &mut Report,
    cases: Cases<'_>,
    rate: impl AsyncFn(Link, usize, usize) -> Result<f64, MeasureError>,
) -> Result<(), MeasureError> {
    let links = LINKS.into_iter().filter(|link| options.covers(*link));
    let links: Vec<_> = links.map(|link| (link, link.to_string())).collect();
    for size in options.sizes(cases.sizes) {
        for number in cases.numbers {
            let mut rates = vec![Vec::new(); links.len()];
            for _ in 0..options.rounds {
                for ((link, _), rates) in links.iter().zip(&mut rates) {
                    rates.push(rate(*link, size, number).await?);
                }
            }
            let figures = links.iter().zip(&rates);
            let figures: Vec<_> = figures
                .map(|((_, name), rates)| (name.as_str(), median(rates), "/s"))
                .collect();
            let case = format!("{} {} {number}", size_name(size), cases.word);
            report.row(cases.what, &case, &figures, "");
        }
    }
    Ok(())
}
