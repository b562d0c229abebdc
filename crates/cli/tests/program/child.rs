//! A `zre` process: lines in, lines out.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// It passes in full only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// The command without anything that this test run's environment says.
pub(crate) fn zre(arguments: &[&str]) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_zre")), arguments)
}

/// The same in a network namespace.
#[cfg(target_os = "linux")]
pub(crate) fn zre_in(namespace: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_zre")]);
    clean(command, arguments)
}

/// A command that this test run's environment doesn't configure.
pub(crate) fn clean(mut command: Command, arguments: &[&str]) -> Command {
    for (name, _) in std::env::vars() {
        if name.starts_with("ZRE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    // No settings and no history of whoever runs this.
    let nowhere = std::env::temp_dir().join("zre-no-such-directory");
    let variables: &[&str] = match cfg!(windows) {
        true => &["APPDATA", "LOCALAPPDATA"],
        false => &["XDG_CONFIG_HOME"],
    };
    command.envs(variables.iter().map(|variable| (variable, &nowhere)));
    command.args(arguments);
    command
}

/// Runs it to its end. It must be one that ends by itself.
pub(crate) fn output(arguments: &[&str]) -> Output {
    zre(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// A port for the beacons of one test.
pub(crate) fn port() -> String {
    let probe = UdpSocket::bind("127.0.0.1:0").expect("a UDP port on loopback");
    let port = probe.local_addr().expect("its number").port();
    port.to_string()
}

/// A running program. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What came and wasn't asked for yet.
    pending: VecDeque<String>,
}

impl Program {
    /// On loopback, with that beacon port.
    pub(crate) fn start(subcommand: &[&str], port: &str, options: &[&str]) -> Self {
        let mut command = Self::command(subcommand, port);
        command.args(options);
        Self::spawn(command)
    }

    pub(crate) fn command(subcommand: &[&str], port: &str) -> Command {
        let mut command = zre(subcommand);
        command.args(["--interface", "lo", "--beacon-port", port]);
        command
    }

    pub(crate) fn json(name: &str, port: &str, options: &[&str]) -> (Self, Value) {
        let mut program = Self::start(&["node", "--json", "--name", name], port, options);
        let started = program.event("started");
        (program, started)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
            pending: VecDeque::new(),
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.begin(&format!("{line}\n"));
    }

    /// Says the beginning of a line.
    pub(crate) fn begin(&mut self, text: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(text.as_bytes()).expect("the program reads");
        input.flush().expect("the program reads");
    }

    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Takes the first line that fits; the others stay for later.
    pub(crate) fn line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        if let Some(index) = self.pending.iter().position(|line| fits(line)) {
            return self.pending.remove(index).expect("just found");
        }
        let until = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(until - Instant::now()) {
                Ok(line) if fits(&line) => return line,
                Ok(line) => self.pending.push_back(line),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {what:?} in time, but {:#?}", self.pending)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let complaints = self.complaints();
                    let lines = &self.pending;
                    panic!("the output ended before {what:?}: {lines:#?} {complaints:?}")
                }
            }
        }
    }

    /// The first line that is just so.
    pub(crate) fn expect(&mut self, line: &str) {
        self.line(line, |other| other == line);
    }

    /// The first event of that kind.
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        let is = |line: &str| parsed(line)["event"] == kind;
        parsed(&self.line(kind, is))
    }

    /// Waits for the end, and returns what was said until then.
    pub(crate) fn rest(&mut self) -> (ExitStatus, Vec<String>) {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(until - Instant::now()) {
                Ok(line) => self.pending.push_back(line),
                Err(RecvTimeoutError::Timeout) => panic!("it doesn't end: {:#?}", self.pending),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        (self.ended(), self.pending.drain(..).collect())
    }

    /// A line that comes within some milliseconds.
    pub(crate) fn try_line(&mut self) -> Option<String> {
        self.lines.recv_timeout(Duration::from_millis(20)).ok()
    }

    /// As `rest`, doing something again and again meanwhile.
    pub(crate) fn rest_while(&mut self, again: impl Fn()) -> (ExitStatus, Vec<String>) {
        let until = Instant::now() + DEADLINE;
        while self.child.try_wait().expect("a child of ours").is_none() {
            assert!(
                Instant::now() < until,
                "it doesn't end: {:#?}",
                self.pending
            );
            again();
            let line = self.try_line();
            self.pending.extend(line);
        }
        self.rest()
    }

    /// As `rest`, saying a line again and again as long as it is read.
    #[cfg(unix)] // Only there can a test hold a peer up.
    pub(crate) fn rest_while_saying(&mut self, line: &str) -> (ExitStatus, Vec<String>) {
        let mut input = self.input.take().expect("the input is open");
        let input = std::cell::RefCell::new(&mut input);
        self.rest_while(|| {
            let _ = writeln!(input.borrow_mut(), "{line}");
        })
    }

    /// Waits for the end of a program whose output nobody reads.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(Instant::now() < until, "it doesn't end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What an ended program wrote to standard error.
    pub(crate) fn complaints(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut text).expect("text");
        }
        text
    }

    /// Ends it at once, without a goodbye.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("it ends");
    }

    /// How many threads it has now.
    #[cfg(target_os = "linux")]
    pub(crate) fn threads(&self) -> usize {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        threads.expect("it still runs").count()
    }

    /// A signal. One that stops the process has stopped all of it on return.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it still runs");
        if signal == Signal::STOP {
            // On a busy machine its threads go on for a while.
            let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).expect("it is ours");
            assert!(stopped.is_some_and(|(_, status)| status.stopped()));
        }
    }
}

/// A process whose output this test reads itself, or doesn't.
impl Program {
    pub(crate) fn unread(mut command: Command) -> (Self, std::process::ChildStdout) {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = child.stdout.take().expect("piped");
        let (_, lines) = channel();
        let program = Self {
            input: child.stdin.take(),
            child,
            lines,
            pending: VecDeque::new(),
        };
        (program, output)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
