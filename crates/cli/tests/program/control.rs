//! A running node, and those who speak through its socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::child::{Program, output, parsed, port};

/// A node with a socket.
fn node(port: &str, directory: &Path) -> (Program, PathBuf) {
    let path = directory.join("control");
    let control = path.to_str().expect("text");
    let options = ["--control", control, "--group", "lab"];
    let (program, _) = Program::json("hub", port, &options);
    (program, path)
}

/// Runs a subcommand through the socket: exit code, lines, complaints.
fn through(path: &Path, arguments: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let control = ["--control", path.to_str().expect("text")];
    let output = output(&[&control, arguments].concat());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let lines = text(output.stdout).lines().map(str::to_owned).collect();
    (output.status.code(), lines, text(output.stderr))
}

/// A connection of the test's own.
struct Client(BufReader<UnixStream>);

impl Client {
    fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("the node listens");
        let patience = std::time::Duration::from_secs(30);
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        Self(BufReader::new(stream))
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").expect("it reads");
    }

    /// The next line; null at the end.
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it answers");
        match line.as_str() {
            "" => Value::Null,
            line => parsed(line),
        }
    }

    fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        self.hear()
    }
}

#[test]
fn commands_speak_through_a_running_node() {
    let directory = tempfile::tempdir().unwrap();
    let port = port();
    let (mut hub, path) = node(&port, directory.path());
    let file = std::fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let (mut bob, started) = Program::json("bob", &port, &["--group", "lab"]);
    hub.event("enter");
    assert_eq!(bob.event("enter")["name"], "hub");
    hub.event("join");

    let (code, lines, _) = through(&path, &["peers", "--json"]);
    assert_eq!(code, Some(0));
    assert_eq!(parsed(&lines[0])["peer"], started["uuid"]);
    let (_, lines, _) = through(&path, &["groups"]);
    assert_eq!(lines, ["lab  1  bob"]);
    let (code, lines, complaints) = through(&path, &["whisper", "bob", "by", "hub", "--json"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert_eq!(parsed(&lines[0])["peers"][0]["name"], "bob");
    let whisper = bob.event("whisper");
    assert_eq!(
        (&whisper["name"], &whisper["frames"]),
        (&json!("hub"), &json!(["by hub"]))
    );
    assert_eq!(through(&path, &["shout", "lab", "all"]).0, Some(0));
    assert_eq!(bob.event("shout")["frames"], json!(["all"]));
    assert_eq!(through(&path, &["state", "busy"]).0, Some(0));
    assert_eq!(bob.event("state")["to"], "busy");
    assert_eq!(through(&path, &["join", "tea"]).0, Some(0));
    while bob.event("join")["group"] != "tea" {}
    let (code, lines, _) = through(&path, &["leave", "tea", "--json"]);
    assert_eq!(
        (code, parsed(&lines[0])),
        (Some(0), json!({ "event": "done" }))
    );
    assert_eq!(bob.event("leave")["group"], "tea");

    let (code, _, complaints) = through(&path, &["whisper", "nobody", "x"]);
    assert_eq!(code, Some(1));
    assert!(complaints.contains("no peer \"nobody\""), "{complaints}");
    let (code, _, complaints) = through(&path, &["shout", "nowhere", "x"]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("nobody is in the group"),
        "{complaints}"
    );

    assert_eq!(through(&path, &["stop"]).0, Some(0));
    assert_eq!(bob.event("exit")["reason"], "goodbye");
    let (status, lines) = hub.rest();
    assert!(status.success());
    assert_eq!(parsed(lines.last().unwrap())["event"], "stopped");
    assert!(!path.exists());
    let (code, _, complaints) = through(&path, &["peers"]);
    assert_eq!(code, Some(1));
    assert!(complaints.contains("no node listens at"), "{complaints}");
}

#[test]
fn each_line_gets_one_answer_and_many_speak_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let port = port();
    let (mut hub, path) = node(&port, directory.path());
    let mut clients: Vec<Client> = (0..64).map(|_| Client::connect(&path)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(&format!(r#"{{"cmd":"join","group":"G{number}"}}"#));
        client.say("");
        client.say("nonsense");
        client.say(r#"{"cmd":"node"}"#);
    }
    for client in &mut clients {
        assert_eq!(client.hear(), json!({ "event": "done" }));
        let error = client.hear();
        assert!(
            error["message"].as_str().unwrap().contains("an object"),
            "{error}"
        );
        assert_eq!(client.hear()["name"], "hub");
    }
    let mut one_more = Client::connect(&path);
    assert_eq!(one_more.hear()["event"], "error");
    assert_eq!(one_more.hear(), Value::Null);
    let groups = clients[0].ask(r#"{"cmd":"node"}"#)["groups"].clone();
    assert_eq!(groups.as_array().unwrap().len(), 65);
    // What they say isn't the business of whoever started the node.
    hub.say(r#"{"cmd":"stop"}"#);
    let (_, lines) = hub.rest();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn whoever_watches_is_told_what_happens_until_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let port = port();
    let (mut hub, path) = node(&port, directory.path());
    let mut watcher = Client::connect(&path);
    let mut other = Client::connect(&path);
    assert_eq!(watcher.ask(r#"{"cmd":"watch"}"#)["event"], "done");
    let (mut bob, started) = Program::json("bob", &port, &[]);
    let enter = watcher.hear();
    assert_eq!(enter["event"], "enter");
    assert_eq!(enter["peer"], started["uuid"]);
    for field in ["state", "groups", "headers", "link", "via", "endpoint"] {
        assert!(!enter[field].is_null(), "{field}: {enter}");
    }
    bob.event("enter");
    bob.say(r#"{"cmd":"whisper","peer":"hub","frames":["to all who watch"]}"#);
    assert_eq!(watcher.hear()["frames"], json!(["to all who watch"]));
    // Others are only answered.
    assert_eq!(other.ask(r#"{"cmd":"peers"}"#)["event"], "peers");
    hub.end_input();
    assert_eq!(watcher.hear()["event"], "stopped");
    assert_eq!(watcher.hear(), Value::Null);
    assert_eq!(other.hear(), Value::Null);
    assert!(hub.rest().0.success());
}

#[test]
fn any_client_answers_a_request_that_one_of_them_watches() {
    let directory = tempfile::tempdir().unwrap();
    let port = port();
    let path = directory.path().join("control");
    let control = path.to_str().expect("text");
    // Without --json: only those at the socket can answer.
    let options = ["--name", "hub", "--control", control];
    let mut hub = Program::start(&["node"], &port, &options);
    hub.line("hub is up", |line| line.starts_with("hub is up"));
    let (mut bob, _) = Program::json("bob", &port, &[]);
    bob.event("enter");
    let ask = |tag: &str| {
        json!({ "cmd": "request", "peer": "hub", "frames": ["how?"], "timeout": "1m", "tag": tag })
            .to_string()
    };
    bob.say(&ask("unwatched"));
    assert_eq!(bob.event("error")["code"], "unanswered");

    let mut watcher = Client::connect(&path);
    assert_eq!(watcher.ask(r#"{"cmd":"watch"}"#)["event"], "done");
    let mut other = Client::connect(&path);
    bob.say(&ask("watched"));
    let request = watcher.hear();
    assert_eq!(
        (&request["event"], &request["frames"]),
        (&json!("request"), &json!(["how?"]))
    );
    let reply = json!({ "cmd": "reply", "id": request["id"], "frames": ["thus"], "tag": "r" });
    let done = json!({ "event": "done", "tag": "r" });
    assert_eq!(other.ask(&reply.to_string()), done);
    let answer = bob.event("reply");
    assert_eq!(
        (&answer["tag"], &answer["frames"]),
        (&json!("watched"), &json!(["thus"]))
    );

    // A client's own request doesn't keep its further commands waiting, and is answered
    // although it says nothing more.
    other.say(
        &json!({ "cmd": "request", "peer": "bob", "frames": ["and you?"], "timeout": "1m",
        "tag": "q" })
        .to_string(),
    );
    assert_eq!(other.ask(r#"{"cmd":"node","tag":"n"}"#)["tag"], "n");
    other
        .0
        .get_mut()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    let request = bob.event("request");
    bob.say(&json!({ "cmd": "reply", "id": request["id"], "frames": ["well"] }).to_string());
    let reply = other.hear();
    assert_eq!(
        (&reply["event"], &reply["tag"]),
        (&json!("reply"), &json!("q"))
    );
    assert_eq!(other.hear(), Value::Null);
}

#[test]
fn a_live_socket_is_refused_and_a_stale_one_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (mut hub, path) = node(&port(), directory.path());
    let control = path.to_str().unwrap();
    let place = [
        "--interface",
        "lo",
        "--beacon-port",
        &port(),
        "--control",
        control,
    ];
    let second = output(&[&["node"], &place[..]].concat());
    assert_eq!(second.status.code(), Some(1));
    let errors = String::from_utf8(second.stderr).unwrap();
    assert!(errors.contains("already listens"), "{errors}");
    assert_eq!(
        Client::connect(&path).ask(r#"{"cmd":"node"}"#)["name"],
        "hub"
    );

    hub.signal(rustix::process::Signal::KILL);
    hub.ended();
    assert!(path.exists(), "nobody took it away");
    let (mut hub, path) = node(&port(), directory.path());
    assert_eq!(
        Client::connect(&path).ask(r#"{"cmd":"node"}"#)["name"],
        "hub"
    );
    hub.signal(rustix::process::Signal::TERM);
    assert!(hub.rest().0.success());
    assert!(!path.exists());
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn what_does_not_go_together_is_told() {
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--control", "/tmp/x", "chat"], 2, "chat doesn't speak"),
        (
            &["--control", "/tmp/x", "peers", "--interface", "lo"],
            2,
            "--interface is for a node of one's own",
        ),
        (&["state", "busy"], 1, "--control PATH"),
        (&["state", "sideways"], 2, "busy"),
    ];
    for (arguments, code, word) in cases {
        let output = output(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {errors}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_peer_that_the_node_does_not_know_is_named_without_a_wait() {
    let directory = tempfile::tempdir().unwrap();
    let port = port();
    let (_hub, path) = node(&port, directory.path());
    let control = path.to_str().unwrap();
    for command in [&["whisper", "nobody", "hi"][..], &["ping", "nobody"]] {
        let output = output(&[&["--control", control], command].concat());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = "zre: no peer \"nobody\" is with that node";
        assert!(errors.starts_with(text), "{errors}");
    }
}

#[test]
fn what_a_peer_of_the_node_does_not_confirm_is_a_failure() {
    use rustix::process::Signal;

    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let (mut hub, path) = node(&port, directory.path());
    let (bob, _) = Program::json("bob", &port, &[]);
    hub.event("enter");
    let (code, lines, _) = through(&path, &["whisper", "bob", "hi", "--json"]);
    assert_eq!(
        (code, &parsed(&lines[0])["unconfirmed"]),
        (Some(0), &json!(0))
    );
    bob.signal(Signal::STOP);
    let (code, lines, complaints) = through(&path, &["whisper", "bob", "hi", "--json"]);
    assert_eq!(
        (code, &parsed(&lines[0])["unconfirmed"]),
        (Some(1), &json!(1))
    );
    assert!(
        complaints.contains("not everything was confirmed"),
        "{complaints}"
    );
    bob.signal(Signal::CONT);
}

#[test]
fn a_node_without_peers_says_so_at_once() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let (_hub, path) = node(&port, directory.path());
    for arguments in [
        &["peers"][..],
        &["groups"],
        &["peers", "--count", "2"],
        &["ping", "--all", "--count", "1"],
    ] {
        let (code, _, complaints) = through(&path, arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(
            complaints.contains("that node has no peers"),
            "{complaints}"
        );
    }
}

#[test]
fn a_client_too_many_hears_why() {
    let (port, directory) = (port(), tempfile::tempdir().unwrap());
    let (_hub, path) = node(&port, directory.path());
    let mut others: Vec<Client> = (0..64).map(|_| Client::connect(&path)).collect();
    for other in &mut others {
        assert_eq!(other.ask(r#"{"cmd":"groups"}"#)["event"], "groups");
    }
    for _ in 0..10 {
        let (code, _, complaints) = through(&path, &["state", "busy"]);
        assert_eq!(code, Some(1));
        assert!(complaints.contains("64 other clients"), "{complaints}");
    }
}
