//! Statistics of samples.

use super::child::say;

/// The median; the upper one if the number of samples is even. `NaN` without
/// samples.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The rate per second. If the clock didn't advance, its smallest step is taken as
/// the time.
pub(super) fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-9)
}

/// Reports percentiles, in nanoseconds, of the second half of `samples`; the first
/// half is a warm-up.
///
/// # Errors
/// The parent is gone.
pub(crate) fn say_trips(mut samples: Vec<u64>) -> std::io::Result<()> {
    samples.drain(..samples.len() / 2);
    samples.sort_unstable();
    for (word, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let at = samples.len().saturating_sub(1) * per_mille / 1000;
        say(word, samples.get(at).copied().unwrap_or_default())?;
    }
    Ok(())
}

pub(crate) fn size_name(size: usize) -> String {
    match size {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => format!("{n} B"),
    }
}
