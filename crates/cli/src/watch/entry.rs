//! The line being typed at the bottom of the screen.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The longest line in bytes, which is enough for typing by hand.
const LONGEST: usize = 4096;

/// The text and the position of the cursor.
#[derive(Debug, Default)]
pub(super) struct Entry {
    text: String,
    /// In bytes, at the boundary of a character.
    cursor: usize,
}

impl Entry {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            cursor: text.len(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor and the text after it.
    pub(super) fn halves(&self) -> (&str, &str) {
        self.text.split_at_checked(self.cursor).unwrap_or_default()
    }

    /// Inserts text at the cursor, without control characters.
    pub(super) fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() + c.len_utf8() <= LONGEST {
                self.text.insert(self.cursor, c);
                self.cursor += c.len_utf8();
            }
        }
    }

    /// Handles an editing key, as most programs do.
    pub(super) fn press(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => {
                let (before, _) = self.halves();
                let kept = before.trim_end();
                let from = kept.rfind(' ').map_or(0, |at| at + 1);
                self.text.drain(from..self.cursor);
                self.cursor = from;
            }
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Backspace => {
                if let Some(c) = self.halves().0.chars().next_back() {
                    self.cursor -= c.len_utf8();
                    self.text.remove(self.cursor);
                }
            }
            KeyCode::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            KeyCode::Left => {
                let before = self.halves().0.chars().next_back();
                self.cursor -= before.map_or(0, char::len_utf8);
            }
            KeyCode::Right => {
                let behind = self.halves().1.chars().next();
                self.cursor += behind.map_or(0, char::len_utf8);
            }
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited() {
        let mut entry = Entry::new("grüße");
        let press = |entry: &mut Entry, code, modifiers| {
            entry.press(KeyEvent::new(code, modifiers));
        };
        let none = KeyModifiers::NONE;
        press(&mut entry, KeyCode::Left, none);
        press(&mut entry, KeyCode::Backspace, none);
        assert_eq!(entry.halves(), ("grü", "e"));
        entry.insert("n\n\u{1b}");
        press(&mut entry, KeyCode::Char('!'), none);
        assert_eq!(entry.text(), "grün!e");
        press(&mut entry, KeyCode::Delete, none);
        press(&mut entry, KeyCode::Delete, none);
        press(&mut entry, KeyCode::Right, none);
        entry.insert(" two");
        press(&mut entry, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(entry.text(), "grün! ");
        press(&mut entry, KeyCode::Home, none);
        press(&mut entry, KeyCode::Left, none);
        press(&mut entry, KeyCode::Backspace, none);
        entry.insert("x");
        assert_eq!(entry.text(), "xgrün! ");
        press(&mut entry, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(entry.text(), "grün! ");
        entry.insert(&"y".repeat(2 * LONGEST));
        assert_eq!(entry.text().len(), LONGEST);
    }
}
