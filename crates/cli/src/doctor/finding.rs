//! The results of the checks.

use std::fmt::Write as _;

use serde::Serialize;

use crate::json;
use crate::paint::Paint;
use crate::text::shown;

/// The severity of a finding.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// The check passed.
    Ok,
    /// Information; it may be intended.
    Note,
    /// Prevents nodes from meeting, or delays it.
    Problem,
}

/// The result of one check.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "finding")]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// The name of the check.
    pub(crate) check: &'static str,
    pub(crate) text: String,
    /// The action that solves the problem.
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Ok, check, text.into(), None)
    }

    pub(crate) fn note(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Note, check, text.into(), None)
    }

    pub(crate) fn problem(
        check: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(Level::Problem, check, text.into(), Some(advice.into()))
    }

    fn new(level: Level, check: &'static str, text: String, advice: Option<String>) -> Self {
        Self {
            level,
            check,
            text,
            advice,
        }
    }

    /// Appends the finding as text or as a JSON line.
    pub(crate) fn write(&self, as_json: bool, lines: &mut Vec<u8>) {
        if as_json {
            return json::line(self, lines);
        }
        let level = match self.level {
            Level::Ok => Paint::Good.on("ok       "),
            Level::Note => Paint::Weak.on("note     "),
            Level::Problem => Paint::Bad.on("PROBLEM  "),
        };
        let mut line = format!("{level}{}: {}\n", self.check, shown(&self.text));
        if let Some(advice) = &self.advice {
            let _ = writeln!(line, "{:<9}-> {}", "", shown(advice));
        }
        lines.extend_from_slice(line.as_bytes());
    }
}
