//! What an examination brings to light.

use std::fmt::Write as _;

use serde::Serialize;

use crate::json;
use crate::paint::Paint;
use crate::text::shown;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; may be meant so.
    Note,
    /// Keeps nodes from meeting, or makes it harder.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "finding")]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What was looked at, in a word.
    pub(crate) check: &'static str,
    pub(crate) text: String,
    /// What to do about it.
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

    /// Appends it for a person or for a script.
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
