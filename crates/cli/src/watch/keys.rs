//! Handles keys.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use zre::json::Command;

use super::board::{Aim, Board, Notice, Typing};
use super::entry::Entry;
use super::screen::Input;

/// What a key asks for, other than a change of the screen.
#[derive(Debug)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Say(Command),
}

/// How many peers Page Up and Page Down skip.
const PAGE: isize = 10;

impl Board {
    pub(super) fn press(&mut self, input: Input) -> Wish {
        match input {
            Input::Resize => Wish::Nothing,
            Input::Paste(text) => {
                if let Some(typing) = &mut self.typing {
                    typing.entry.insert(&text);
                    self.typed();
                }
                Wish::Nothing
            }
            Input::Key(key) => {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                if control && matches!(key.code, KeyCode::Char('c')) {
                    return Wish::Quit;
                }
                match self.typing {
                    Some(_) => self.type_key(key),
                    None => self.command_key(key),
                }
            }
        }
    }

    fn command_key(&mut self, key: KeyEvent) -> Wish {
        self.notice = None;
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::PageUp => self.choose(-PAGE),
            KeyCode::PageDown => self.choose(PAGE),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('/') => {
                let filter = self.filter.clone();
                self.begin(Aim::Filter, &filter);
            }
            KeyCode::Char('w') => match self.target() {
                Some(row) => {
                    let peer = row.peer.uuid.simple().to_string();
                    let name = row.peer.name.clone();
                    self.begin(Aim::Whisper { peer, name }, "");
                }
                None => self.complain("choose a peer first, by the arrow keys"),
            },
            KeyCode::Char('s') => {
                // Proposes the group if there is only one.
                let text = match self.own.groups.as_slice() {
                    [only] => format!("{only} "),
                    _ => String::new(),
                };
                self.begin(Aim::Shout, &text);
            }
            KeyCode::Char('g') => self.begin(Aim::Join, ""),
            KeyCode::Char('G') => self.begin(Aim::Leave, ""),
            _ => {}
        }
        Wish::Nothing
    }

    fn type_key(&mut self, key: KeyEvent) -> Wish {
        match key.code {
            KeyCode::Esc => {
                if let Some(typing) = self.typing.take()
                    && typing.aim == Aim::Filter
                {
                    self.filter.clear();
                }
            }
            KeyCode::Enter => {
                if let Some(typing) = self.typing.take() {
                    return self.done(typing);
                }
            }
            _ => {
                if let Some(typing) = &mut self.typing {
                    typing.entry.press(key);
                    self.typed();
                }
            }
        }
        Wish::Nothing
    }

    fn begin(&mut self, aim: Aim, text: &str) {
        let entry = Entry::new(text);
        self.typing = Some(Typing { aim, entry });
    }

    /// Applies the filter while it is typed.
    fn typed(&mut self) {
        if let Some(typing) = &self.typing
            && typing.aim == Aim::Filter
        {
            self.filter = typing.entry.text().to_lowercase();
        }
    }

    fn done(&mut self, typing: Typing) -> Wish {
        let text = typing.entry.text();
        if text.trim().is_empty() {
            return Wish::Nothing;
        }
        let command = match typing.aim {
            Aim::Filter => return Wish::Nothing,
            Aim::Whisper { peer, .. } => Command::Whisper {
                peer,
                frames: text.into(),
            },
            Aim::Shout => match text.split_once(' ') {
                Some((group, text)) if !text.trim().is_empty() => Command::Shout {
                    group: group.to_owned(),
                    frames: text.into(),
                },
                _ => {
                    self.complain("write GROUP TEXT");
                    return Wish::Nothing;
                }
            },
            Aim::Join => Command::Join {
                group: text.to_owned(),
            },
            Aim::Leave => Command::Leave {
                group: text.to_owned(),
            },
        };
        Wish::Say(command)
    }

    fn complain(&mut self, text: &str) {
        self.notice = Some(Notice {
            text: text.to_owned(),
            good: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::board;
    use super::*;

    fn key(board: &mut Board, code: KeyCode) -> Wish {
        board.press(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn type_text(board: &mut Board, text: &str) {
        for c in text.chars() {
            assert!(matches!(key(board, KeyCode::Char(c)), Wish::Nothing));
        }
    }

    #[tokio::test]
    async fn keys_whisper_shout_filter_and_quit() {
        let mut board = board(&["alice", "bob"]);
        key(&mut board, KeyCode::Char('w'));
        assert!(board.typing.is_none(), "to whom?");
        assert!(board.notice.is_some());
        key(&mut board, KeyCode::End);
        key(&mut board, KeyCode::Char('w'));
        // A word that is a command elsewhere is text here.
        type_text(&mut board, "quit");
        let Wish::Say(command) = key(&mut board, KeyCode::Enter) else {
            panic!("nothing is said");
        };
        let json = serde_json::to_value(&command).unwrap();
        assert_eq!(json["peer"], format!("{:032x}", 1));
        assert_eq!(json["frames"], serde_json::json!(["quit"]));

        key(&mut board, KeyCode::Char('s'));
        type_text(&mut board, "lab");
        assert!(matches!(key(&mut board, KeyCode::Enter), Wish::Nothing));
        assert!(board.notice.take().is_some());
        key(&mut board, KeyCode::Char('s'));
        type_text(&mut board, "lab hello all");
        let Wish::Say(Command::Shout { group, .. }) = key(&mut board, KeyCode::Enter) else {
            panic!("nothing is said");
        };
        assert_eq!(group, "lab");

        key(&mut board, KeyCode::Char('/'));
        type_text(&mut board, "ALI");
        assert_eq!(board.rows().len(), 1);
        key(&mut board, KeyCode::Enter);
        assert_eq!(board.rows().len(), 1);
        key(&mut board, KeyCode::Esc);
        assert_eq!(board.rows().len(), 2);
        assert!(matches!(key(&mut board, KeyCode::Char('q')), Wish::Quit));
        key(&mut board, KeyCode::Char('g'));
        let stop = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(matches!(board.press(Input::Key(stop)), Wish::Quit));
    }
}
