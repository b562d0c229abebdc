//! Lines from standard input.

use std::io::{BufRead, Read};
use std::sync::mpsc as sync;

use tokio::sync::mpsc;

/// The maximum length of a line, in bytes: enough for a message of the largest
/// size in base64 and the JSON around it. A longer line is skipped.
pub(crate) const LONGEST: u64 = 96 << 20;

/// How many lines may wait until the lines before them are carried out. The
/// program that writes further lines has to wait.
const AHEAD: usize = 64;

/// One line without its end.
#[derive(Debug)]
pub(crate) enum Line {
    /// The text.
    Text(String),
    /// The reason why it can't be read.
    Unreadable(&'static str),
}

/// The lines of an input.
#[derive(Debug)]
pub(crate) struct Lines {
    queue: mpsc::Receiver<Line>,
    /// Notified before each line, if lines are read only on request.
    ready: Option<sync::Sender<()>>,
}

impl Lines {
    /// Lines that are read one by one, each on request.
    pub(crate) fn on_request(queue: mpsc::Receiver<Line>, ready: sync::Sender<()>) -> Self {
        Self {
            queue,
            ready: Some(ready),
        }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn recv(&mut self) -> Option<Line> {
        if let Some(ready) = &self.ready {
            // A reader that has ended has closed the queue too.
            let _ = ready.send(());
        }
        self.queue.recv().await
    }
}

/// Starts to read standard input. The lines end with the input.
///
/// A thread of its own reads, because reading can't be interrupted and must not
/// keep the program from ending.
pub(crate) fn lines() -> std::io::Result<Lines> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut first = true;
            while let Some(mut line) = next(&mut input, LONGEST) {
                // Some editors write a byte order mark at the start of a file.
                if let Line::Text(text) = &mut line
                    && std::mem::take(&mut first)
                    && text.starts_with('\u{feff}')
                {
                    text.remove(0);
                }
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        })?;
    Ok(Lines {
        queue: receiver,
        ready: None,
    })
}

/// The next line; `None` at the end of the input and after a read error.
fn next(input: &mut impl BufRead, longest: u64) -> Option<Line> {
    let mut bytes = Vec::new();
    let read = input
        .by_ref()
        .take(longest.saturating_add(1))
        .read_until(b'\n', &mut bytes)
        .ok()?;
    if read == 0 {
        return None;
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    } else if read as u64 > longest {
        drop(bytes);
        skip_line(input).ok()?;
        return Some(Line::Unreadable("the line is too long: it was skipped"));
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(_) => Line::Unreadable("the line isn't UTF-8"),
    })
}

/// Reads to the end of the line and discards it.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |index| index + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| next(&mut input, 8))
            .map(|line| match line {
                Line::Text(text) => text,
                Line::Unreadable(why) => format!("<{why}>"),
            })
            .collect()
    }

    #[test]
    fn lines_end_at_line_breaks() {
        assert_eq!(all(b"one\r\n\ntwo\nthree"), ["one", "", "two", "three"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_or_not_utf8_is_skipped_alone() {
        let lines = all(b"12345678\n123456789\nnext\n\xff\nlast\n1234567890");
        assert_eq!(lines[0], "12345678");
        assert!(lines[1].contains("too long"));
        assert_eq!(lines[2], "next");
        assert!(lines[3].contains("UTF-8"));
        assert_eq!(lines[4], "last");
        assert!(lines[5].contains("too long"));
        assert_eq!(lines.len(), 6);
    }
}
