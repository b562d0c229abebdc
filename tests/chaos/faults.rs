//! What goes wrong, and for how long.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use zre_tests::Network;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing, for comparison.
    Nothing,
    /// Commands for the switch, for so many seconds.
    Switch(&'static [&'static str], u64),
    /// One host's cable goes out and in, so many times.
    Flaps(u32),
    /// kill -9 of one process; another takes its place.
    Kill,
    /// SIGSTOP of one process, for so many seconds.
    Stop(u64),
    /// The time of day is set on two hosts, to so many seconds off one after
    /// another, each for three seconds.
    Steps(&'static [i64]),
}

/// All faults with their names in the table. `long` for those as they are in a
/// night's run.
pub(crate) fn all(long: bool) -> Vec<(&'static str, Fault)> {
    let (short, partition, stop) = match long {
        true => (60, 60, 40),
        false => (4, 10, 3),
    };
    let mut all = vec![
        ("none", Fault::Nothing),
        ("5 % loss", Fault::Switch(&["loss 0.05"], short)),
        ("20 % loss", Fault::Switch(&["loss 0.2"], short)),
        ("200 ms delay", Fault::Switch(&["delay 0.2"], short)),
        (
            "reordering of 25 %",
            Fault::Switch(&["reorder 0.25"], short),
        ),
        ("partition", Fault::Switch(&["cut"], partition)),
        ("cable out and in", Fault::Flaps(3)),
        ("kill -9", Fault::Kill),
        ("SIGSTOP", Fault::Stop(stop)),
        // An hour ahead, two hours back, the next year, the year before.
        (
            "clock set",
            Fault::Steps(&[3600, -3600, 366 * 86_400, -366 * 86_400, 0]),
        ),
    ];
    if long {
        let all_at_once = Fault::Switch(&["loss 0.1", "delay 0.1", "reorder 0.2"], short);
        all.push(("loss, delay, reordering", all_at_once));
        all.push(("partition of 10 s", Fault::Switch(&["cut"], 10)));
        all.push(("SIGSTOP of 3 s", Fault::Stop(3)));
    }
    all
}

/// The program `switch.py`, in place of a network's bridge.
pub(crate) struct Switch {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Switch {
    /// Takes the bridge's place; or says why it can't.
    pub(crate) fn of(network: &Network, hosts: u8) -> Result<Self, String> {
        const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/chaos/switch.py");
        let python = |namespace: &str, arguments: &[String]| {
            let mut command = Command::new("ip");
            command
                .args(["netns", "exec", namespace, "python3", "-B", PROGRAM])
                .args(arguments);
            command
        };
        for index in 0..hosts {
            let host = network.host(usize::from(index));
            let plain = ["--plain".into(), "eth0".into()];
            let done = python(host.namespace(), &plain).status();
            if !done.as_ref().is_ok_and(|status| status.success()) {
                return Err(format!("python3 and a plain eth0: {done:?}"));
            }
        }
        let ports: Vec<String> = (1..=hosts).map(|number| format!("p{number}")).collect();
        for port in &ports {
            network.hub(&format!("link set {port} nomaster"));
        }
        let mut child = python(network.hub_namespace(), &ports)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut switch = Self {
            input: child.stdin.take().ok_or("no input")?,
            output: BufReader::new(child.stdout.take().ok_or("no output")?),
            child,
        };
        switch.answer()?;
        Ok(switch)
    }

    /// Gives a command, and waits until it is in force.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
        self.answer().unwrap();
    }

    fn answer(&mut self) -> Result<(), String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        match (read, line.trim()) {
            (Ok(_), "ok") => Ok(()),
            other => Err(format!("the switch: {other:?}")),
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
