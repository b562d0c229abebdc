//! The line editor, for people at a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc as sync;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, ExternalPrinter as _, Helper};
use tokio::sync::mpsc;

use crate::input::{Line, Lines};
use crate::output::{Output, Written};

/// How many lines the history keeps.
const HISTORY: usize = 1000;

/// Terminals that can't move the cursor.
const DUMB: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Completes the word before the cursor. Takes the text before the cursor; returns
/// the start of the word and the candidates.
pub(crate) type Complete = Box<dyn Fn(&str) -> (usize, Vec<String>) + Send>;

/// Input and output of a terminal with a line editor. Output appears above the line
/// that is being edited, and leaves that line unchanged.
pub(crate) struct Editor {
    pub(crate) lines: Lines,
    pub(crate) output: Output,
    pub(crate) written: Written,
    /// Must be kept until the program ends.
    pub(crate) terminal: Terminal,
}

/// Whether input and output are a terminal that can move the cursor.
pub(crate) fn is_wanted() -> bool {
    let dumb = std::env::var("TERM").is_ok_and(|term| DUMB.contains(&term.as_str()));
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}

/// Starts the editor. The prompt returns once the previous line has been carried out.
///
/// # Errors
/// The terminal can't be used, or no thread can be started.
pub(crate) fn open(prompt: &'static str, complete: Complete) -> std::io::Result<Editor> {
    let terminal = Terminal::remember();
    let config = Config::builder()
        .max_history_size(HISTORY)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(plain)?
        .history_ignore_space(true)
        .auto_add_history(true)
        .completion_type(rustyline::CompletionType::List)
        .build();
    let mut editor: rustyline::Editor<Assistant, DefaultHistory> =
        rustyline::Editor::with_config(config).map_err(plain)?;
    editor.set_helper(Some(Assistant { complete }));
    let mut printer = editor.create_external_printer().map_err(plain)?;
    let (output, written) = Output::to(move |lines| {
        let text = String::from_utf8_lossy(lines).into_owned();
        printer.print(text).map_err(plain)
    });

    let (sender, receiver) = mpsc::channel(1);
    let (ready, wanted) = sync::channel();
    std::thread::Builder::new()
        .name("editor".into())
        .spawn(move || edit(&mut editor, prompt, &wanted, &sender))?;
    Ok(Editor {
        lines: Lines::on_request(receiver, ready),
        output,
        written,
        terminal,
    })
}

/// Reads lines until the end of input or Ctrl-C.
fn edit(
    editor: &mut rustyline::Editor<Assistant, DefaultHistory>,
    prompt: &str,
    wanted: &sync::Receiver<()>,
    lines: &mpsc::Sender<Line>,
) {
    let history = history();
    if let Some(path) = &history {
        // There is no history at the first start.
        let _ = editor.load_history(path);
    }
    while wanted.recv().is_ok() {
        // An error means Ctrl-D, Ctrl-C, or a terminal that is gone.
        let Ok(text) = editor.readline(prompt) else {
            break;
        };
        let line = Line::Text(text);
        if lines.blocking_send(line).is_err() {
            break;
        }
        // Saved after each line, because a signal ends the program without this thread.
        if let Some(path) = &history {
            let _ = editor.append_history(path);
        }
    }
}

/// The path of the history, if there is a place for it. Creates its directory.
fn history() -> Option<PathBuf> {
    let variable = match cfg!(windows) {
        true => "LOCALAPPDATA",
        false => "XDG_STATE_HOME",
    };
    let state = match std::env::var_os(variable) {
        Some(directory) if !directory.is_empty() => PathBuf::from(directory),
        _ if cfg!(windows) => return None,
        _ => std::env::home_dir()?.join(".local").join("state"),
    };
    let directory = state.join("zre");
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("history"))
}

fn plain(error: ReadlineError) -> std::io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => std::io::Error::other(other),
    }
}

/// The callbacks of the editor.
struct Assistant {
    complete: Complete,
}

impl Helper for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}
impl Highlighter for Assistant {}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..position).unwrap_or(line);
        Ok((self.complete)(before))
    }
}

/// The original settings of the terminal. A signal may end the program while a line
/// is being edited: dropping this restores them.
#[derive(Debug)]
pub(crate) struct Terminal {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Terminal {
    fn remember() -> Self {
        Self {
            #[cfg(unix)]
            before: rustix::termios::tcgetattr(std::io::stdin()).ok(),
        }
    }
}

#[cfg(unix)]
impl Drop for Terminal {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let Some(before) = &self.before else { return };
        let edits =
            tcgetattr(std::io::stdin()).is_ok_and(|now| now.local_modes != before.local_modes);
        if edits {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            // Turns bracketed paste off, and starts a new line for further output.
            let _ = std::io::stdout().write_all(b"\x1b[?2004l\r\n");
            let _ = std::io::stdout().flush();
        }
    }
}

#[cfg(not(unix))]
impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = std::io::stdout().flush();
    }
}
