//! Children, and what they say.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// A child that is ended when it isn't wanted any more.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// This program again.
    pub(crate) fn ourselves(args: &[String]) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(args);
        Process::start(&mut command)
    }

    pub(crate) fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The value that the child says under this word; other words are skipped.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => match line.split_once(' ') {
                    Some((said, value)) if said == word => return value.to_owned(),
                    _ => {}
                },
                Err(error) => panic!("the child didn't say {word}: {error}"),
            }
        }
    }

    pub(crate) fn hear_number(&mut self, word: &str) -> f64 {
        self.hear(word).parse().unwrap()
    }

    /// Gives the child a line to read.
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Ends the child without a warning: SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
