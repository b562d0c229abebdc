//! Several processes on one port. The test program starts itself again as the other one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::{free_port, next, open};
use zre_beacon::{Beacon, Cast, Datagrams, Interfaces};

/// Tells a child its port.
const PORT: &str = "ZRE_BEACON_TEST_PORT";

/// The other process, which `Other::start` starts: reports when its beacon is open, then carries
/// out the lines of its input.
#[test]
#[ignore = "the child process of the other tests"]
fn child() {
    let port = std::env::var(PORT).unwrap();
    println!("child: {:?}", Interfaces::from_env());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (beacon, mut datagrams) = open(port.parse().unwrap());
    println!("child: open");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("group", text)) => drop(beacon.send(Cast::Groups, text.as_bytes())),
            Some(("broadcast", text)) => drop(beacon.send(Cast::Broadcast, text.as_bytes())),
            _ => {
                let heard = runtime.block_on(next(&mut datagrams));
                let text = String::from_utf8(heard.payload.to_vec()).unwrap();
                println!("child: {:?} {} {text}", heard.cast, heard.same_process);
            }
        }
    }
}

struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(port: u16) -> Self {
        let mut other = Self::spawn(&mut Self::command(port));
        let _interfaces = other.line();
        assert_eq!(other.line(), "open");
        other
    }

    fn command(port: u16) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(PORT, port.to_string());
        command
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it has ended");
            // The harness writes the test's name before its first line.
            if let Some((_, said)) = line.trim_end().split_once("child: ") {
                return said.to_owned();
            }
        }
    }

    fn hear(&mut self) -> String {
        self.tell("hear");
        self.line()
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
    }
}

async fn hear(datagrams: &mut Datagrams) -> String {
    let heard = next(datagrams).await;
    let text = String::from_utf8(heard.payload.to_vec()).unwrap();
    format!("{:?} {} {text}", heard.cast, heard.same_process)
}

#[tokio::test]
async fn processes_share_the_port_and_each_hears_everything() {
    let port = free_port();
    let mut first = Other::start(port);
    let mut second = Other::start(port);
    let (beacon, mut datagrams): (Beacon, Datagrams) = open(port);

    for (word, cast, kind) in [
        ("group", Cast::Groups, "Multicast"),
        ("broadcast", Cast::Broadcast, "Broadcast"),
    ] {
        assert_eq!(beacon.send(cast, b"from the test"), 1);
        assert_eq!(first.hear(), format!("{kind} false from the test"));
        assert_eq!(second.hear(), format!("{kind} false from the test"));

        first.tell(&format!("{word} from the first"));
        assert_eq!(
            hear(&mut datagrams).await,
            format!("{kind} false from the first")
        );
        assert_eq!(second.hear(), format!("{kind} false from the first"));

        second.tell(&format!("{word} from the second"));
        assert_eq!(
            hear(&mut datagrams).await,
            format!("{kind} false from the second")
        );
        assert_eq!(first.hear(), format!("{kind} false from the second"));
    }
    first.end();
    second.end();
}

#[test]
fn the_environment_chooses_the_interfaces() {
    let port = free_port();
    let chosen = |value: Option<&str>| {
        let mut command = Other::command(port);
        command.env_remove("ZRE_INTERFACE");
        if let Some(value) = value {
            command.env("ZRE_INTERFACE", value);
        }
        let mut other = Other::spawn(&mut command);
        let said = other.line();
        other.end();
        said
    };
    assert_eq!(chosen(None), "None");
    assert_eq!(chosen(Some("")), "None");
    assert_eq!(chosen(Some("*")), "Some(All)");
    assert_eq!(chosen(Some("lo")), "Some(Loopback)");
    assert_eq!(
        chosen(Some("eth0,10.0.0.7")),
        r#"Some(Named(["eth0", "10.0.0.7"]))"#
    );
}
