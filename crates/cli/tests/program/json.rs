//! `zre node --json`, as a script speaks with it.

use serde_json::{Value, json};

use crate::child::{Program, parsed, port};

/// The fields of an event, sorted.
fn fields(event: &Value) -> Vec<&str> {
    let object = event.as_object().expect("an object");
    let mut fields: Vec<&str> = object.keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

#[test]
fn two_processes_meet_talk_and_part() {
    let port = port();
    let (mut alice, started) = Program::json("alice", &port, &["--header", "role=camera"]);
    assert_eq!(
        fields(&started),
        ["endpoint", "event", "groups", "headers", "name", "uuid"]
    );
    let uuid = started["uuid"].as_str().unwrap();
    assert!(
        uuid.len() == 32 && uuid.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')),
        "{uuid}"
    );
    let (mut bob, other) = Program::json("bob", &port, &[]);

    let enter = bob.event("enter");
    assert_eq!(
        fields(&enter),
        [
            "endpoint", "event", "groups", "headers", "key", "link", "name", "peer", "state", "via"
        ]
    );
    assert_eq!(enter["peer"], started["uuid"]);
    assert_eq!(enter["name"], "alice");
    assert_eq!(enter["headers"], json!({ "role": "camera" }));
    assert_eq!(enter["state"], "ready");
    assert!(enter["via"].as_array().is_some_and(|via| !via.is_empty()));
    assert_eq!(alice.event("enter")["peer"], other["uuid"]);

    bob.say(r#"{"cmd":"join","group":"G"}"#);
    let join = alice.event("join");
    assert_eq!(fields(&join), ["event", "group", "name", "peer"]);
    assert_eq!(join["group"], "G");

    let frames = json!(["text", { "base64": "/wD+" }, "", "ä\n\u{1f600}"]);
    alice.say(&json!({ "cmd": "whisper", "peer": "bob", "frames": frames }).to_string());
    let whisper = bob.event("whisper");
    assert_eq!(fields(&whisper), ["event", "frames", "name", "peer"]);
    assert_eq!(whisper["frames"], frames);
    alice.say(&json!({ "cmd": "whisper", "peer": other["uuid"], "frames": [] }).to_string());
    assert_eq!(bob.event("whisper")["frames"], json!([]));

    alice.say(&json!({ "cmd": "shout", "group": "G", "frames": frames }).to_string());
    let shout = bob.event("shout");
    assert_eq!(
        (&shout["name"], &shout["group"], &shout["frames"]),
        (&json!("alice"), &json!("G"), &frames)
    );

    bob.say(r#"{"cmd":"state","state":"Busy"}"#);
    let state = alice.event("state");
    assert_eq!(
        (&state["peer"], &state["from"], &state["to"]),
        (&other["uuid"], &json!("ready"), &json!("busy"))
    );
    alice.say(r#"{"cmd":"peers"}"#);
    let peers = alice.event("peers");
    let peer = &peers["peers"][0];
    assert_eq!(
        fields(peer),
        [
            "endpoint", "groups", "headers", "key", "link", "name", "peer", "silence", "state",
            "via"
        ]
    );
    assert!(peer["silence"].as_f64() < Some(5.0), "{peer}");
    assert_eq!(peer["groups"], json!(["G"]));
    assert_eq!(peer["state"], "busy");
    assert_eq!(peer["endpoint"], other["endpoint"]);

    bob.say(r#"{"cmd":"set_name","name":"rob"}"#);
    let update = alice.event("update");
    assert_eq!(
        fields(&update),
        ["event", "headers", "name", "old_name", "peer"]
    );
    assert_eq!(
        (&update["peer"], &update["name"], &update["old_name"]),
        (&other["uuid"], &json!("rob"), &json!("bob"))
    );
    bob.say(r#"{"cmd":"set_header","key":"load","value":"7"}"#);
    assert_eq!(alice.event("update")["headers"], json!({ "load": "7" }));
    bob.say(r#"{"cmd":"remove_header","key":"load"}"#);
    assert_eq!(alice.event("update")["headers"], json!({}));

    bob.say(r#"{"cmd":"leave","group":"G"}"#);
    assert_eq!(alice.event("leave")["group"], "G");
    bob.say(r#"{"cmd":"stop"}"#);
    let (status, lines) = bob.rest();
    assert!(status.success());
    assert_eq!(parsed(lines.last().unwrap()), json!({ "event": "stopped" }));
    let exit = alice.event("exit");
    assert_eq!(
        fields(&exit),
        ["event", "name", "peer", "reason", "unconfirmed"]
    );
    assert_eq!(exit["peer"], other["uuid"]);
    assert_eq!(exit["reason"], "goodbye");
    assert!(exit["unconfirmed"].is_u64());
}

#[test]
fn a_line_that_cannot_be_carried_out_gets_one_error_and_the_node_goes_on() {
    let (mut node, _) = Program::json("alice", &port(), &[]);
    let long = format!(r#"{{"cmd":"join","group":"{}"}}"#, "x".repeat(300));
    let cases = [
        ("nonsense", "not a command"),
        ("{", "not a command"),
        ("[]", "not a command"),
        (r#"{"cmd":"dance"}"#, "unknown variant `dance`"),
        (r#"{"cmd":"join"}"#, "missing field `group`"),
        (
            r#"{"cmd":"join","group":"G","why":1}"#,
            "unknown field `why`",
        ),
        (
            r#"{"cmd":"whisper","peer":"nobody","frames":["x"]}"#,
            "no peer nobody",
        ),
        (
            r#"{"cmd":"whisper","peer":7,"frames":["x"]}"#,
            "invalid type",
        ),
        (
            r#"{"cmd":"shout","group":"G","frames":[{"base64":"?"}]}"#,
            "base64",
        ),
        (r#"{"cmd":"shout","group":"","frames":["x"]}"#, "group"),
        (r#"{"cmd":"state","state":"sideways"}"#, "sideways"),
        (r#"{"cmd":"state","state":"exit"}"#, "exit can't be set"),
        (long.as_str(), "255"),
    ];
    for (line, word) in cases {
        node.say(line);
        let error = node.event("error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(word), "{line}: {message}");
    }
    // An empty line is nothing to complain about, and commands follow in order.
    node.say("");
    node.say(r#"{"cmd":"peers"}"#);
    node.say(r#"{"cmd":"stop"}"#);
    node.say("never read");
    let (status, lines) = node.rest();
    assert!(status.success());
    let lines: Vec<Value> = lines.iter().map(|line| parsed(line)).collect();
    assert_eq!(
        lines,
        [
            json!({ "event": "peers", "peers": [] }),
            json!({ "event": "stopped" })
        ]
    );
}

#[test]
fn a_name_that_two_share_names_neither() {
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &[]);
    let (mut one, uuid) = Program::json("twin", &port, &[]);
    let (_two, _) = Program::json("twin", &port, &[]);
    alice.event("enter");
    alice.event("enter");
    alice.say(r#"{"cmd":"whisper","peer":"twin","frames":["which?"]}"#);
    let error = alice.event("error");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("2 peers"), "{message}");
    alice.say(&json!({ "cmd": "whisper", "peer": uuid["uuid"], "frames": ["you"] }).to_string());
    assert_eq!(one.event("whisper")["frames"], json!(["you"]));
}

#[test]
fn many_messages_arrive_in_order_through_pipes() {
    const COUNT: usize = 3000;
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &[]);
    let (mut bob, _) = Program::json("bob", &port, &[]);
    alice.event("enter");
    bob.event("enter");
    let padding = "x".repeat(1000);
    for number in 0..COUNT {
        let frames = [number.to_string(), padding.clone()];
        alice.say(&json!({ "cmd": "whisper", "peer": "bob", "frames": frames }).to_string());
    }
    alice.end_input();
    for number in 0..COUNT {
        let whisper = bob.event("whisper");
        assert_eq!(whisper["frames"][0], number.to_string());
    }
    assert_eq!(bob.event("exit")["reason"], "goodbye");
    assert!(alice.rest().0.success());
}

#[test]
fn a_request_is_answered_by_its_id_and_nothing_waits_for_it() {
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &[]);
    let (mut bob, started) = Program::json("bob", &port, &[]);
    alice.event("enter");
    bob.event("enter");
    let frames = json!(["how?", { "base64": "/wD+" }]);
    let ask = |frames: &Value, timeout: &str, tag: &str| {
        json!({ "cmd": "request", "peer": "bob", "frames": frames, "timeout": timeout, "tag": tag })
            .to_string()
    };
    alice.say(&ask(&frames, "1m", "t1"));
    // Carried out although the request isn't answered, and behind it.
    alice.say(r#"{"cmd":"whisper","peer":"bob","frames":["meanwhile"],"tag":"t2"}"#);
    let sent = alice.event("whispered");
    assert_eq!((&sent["tag"], &sent["accepted"]), (&json!("t2"), &json!(1)));
    let request = bob.event("request");
    assert_eq!(fields(&request), ["event", "frames", "id", "name", "peer"]);
    assert_eq!(
        (&request["name"], &request["frames"]),
        (&json!("alice"), &frames)
    );
    assert_eq!(bob.event("whisper")["frames"], json!(["meanwhile"]));
    alice.say(&ask(&json!(["and?"]), "1m", "t3"));
    let second = bob.event("request");
    let answer = |request: &Value, text: &str, tag: Value| {
        let mut line = json!({ "cmd": "reply", "id": request["id"], "frames": [text] });
        if !tag.is_null() {
            line["tag"] = tag;
        }
        line.to_string()
    };
    bob.say(&answer(&second, "thus", json!("a1")));
    assert_eq!(bob.event("done")["tag"], "a1");
    let reply = alice.event("reply");
    assert_eq!(fields(&reply), ["event", "frames", "name", "peer", "tag"]);
    assert_eq!(reply["tag"], "t3");
    assert_eq!(
        (&reply["peer"], &reply["frames"]),
        (&started["uuid"], &json!(["thus"]))
    );
    bob.say(&answer(&request, "so", Value::Null));
    assert_eq!(alice.event("reply")["tag"], "t1");
    bob.say(&answer(&request, "twice", json!("a2")));
    let error = bob.event("error");
    assert_eq!(
        (&error["tag"], &error["code"]),
        (&json!("a2"), &json!("unknown_request"))
    );

    alice.say(&ask(&json!(["unheard"]), "10ms", "t4"));
    let error = alice.event("error");
    assert_eq!(
        (&error["tag"], &error["code"]),
        (&json!("t4"), &json!("elapsed"))
    );
    bob.event("request");
    // The end of input waits for the answer.
    alice.say(&ask(&json!(["last"]), "1m", "t5"));
    alice.end_input();
    let last = bob.event("request");
    bob.say(&answer(&last, "done", Value::Null));
    assert_eq!(alice.event("reply")["tag"], "t5");
    assert!(alice.rest().0.success());
}

#[test]
fn a_tag_gets_an_answer_to_every_command() {
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &[]);
    let (mut bob, _) = Program::json("bob", &port, &["--group", "G"]);
    alice.event("enter");
    alice.event("join");
    let commands = [
        (r#""cmd":"join","group":"H""#, "done"),
        (r#""cmd":"contest","group":"H""#, "done"),
        (r#""cmd":"state","state":"busy""#, "done"),
        (r#""cmd":"leave","group":"H""#, "done"),
        (r#""cmd":"set_header","key":"k","value":"v""#, "done"),
        (r#""cmd":"set_header","key":"X-ZRE-K","value":"""#, "error"),
        (r#""cmd":"remove_header","key":"k""#, "done"),
        (r#""cmd":"set_name","name":"alba""#, "done"),
        (r#""cmd":"set_name","name":"""#, "error"),
        (r#""cmd":"whisper","peer":"bob","frames":[]"#, "whispered"),
        (r#""cmd":"shout","group":"G","frames":["x"]"#, "shouted"),
        (
            r#""cmd":"shout","group":"nobody","frames":["x"]"#,
            "shouted",
        ),
        (r#""cmd":"peers""#, "peers"),
        (r#""cmd":"groups""#, "groups"),
        (r#""cmd":"node""#, "node"),
        (r#""cmd":"stats""#, "stats"),
        (r#""cmd":"ping","peer":"bob","timeout":"30s""#, "pong"),
        (r#""cmd":"ping","peer":"nobody","timeout_ms":5"#, "error"),
        (r#""cmd":"reply","id":99,"frames":[]"#, "error"),
        (r#""cmd":"dance""#, "error"),
        (r#""cmd":"watch""#, "done"),
    ];
    for (number, (command, event)) in commands.into_iter().enumerate() {
        let tag = format!("t{number}");
        alice.say(&format!(r#"{{{command},"tag":"{tag}"}}"#));
        let answer = alice.event(event);
        assert_eq!(answer["tag"], tag, "{command}: {answer}");
        if event == "shouted" {
            let expected = u64::from(command.contains(r#""G""#));
            assert_eq!(answer["accepted"], expected, "{command}: {answer}");
        }
    }
    // What nobody gets is mentioned also without a tag.
    alice.say(r#"{"cmd":"shout","group":"nobody","frames":["x"]}"#);
    let answer = alice.event("shouted");
    assert_eq!(
        (&answer["accepted"], &answer["tag"]),
        (&json!(0), &Value::Null)
    );
    bob.say(r#"{"cmd":"stop","tag":"end"}"#);
    assert_eq!(bob.event("done")["tag"], "end");
}

/// As the README and the guide show it.
#[test]
fn a_script_of_one_line_is_heard() {
    let port = port();
    let mut alice = Program::start(&["chat", "--name", "alice"], &port, &[]);
    alice.line("you are alice", |line| line.contains("you are alice"));
    let shout = r#"{"cmd":"shout","group":"chat","frames":["hi"]}"#;
    let wait = r#"{"cmd":"wait","peers":1,"group":"chat","timeout":"20s"}"#;
    for (lines, options) in [
        (&[shout][..], &["--wait", "20s"][..]),
        (&[wait, shout], &[]),
    ] {
        let (mut script, _) = Program::json("script", &port, options);
        for line in lines {
            script.say(line);
        }
        script.end_input();
        assert!(script.rest().0.success());
        alice.line("script: hi", |line| line.contains("script: hi"));
    }
    let (mut script, _) = Program::json("script", &port, &["--wait", "20s"]);
    script.say(r#"{"cmd":"peers"}"#);
    script.end_input();
    assert_eq!(script.event("peers")["peers"][0]["name"], "alice");
}

#[test]
fn a_wait_says_how_it_ended() {
    let port = port();
    let (mut alice, _) = Program::json("alice", &port, &[]);
    alice.say(r#"{"cmd":"wait","timeout":"10ms","tag":"alone"}"#);
    let error = alice.event("error");
    assert_eq!(
        (&error["tag"], &error["code"]),
        (&json!("alone"), &json!("elapsed"))
    );
    alice.say(r#"{"cmd":"wait","peers":2,"timeout":"20s","tag":"both"}"#);
    let (_bob, _) = Program::json("bob", &port, &[]);
    let (_carl, _) = Program::json("carl", &port, &[]);
    assert_eq!(alice.event("done")["tag"], "both");
}

/// Two of one name, of whom the second is met after the command that names them.
#[test]
fn a_name_of_two_peers_is_refused_though_one_is_met_first() {
    let port = port();
    let (mut first, _) = Program::json("lamp", &port, &[]);
    let (mut alice, _) = Program::json("alice", &port, &[]);
    alice.event("enter");
    let second = Program::start(&["node", "--json", "--name", "lamp"], &port, &[]);
    alice.say(r#"{"cmd":"whisper","peer":"lamp","frames":["hi"],"tag":"t"}"#);
    let answer = alice.event("error");
    assert_eq!(answer["code"], "ambiguous_peer", "{answer}");
    first.say(r#"{"cmd":"stop"}"#);
    first.rest();
    drop(second);
}

/// One peer's program doesn't read: the others get every shout, and it is reported.
#[test]
fn a_peer_that_does_not_read_costs_no_other_a_shout() {
    let port = port();
    let narrow = "queue_bytes_per_peer=64k,inbox_bytes_per_connection=64k";
    let options = ["--group", "lab", "--ipc", "off", "--link-limits", narrow];
    let (_slow, _unread) = Program::unread({
        let mut slow = Program::command(&["node", "--json", "--name", "slow"], &port);
        slow.args(options).args(["--event-queue-bytes", "64k"]);
        slow
    });
    let (mut bob, _) = Program::json("bob", &port, &options);
    bob.event("join");
    let shout = ["shout", "lab", "--count", "2", "--wait", "20s", "--json"];
    let mut sender = Program::start(&shout, &port, &["--ipc", "off", "--link-limits", narrow]);
    for number in 0..20 {
        sender.say(&format!("{number} {}", "x".repeat(1 << 20)));
    }
    sender.end_input();
    for number in 0..20 {
        let heard = bob.event("shout");
        let text = heard["frames"][0].as_str().expect("text");
        assert!(text.starts_with(&format!("{number} ")), "in order");
    }
    let (status, lines) = sender.rest();
    assert_eq!(status.code(), Some(1));
    let shouted = parsed(&lines[0]);
    let (accepted, unconfirmed) = (&shouted["accepted"], &shouted["unconfirmed"]);
    assert_eq!(shouted["messages"], 20);
    assert!(unconfirmed.as_u64() > Some(0), "{shouted}");
    assert_eq!(
        accepted.as_u64(),
        unconfirmed.as_u64().map(|lost| lost + 20)
    );
}

/// One peer's program doesn't read: nobody else waits for it, and neither does the end.
#[test]
fn a_peer_that_does_not_read_keeps_no_other_waiting() {
    let port = port();
    let narrow = "queue_bytes_per_peer=64k,inbox_bytes_per_connection=64k";
    let options = ["--group", "lab", "--ipc", "off", "--link-limits", narrow];
    let slow = Program::command(&["node", "--json", "--name", "slow"], &port);
    let (mut slow, _unread) = Program::unread({
        let mut slow = slow;
        slow.args(options).args(["--event-queue-bytes", "64k"]);
        slow
    });
    let (mut bob, _) = Program::json("bob", &port, &options);
    let (mut alice, _) = Program::json("alice", &port, &options);
    alice.say(r#"{"cmd":"wait","peers":2,"group":"lab","timeout":"20s"}"#);
    let begun = std::time::Instant::now();
    let frame = "x".repeat(1 << 20);
    for number in 0..20 {
        let shout =
            json!({ "cmd": "shout", "group": "lab", "frames": [number.to_string(), frame] });
        alice.say(&shout.to_string());
        let heard = bob.event("shout");
        assert_eq!(heard["frames"][0], number.to_string(), "in order");
    }
    alice.say(&json!({ "cmd": "whisper", "peer": "slow", "frames": [frame] }).to_string());
    alice.say(r#"{"cmd":"whisper","peer":"bob","frames":["last"],"tag":"t"}"#);
    assert_eq!(bob.event("whisper")["frames"], json!(["last"]));
    assert_eq!(alice.event("whispered")["tag"], "t");
    // With one after the other, each would have waited 10 s.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    alice.say(r#"{"cmd":"stop"}"#);
    assert!(alice.rest().0.success());

    let (mut carl, _) = Program::json("carl", &port, &options);
    carl.say(r#"{"cmd":"wait","peers":2,"group":"lab","timeout":"20s"}"#);
    for _ in 0..20 {
        let whisper = json!({ "cmd": "whisper", "peer": "slow", "frames": [frame], "tag": "s" });
        carl.say(&whisper.to_string());
    }
    let begun = std::time::Instant::now();
    carl.end_input();
    let (status, lines) = carl.rest();
    assert!(status.success());
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let answers = lines.iter().filter(|line| line.contains(r#""tag":"s""#));
    assert_eq!(answers.count(), 20, "each has its answer");

    let (mut dora, _) = Program::json("dora", &port, &options);
    dora.say(r#"{"cmd":"wait","peers":2,"group":"lab","timeout":"20s"}"#);
    for _ in 0..20 {
        let whisper = json!({ "cmd": "whisper", "peer": "slow", "frames": [frame], "tag": "s" });
        dora.say(&whisper.to_string());
    }
    dora.say(r#"{"cmd":"stop","tag":"stop"}"#);
    let (status, lines) = dora.rest();
    assert!(status.success());
    let answers = lines.iter().filter(|line| line.contains(r#""tag":"s""#));
    assert_eq!(answers.count(), 20, "each has its answer before the end");
    slow.say(r#"{"cmd":"stop"}"#);
}
