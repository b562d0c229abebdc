//! Bars, where a person looks at them.

use std::io::Write as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::{Output, Written};
use crate::text::shown;

/// On standard error, and only where that is a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Bars(MultiProgress);

impl Bars {
    pub(crate) fn new(wanted: bool) -> Self {
        let bars = MultiProgress::new();
        if !wanted {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self(bars)
    }

    /// Standard output, where lines don't tear the bars.
    pub(crate) fn output(&self) -> (Output, Written) {
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
    pub(crate) fn bytes(&self, what: &str, size: u64) -> ProgressBar {
        let template = "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes} \
                        {binary_bytes_per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::new(size)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(shown(what).into_owned());
        self.0.add(bar)
    }

    /// A bar for that many steps, each of which says what it is.
    pub(crate) fn steps(&self, count: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len}, {eta} left: {msg}");
        let bar = ProgressBar::new(count)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.0.add(bar)
    }
}
