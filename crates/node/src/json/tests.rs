#[cfg(feature = "schema")]
use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;
use zre_proto::State;

use super::{Event, Line};
use crate::{ExitReason, Message, Peer, Responder};

const BOB: Uuid = Uuid::from_u128(0xb0b);

/// Every kind of event, with its JSON.
fn samples() -> Vec<(crate::Event, Value)> {
    use crate::Event;

    let peer = Peer::detached("bob").uuid(BOB).header("role", "camera");
    let peer = peer.group("lab").build();
    let interface = crate::interfaces().unwrap().remove(0);
    let message = Message::from([&b"text"[..], b"\xff\x00"]);
    let frames = json!(["text", { "base64": "/wA=" }]);
    let bob = "00000000000000000000000000000b0b";
    let with_peer = |event: &str, more: Value| {
        let mut object = json!({ "event": event, "peer": bob, "name": "bob" });
        let more = more.as_object().cloned().unwrap_or_default();
        object.as_object_mut().unwrap().extend(more);
        object
    };
    let more = json!({
        "headers": { "role": "camera" },
        "endpoint": "tcp://127.0.0.1:49152",
        "link": "tcp",
        "key": null,
        "state": "ready",
        "groups": ["lab"],
        "via": ["static"],
    });
    let peer = || peer.clone();
    vec![
        (Event::Enter { peer: peer() }, with_peer("enter", more)),
        (
            Event::Exit {
                peer: peer(),
                reason: ExitReason::Expired,
                unconfirmed: 3,
            },
            with_peer("exit", json!({ "reason": "expired", "unconfirmed": 3 })),
        ),
        (
            Event::Join {
                peer: peer(),
                group: "lab".into(),
            },
            with_peer("join", json!({ "group": "lab" })),
        ),
        (
            Event::Leave {
                peer: peer(),
                group: "lab".into(),
            },
            with_peer("leave", json!({ "group": "lab" })),
        ),
        (
            Event::Whisper {
                peer: peer(),
                message: message.clone(),
            },
            with_peer("whisper", json!({ "frames": frames })),
        ),
        (
            Event::Shout {
                peer: peer(),
                group: "lab".into(),
                message: message.clone(),
            },
            with_peer("shout", json!({ "group": "lab", "frames": frames })),
        ),
        (
            Event::Request {
                peer: peer(),
                message,
                responder: Responder::detached(&peer()),
            },
            with_peer("request", json!({ "id": 1, "frames": frames })),
        ),
        (
            Event::Evasive { peer: peer() },
            with_peer("evasive", json!({})),
        ),
        (
            Event::Silent { peer: peer() },
            with_peer("silent", json!({})),
        ),
        (
            Event::Responsive { peer: peer() },
            with_peer("responsive", json!({})),
        ),
        (
            Event::State {
                peer: peer(),
                from: State::Ready,
                to: State::Other(200),
            },
            with_peer("state", json!({ "from": "ready", "to": "200" })),
        ),
        (
            Event::Update {
                peer: peer(),
                old_name: "rob".into(),
            },
            with_peer(
                "update",
                json!({ "headers": { "role": "camera" }, "old_name": "rob" }),
            ),
        ),
        (
            Event::Leader {
                group: "lab".into(),
                uuid: BOB,
                peer: Some(peer()),
            },
            json!({ "event": "leader", "group": "lab", "uuid": bob, "name": "bob" }),
        ),
        (
            Event::Undecided {
                group: "lab".into(),
                missing: vec![peer()],
            },
            json!({ "event": "undecided", "group": "lab",
                "missing": [{ "peer": bob, "name": "bob" }] }),
        ),
        (
            Event::Conflict { uuid: BOB },
            json!({ "event": "conflict", "uuid": bob }),
        ),
        (
            Event::Unreachable {
                uuid: BOB,
                endpoint: "tcp://10.0.0.2:7000".parse().unwrap(),
                reason: "the connection was refused".into(),
            },
            json!({ "event": "unreachable", "uuid": bob, "endpoint": "tcp://10.0.0.2:7000",
                "reason": "the connection was refused" }),
        ),
        (
            Event::OneWay {
                uuid: BOB,
                endpoint: "tcp://10.0.0.2:7000".parse().unwrap(),
                reason: "it doesn't greet back".into(),
            },
            json!({ "event": "one_way", "uuid": bob, "endpoint": "tcp://10.0.0.2:7000",
                "reason": "it doesn't greet back" }),
        ),
        (
            Event::Backpressure {
                peer: peer(),
                on: true,
            },
            with_peer("backpressure", json!({ "on": true })),
        ),
        (
            Event::Discovery {
                up: false,
                reason: "it is down".into(),
                interface: interface.clone(),
            },
            json!({ "event": "discovery", "up": false, "interface": &*interface.name,
                "address": interface.addr.to_string(), "reason": "it is down" }),
        ),
        (
            Event::panicked("running the protocol"),
            json!({ "event": "failed", "reason": "the task of running the protocol has panicked" }),
        ),
    ]
}

/// The compiler asks for a line here when there is a new kind; the test below then asks
/// for its sample.
fn number(event: &crate::Event) -> usize {
    use crate::Event;

    match event {
        Event::Enter { .. } => 0,
        Event::Exit { .. } => 1,
        Event::Join { .. } => 2,
        Event::Leave { .. } => 3,
        Event::Whisper { .. } => 4,
        Event::Shout { .. } => 5,
        Event::Request { .. } => 6,
        Event::Evasive { .. } => 7,
        Event::Silent { .. } => 8,
        Event::Responsive { .. } => 9,
        Event::State { .. } => 10,
        Event::Update { .. } => 11,
        Event::Leader { .. } => 12,
        Event::Undecided { .. } => 13,
        Event::Conflict { .. } => 14,
        Event::Unreachable { .. } => 15,
        Event::OneWay { .. } => 16,
        Event::Backpressure { .. } => 17,
        Event::Discovery { .. } => 18,
        Event::Failed { .. } => 19,
    }
}

#[test]
fn every_kind_of_event_has_its_json_and_can_be_read_back() {
    for (index, (event, expected)) in samples().into_iter().enumerate() {
        assert_eq!(number(&event), index);
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(written, expected);
        assert_eq!(written["event"], event.kind());
        let read: Event = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(read, Event::from(&event));
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        // A line of a node is the same.
        let line: Line = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(line, Line::Event(read));
        assert_eq!(serde_json::to_value(&line).unwrap(), written);
    }
}

#[test]
fn accessors_give_what_the_json_says() {
    for (event, json) in samples() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let others = [
            "undecided",
            "conflict",
            "unreachable",
            "one_way",
            "discovery",
            "failed",
        ];
        let is_about_one = !others.contains(&event.kind());
        assert_eq!(event.peer().is_some(), is_about_one, "{json}");
        let uuid = event.uuid().map(|uuid| uuid.simple().to_string());
        let expected = text(&json["peer"]).or_else(|| text(&json["uuid"]));
        assert_eq!(uuid, expected, "{json}");
        assert_eq!(event.group().map(String::from), text(&json["group"]));
        assert_eq!(event.reason().map(str::to_owned), text(&json["reason"]));
        assert_eq!(event.id(), json["id"].as_u64());
        let frames = event.message().map(|message| json!(message));
        assert_eq!(frames.unwrap_or_default(), json["frames"]);
        let state = event.state().map(|state| state.to_string());
        assert_eq!(state, text(&json["to"]));
    }
}

#[cfg(feature = "schema")]
#[test]
fn every_kind_in_the_schema_has_a_sample() {
    let schema = schemars::schema_for!(Event).to_value();
    let kinds = schema["oneOf"].as_array().unwrap().iter();
    let kinds: BTreeSet<_> = kinds
        .map(|kind| kind["properties"]["event"]["const"].as_str().unwrap())
        .collect();
    let samples = samples();
    let covered: BTreeSet<_> = samples.iter().map(|(event, _)| event.kind()).collect();
    assert_eq!(kinds, covered);
}

#[test]
fn an_unknown_event_and_an_unknown_field_are_read() {
    let line = json!({ "event": "eclipse", "sun": { "on": false } });
    let event: Event = serde_json::from_value(line.clone()).unwrap();
    assert_eq!(event, Event::Unknown);
    let line: Line = serde_json::from_value(line).unwrap();
    assert_eq!(line, Line::Event(Event::Unknown));
    for (event, mut json) in samples() {
        json["later"] = json!({ "a": [1] });
        let read: Event = serde_json::from_value(json).unwrap();
        assert_eq!(read, Event::from(&event));
    }
    // What is known must be complete.
    let exit = json!({ "event": "exit", "peer": BOB, "name": "bob" });
    assert!(serde_json::from_value::<Event>(exit).is_err());
}
