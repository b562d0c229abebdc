//! Shouts to many receivers, which live together in one process.

use crate::measure::figures::{median, size_name};
use crate::measure::plan::{LINKS, RECEIVERS, SHOUTS};
use crate::measure::process::MeasureError;
use crate::measure::shout::Shouts;
use crate::options::Options;
use crate::report::Report;

pub(crate) async fn all(
    options: &Options,
    report: &mut Report,
    dir: &str,
) -> Result<(), MeasureError> {
    report.section(&format!(
        "shouts: deliveries a second to all receivers together, median of {}",
        options.rounds
    ));
    for size in SHOUTS {
        for receivers in RECEIVERS {
            let mut rates = LINKS.map(|link| (link, Vec::new()));
            for _ in 0..options.rounds {
                for (link, rates) in &mut rates {
                    let shouts = Shouts {
                        encrypted: false,
                        link: *link,
                        size,
                        receivers,
                        deliveries: options.amount.deliveries(size),
                        dir,
                    };
                    rates.push(shouts.rate().await?);
                }
            }
            let figures = rates.map(|(link, rates)| (link.to_string(), median(&rates), "/s"));
            let figures: Vec<_> = figures
                .iter()
                .map(|(n, v, u)| (n.as_str(), *v, *u))
                .collect();
            let case = format!("{} to {receivers}", size_name(size));
            report.row("shout", &case, &figures, "");
        }
    }
    Ok(())
}
