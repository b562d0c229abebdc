//! How much slower than the median the slowest of many runs is.

use crate::measure::figures::median;
use crate::measure::plan::{LINKS, WHISPERS};
use crate::measure::process::MeasureError;
use crate::options::Options;
use crate::report::Report;
use crate::speed::{Measured, RIVALS, contestants};

/// Whispers of one frame. Without `--only`, of our nodes alone.
pub(crate) async fn all(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    let runs = options.runs();
    report.section(&format!(
        "whispers a second, median and slowest of {runs} runs, and their ratio"
    ));
    let rivals = match options.names_contestants() {
        true => &RIVALS[..],
        false => &[],
    };
    let mut all = contestants(options, report, rivals, None);
    all.retain(|who| options.names_contestants() || who.name() == "zre");
    for link in LINKS.into_iter().filter(|link| options.covers(*link)) {
        for size in options.sizes(&WHISPERS) {
            let measured = Measured {
                link,
                size,
                frames: 1,
                count: options.amount.whispers(link, size),
                dir,
            };
            let who: Vec<_> = all.iter().filter(|w| w.plays(link, size, 1)).collect();
            let rates = measured.throughputs(&who, runs).await?;
            let mut named = Vec::new();
            let mut ratios = String::new();
            for (who, rates) in who.iter().zip(&rates) {
                let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
                let median = median(rates);
                named.push((who.name().to_owned(), median));
                named.push((format!("{} slowest", who.name()), slowest));
                ratios.push_str(&format!("  {} {:.2}", who.name(), slowest / median));
            }
            let figures: Vec<_> = named
                .iter()
                .map(|(name, value)| (name.as_str(), *value, "/s"))
                .collect();
            report.row("spread", &measured.name(), &figures, &ratios);
        }
    }
    Ok(())
}
