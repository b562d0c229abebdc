//! `zre listen`, and what is written for shells and `man`.

use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::child::{Program, output, parsed, port};

#[test]
fn beacons_are_decoded() {
    let port = port();
    let mut people = Program::start(&["listen"], &port, &[]);
    let mut script = Program::start(&["listen", "--json"], &port, &[]);
    let (mut node, started) = Program::json("node", &port, &["--state", "busy"]);
    let uuid = started["uuid"].as_str().unwrap();
    let inbox = started["endpoint"].as_str().unwrap();
    let inbox = inbox.rsplit(':').next().unwrap();

    let classic = format!(" lo 127.0.0.1 broadcast classic {uuid} port {inbox}");
    people.line("a classic beacon", |line| line.ends_with(&classic));
    let state = format!(" lo 127.0.0.1 multicast state {uuid} port {inbox} busy");
    let line = people.line("a beacon with a state", |line| line.ends_with(&state));
    assert_eq!(line.find('T'), Some(10), "{line}");

    let heard = |line: &str, form: &str, leaving: bool| {
        let beacon: Value = parsed(line);
        let said = (&beacon["uuid"], &beacon["form"], &beacon["leaving"]);
        said == (&json!(uuid), &json!(form), &json!(leaving))
    };
    let line = parsed(&script.line("a state", |line| {
        // The first says init.
        heard(line, "state", false) && parsed(line)["state"] == "busy"
    }));
    assert_eq!(line["port"].to_string(), inbox);
    let shown = ["event", "interface", "from", "cast", "state"].map(|key| line[key].clone());
    assert_eq!(shown, ["beacon", "lo", "127.0.0.1", "multicast", "busy"]);
    assert_eq!(line["public_key"], Value::Null);

    node.say(r#"{"cmd":"stop"}"#);
    let line = parsed(&script.line("an end", |line| heard(line, "classic", true)));
    assert_eq!(line["port"], 0);
    script.line("an end in state form", |line| heard(line, "state", true));
    people.line("an end", |line| line.ends_with(" leaves"));
}

#[test]
fn what_is_no_beacon_is_shown_with_the_reason_and_counts() {
    let port = port();
    let arguments = ["listen", "--json", "--count", "2"];
    let mut script = Program::start(&arguments, &port, &["--multicast", "off"]);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_broadcast(true).unwrap();
    let dest = format!("127.255.255.255:{port}");
    let curve = [&b"ZRE\x03"[..], &[7; 16], &[0xc0, 0], &[0xab; 32]].concat();
    // Until it listens, and heard twice at the most before the other.
    let first = loop {
        stranger.send_to(b"hello", &dest).unwrap();
        if let Some(line) = script.try_line() {
            break parsed(&line);
        }
    };
    assert_eq!(first["event"], "malformed");
    assert_eq!(
        (&first["length"], &first["cast"]),
        (&json!(5), &json!("broadcast"))
    );
    assert!(
        first["error"]
            .as_str()
            .unwrap()
            .contains("not a ZRE beacon")
    );
    let (status, _) = script.rest_while(|| {
        let _ = stranger.send_to(&curve, &dest);
    });
    assert!(status.success());

    let mut people = Program::start(&["listen", "--count", "1"], &port, &["--multicast", "off"]);
    let (status, lines) = people.rest_while(|| {
        let _ = stranger.send_to(&curve, &dest);
    });
    assert!(status.success());
    let key = "ab".repeat(32);
    let uuid = "07".repeat(16);
    let end = format!(" lo 127.0.0.1 broadcast curve {uuid} port 49152 key {key}");
    assert!(lines[0].ends_with(&end), "{lines:?}");
    assert_eq!(lines.len(), 1);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_well() {
    let port = port();
    let mut people = Program::start(&["listen"], &port, &[]);
    let (_node, _) = Program::json("node", &port, &[]);
    people.line("a beacon", |line| line.contains(" port "));
    people.signal(rustix::process::Signal::HUP);
    let (status, _) = people.rest();
    assert!(status.success(), "{}", people.complaints());
}

#[test]
fn an_interface_that_is_not_there_is_told() {
    let output = output(&["listen", "--interface", "nowhere7"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("nowhere7") && complaint.contains("lo ("),
        "{complaint}"
    );
}

#[test]
fn shells_and_man_are_served() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = output(&["completions", shell]);
        assert!(output.status.success());
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        for word in ["whisper", "gossip-connect"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = |arguments: &[&str]| {
        let output = output(arguments);
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let main = page(&["man"]);
    assert!(
        main.contains(".TH zre 1") && main.contains("listen"),
        "{main}"
    );
    let shout = page(&["man", "shout"]);
    assert!(
        shout.contains(".TH zre-shout 1") && shout.contains("dinner"),
        "{shout}"
    );
    assert_eq!(output(&["man", "dance"]).status.code(), Some(1));
}
