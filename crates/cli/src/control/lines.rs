//! Lines over a socket, with a maximum length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

use crate::input::{LONGEST, Line};

/// Splits a byte stream into lines.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    input: BufReader<R>,
    /// The received part of the next line.
    partial: Vec<u8>,
    /// The line is too long, and its rest is skipped.
    skipping: bool,
}

impl<R: tokio::io::AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            partial: Vec::new(),
            skipping: false,
        }
    }

    /// The next line without its line break; `None` at the end and after a read
    /// error.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        next(
            &mut self.input,
            &mut self.partial,
            &mut self.skipping,
            LONGEST,
        )
        .await
    }
}

async fn next(
    input: &mut (impl AsyncBufRead + Unpin),
    partial: &mut Vec<u8>,
    skipping: &mut bool,
    longest: u64,
) -> Option<Line> {
    loop {
        let buffer = input.fill_buf().await.ok()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer
            .get(..end.unwrap_or(buffer.len()))
            .unwrap_or_default();
        if partial.len().saturating_add(part.len()) as u64 > longest {
            *partial = Vec::new();
            *skipping = true;
        }
        if !*skipping {
            partial.extend_from_slice(part);
        }
        let (ended, used) = (buffer.is_empty(), end.map_or(part.len(), |at| at + 1));
        input.consume(used);
        if end.is_none() && !ended {
            continue;
        }
        if std::mem::take(skipping) {
            return Some(Line::Unreadable("the line is too long: it was skipped"));
        }
        if ended && partial.is_empty() {
            return None;
        }
        if partial.last() == Some(&b'\r') {
            partial.pop();
        }
        return Some(match String::from_utf8(std::mem::take(partial)) {
            Ok(text) => Line::Text(text),
            Err(_) => Line::Unreadable("the line isn't UTF-8"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_at_line_breaks_and_use_bounded_memory() {
        let bytes: &[u8] = b"one\r\n\n12345678\n123456789\n\xff\nlast";
        // Also with reads of one byte.
        for capacity in [1, 100] {
            let mut input = BufReader::with_capacity(capacity, bytes);
            let (mut partial, mut skipping) = (Vec::new(), false);
            let mut lines = Vec::new();
            while let Some(line) = next(&mut input, &mut partial, &mut skipping, 8).await {
                assert!(partial.capacity() <= 64);
                lines.push(match line {
                    Line::Text(text) => text,
                    Line::Unreadable(why) => format!("<{why}>"),
                });
            }
            assert_eq!(lines[..3], ["one", "", "12345678"]);
            assert!(lines[3].contains("too long"));
            assert!(lines[4].contains("UTF-8"));
            assert_eq!(lines[5..], ["last"]);
        }
    }
}
