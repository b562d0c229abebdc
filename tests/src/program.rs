//! Any program that is talked to in lines.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::DEADLINE;

/// A running program on loopback. Dropping it kills the process.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What came before what was waited for.
    seen: Vec<String>,
}

impl Program {
    /// Starts it with nothing of what the user has set for nodes of their own.
    pub fn start<A: AsRef<OsStr>>(path: &Path, arguments: &[A]) -> Self {
        let mut command = Command::new(path);
        command.args(arguments);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("ZRE_") {
                command.env_remove(key);
            }
        }
        command.env("ZRE_INTERFACE", "lo");
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
            seen: Vec::new(),
        }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("the program reads");
        input.flush().expect("the program reads");
    }

    /// The next line that fits; those before it are passed over.
    pub fn line(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if fits(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {what:?} in time, but {:#?}", self.seen)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let complaints = self.complaints();
                    panic!("the end before {what:?}: {:#?} {complaints}", self.seen)
                }
            }
        }
    }

    /// The next line with that in it.
    pub fn expect(&mut self, text: &str) -> String {
        self.line(text, |line| line.contains(text))
    }

    /// Ends its input, and waits for it to end. What it said meanwhile, too.
    pub fn end_input(mut self) -> (ExitStatus, Vec<String>) {
        self.input = None;
        self.finish()
    }

    /// Sends it an interrupt, as Ctrl-C does, and waits for it to end.
    pub fn interrupt(mut self) -> (ExitStatus, Vec<String>) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        self.finish()
    }

    /// Waits for it to end by itself.
    pub fn finish(&mut self) -> (ExitStatus, Vec<String>) {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on: {:#?}", self.seen),
            }
        }
        let status = self.child.wait().expect("its exit code");
        (status, std::mem::take(&mut self.seen))
    }

    /// What it said on standard error. It ends first.
    pub fn complaints(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut text).expect("text");
        }
        text
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
