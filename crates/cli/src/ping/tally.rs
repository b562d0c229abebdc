//! The results of PINGs, and their statistics.

use std::fmt::Write as _;

use serde::Serialize;
use zre::json::Member;

use crate::json;
use crate::text::shown;

/// The results of the PINGs to a peer.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) peer: Member,
    pub(super) sent: u64,
    /// The round trips, in milliseconds.
    pub(super) times: Times,
}

/// Statistics of times, without storing each time.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) count: u64,
    least: f64,
    most: f64,
    sum: f64,
    squares: f64,
}

/// A JSON line that complements [`zre::json::Line::Pong`].
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Ping"))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Line<'a> {
    Lost {
        #[serde(flatten)]
        peer: &'a Member,
        number: u64,
        why: &'a str,
    },
    Statistics {
        #[serde(flatten)]
        peer: &'a Member,
        sent: u64,
        answered: u64,
        min_ms: Option<f64>,
        avg_ms: Option<f64>,
        max_ms: Option<f64>,
        mdev_ms: Option<f64>,
    },
}

impl Tally {
    pub(super) fn new(peer: Member) -> Self {
        let (sent, times) = (0, Times::default());
        Self { peer, sent, times }
    }

    pub(super) fn tell(&self, as_json: bool, lines: &mut Vec<u8>) {
        let times = &self.times;
        let known = |value: f64| (times.count > 0).then_some(value);
        if as_json {
            let line = Line::Statistics {
                peer: &self.peer,
                sent: self.sent,
                answered: times.count,
                min_ms: known(times.least),
                avg_ms: known(times.mean()),
                max_ms: known(times.most),
                mdev_ms: known(times.deviation()),
            };
            return json::line(&line, lines);
        }
        let lost = self.sent.saturating_sub(times.count) * 100 / self.sent.max(1);
        let mut text = format!(
            "--- {} ({})\n{} sent, {} answered, {lost}% lost\n",
            shown(&self.peer.name),
            self.peer.uuid.simple(),
            self.sent,
            times.count
        );
        if times.count > 0 {
            let _ = writeln!(
                text,
                "round trip min/avg/max/mdev = {:.3}/{:.3}/{:.3}/{:.3} ms",
                times.least,
                times.mean(),
                times.most,
                times.deviation()
            );
        }
        lines.extend_from_slice(text.as_bytes());
    }
}

impl Times {
    pub(super) fn add(&mut self, ms: f64) {
        self.least = match self.count {
            0 => ms,
            _ => self.least.min(ms),
        };
        self.most = self.most.max(ms);
        self.sum += ms;
        self.squares += ms * ms;
        self.count += 1;
    }

    fn mean(&self) -> f64 {
        match self.count {
            0 => 0.0,
            #[allow(clippy::cast_precision_loss, reason = "there are never 2^53 answers")]
            count => self.sum / count as f64,
        }
    }

    /// The standard deviation.
    fn deviation(&self) -> f64 {
        let mean = self.mean();
        match self.count {
            0 => 0.0,
            #[allow(clippy::cast_precision_loss, reason = "there are never 2^53 answers")]
            count => (self.squares / count as f64 - mean * mean).max(0.0).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_times() {
        let mut times = Times::default();
        for ms in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            times.add(ms);
        }
        assert_eq!((times.least, times.most), (2.0, 9.0));
        assert!((times.mean() - 5.0).abs() < 1e-9);
        assert!((times.deviation() - 2.0).abs() < 1e-9);
        assert_eq!(Times::default().deviation(), 0.0);
    }
}
