//! Lines over a socket, each with a bound.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

use crate::input::{LONGEST, Line};

/// Lines from whatever bytes come from.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    input: BufReader<R>,
    /// What is there of the next line.
    begun: Vec<u8>,
    /// That line is too long, and the rest of it is passed over.
    passing: bool,
}

impl<R: tokio::io::AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            begun: Vec::new(),
            passing: false,
        }
    }

    /// The next line without its end; `None` at the end, and where nothing can
    /// be read any more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        next(&mut self.input, &mut self.begun, &mut self.passing, LONGEST).await
    }
}

async fn next(
    input: &mut (impl AsyncBufRead + Unpin),
    begun: &mut Vec<u8>,
    passing: &mut bool,
    longest: u64,
) -> Option<Line> {
    loop {
        let buffer = input.fill_buf().await.ok()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = buffer
            .get(..end.unwrap_or(buffer.len()))
            .unwrap_or_default();
        if begun.len().saturating_add(part.len()) as u64 > longest {
            *begun = Vec::new();
            *passing = true;
        }
        if !*passing {
            begun.extend_from_slice(part);
        }
        let (ended, used) = (buffer.is_empty(), end.map_or(part.len(), |at| at + 1));
        input.consume(used);
        if end.is_none() && !ended {
            continue;
        }
        if std::mem::take(passing) {
            return Some(Line::Unreadable("the line is too long: it was passed over"));
        }
        if ended && begun.is_empty() {
            return None;
        }
        if begun.last() == Some(&b'\r') {
            begun.pop();
        }
        return Some(match String::from_utf8(std::mem::take(begun)) {
            Ok(text) => Line::Text(text),
            Err(_) => Line::Unreadable("the line isn't UTF-8"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_where_they_end_and_cost_no_more_than_allowed() {
        let bytes: &[u8] = b"one\r\n\n12345678\n123456789\n\xff\nlast";
        // In pieces of one byte as well.
        for piece in [1, 100] {
            let mut input = BufReader::with_capacity(piece, bytes);
            let (mut begun, mut passing) = (Vec::new(), false);
            let mut lines = Vec::new();
            while let Some(line) = next(&mut input, &mut begun, &mut passing, 8).await {
                assert!(begun.capacity() <= 64);
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
