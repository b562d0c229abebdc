//! Golden vectors: what C Zyre, pyre and zyre.js put on the wire, read and
//! written again, byte for byte.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers may fail the test"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;
use zre_proto::{Beacon, Command, Frames, Hello, Message, MessageLimits, State};

const CAPTURES: &str = include_str!("vectors/captures.jsonl");

fn captures(kind: &str) -> impl Iterator<Item = Value> {
    CAPTURES
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
        .filter(move |line| line["kind"] == kind)
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hex is text");
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text field").to_owned()
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value.as_u64().expect("a number field");
    T::try_from(number).ok().expect("a number in range")
}

/// The command that the `decoded` fields describe.
fn described(decoded: &Value) -> Command {
    let group = || text(&decoded["group"]).into();
    let content = || -> Message {
        let frames = decoded["content"].as_array().expect("a list of frames");
        frames.iter().map(unhex).collect()
    };
    match decoded["message"].as_str().expect("a message name") {
        "HELLO" => Command::Hello(Hello {
            endpoint: text(&decoded["endpoint"]),
            groups: decoded["groups"]
                .as_array()
                .expect("a list of groups")
                .iter()
                .map(text)
                .collect(),
            status: number(&decoded["status"]),
            name: text(&decoded["name"]),
            headers: decoded["headers"]
                .as_object()
                .expect("a map of headers")
                .iter()
                .map(|(key, value)| (key.clone(), text(value)))
                .collect(),
        }),
        "WHISPER" => Command::Whisper { content: content() },
        "SHOUT" => Command::Shout {
            group: group(),
            content: content(),
        },
        "JOIN" => Command::Join {
            group: group(),
            status: number(&decoded["status"]),
        },
        "LEAVE" => Command::Leave {
            group: group(),
            status: number(&decoded["status"]),
        },
        "PING" => Command::Ping(None),
        "PING-OK" | "PING_OK" => Command::PingOk(None),
        "ELECT" => Command::Elect {
            group: group(),
            challenger_id: text(&decoded["challenger_id"]).into(),
        },
        "LEADER" => Command::Leader {
            group: group(),
            leader_id: text(&decoded["leader_id"]).into(),
        },
        "GOODBYE" => Command::Goodbye,
        other => panic!("a message of which the tests know nothing: {other}"),
    }
}

/// A kind that nobody reads here must be one that is somebody else's.
#[test]
fn no_line_is_skipped_by_accident() {
    let mut kinds = BTreeMap::new();
    for line in CAPTURES.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        *kinds.entry(text(&line["kind"])).or_insert(0) += 1;
    }
    let expected = [
        ("beacon", 20),
        ("zgossip", 5),
        ("zmtp-command", 16),
        ("zmtp-greeting", 12),
        ("zre", 42),
    ];
    let expected: BTreeMap<String, i32> = expected
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect();
    assert_eq!(kinds, expected);
}

#[test]
fn every_captured_beacon_is_read_and_written() {
    for line in captures("beacon") {
        let datagram = unhex(&line["bytes"]);
        let uuid = Uuid::parse_str(&text(&line["uuid"])).expect("a UUID");
        let port = number(&line["port"]);
        let beacon = match number(&line["version"]) {
            1u8 => Beacon::Classic { uuid, port },
            3 => Beacon::Curve {
                uuid,
                port,
                public_key: unhex(&line["public_key"]).try_into().expect("32 bytes"),
                state: None,
            },
            other => panic!("beacon version {other}"),
        };
        assert_eq!(Beacon::decode(&datagram), Ok(beacon.clone()), "{line}");
        assert_eq!(beacon.encode(), datagram, "{line}");
        assert_eq!(beacon.is_leaving(), port == 0);
    }
}

#[test]
fn every_captured_message_is_read_and_written() {
    for line in captures("zre") {
        let frames: Frames = line["frames"]
            .as_array()
            .expect("a list of frames")
            .iter()
            .map(|frame| Bytes::from(unhex(frame)))
            .collect();
        let decoded = &line["decoded"];
        let sequence = number(&decoded["sequence"]);
        let command = described(decoded);
        assert_eq!(decoded["version"], zre_proto::VERSION, "{line}");
        assert_eq!(
            Command::decode(frames.clone(), &MessageLimits::default()),
            Ok((sequence, command.clone())),
            "{line}"
        );
        assert_eq!(command.encode(sequence), frames, "{line}");
    }
}

/// Nobody has captured the forms that this project proposes; these are the
/// proposal's own words in bytes.
#[test]
fn the_proposals_forms_have_the_bytes_it_says() {
    let uuid = Uuid::from_bytes(*b"0123456789abcdef");
    let beacon = Beacon::State {
        uuid,
        port: 0xC001,
        state: State::Exit,
    };
    assert_eq!(beacon.encode(), b"ZRE\x010123456789abcdef\xC0\x01\x02");
    let frames = Command::State(State::Busy).encode(0x0102);
    assert_eq!(
        &frames[..],
        [Bytes::from_static(b"\xAA\xA1\x80\x02\x01\x02\x03")]
    );
}
