//! What people see at a terminal, which is tmux here.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{Program, port};

/// It passes in full only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// A terminal with a shell in it. Dropping it ends what runs in it.
struct Terminal {
    socket: String,
    home: tempfile::TempDir,
}

impl Terminal {
    /// `None` where there is no tmux: the test can't be done here.
    fn open() -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI needs tmux");
            eprintln!("skipped: there is no tmux");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            socket: format!("zre-{}-{number}", std::process::id()),
            home: tempfile::tempdir().expect("a directory"),
        };
        let shell = ["new-session", "-d", "-x", "100", "-y", "30", "sh"];
        let opened = terminal.tmux(&shell);
        assert!(opened.status.success(), "{opened:?}");
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        for (name, _) in std::env::vars() {
            if name.starts_with("ZRE_") || name.starts_with("XDG_") || name == "TMUX" {
                command.env_remove(name);
            }
        }
        command
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(arguments)
            .env("HOME", self.home.path())
            .env("PS1", "$ ")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("tmux runs")
    }

    /// Types text as it is.
    fn write(&self, text: &str) {
        assert!(self.tmux(&["send-keys", "-l", text]).status.success());
    }

    /// Presses a key, by tmux's name for it.
    fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).status.success());
    }

    fn enter(&self, text: &str) {
        self.write(text);
        self.press("Enter");
    }

    /// Runs the command on loopback.
    fn run(&self, subcommand: &str, port: &str) {
        let program = env!("CARGO_BIN_EXE_zre");
        let command = format!("{program} {subcommand} --interface lo --beacon-port {port}");
        self.enter(&format!(
            "clear; sh -c 'echo $$ > $HOME/process; exec {command}'; echo \"ended $?\""
        ));
    }

    fn screen(&self) -> Vec<String> {
        let captured = self.tmux(&["capture-pane", "-p"]).stdout;
        let text = String::from_utf8_lossy(&captured).into_owned();
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// Looks until the screen is as it should be.
    fn until(&self, what: &str, fits: impl Fn(&[String]) -> bool) -> Vec<String> {
        let until = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "no {what}: {screen:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a line.
    fn expect(&self, line: &str) -> Vec<String> {
        self.until(line, |screen| screen.iter().any(|other| other == line))
    }

    /// Whether the terminal echoes and edits lines by itself again.
    fn is_restored(&self) -> bool {
        self.enter("stty -a > $HOME/modes; echo written");
        self.expect("written");
        let modes = std::fs::read_to_string(self.home.path().join("modes")).expect("modes");
        let modes: Vec<&str> = modes.split([' ', '\n', ';']).collect();
        ["icanon", "echo", "isig", "icrnl", "opost"]
            .iter()
            .all(|mode| modes.contains(mode))
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// Signals what `run` runs.
    fn signal(&self, signal: rustix::process::Signal) {
        let process = self.home.path().join("process");
        let process = std::fs::read_to_string(process).expect("its number");
        let process = process.trim().parse().expect("a number");
        let process = rustix::process::Pid::from_raw(process).expect("a process");
        rustix::process::kill_process(process, signal).expect("it still runs");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn what_others_say_stands_above_the_line_that_is_edited() {
    let Some(terminal) = Terminal::open() else {
        return;
    };
    let port = port();
    terminal.run("chat --name alice", &port);
    terminal.expect("* you are alice, in chat; /help tells more");
    let mut bob = Program::start(&["chat", "--name", "bob"], &port, &[]);
    terminal.expect("* bob joined chat");
    bob.expect("* alice joined chat");

    terminal.write("hallo");
    terminal.expect("> hallo");
    bob.say("one");
    bob.say("two");
    let screen = terminal.until("what bob said, and the line below it", |screen| {
        screen.iter().any(|line| line == "[chat] bob: two")
            && screen.iter().rfind(|line| !line.is_empty()) == Some(&"> hallo".into())
    });
    assert_eq!(
        screen.iter().filter(|line| line.contains("hallo")).count(),
        1,
        "{screen:#?}"
    );
    // The line is edited, and only then said.
    for key in ["Left", "Left", "Left", "Left", "BSpace"] {
        terminal.press(key);
    }
    terminal.press("Enter");
    // Without an `h`, with which it began.
    bob.line("hello", |line| line == "[chat] alice: allo");
    terminal.press("Up");
    terminal.until("the line again", |screen| {
        screen.iter().rfind(|line| !line.is_empty()) == Some(&"> allo".into())
    });
    terminal.enter("!");
    bob.expect("[chat] alice: allo!");
    terminal.write("/w b");
    terminal.press("Tab");
    terminal.until("the name", |screen| {
        screen.iter().any(|line| line == "> /w bob")
    });
    terminal.enter("psst");
    bob.expect("alice whispers: psst");

    terminal.press("C-d");
    terminal.expect("ended 0");
    bob.expect("* alice has gone: goodbye");
    assert!(terminal.is_restored());
    let history = terminal.home().join(".local/state/zre/history");
    let history = std::fs::read_to_string(history).expect("a history");
    assert!(history.contains("allo!\n/w bob psst\n"), "{history}");
}

#[test]
fn chat_leaves_the_terminal_as_it_was() {
    let Some(terminal) = Terminal::open() else {
        return;
    };
    let port = port();
    let mut bob = Program::start(&["chat", "--name", "bob"], &port, &[]);
    for end in ["C-c", "TERM"] {
        terminal.run("chat --name alice", &port);
        terminal.expect("* you are alice, in chat; /help tells more");
        bob.expect("* alice joined chat");
        terminal.write("unfinished");
        terminal.expect("> unfinished");
        match end {
            "TERM" => {
                terminal.signal(rustix::process::Signal::TERM);
            }
            key => terminal.press(key),
        }
        terminal.expect("ended 0");
        bob.expect("* alice has gone: goodbye");
        assert!(terminal.is_restored(), "{end}: {:#?}", terminal.screen());
    }
}

#[test]
fn watch_shows_who_is_there_and_what_happens() {
    let Some(terminal) = Terminal::open() else {
        return;
    };
    let port = port();
    let (mut bob, _) = Program::json("bob", &port, &["--group", "lab", "--state", "busy"]);
    terminal.run("watch --name eye --group lab", &port);
    terminal.until("bob in the table", |screen| {
        screen.iter().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(&["│bob", "busy", "lab"])
        })
    });
    assert_eq!(bob.event("enter")["name"], "eye");
    let (_carl, _) = Program::json("carl", &port, &[]);
    terminal.until("carl", |screen| shows(screen, "carl is here"));

    // The first in the table is bob.
    terminal.press("Down");
    terminal.press("w");
    terminal.until("the question", |screen| shows(screen, "whisper to bob:"));
    terminal.enter("are you there?");
    assert_eq!(bob.event("whisper")["frames"][0], "are you there?");
    terminal.until("the answer", |screen| shows(screen, "sent to 1"));
    terminal.press("s");
    // The only group is proposed.
    terminal.until("the question", |screen| {
        shows(screen, "shout to GROUP TEXT: lab")
    });
    terminal.enter("all of you?");
    assert_eq!(bob.event("shout")["frames"][0], "all of you?");
    bob.say(r#"{"cmd":"shout","group":"lab","frames":["yes \u001b[2J"]}"#);
    terminal.until("what bob says", |screen| {
        shows(screen, r"[lab] bob: yes \u{1b}[2J")
    });
    terminal.press("/");
    terminal.write("CARL");
    terminal.until("carl alone", |screen| shows(screen, "peers: 1 of 2"));
    terminal.press("Escape");
    terminal.until("both", |screen| shows(screen, "peers: 2 "));
    terminal.press("g");
    terminal.until("the question", |screen| shows(screen, "join the group:"));
    terminal.enter("tea");
    while bob.event("join")["group"] != "tea" {}
    terminal.until("the answer", |screen| shows(screen, "joined tea"));
    terminal.press("Escape");
    let wide = ["resize-window", "-x", "60", "-y", "12"];
    assert!(terminal.tmux(&wide).status.success());
    terminal.until("a smaller screen", |screen| {
        screen.len() <= 12 && shows(screen, "peers: 2 ") && shows(screen, "choose")
    });

    terminal.press("q");
    terminal.expect("ended 0");
    assert_eq!(bob.event("exit")["reason"], "goodbye");
    assert!(terminal.is_restored(), "{:#?}", terminal.screen());
}

#[test]
fn watch_leaves_the_terminal_as_it_was() {
    let Some(terminal) = Terminal::open() else {
        return;
    };
    for end in ["C-c", "TERM", "HUP"] {
        terminal.run("watch --name eye", &port());
        terminal.until("the screen", |screen| shows(screen, "peers: 0"));
        match end {
            "TERM" => terminal.signal(rustix::process::Signal::TERM),
            "HUP" => terminal.signal(rustix::process::Signal::HUP),
            key => terminal.press(key),
        }
        terminal.expect("ended 0");
        assert!(terminal.is_restored(), "{end}: {:#?}", terminal.screen());
    }
}

#[test]
fn watch_looks_through_a_running_node() {
    let Some(terminal) = Terminal::open() else {
        return;
    };
    let port = port();
    let control = terminal.home().join("control");
    let options = ["--control", control.to_str().expect("text")];
    let (mut hub, _) = Program::json("hub", &port, &options);
    let (mut bob, _) = Program::json("bob", &port, &[]);
    hub.event("enter");
    bob.event("enter");
    terminal.enter(&format!(
        "clear; {} watch --control $HOME/control; echo \"ended $?\"",
        env!("CARGO_BIN_EXE_zre")
    ));
    // It is there already, so no event tells of it.
    terminal.until("bob", |screen| shows(screen, "bob"));
    bob.say(r#"{"cmd":"whisper","peer":"hub","frames":["to the hub"]}"#);
    terminal.until("what bob says", |screen| {
        shows(screen, "bob whispers: to the hub")
    });
    terminal.press("w");
    terminal.until("the question", |screen| shows(screen, "whisper to bob:"));
    terminal.enter("from the hub");
    let whisper = bob.event("whisper");
    assert_eq!(
        (&whisper["name"], &whisper["frames"][0]),
        (&"hub".into(), &"from the hub".into())
    );
    hub.end_input();
    // It says so, and gives the terminal back.
    terminal.expect("zre: the node has ended");
    terminal.expect("ended 1");
    assert!(terminal.is_restored(), "{:#?}", terminal.screen());
}

fn shows(screen: &[String], text: &str) -> bool {
    screen.iter().any(|line| line.contains(text))
}
