//! Text from the network, made safe to show to people.

use std::borrow::Cow;
use std::fmt::Write as _;

use zre::Message;

/// Whether a character would steer a terminal, break a line, turn the direction of the
/// text around it, or take no room: with one of the last, a name looks like another.
///
/// Of those that Unicode calls ignorable by default (UAX #44), joiners and variation
/// selectors are missing here, because emoji and some scripts need them.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether a character takes no room, but belongs to the one before it in emoji and in
/// some scripts.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The beginning of a key, by which people tell keys apart. It proves nothing: somebody
/// with enough computers can make a key that begins alike.
pub(crate) fn fingerprint(key: &str) -> &str {
    key.get(..8).unwrap_or(key)
}

/// The text with everything escaped that would steer a terminal or can't be seen, line
/// ends included. Joiners stay behind characters that aren't ASCII.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| steers(c) || joins(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(visible(text, |safe, c| {
        let _ = write!(safe, "{}", c.escape_default());
    }))
}

/// The text with something else in the place of what would steer a terminal or can't be
/// seen.
pub(crate) fn visible(text: &str, mut hidden: impl FnMut(&mut String, char)) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        if steers(c) || joins(c) && before.is_ascii() {
            hidden(&mut safe, c);
        } else {
            safe.push(c);
        }
        before = c;
    }
    safe
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
    fn what_cannot_be_seen_is_escaped() {
        let unseen = [
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{e0041}',
        ];
        for c in unseen {
            let name = format!("al{c}ice");
            assert_eq!(shown(&name), format!("al{}ice", c.escape_default()));
        }
        // Two people, joined; a heart in colour.
        for emoji in ["\u{1f468}\u{200d}\u{1f469}", "\u{2764}\u{fe0f}"] {
            assert_eq!(shown(emoji), emoji);
        }
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
