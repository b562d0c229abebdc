//! Text from the network, made safe to show to people.

use std::borrow::Cow;
use std::fmt::Write as _;

use zre::Message;

/// Whether a character would steer a terminal, or turn the direction of the
/// text around it.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with everything escaped that would steer a terminal, line ends
/// included.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// The frames of a message, with ` | ` between them; a frame that isn't text
/// is shown by its size.
pub(crate) fn message(message: &Message) -> String {
    let frames: Vec<Cow<'_, str>> = message
        .frames()
        .iter()
        .map(|frame| match std::str::from_utf8(frame) {
            Ok(text) => shown(text),
            Err(_) => Cow::Owned(format!("({} bytes)", frame.len())),
        })
        .collect();
    frames.join(" | ")
}

/// Rows of cells, each column as wide as its widest cell; spaces in between.
pub(crate) fn columns(rows: &[Vec<String>], lines: &mut Vec<u8>) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(line, "{cell:<0$}  ", width(column));
        }
        lines.extend_from_slice(line.trim_end().as_bytes());
        lines.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(shown("Zoë says 你好"), "Zoë says 你好");
        assert_eq!(shown("\x1b[2Jx\r\n"), "\\u{1b}[2Jx\\r\\n");
        assert_eq!(shown("a\u{202e}b\u{9b}"), "a\\u{202e}b\\u{9b}");
    }

    #[test]
    fn frames_stand_side_by_side() {
        assert_eq!(message(&["one", "two"].into()), "one | two");
        let mixed = Message::from(vec![b"a".to_vec(), vec![0xff, 0xfe]]);
        assert_eq!(message(&mixed), "a | (2 bytes)");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let mut lines = Vec::new();
        columns(&[row(["a", "bc", "d"]), row(["äöü", "", ""])], &mut lines);
        assert_eq!(String::from_utf8(lines).unwrap(), "a    bc  d\näöü\n");
    }
}
