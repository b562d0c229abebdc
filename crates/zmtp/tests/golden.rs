//! What C Zyre, pyre and zyre.js sent, byte by byte.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use zre_zmtp::{
    Command, FrameHeader, FrameLimits, Greeting, Handshake, Local, MechanismName, Null, SocketType,
    Version,
};

struct Line {
    from: String,
    kind: String,
    bytes: Vec<u8>,
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
        .collect()
}

fn captures() -> Vec<Line> {
    include_str!("vectors/captures.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|v| v["kind"].as_str().unwrap().starts_with("zmtp-"))
        .map(|v| Line {
            from: v["from"].as_str().unwrap().to_owned(),
            kind: v["kind"].as_str().unwrap().to_owned(),
            bytes: unhex(v["bytes"].as_str().unwrap()),
        })
        .collect()
}

fn local(socket_type: SocketType, identity: &[u8]) -> Local {
    Local::new(
        socket_type,
        Bytes::copy_from_slice(identity),
        Arc::new(Null),
    )
}

#[test]
fn greetings_decode_and_encode() {
    let mut seen = 0;
    for line in captures().iter().filter(|l| l.kind == "zmtp-greeting") {
        let got = Greeting::parse(&line.bytes).unwrap().unwrap();
        assert_eq!(got.version, Version { major: 3, minor: 1 });
        let name = match line.from.contains("CURVE") {
            true => MechanismName::CURVE,
            false => MechanismName::NULL,
        };
        assert_eq!(got.mechanism, name);
        let mut again = got.encode();
        // The padding is the sender's own affair: it carries its identity's
        // length for peers of ZMTP 1.0.
        again[8] = line.bytes[8];
        assert_eq!(again[..], line.bytes[..], "{}", line.from);
        seen += 1;
    }
    assert!(seen >= 10, "{seen} greetings");
}

#[test]
fn ready_commands_decode_and_encode() {
    let mut seen = 0;
    for line in captures().iter().filter(|l| l.kind == "zmtp-command") {
        let (header, taken) = FrameHeader::parse(&line.bytes).unwrap().unwrap();
        assert!(header.command);
        let body = Bytes::copy_from_slice(&line.bytes[taken..]);
        let Command::Ready(metadata) = Command::parse(body).unwrap() else {
            panic!("{} sent something else than READY", line.from);
        };
        let socket_type = SocketType::from_name(metadata.get("Socket-Type").unwrap()).unwrap();
        let identity = metadata.get("Identity").unwrap();
        match socket_type {
            // zgossip's client has none; a ZRE mailbox is 1 and the UUID.
            SocketType::Dealer if identity.is_empty() => assert!(line.from.contains("gossip")),
            SocketType::Dealer => assert_eq!((identity.len(), identity[0]), (17, 1)),
            _ => assert!(identity.is_empty()),
        }

        // Our side with the same values sends the same bytes.
        let mut ours = Handshake::new(local(socket_type, identity), FrameLimits::default());
        let mut out = BytesMut::new();
        let greeting = Greeting {
            version: Version::OURS,
            mechanism: MechanismName::NULL,
            as_server: false,
        };
        let mut input = BytesMut::from(&greeting.encode()[..]);
        assert!(ours.advance(&mut input, &mut out).unwrap().is_none());
        assert_eq!(out[..], line.bytes[..], "{}", line.from);
        seen += 1;
    }
    assert!(seen >= 10, "{seen} commands");
}

#[test]
fn a_captured_dealer_completes_our_handshake_however_it_is_cut() {
    let lines = captures();
    let dealers = lines.windows(2).filter(|pair| {
        pair[0].kind == "zmtp-greeting"
            && pair[1].kind == "zmtp-command"
            && pair[1].bytes.windows(6).any(|w| w == b"DEALER")
    });
    let mut seen = 0;
    for pair in dealers {
        let mut stream = [&pair[0].bytes[..], &pair[1].bytes[..]].concat();
        let end = stream.len();
        stream.extend_from_slice(b"\x00\x05after");
        for step in [1, 2, 63, 64, 65, stream.len()] {
            let mut inbox = Handshake::new(local(SocketType::Router, b""), FrameLimits::default());
            let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
            inbox.start(&mut out);
            let mut established = None;
            let mut fed = 0;
            for piece in stream.chunks(step) {
                input.extend_from_slice(piece);
                fed += piece.len();
                established = inbox.advance(&mut input, &mut out).unwrap();
                if established.is_some() {
                    break;
                }
            }
            let peer = established.unwrap().peer;
            assert!(peer.identity.len() == 17 || pair[0].from.contains("gossip"));
            assert_eq!(peer.socket_type, SocketType::Dealer);
            // What followed the handshake stays for the decoder.
            assert_eq!(input.len(), fed - end);
        }
        seen += 1;
    }
    assert!(seen >= 3, "{seen} dealers");
}
