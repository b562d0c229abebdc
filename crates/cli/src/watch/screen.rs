//! The terminal while it shows the full screen.

use std::io::{IsTerminal as _, Stdout, Write as _, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, KeyEvent, KeyEventKind, read,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;

use super::board::Board;
use super::draw;

/// How many keys may wait.
const AHEAD: usize = 256;

/// Whether the full screen is shown.
static OURS: AtomicBool = AtomicBool::new(false);

/// Whether anything panicked while it was shown.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Input of the user.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Paste(String),
    /// The size of the screen has changed.
    Resize,
}

/// The full screen. Dropping it restores the terminal, and so does a panic anywhere in
/// the program.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

/// Whether standard input and output are terminals.
pub(super) fn is_wanted() -> bool {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    std::io::stdin().is_terminal() && stdout().is_terminal() && !dumb
}

/// Whether something panicked since the screen was opened; its message is on the
/// terminal then.
pub(super) fn has_panicked() -> bool {
    PANICKED.load(Ordering::Acquire)
}

impl Screen {
    /// Takes over the terminal and begins to read keys.
    ///
    /// # Errors
    /// The terminal can't be taken over, or no thread can be started.
    pub(super) fn open() -> std::io::Result<(Self, mpsc::Receiver<Input>)> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if OURS.load(Ordering::Acquire) {
                    PANICKED.store(true, Ordering::Release);
                    restore();
                }
                before(info);
            }));
        });
        OURS.store(true, Ordering::Release);
        let taken = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        let screen = match taken {
            Ok(terminal) => Self { terminal },
            Err(error) => {
                restore();
                return Err(error);
            }
        };
        Ok((screen, keys()?))
    }

    /// # Errors
    /// The terminal is gone.
    pub(super) fn draw(&mut self, board: &mut Board) -> std::io::Result<()> {
        self.terminal.draw(|frame| draw::draw(frame, board))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal, once. Errors are ignored: nothing could be done about them.
fn restore() {
    if !OURS.swap(false, Ordering::AcqRel) {
        return;
    }
    let _ = disable_raw_mode();
    let _ = execute!(
        stdout(),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    );
    let _ = stdout().flush();
}

/// Reads keys on a thread of its own, because reading can't be interrupted.
fn keys() -> std::io::Result<mpsc::Receiver<Input>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("keys".into())
        .spawn(move || {
            while let Ok(event) = read() {
                let input = match event {
                    Event::Key(key) if key.kind != KeyEventKind::Release => Input::Key(key),
                    Event::Paste(text) => Input::Paste(text),
                    Event::Resize(..) => Input::Resize,
                    _ => continue,
                };
                if sender.blocking_send(input).is_err() {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Command, Output};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    #[ignore = "needs a terminal: the other test gives it one"]
    fn panics_on_the_full_screen() {
        let (mut screen, _input) = Screen::open().unwrap();
        let mut board = super::super::board::tests::board(&["alice"]);
        screen.draw(&mut board).unwrap();
        let _ = std::thread::spawn(|| panic!("something is wrong")).join();
        assert!(has_panicked());
        // The terminal must echo again although the screen isn't dropped.
        std::mem::forget(screen);
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_panic_gives_the_terminal_back() {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI needs tmux");
            eprintln!("skipped: there is no tmux");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let socket = format!("zre-panic-{}", std::process::id());
        let tmux = |arguments: &[&str]| -> Output {
            let mut command = Command::new("tmux");
            command.args(["-L", &socket, "-f", "/dev/null"]);
            command.env("HOME", home.path()).env_remove("TMUX");
            command.args(arguments).output().unwrap()
        };
        let program = std::env::current_exe().unwrap();
        let script = format!(
            "{} --ignored --exact watch::screen::tests::panics_on_the_full_screen --nocapture; \
             stty -a > $HOME/modes.part; mv $HOME/modes.part $HOME/modes; cat",
            program.display()
        );
        assert!(
            tmux(&["new-session", "-d", "-x", "100", "-y", "30", &script])
                .status
                .success()
        );
        let until = Instant::now() + Duration::from_secs(30);
        let modes = loop {
            if let Ok(modes) = std::fs::read_to_string(home.path().join("modes")) {
                break modes;
            }
            assert!(Instant::now() < until, "it doesn't end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let screen = tmux(&["capture-pane", "-p"]).stdout;
        tmux(&["kill-server"]);
        let screen = String::from_utf8_lossy(&screen);
        assert!(screen.contains("something is wrong"), "{screen}");
        assert!(screen.contains("1 passed"), "{screen}");
        let modes: Vec<&str> = modes.split([' ', '\n', ';']).collect();
        for mode in ["icanon", "echo", "isig", "icrnl", "opost"] {
            assert!(modes.contains(&mode), "{mode}: {modes:?}");
        }
    }
}
