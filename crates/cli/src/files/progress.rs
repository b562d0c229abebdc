//! Bars, where a person looks at them.

use std::io::Write as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::amount;
use crate::output::{Output, Written};
use crate::text::shown;

/// On standard error, and only where that is a terminal.
#[derive(Clone, Debug)]
pub(super) struct Bars(MultiProgress);

impl Bars {
    pub(super) fn new(wanted: bool) -> Self {
        let bars = MultiProgress::new();
        if !wanted {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self(bars)
    }

    /// Standard output, where lines don't tear the bars.
    pub(super) fn output(&self) -> std::io::Result<(Output, Written)> {
        let bars = self.0.clone();
        Output::to(move |lines| {
            bars.suspend(|| {
                let mut output = std::io::stdout().lock();
                output.write_all(lines)?;
                output.flush()
            })
        })
    }

    /// A bar for that many bytes.
    pub(super) fn bytes(&self, what: &str, size: u64) -> ProgressBar {
        let template = "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes} \
                        {binary_bytes_per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(size)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(shown(what).into_owned());
        self.0.add(bar)
    }
}

/// How much came how fast.
pub(super) fn speed(bytes: u64, time: std::time::Duration) -> String {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is for people"
    )]
    let rate = (bytes as f64 / time.as_secs_f64().max(1e-6)) as u64;
    format!("{:.1} s, {}/s", time.as_secs_f64(), amount(rate))
}
