//! `zre node --json` as a child process.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{Event, Host, zre};

/// How long an event is waited for: it passes in full only when something is
/// broken.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How a node is started.
pub struct Options {
    name: String,
    arguments: Vec<String>,
    host: Option<String>,
    shell: Option<String>,
}

impl Options {
    /// An option of the program with its value.
    pub fn with(mut self, option: &str, value: impl ToString) -> Self {
        self.arguments.extend([option.into(), value.to_string()]);
        self
    }

    /// An option without a value.
    pub fn flag(mut self, option: &str) -> Self {
        self.arguments.push(option.into());
        self
    }

    /// On a host of its own instead of on loopback.
    pub fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.namespace().into());
        self
    }

    /// On loopback, started by a shell behind these commands.
    pub fn after(mut self, shell: &str) -> Self {
        self.shell = Some(format!(r#"{shell}; exec "$0" "$@""#));
        self
    }

    /// Runs it, and waits for its `started`.
    pub fn start(self) -> Node {
        let mut command = match (&self.host, &self.shell) {
            (Some(namespace), _) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(zre());
                command
            }
            (None, Some(shell)) => {
                let mut command = Command::new("sh");
                command.args(["-c", shell]).arg(zre());
                command
            }
            (None, None) => Command::new(zre()),
        };
        command.args(["node", "--json", "--name", &self.name]);
        // What the user has set for nodes of their own.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("ZRE_") {
                command.env_remove(key);
            }
        }
        if self.host.is_none() {
            command.args(["--interface", "lo"]);
        }
        command.args(&self.arguments);
        Node::spawn(self.name, command)
    }
}

/// A running node. Dropping it kills the process.
pub struct Node {
    /// The name it was given.
    pub name: String,
    /// Its UUID, as the program printed it.
    pub uuid: String,
    /// Its endpoint, as the program printed it.
    pub endpoint: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Event>,
    pending: VecDeque<Event>,
    complaints: Arc<Mutex<String>>,
}

impl Node {
    /// A node on loopback, unless [`Options::on`] says otherwise, with this
    /// name and beacon port.
    pub fn options(name: &str, port: u16) -> Options {
        Options {
            name: name.into(),
            arguments: Vec::new(),
            host: None,
            shell: None,
        }
        .with("--beacon-port", port)
    }

    fn spawn(name: String, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the node's process starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line)
                    .unwrap_or_else(|_| json!({ "event": "not json", "line": line }));
                let at = Instant::now();
                if sender.send(Event { at, json }).is_err() {
                    return;
                }
            }
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&complaints);
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writeln!(heard, "    {line}");
            }
        });
        let mut node = Self {
            name,
            uuid: String::new(),
            endpoint: String::new(),
            input: child.stdin.take(),
            child,
            lines,
            pending: VecDeque::new(),
            complaints,
        };
        let started = node.expect("started", |_| true);
        node.uuid = started.text("uuid").into();
        node.endpoint = started.text("endpoint").into();
        node
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes text as it is to the node's input.
    pub fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input
            .write_all(text.as_bytes())
            .and_then(|()| input.flush())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Sends one command.
    pub fn tell(&mut self, command: &Value) {
        self.write(&format!("{command}\n"));
    }

    /// Whispers to a peer.
    pub fn whisper(&mut self, peer: &str, frames: &[&str]) {
        self.tell(&json!({ "cmd": "whisper", "peer": peer, "frames": frames }));
    }

    /// Shouts into a group.
    pub fn shout(&mut self, group: &str, frames: &[&str]) {
        self.tell(&json!({ "cmd": "shout", "group": group, "frames": frames }));
    }

    /// Closes the node's input, as the end of a script does.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Takes the first event of this kind that `judge` accepts, and leaves the
    /// others for later. Panics after [`DEADLINE`].
    pub fn expect(&mut self, kind: &str, judge: impl Fn(&Event) -> bool) -> Event {
        let fits = |event: &Event| event.kind() == kind && judge(event);
        if let Some(index) = self.pending.iter().position(&fits) {
            return self.pending.remove(index).expect("just found");
        }
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(event) if fits(&event) => return event,
                Ok(event) => self.pending.push_back(event),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no '{kind}' came within {DEADLINE:?}{}", self.story())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the node ended before a '{kind}' came{}", self.story())
                }
            }
        }
    }

    /// Waits until `peer` has entered.
    pub fn expect_enter(&mut self, peer: &Node) -> Event {
        let uuid = peer.uuid.clone();
        self.expect("enter", |event| event.text("peer") == uuid)
    }

    /// Waits until the peer with this UUID has left.
    pub fn expect_exit(&mut self, uuid: &str) -> Event {
        self.expect("exit", |event| event.text("peer") == uuid)
    }

    /// The next event of all, in the order of arrival. Panics after
    /// [`DEADLINE`].
    pub fn next_event(&mut self) -> Event {
        if let Some(event) = self.pending.pop_front() {
            return event;
        }
        match self.lines.recv_timeout(DEADLINE) {
            Ok(event) => event,
            Err(error) => panic!("no event: {error}{}", self.story()),
        }
    }

    /// Whether an event of this kind has come and hasn't been asked for.
    pub fn has(&mut self, kind: &str) -> bool {
        self.pending.extend(self.lines.try_iter());
        self.pending.iter().any(|event| event.kind() == kind)
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("it still ran");
        self.child.wait().expect("it has ended");
    }

    /// SIGTERM, as an init system sends it.
    pub fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it still runs");
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("it still runs");
    }

    /// Freezes it, as SIGSTOP does.
    pub fn freeze(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).expect("it still runs");
    }

    /// Asks the node to stop, and waits for its `stopped` and its end.
    pub fn stop(&mut self) -> ExitStatus {
        self.tell(&json!({ "cmd": "stop" }));
        self.expect("stopped", |_| true);
        self.ended()
    }

    /// Waits for the end of the process: its output ends with it.
    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(event) => self.pending.push_back(event),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it doesn't end{}", self.story()),
            }
        }
        self.child.wait().expect("it has ended")
    }

    /// Waits until it has logged something with this text.
    pub fn expect_log(&self, text: &str) {
        let until = Instant::now() + DEADLINE;
        let logged = || {
            let complaints = self.complaints.lock();
            complaints
                .unwrap_or_else(PoisonError::into_inner)
                .contains(text)
        };
        while !logged() {
            assert!(Instant::now() < until, "no {text:?} logged{}", self.story());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it said and nobody took, and its complaints.
    fn story(&self) -> String {
        let complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut story = format!("\n  node '{}' ({}):\n", self.name, self.uuid);
        let last = self.pending.len().saturating_sub(40);
        for event in self.pending.iter().skip(last) {
            let _ = writeln!(story, "    {event:?}");
        }
        story + &complaints
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
