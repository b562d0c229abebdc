//! Commands that come, do one thing and leave.

use serde_json::json;

use crate::child::{Program, output, parsed, port};

/// Runs a subcommand on loopback to its end: exit code, lines, complaints.
fn run(port: &str, arguments: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let place = ["--interface", "lo", "--beacon-port", port];
    let split = arguments.iter().position(|&word| word == "--");
    let (before, after) = arguments.split_at(split.unwrap_or(arguments.len()));
    let output = output(&[before, &place, after].concat());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let lines = text(output.stdout).lines().map(str::to_owned).collect();
    (output.status.code(), lines, text(output.stderr))
}

#[test]
fn peers_and_groups_are_listed() {
    let port = port();
    let (_alice, alice) = Program::json("alice", &port, &["--group", "lab", "--group", "tea"]);
    let (mut bob, bobs) = Program::json("bob", &port, &["--group", "lab", "--state", "busy"]);
    bob.event("enter");

    let (code, lines, complaints) = run(&port, &["peers", "--count", "2", "--wait", "20s"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""), "{lines:?}");
    let uuid = alice["uuid"].as_str().unwrap();
    assert!(
        lines[0].starts_with(&format!("alice  {uuid}  ready  ")),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("  lab, tea"), "{lines:?}");
    assert!(lines[1].contains("  busy  "), "{lines:?}");
    assert_eq!(lines.len(), 2);
    // The visitor came as a peer, and left as one.
    assert_eq!(
        bob.event("enter")["link"].as_str().map(str::is_empty),
        Some(false)
    );
    assert_eq!(bob.event("exit")["reason"], "goodbye");

    let two = ["--count", "2", "--wait", "20s", "--json"];
    let (code, lines, _) = run(&port, &[&["peers"], &two[..]].concat());
    assert_eq!(code, Some(0));
    assert_eq!(parsed(&lines[1])["peer"], bobs["uuid"]);
    assert_eq!(parsed(&lines[1])["groups"], json!(["lab"]));

    let (_, lines, _) = run(&port, &["groups", "--count", "2", "--wait", "20s"]);
    assert_eq!(lines, ["lab  2  alice, bob", "tea  1  alice"]);
    let (_, lines, _) = run(&port, &[&["groups"], &two[..]].concat());
    let tea = json!({ "group": "tea", "peers": [{ "peer": uuid, "name": "alice" }] });
    assert_eq!(parsed(&lines[1]), tea);

    let (code, lines, complaints) = run(&port, &["peers", "--count", "9", "--wait", "2500ms"]);
    assert_eq!((code, lines.len()), (Some(1), 2));
    assert!(complaints.contains("only 2 of 9 peers"), "{complaints}");
}

#[test]
fn nobody_is_a_failure() {
    let port = port();
    for subcommand in ["peers", "groups"] {
        let (code, lines, complaints) = run(&port, &[subcommand, "--wait", "100ms"]);
        assert_eq!((code, lines.len()), (Some(1), 0));
        assert!(complaints.contains("nobody came in 100ms"), "{complaints}");
    }
    let (code, _, complaints) = run(&port, &["whisper", "bob", "hi", "--wait", "100ms"]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("no peer \"bob\" came in 100ms"),
        "{complaints}"
    );
    let (code, _, complaints) = run(&port, &["shout", "lab", "hi", "--wait", "100ms"]);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("nobody is in the group \"lab\""),
        "{complaints}"
    );
}

#[test]
fn words_make_one_message() {
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &["--group", "lab"]);
    let (mut bob, uuid) = Program::json("bob", &port, &["--group", "lab"]);

    let wait = ["--wait", "20s", "--json"];
    let words = ["whisper", "bob", "the build", "is done"];
    let (code, lines, complaints) = run(&port, &[&words[..], &wait].concat());
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    let report = json!({ "event": "whispered", "messages": 1, "accepted": 1,
        "unconfirmed": 0, "peers": [{ "peer": uuid["uuid"], "name": "bob" }] });
    assert_eq!(parsed(&lines[0]), report);
    assert_eq!(bob.event("whisper")["frames"], json!(["the build is done"]));

    let words = ["shout", "lab", "--count", "2", "--", "--all", "done"];
    let (code, lines, complaints) = run(&port, &[&words[..1], &wait, &words[1..]].concat());
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    let report = parsed(&lines[0]);
    assert_eq!(
        (&report["messages"], &report["unconfirmed"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(report["peers"].as_array().map(Vec::len), Some(2));
    for node in [&mut alice, &mut bob] {
        let shout = node.event("shout");
        assert_eq!(
            (&shout["group"], &shout["frames"]),
            (&json!("lab"), &json!(["--all done"]))
        );
    }
}

#[test]
fn each_line_of_input_is_a_message() {
    let port = port();
    let (mut bob, _) = Program::json("bob", &port, &["--group", "lab"]);
    for (arguments, kind) in [
        (&["whisper", "bob", "--wait", "20s"][..], "whisper"),
        (&["shout", "lab", "--count", "1", "--wait", "20s"], "shout"),
    ] {
        let mut sender = Program::start(arguments, &port, &[]);
        // With the mark that some editors write.
        sender.say("\u{feff}one");
        assert_eq!(bob.event(kind)["frames"], json!(["one"]));
        sender.say("");
        sender.say("three words now");
        sender.end_input();
        let (status, lines) = sender.rest();
        assert!(status.success(), "{}", sender.complaints());
        assert_eq!(lines, [""; 0]);
        assert_eq!(bob.event(kind)["frames"], json!([""]));
        assert_eq!(bob.event(kind)["frames"], json!(["three words now"]));
        assert_eq!(bob.event("exit")["reason"], "goodbye");
    }
}

#[cfg(unix)]
#[test]
fn what_a_peer_does_not_confirm_is_a_failure() {
    use rustix::process::Signal;

    let port = port();
    let (mut bob, _) = Program::json("bob", &port, &[]);
    let arguments = ["whisper", "bob", "--wait", "20s", "--json"];
    let mut sender = Program::start(&arguments, &port, &[]);
    sender.say("one");
    bob.event("whisper");
    bob.signal(Signal::STOP);
    sender.say("two");
    sender.end_input();
    let (status, lines) = sender.rest();
    assert_eq!(status.code(), Some(1), "{lines:?}");
    let sent = parsed(&lines[0]);
    assert_eq!(
        (&sent["messages"], &sent["unconfirmed"]),
        (&json!(2), &json!(2))
    );
    let complaints = sender.complaints();
    assert!(
        complaints.contains("not everything was confirmed"),
        "{complaints}"
    );

    bob.signal(Signal::CONT);
    bob.event("exit");
    let mut sender = Program::start(&arguments, &port, &[]);
    sender.say("three");
    while bob.event("whisper")["frames"] != json!(["three"]) {}
    bob.signal(Signal::KILL);
    bob.ended();
    // The first may still be taken: until the end of the connection is seen.
    let (status, _) = sender.rest_while_saying("four");
    assert_eq!(status.code(), Some(1));
    let complaints = sender.complaints();
    assert!(complaints.contains("gone"), "{complaints}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_wait() {
    let port = port();
    for subcommand in [&["peers", "--count", "9"][..], &["whisper", "bob", "hi"]] {
        let (mut watcher, _) = Program::json("watcher", &port, &[]);
        let mut command = Program::start(subcommand, &port, &["--wait", "10m"]);
        watcher.event("enter");
        command.signal(rustix::process::Signal::INT);
        let (status, _) = command.rest();
        assert_eq!(status.code(), Some(1));
        assert_eq!(command.complaints(), "zre: interrupted\n");
        assert_eq!(watcher.event("exit")["reason"], "goodbye");
    }
}

#[cfg(unix)]
#[test]
fn a_bystander_that_does_not_answer_is_not_blamed() {
    use rustix::process::Signal;

    let port = port();
    let (mut bob, _) = Program::json("bob", &port, &[]);
    let (mut frozen, _) = Program::json("frozen", &port, &[]);
    let arguments = ["whisper", "bob", "--wait", "20s"];
    let mut sender = Program::start(&arguments, &port, &[]);
    sender.say("one");
    bob.event("whisper");
    while frozen.event("enter")["name"] == "bob" {}
    frozen.signal(Signal::STOP);
    sender.end_input();
    let (status, _) = sender.rest();
    assert_eq!(status.code(), Some(0), "{}", sender.complaints());
    frozen.signal(Signal::CONT);
}

#[test]
fn looking_ends_when_nobody_new_comes() {
    let port = port();
    let (mut bob, _) = Program::json("bob", &port, &["--group", "lab"]);
    for arguments in [&["peers"][..], &["groups"], &["shout", "lab", "hi"]] {
        let begun = std::time::Instant::now();
        let (code, _, complaints) = run(&port, &[arguments, &["--wait", "10m"]].concat());
        assert_eq!((code, complaints.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
    assert_eq!(bob.event("shout")["frames"], json!(["hi"]));
}

#[test]
fn a_name_that_two_peers_have_is_refused_every_time() {
    let port = port();
    let (mut one, _) = Program::json("lamp", &port, &[]);
    let (mut two, started) = Program::json("lamp", &port, &[]);
    one.event("enter");
    two.event("enter");
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for _ in 0..5 {
        for command in [
            &["whisper", "lamp", "hi"][..],
            &["ping", "lamp", "--count", "1"],
            &["send-file", "lamp", file],
        ] {
            let (code, _, complaints) = run(&port, &[command, &["--wait", "20s"]].concat());
            assert_eq!(code, Some(1), "{command:?}: {complaints}");
            let why = "2 peers are named \"lamp\"";
            assert!(complaints.contains(why), "{command:?}: {complaints}");
        }
    }
    // By its UUID, one of them is meant.
    let uuid = started["uuid"].as_str().unwrap();
    let (code, _, complaints) = run(&port, &["whisper", uuid, "hi", "--wait", "20s"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert_eq!(two.event("whisper")["frames"], json!(["hi"]));
}

#[test]
fn nothing_to_say_is_a_failure() {
    let port = port();
    let (_bob, _) = Program::json("bob", &port, &["--group", "lab"]);
    for command in [&["whisper", "bob"][..], &["shout", "lab"]] {
        let (code, lines, complaints) = run(&port, &[command, &["--wait", "20s"]].concat());
        assert_eq!((code, lines.len()), (Some(1), 0), "{command:?}");
        assert!(complaints.contains("no message to send"), "{complaints}");
    }
}

#[test]
fn a_failure_has_a_form_for_scripts() {
    let port = port();
    for (arguments, code) in [
        (&["peers"][..], "nobody"),
        (&["groups"], "nobody"),
        (&["whisper", "bob", "hi"], "unknown_peer"),
        (&["shout", "lab", "hi"], "empty_group"),
        (&["ping", "bob"], "unknown_peer"),
    ] {
        let more = ["--json", "--wait", "100ms"];
        let (exit, lines, complaints) = run(&port, &[arguments, &more].concat());
        assert_eq!((exit, lines.len()), (Some(1), 0), "{arguments:?}");
        let line = parsed(complaints.trim_end());
        assert_eq!(
            (&line["event"], &line["code"]),
            (&json!("error"), &json!(code))
        );
        assert!(!line["message"].as_str().unwrap().is_empty());
    }
    let output = output(&["node", "--json", "--interface", "there-is-none"]);
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!(parsed(complaints.trim_end())["code"], "beacon");
}
