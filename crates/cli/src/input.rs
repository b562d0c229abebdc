//! Lines from standard input.

use std::io::{BufRead, Read};
use std::sync::mpsc as sync;

use tokio::sync::mpsc;

/// The longest line, in bytes: room for a message of the largest size in
/// base64, with all that is around it. A longer one is passed over.
pub(crate) const LONGEST: u64 = 96 << 20;

/// How many lines may wait for those before them to be carried out. Then
/// whoever writes them waits.
const AHEAD: usize = 64;

/// One line without its end.
#[derive(Debug)]
pub(crate) enum Line {
    /// What it says.
    Text(String),
    /// Why it says nothing.
    Unreadable(&'static str),
}

/// Lines that come.
#[derive(Debug)]
pub(crate) struct Lines {
    queue: mpsc::Receiver<Line>,
    /// Told before each line, where a line is read only when it is wanted.
    ready: Option<sync::Sender<()>>,
}

impl Lines {
    /// Lines that are read one by one, each when it is asked for.
    pub(crate) fn asked(queue: mpsc::Receiver<Line>, ready: sync::Sender<()>) -> Self {
        Self {
            queue,
            ready: Some(ready),
        }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn recv(&mut self) -> Option<Line> {
        if let Some(ready) = &self.ready {
            // Whoever isn't there any more has closed the queue as well.
            let _ = ready.send(());
        }
        self.queue.recv().await
    }
}

/// Reads standard input from now on. The lines end with the input.
///
/// The reading happens on a thread of its own: it can't be interrupted, and
/// must not keep the program from ending.
pub(crate) fn lines() -> std::io::Result<Lines> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut first = true;
            while let Some(mut line) = next(&mut input, LONGEST) {
                // Some editors begin a file with this mark.
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

/// The next line; `None` at the end, and where nothing can be read any more.
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
        pass_over(input).ok()?;
        return Some(Line::Unreadable("the line is too long: it was passed over"));
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(_) => Line::Unreadable("the line isn't UTF-8"),
    })
}

/// Reads up to the end of the line, and keeps nothing of it.
fn pass_over(input: &mut impl BufRead) -> std::io::Result<()> {
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
    fn lines_end_where_they_end() {
        assert_eq!(all(b"one\r\n\ntwo\nthree"), ["one", "", "two", "three"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn what_is_too_long_or_no_text_costs_one_line() {
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
