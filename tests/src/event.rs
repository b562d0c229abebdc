//! One line that a node said.

use std::fmt;
use std::time::Instant;

use serde_json::Value;

/// An event of `zre node --json`, and when its line arrived.
#[derive(Clone)]
pub struct Event {
    /// When the line was read.
    pub at: Instant,
    /// The whole object.
    pub json: Value,
}

impl Event {
    /// What kind of event it is.
    pub fn kind(&self) -> &str {
        self.text("event")
    }

    /// A field that holds text; empty where there is none.
    pub fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_default()
    }

    /// The frames of a whisper or shout, where all of them are text.
    pub fn frames(&self) -> Vec<&str> {
        self.json["frames"]
            .as_array()
            .map(|frames| frames.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.json.to_string();
        match line.char_indices().nth(300) {
            Some((cut, _)) => write!(f, "{}...", &line[..cut]),
            None => f.write_str(&line),
        }
    }
}
