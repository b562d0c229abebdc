//! Both sides of CURVE in memory, and somebody in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

#[path = "../../zmtp/tests/wire/mod.rs"]
mod wire;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use wire::drain;
use zre_curve::{Admission, Anyone, Curve, Keys, PublicKey};
use zre_zmtp::{
    DecodeError, Decoder, Encoder, Established, FrameHeader, FrameLimits, Handshake,
    HandshakeError, Item, Local, Mechanism, Message, Null, OpenError, SocketType, encode_command,
};

/// Secret keys that are the same in every run.
fn client_keys() -> Keys {
    Keys::from_secret([0x11; 32])
}

fn server_keys() -> Keys {
    Keys::from_secret([0x22; 32])
}

fn client() -> Curve {
    Curve::new(client_keys(), Arc::new(Anyone)).to(server_keys().public())
}

fn server() -> Curve {
    Curve::new(server_keys(), Arc::new(Anyone))
}

fn side(socket_type: SocketType, mechanism: impl Mechanism + 'static) -> Handshake {
    let identity = Bytes::from_static(match socket_type {
        SocketType::Dealer => b"mailbox",
        _ => b"inbox",
    });
    let local = Local::new(socket_type, identity, Arc::new(mechanism));
    Handshake::new(local, FrameLimits::default())
}

type Outcome = Result<(Established, Established), HandshakeError>;

/// A handshake, step by step. `between` has each command on its way.
fn shake(
    client: impl Mechanism + 'static,
    server: impl Mechanism + 'static,
    mut between: impl FnMut(&str, &mut BytesMut),
) -> Outcome {
    let mut dealer = side(SocketType::Dealer, client);
    let mut router = side(SocketType::Router, server);
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    dealer.start(&mut up);
    router.start(&mut down);
    assert!(router.advance(&mut up, &mut down)?.is_none());
    assert!(dealer.advance(&mut down, &mut up)?.is_none());
    between("HELLO", &mut up);
    assert!(router.advance(&mut up, &mut down)?.is_none());
    between("WELCOME", &mut down);
    assert!(dealer.advance(&mut down, &mut up)?.is_none());
    between("INITIATE", &mut up);
    let receiver = router.advance(&mut up, &mut down)?;
    between("READY", &mut down);
    let sender = dealer.advance(&mut down, &mut up)?;
    assert!(up.is_empty() && down.is_empty());
    Ok((sender.expect("READY"), receiver.expect("INITIATE")))
}

fn undisturbed() -> (Established, Established) {
    shake(client(), server(), |_, _| {}).unwrap()
}

/// The handshake if this is done to the body of the command.
fn changed(name: &str, change: impl Fn(&mut Vec<u8>)) -> Outcome {
    shake(client(), server(), |at, bytes| {
        if at == name {
            let mut body = body(bytes);
            change(&mut body);
            *bytes = frame(&body);
        }
    })
}

/// The body of the only command in there.
fn body(bytes: &[u8]) -> Vec<u8> {
    let (header, taken) = FrameHeader::parse(bytes).unwrap().unwrap();
    assert!(header.command && !header.more);
    assert_eq!(bytes.len(), taken + header.len as usize);
    bytes[taken..].to_vec()
}

fn frame(body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    let header = FrameHeader {
        more: false,
        command: true,
        len: body.len() as u64,
    };
    header.encode(&mut out);
    out.put_slice(body);
    out
}

const COMMANDS: [&str; 4] = ["HELLO", "WELCOME", "INITIATE", "READY"];

#[test]
fn both_sides_know_each_other_afterwards() {
    let mut lengths = Vec::new();
    let (sender, receiver) = shake(client(), server(), |_, bytes| {
        lengths.push(body(bytes).len());
    })
    .unwrap();
    assert_eq!(receiver.peer.key, Some(client_keys().public().into()));
    assert_eq!(sender.peer.key, Some(server_keys().public().into()));
    assert_eq!(receiver.peer.identity, "mailbox");
    assert_eq!(sender.peer.identity, "inbox");
    // RFC 26; the metadata takes 25 + 20 and 25 + 18 bytes.
    let metadata = |identity: usize| 1 + 11 + 4 + 6 + 1 + 8 + 4 + identity;
    assert_eq!(lengths, [200, 168, 257 + metadata(7), 30 + metadata(5)]);
}

#[test]
fn no_two_handshakes_have_a_byte_sequence_in_common() {
    let record = || {
        let mut all = Vec::new();
        shake(client(), server(), |_, bytes| all.push(body(bytes))).unwrap();
        all
    };
    let (first, second) = (record(), record());
    for (a, b) in first.iter().zip(&second) {
        // From the first key on: names, version, padding and numbers are constant.
        let start = if a.starts_with(b"\x05HELLO") {
            80
        } else {
            9 + 8
        };
        let common = a[start..]
            .windows(9)
            .any(|part| b.windows(9).any(|other| other == part));
        assert!(!common);
    }
    // And nothing of what is secret, or of who talks.
    let secret = [client_keys().public(), server_keys().public()];
    let all: Vec<u8> = first.concat();
    for key in secret {
        assert!(!all.windows(32).any(|part| part == key.as_bytes()));
    }
    for word in [&b"mailbox"[..], b"inbox", b"DEALER", b"ROUTER"] {
        assert!(!all.windows(word.len()).any(|part| part == word));
    }
}

#[test]
fn every_byte_of_every_command_counts() {
    for name in COMMANDS {
        let mut len = 0;
        shake(client(), server(), |at, bytes| {
            if at == name {
                len = body(bytes).len();
            }
        })
        .unwrap();
        for at in 0..len {
            let outcome = changed(name, |body| body[at] ^= 0x04);
            // Nothing depends on HELLO's padding: it only has to be there.
            let padding = name == "HELLO" && (8..80).contains(&at);
            assert_eq!(outcome.is_ok(), padding, "{name}, byte {at}: {outcome:?}");
        }
    }
}

#[test]
fn commands_of_another_length_are_refused() {
    for name in COMMANDS {
        let len = std::cell::Cell::new(0);
        let longer = changed(name, |body| {
            len.set(body.len());
            body.push(0);
        });
        assert!(longer.is_err(), "{name}");
        for to in 0..len.get() {
            let shorter = changed(name, |body| body.truncate(to));
            assert!(shorter.is_err(), "{name}, {to} bytes");
        }
    }
}

#[test]
fn commands_out_of_their_order_are_refused() {
    for name in COMMANDS {
        for instead in COMMANDS.iter().filter(|other| **other != name) {
            let mut recorded = BytesMut::new();
            shake(client(), server(), |at, bytes| {
                if at == *instead {
                    recorded = bytes.clone();
                }
            })
            .unwrap();
            let outcome = shake(client(), server(), |at, bytes| {
                if at == name {
                    *bytes = recorded.clone();
                }
            });
            assert!(
                matches!(outcome, Err(HandshakeError::Unexpected(_))),
                "{instead} for {name}"
            );
        }
    }
    // The same one twice: the second is one too many.
    for name in ["HELLO", "WELCOME"] {
        let outcome = shake(client(), server(), |at, bytes| {
            if at == name {
                let again = bytes.clone();
                bytes.extend_from_slice(&again);
            }
        });
        assert!(
            matches!(outcome, Err(HandshakeError::Unexpected(_))),
            "{name}"
        );
    }
}

/// Who records a connection and plays the client's side again gets nowhere: the cookie
/// was for that connection.
#[test]
fn a_recorded_handshake_is_of_no_use() {
    let mut recorded = Vec::new();
    shake(client(), server(), |_, bytes| recorded.push(bytes.clone())).unwrap();
    // One server, which has long-term keys and nothing else in common.
    let mut router = side(SocketType::Router, server());
    let mut down = BytesMut::new();
    let mut up = BytesMut::new();
    side(SocketType::Dealer, client()).start(&mut up);
    up.extend_from_slice(&recorded[0]);
    assert!(router.advance(&mut up, &mut down).unwrap().is_none());
    let mut up = recorded[2].clone();
    let error = router.advance(&mut up, &mut down).unwrap_err();
    assert!(error.to_string().contains("cookie"), "{error}");

    // The server's side, played to a new client.
    for name in ["WELCOME", "READY"] {
        let outcome = shake(client(), server(), |at, bytes| {
            if at == name {
                *bytes = recorded[COMMANDS.iter().position(|n| *n == name).unwrap()].clone();
            }
        });
        assert!(
            matches!(outcome, Err(HandshakeError::Security(_))),
            "{name}"
        );
    }
}

#[test]
fn a_cookie_of_another_connection_is_refused() {
    let mut foreign = Vec::new();
    shake(client(), server(), |at, bytes| {
        if at == "INITIATE" {
            foreign = body(bytes)[9..9 + 96].to_vec();
        }
    })
    .unwrap();
    let outcome = changed("INITIATE", |body| body[9..9 + 96].copy_from_slice(&foreign));
    assert!(outcome.unwrap_err().to_string().contains("cookie"));
}

#[test]
fn only_the_holder_of_the_key_that_was_dialled_can_answer() {
    // It can't open our HELLO.
    let other = Curve::new(Keys::from_secret([0x33; 32]), Arc::new(Anyone));
    let error = shake(client(), other, |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("another public key"), "{error}");
    assert!(error.can_be_told());
    // Nor can somebody in between, who speaks to us with keys of their own.
    let mut hello = BytesMut::new();
    let to_other = client().to(Keys::from_secret([0x33; 32]).public());
    let _ = shake(to_other, server(), |at, bytes| {
        if at == "HELLO" {
            hello = bytes.clone();
        }
    });
    let outcome = shake(client(), server(), |at, bytes| {
        if at == "HELLO" {
            *bytes = hello.clone();
        }
    });
    assert!(outcome.is_err());
}

#[test]
fn without_the_peers_key_nothing_is_sent_but_the_greeting() {
    let unknown = Curve::new(client_keys(), Arc::new(Anyone));
    let mut dealer = side(SocketType::Dealer, unknown);
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    side(SocketType::Router, server()).start(&mut input);
    let error = dealer.advance(&mut input, &mut out).unwrap_err();
    assert!(error.to_string().contains("isn't known"), "{error}");
    assert!(out.is_empty());
}

#[derive(Debug)]
struct Only(PublicKey);

impl Admission for Only {
    fn admits(&self, key: &PublicKey) -> bool {
        *key == self.0
    }
}

#[test]
fn keys_that_are_not_let_in_are_refused_before_ready() {
    let with = |key| Curve::new(server_keys(), Arc::new(Only(key)));
    assert!(shake(client(), with(client_keys().public()), |_, _| {}).is_ok());
    let mut seen = Vec::new();
    let outcome = shake(client(), with(server_keys().public()), |at, _| {
        seen.push(at.to_owned());
    });
    let error = outcome.unwrap_err();
    assert_eq!(error, HandshakeError::Denied);
    // In the clear: the peer's key must not be in it.
    assert!(error.can_be_told() && error.to_string().len() < 60);
    assert_eq!(seen, ["HELLO", "WELCOME", "INITIATE"]);
}

#[test]
fn sides_that_do_not_fit_say_why() {
    let pairs = [
        (
            side(SocketType::Dealer, Null),
            side(SocketType::Router, server()),
        ),
        (
            side(SocketType::Dealer, client()),
            side(SocketType::Router, Null),
        ),
    ];
    for (mut dealer, mut router) in pairs {
        let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
        dealer.start(&mut up);
        router.start(&mut down);
        for outcome in [
            router.advance(&mut up, &mut BytesMut::new()),
            dealer.advance(&mut down, &mut BytesMut::new()),
        ] {
            assert!(matches!(outcome, Err(HandshakeError::Mechanism { .. })));
        }
    }
    // Two routers may talk, but not as two servers.
    let mut first = side(SocketType::Router, server());
    let mut input = BytesMut::new();
    side(SocketType::Router, server()).start(&mut input);
    let error = first.advance(&mut input, &mut BytesMut::new()).unwrap_err();
    assert!(error.to_string().contains("both sides"), "{error}");
}

#[test]
fn a_server_of_another_version_is_named() {
    let outcome = changed("HELLO", |body| body[6] = 2);
    assert!(outcome.unwrap_err().to_string().contains("version"));
}

/// A client may announce more than libzmq does, and each of them less than 8 KiB.
#[test]
fn commands_of_noise_are_refused() {
    fastrand::seed(7);
    for _ in 0..2_000 {
        let name = COMMANDS[fastrand::usize(..4)];
        let len = fastrand::usize(..400);
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(len)
            .collect();
        let outcome = shake(client(), server(), |at, bytes| {
            if at == name {
                bytes.clear();
                encode_command(name.as_bytes(), &[&noise], bytes);
            }
        });
        assert!(outcome.is_err());
    }
}

// ------------------------------------------------------------------ traffic

fn feed(decoder: &mut Decoder, bytes: &[u8]) -> (Vec<Item>, Result<(), DecodeError>) {
    wire::feed(decoder, bytes, usize::MAX)
}

/// What one side sends as `messages`, and a decoder for it; from client to server, and
/// the other way.
fn sent(messages: &[Message]) -> [(Vec<u8>, Decoder); 2] {
    let (sender, receiver) = undisturbed();
    let way = |sealer, opener| {
        let mut encoder = Encoder::new(sealer);
        for message in messages {
            encoder.push_message(&message.head, &message.body);
        }
        encoder.push_pong(b"context");
        let decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), opener);
        (drain(&mut encoder), decoder)
    };
    [
        way(sender.sealer, receiver.opener),
        way(receiver.sealer, sender.opener),
    ]
}

fn blob(len: usize) -> Bytes {
    (0..len).map(|i| (i * 31) as u8).collect()
}

#[test]
fn messages_of_all_sizes_come_back_both_ways() {
    let mut messages = vec![Message::new(b"", &[]), Message::new(b"a", &[Bytes::new()])];
    for len in [
        1,
        63,
        64,
        65,
        221,
        222,
        223,
        4062,
        4063,
        8191,
        8192,
        70_000,
        1 << 20,
    ] {
        messages.push(Message::new(&blob(len), &[]));
        messages.push(Message::new(b"head", &[blob(len), blob(3)]));
    }
    for (bytes, mut decoder) in sent(&messages) {
        let (items, end) = feed(&mut decoder, &bytes);
        assert_eq!(end, Ok(()));
        let expected = messages.iter().cloned().map(Item::Message);
        let pong = Item::Command(Bytes::from_static(b"\x04PONGcontext"));
        assert!(items == expected.chain([pong]).collect::<Vec<_>>());
    }
}

/// The outer frames of a stream, headers included.
fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, taken) = FrameHeader::parse(bytes).unwrap().unwrap();
        assert!(!header.more && !header.command);
        let (frame, rest) = bytes.split_at(taken + header.len as usize);
        frames.push(frame.to_vec());
        bytes = rest;
    }
    frames
}

fn two_messages() -> Vec<Message> {
    vec![
        Message::new(b"head of one", &[Bytes::from_static(b"body of one")]),
        Message::new(b"head of two", &[Bytes::from_static(b"body of two")]),
    ]
}

#[test]
fn a_change_of_any_bit_ends_the_connection_and_delivers_nothing_of_it() {
    for direction in 0..2 {
        let bits = sent(&two_messages())[direction].0.len() * 8;
        for bit in (0..bits).step_by(3) {
            let (mut bytes, mut decoder) =
                sent(&two_messages()).into_iter().nth(direction).unwrap();
            let clean = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (items, end) = feed(&mut decoder, &bytes);
            let whole = two_messages();
            let delivered = items
                .iter()
                .filter(|item| matches!(item, Item::Message(_)))
                .zip(&whole)
                .all(|(item, message)| *item == Item::Message(message.clone()));
            assert!(delivered, "bit {bit}");
            // The header of an outer frame isn't sealed: its flags say nothing; with
            // another length the rest doesn't fit, or is waited for.
            let mut start = 0;
            let header = frames(&clean).iter().any(|frame| {
                let here = (start..start + 2).contains(&(bit / 8));
                start += frame.len();
                here
            });
            assert!(header || end.is_err(), "bit {bit}");
            assert!(items.len() < 3 || end.is_err() || header, "bit {bit}");
        }
    }
}

#[test]
fn frames_that_are_repeated_swapped_or_removed_end_the_connection() {
    for direction in 0..2 {
        let end = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let (bytes, mut decoder) = sent(&two_messages()).into_iter().nth(direction).unwrap();
            let mut frames = frames(&bytes);
            assert_eq!(frames.len(), 5);
            change(&mut frames);
            feed(&mut decoder, &frames.concat())
        };
        let reordered = Err(DecodeError::Open(OpenError::Reordered));
        assert_eq!(
            end(&|frames| frames.insert(1, frames[0].clone())),
            (vec![], reordered.clone())
        );
        assert_eq!(
            end(&|frames| frames.swap(0, 1)),
            (vec![], reordered.clone())
        );
        for removed in 0..4 {
            let (items, end) = end(&|frames| drop(frames.remove(removed)));
            assert_eq!(end, reordered, "frame {removed}");
            assert_eq!(items.len(), removed / 2);
        }
        // A whole message.
        let (items, end) = end(&|frames| drop(frames.drain(0..2)));
        assert_eq!((items, end), (vec![], reordered));
    }
}

#[test]
fn what_one_side_sent_does_not_come_back_to_it() {
    let [(up, _), (_, mut to_client)] = sent(&two_messages());
    // Of another connection, even.
    assert_eq!(
        feed(&mut to_client, &up),
        (vec![], Err(DecodeError::Open(OpenError::Reordered)))
    );
    let (sender, receiver) = undisturbed();
    let mut encoder = Encoder::new(sender.sealer);
    encoder.push_message(b"skipped", &[]);
    drop(drain(&mut encoder));
    let mut at_server = Encoder::new(receiver.sealer);
    at_server.push_message(b"number two", &[]);
    at_server.push_message(b"number three", &[]);
    let down = drain(&mut at_server);
    // Its number is the next one at the server, too: only the nonce's name differs.
    let third = frames(&down)[1].clone();
    let mut decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), receiver.opener);
    assert_eq!(
        feed(&mut decoder, &third),
        (vec![], Err(DecodeError::Open(OpenError::Forged)))
    );
}

#[test]
fn nothing_is_taken_in_the_clear() {
    for bytes in [
        &b"\x00\x05hello"[..],
        b"\x04\x05\x04PONG",
        b"\x00\x08\x07MESSAGE",
        b"\x00\x10\x07MESSAGE\0\0\0\0\0\0\0\x03",
    ] {
        for (_, mut decoder) in sent(&[]) {
            let (items, end) = feed(&mut decoder, bytes);
            assert_eq!(items, []);
            assert_eq!(end, Err(DecodeError::Open(OpenError::NotSealed)));
        }
    }
}
