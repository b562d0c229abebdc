//! What every subcommand does alike: nothing is said of a closed pipe, and there
//! are no colours where there is no terminal.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::child::{Program, output, port, zre};

/// Subcommands that end by themselves, on loopback where they need a network.
fn subcommands(port: &str) -> Vec<Vec<&str>> {
    let place = ["--interface", "lo", "--beacon-port", port];
    let little = "bench --what trip,meet --messages 10 --visits 1 --rounds 1 --sizes 16";
    let mut all = vec![
        little.split(' ').collect(),
        vec!["--help"],
        vec!["help", "node"],
        vec!["man"],
        vec!["man", "chat"],
        vec!["completions", "bash"],
    ];
    for words in [
        &["peers", "--wait", "20s", "--count", "1"][..],
        &["peers", "--json", "--wait", "20s", "--count", "1"],
        &["groups", "--wait", "20s", "--count", "1"],
        &["whisper", "bob", "hello", "--wait", "20s"],
        &["shout", "lab", "hello", "--wait", "20s", "--count", "1"],
        &["ping", "bob", "--count", "1", "--wait", "20s"],
        &["listen", "--count", "1"],
        &["doctor", "--wait", "100ms"],
        &["chat"],
    ] {
        all.push([words, &place].concat());
    }
    all
}

#[test]
fn there_are_no_colours_without_a_terminal() {
    let port = port();
    let (_bob, _) = Program::json("bob", &port, &["--group", "lab"]);
    for arguments in subcommands(&port) {
        let output = output(&arguments);
        for bytes in [&output.stdout, &output.stderr] {
            assert!(!bytes.contains(&0x1b), "{arguments:?}");
        }
    }
}

#[test]
fn a_closed_pipe_is_nothing_to_complain_about() {
    let port = port();
    let (_bob, _) = Program::json("bob", &port, &["--group", "lab"]);
    for arguments in subcommands(&port) {
        let mut child = zre(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Nobody reads what it has to say.
        drop(child.stdout.take());
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let errors: Vec<String> = errors.lines().map_while(Result::ok).collect();
        let status = child.wait().expect("it ends");
        assert!(status.code().is_some(), "{arguments:?}: {status}");
        assert!(errors.is_empty(), "{arguments:?}: {errors:?}");
    }
}

#[test]
fn a_log_in_a_file_has_no_colours() {
    let mut command = zre(&["peers", "--interface", "lo", "--wait", "100ms"]);
    command
        .env("ZRE_LOG", "zre=trace")
        .args(["--beacon-port", &port()]);
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("started"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}
