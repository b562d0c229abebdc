//! The messages that a command sends.

use crate::failure::Failure;
use crate::input::{self, Line, Lines};

/// The messages, one after the other.
#[derive(Debug)]
pub(crate) struct Texts {
    source: Source,
    /// Whether there was a message.
    any: bool,
}

#[derive(Debug)]
enum Source {
    Words(Option<String>),
    Lines(Lines),
}

impl Texts {
    /// Joins the words to one message; without words, takes each line of standard
    /// input as a message.
    pub(crate) fn of(words: &[String]) -> Result<Self, Failure> {
        let source = match words {
            [] => Source::Lines(input::lines().map_err(Failure::System)?),
            words => Source::Words(Some(words.join(" "))),
        };
        let any = false;
        Ok(Self { source, any })
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// There was no message, or a line can't be read.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        let next = match &mut self.source {
            Source::Words(words) => words.take(),
            Source::Lines(lines) => match lines.recv().await {
                None => None,
                Some(Line::Text(text)) => Some(text),
                Some(Line::Unreadable(why)) => return Err(Failure::Input(why)),
            },
        };
        if next.is_none() && !self.any {
            return Err(Failure::NoMessage);
        }
        self.any = true;
        Ok(next)
    }
}
