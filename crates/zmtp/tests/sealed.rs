//! A mechanism that seals, in both directions: the bytes on the wire, and what they
//! become.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod toy;
mod wire;

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use toy::{OVERHEAD, Toy};
use wire::{drain, feed};
use zre_zmtp::{
    COPY_BELOW, Command, DecodeError, Decoder, Either, Encoder, Established, FrameFlags,
    FrameHeader, FrameLimits, Handshake, HandshakeError, Item, Local, Mechanism, Message, Null,
    OpenError, READ_CHUNK, SHARE_FROM, Sealer, SocketType, Unpooled, encode_error,
};

const TOY: Toy = Toy { secret: 0x5a };

fn side(socket_type: SocketType, mechanism: impl Mechanism + 'static) -> Handshake {
    let identity = Bytes::from_static(match socket_type {
        SocketType::Dealer => b"mailbox",
        _ => b"inbox",
    });
    let local = Local::new(socket_type, identity, Arc::new(mechanism));
    Handshake::new(local, FrameLimits::default())
}

/// Both sides of a handshake, whose bytes come `step` at a time.
fn shake(
    mut dealer: Handshake,
    mut router: Handshake,
    step: usize,
) -> Result<(Established, Established), HandshakeError> {
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    let (mut to_router, mut to_dealer) = (BytesMut::new(), BytesMut::new());
    dealer.start(&mut up);
    router.start(&mut down);
    let (mut sender, mut receiver) = (None, None);
    while sender.is_none() || receiver.is_none() {
        assert!(!up.is_empty() || !down.is_empty(), "both sides wait");
        to_router.put(up.split_to(step.min(up.len())));
        to_dealer.put(down.split_to(step.min(down.len())));
        receiver = router.advance(&mut to_router, &mut down)?.or(receiver);
        sender = dealer.advance(&mut to_dealer, &mut up)?.or(sender);
    }
    assert!(to_router.is_empty() && to_dealer.is_empty());
    Ok((sender.unwrap(), receiver.unwrap()))
}

/// The encoder of a mailbox and the decoder of its inbox; then the same for the other
/// direction.
fn halves(limits: FrameLimits) -> [(Encoder, Decoder); 2] {
    let dealer = side(SocketType::Dealer, TOY);
    let router = side(SocketType::Router, TOY);
    let (sender, receiver) = shake(dealer, router, 17).unwrap();
    let half = |from: Option<Box<dyn Sealer>>, to| {
        (
            Encoder::new(from),
            Decoder::new(limits, BytesMut::new(), to),
        )
    };
    [
        half(sender.sealer, receiver.opener),
        half(receiver.sealer, sender.opener),
    ]
}

/// The frames of a stream: their headers and bodies.
fn outer(mut bytes: &[u8]) -> Vec<(FrameHeader, &[u8])> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, taken) = FrameHeader::parse(bytes).unwrap().unwrap();
        let (body, rest) = bytes[taken..].split_at(header.len as usize);
        frames.push((header, body));
        bytes = rest;
    }
    frames
}

fn blob(n: usize) -> Bytes {
    (0..n).map(|i| (i * 31) as u8).collect()
}

fn samples() -> Vec<Message> {
    let mut messages = vec![
        Message::new(b"", &[]),
        Message::new(b"head", &[]),
        Message::new(b"head", &[Bytes::new(), Bytes::new()]),
    ];
    for n in [
        1,
        255 - OVERHEAD,
        256 - OVERHEAD,
        SHARE_FROM - OVERHEAD - 1,
        SHARE_FROM - OVERHEAD,
        COPY_BELOW - 1,
        COPY_BELOW,
        READ_CHUNK,
        300_000,
        1 << 20,
    ] {
        messages.push(Message::new(&blob(n), &[blob(3), blob(n)]));
        messages.push(Message::new(b"head", &[blob(n)]));
    }
    messages
}

#[test]
fn the_handshake_carries_roles_bodies_and_metadata_both_ways() {
    for step in [1, 13, 10_000] {
        let dealer = side(SocketType::Dealer, TOY);
        let router = side(SocketType::Router, TOY);
        let (sender, receiver) = shake(dealer, router, step).unwrap();
        assert_eq!(sender.peer.identity, "inbox");
        assert_eq!(sender.peer.socket_type, SocketType::Router);
        assert_eq!(receiver.peer.identity, "mailbox");
        assert_eq!(receiver.peer.socket_type, SocketType::Dealer);
        assert!(sender.sealer.is_some() && sender.opener.is_some());
        assert!(receiver.sealer.is_some() && receiver.opener.is_some());
    }
    let plain = |socket_type| side(socket_type, Null);
    let (sender, receiver) =
        shake(plain(SocketType::Dealer), plain(SocketType::Router), 9).unwrap();
    assert!(sender.sealer.is_none() && sender.opener.is_none());
    assert!(receiver.sealer.is_none() && receiver.opener.is_none());
}

#[test]
fn an_inbox_of_either_mechanism_takes_both_and_a_mailbox_of_it_has_the_first() {
    let either = || Either::new(Arc::new(TOY), Arc::new(Null));
    for step in [1, 10_000] {
        for (dealer, sealed) in [
            (side(SocketType::Dealer, TOY), true),
            (side(SocketType::Dealer, Null), false),
            (side(SocketType::Dealer, either()), true),
        ] {
            let router = side(SocketType::Router, either());
            let (sender, receiver) = shake(dealer, router, step).unwrap();
            assert_eq!(sender.sealer.is_some(), sealed);
            assert_eq!(receiver.opener.is_some(), sealed);
        }
        let (dealer, router) = (
            side(SocketType::Dealer, either()),
            side(SocketType::Router, Null),
        );
        assert!(matches!(
            shake(dealer, router, step),
            Err(HandshakeError::Mechanism { .. })
        ));
    }
    assert!(either().seals() && either().key() == TOY.key());
    assert!(!Either::new(Arc::new(Null), Arc::new(TOY)).seals());
}

#[test]
fn sides_that_do_not_agree_say_why() {
    let failed = |dealer, router| shake(dealer, router, 100).unwrap_err();
    let null = side(SocketType::Dealer, Null);
    assert!(matches!(
        failed(null, side(SocketType::Router, TOY)),
        HandshakeError::Mechanism { .. }
    ));
    let other = side(SocketType::Dealer, Toy { secret: 1 });
    let error = failed(other, side(SocketType::Router, TOY));
    assert!(matches!(error, HandshakeError::Security(_)) && error.can_be_told());
    // Two routers may talk, but not as two servers.
    let error = failed(side(SocketType::Router, TOY), side(SocketType::Router, TOY));
    assert!(matches!(error, HandshakeError::Security(_)));

    // A refusal comes in the clear, whatever the mechanism.
    let mut dealer = side(SocketType::Dealer, TOY);
    let (mut out, mut input) = (BytesMut::new(), BytesMut::new());
    side(SocketType::Router, TOY).start(&mut input);
    encode_error("not today", &mut input);
    dealer.start(&mut out);
    let refused = HandshakeError::Refused {
        reason: "not today".into(),
    };
    assert_eq!(dealer.advance(&mut input, &mut out).unwrap_err(), refused);
}

#[test]
fn every_message_comes_back_in_both_directions_whatever_the_pieces() {
    let messages = samples();
    for step in [997, 65_537, usize::MAX] {
        for (mut encoder, mut decoder) in halves(FrameLimits::default()) {
            for message in &messages {
                encoder.push_message(&message.head, &message.body);
            }
            assert_eq!(encoder.messages(), messages.len());
            let (items, end) = feed(&mut decoder, &drain(&mut encoder), step);
            assert_eq!(end, Ok(()));
            let expected: Vec<_> = messages.iter().cloned().map(Item::Message).collect();
            assert!(items == expected, "step {step}");
            assert_eq!(decoder.pending(), 0);
        }
    }
}

#[test]
fn frames_travel_one_by_one_in_ordinary_frames() {
    let [(mut encoder, mut decoder), _] = halves(FrameLimits::default());
    encoder.push_message(b"first frame", &[Bytes::from_static(b"second frame")]);
    encoder.push_pong(b"context");
    encoder.push_error("reason");
    assert_eq!(encoder.messages(), 1);
    let bytes = drain(&mut encoder);
    let frames = outer(&bytes);
    assert_eq!(frames.len(), 4);
    for (header, body) in frames {
        assert!(!header.more && !header.command);
        assert!(body.starts_with(b"\x07MESSAGE"));
    }
    for clear in [&b"frame"[..], b"context", b"reason", b"PONG", b"ERROR"] {
        assert!(!bytes.windows(clear.len()).any(|bytes| bytes == clear));
    }
    let (items, end) = feed(&mut decoder, &bytes, 5);
    assert_eq!(end, Ok(()));
    let [
        Item::Message(message),
        Item::Command(pong),
        Item::Command(error),
    ] = &items[..]
    else {
        panic!("{items:?}");
    };
    assert_eq!(message.parts(), 2);
    let context = Bytes::from_static(b"context");
    assert_eq!(Command::parse(pong.clone()), Ok(Command::Pong { context }));
    let reason = Bytes::from_static(b"reason");
    assert_eq!(Command::parse(error.clone()), Ok(Command::Error { reason }));
}

#[test]
fn a_small_frame_keeps_only_itself_and_a_large_one_has_memory_of_its_own() {
    let [(mut encoder, mut decoder), _] = halves(FrameLimits::default());
    encoder.push_message(b"head", &[blob(16)]);
    let mut slices = [std::io::IoSlice::new(&[]); 4];
    assert_eq!(
        encoder.slices(&mut slices),
        1,
        "one buffer for small frames"
    );
    let (items, end) = feed(&mut decoder, &drain(&mut encoder), usize::MAX);
    assert_eq!(end, Ok(()));
    let Some(Item::Message(message)) = items.into_iter().next() else {
        panic!("no message");
    };
    let frame = message.body.into_iter().next().unwrap();
    assert_eq!(frame.try_into_mut().unwrap().capacity(), 16);

    encoder.push_message(b"head", &[blob(1 << 20)]);
    assert!(
        encoder.capacity() < READ_CHUNK,
        "the buffer is for small ones"
    );
}

/// A sealed frame in its outer one.
fn sealed(sealer: &mut dyn Sealer, more: bool, command: bool, content: &[u8]) -> Vec<u8> {
    let mut body = BytesMut::new();
    sealer.seal(FrameFlags { more, command }, content, &mut body);
    let mut out = Vec::new();
    let header = FrameHeader {
        more: false,
        command: false,
        len: body.len() as u64,
    };
    header.encode(&mut out);
    out.extend_from_slice(&body);
    out
}

fn inbox(limits: FrameLimits) -> Decoder {
    let opener = Box::new(TOY.client());
    Decoder::new(limits, BytesMut::new(), Some(opener))
}

#[test]
fn an_inner_frame_is_joined_with_the_next_inner_frame() {
    let mut sealer = TOY.client();
    let mut bytes = sealed(&mut sealer, true, false, b"a");
    bytes.extend(sealed(&mut sealer, false, true, b"\x04PONG"));
    bytes.extend(sealed(&mut sealer, true, false, b"b"));
    bytes.extend(sealed(&mut sealer, false, false, b"c"));
    for step in [1, 30, 1000] {
        let (items, end) = feed(&mut inbox(FrameLimits::default()), &bytes, step);
        assert_eq!(end, Ok(()));
        assert_eq!(items[0], Item::Command(Bytes::from_static(b"\x04PONG")));
        let parts = ["a", "b", "c"].map(Bytes::from);
        let message = Message::from_frames(parts).unwrap();
        assert_eq!(items[1..], [Item::Message(message)]);
    }
}

#[test]
fn limits_are_meant_for_what_was_opened() {
    let limits = FrameLimits {
        frame_bytes: 20_000,
        message_bytes: 30_000,
        parts: 3,
        command_bytes: 100,
    };
    let end = |frames: &[(bool, bool, usize)]| {
        let mut sealer = TOY.client();
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|&(more, command, size)| sealed(&mut sealer, more, command, &blob(size)))
            .collect();
        let whole = feed(&mut inbox(limits), &bytes, usize::MAX);
        let cut = feed(&mut inbox(limits), &bytes, 501);
        assert_eq!(whole, cut);
        whole.1
    };
    // Far more than a command may have, and exactly what a frame may.
    assert_eq!(end(&[(false, false, 20_000)]), Ok(()));
    assert!(matches!(
        end(&[(false, false, 20_001)]),
        Err(DecodeError::Frame { limit: 20_000, .. })
    ));
    assert_eq!(
        end(&[(true, false, 20_000), (false, false, 10_000)]),
        Ok(())
    );
    assert_eq!(
        end(&[(true, false, 20_000), (false, false, 10_001)]),
        Err(DecodeError::Message { limit: 30_000 })
    );
    assert_eq!(
        end(&[
            (true, false, 1),
            (true, false, 1),
            (true, false, 1),
            (false, false, 1)
        ]),
        Err(DecodeError::Parts { limit: 3 })
    );
    assert_eq!(end(&[(false, true, 100)]), Ok(()));
    assert!(matches!(
        end(&[(false, true, 101)]),
        Err(DecodeError::CommandLength {
            announced: 101,
            limit: 100
        })
    ));
    assert!(matches!(
        end(&[(true, true, 1)]),
        Err(DecodeError::Header(_))
    ));
    // A command takes nothing from the message around it.
    assert_eq!(
        end(&[
            (true, false, 20_000),
            (false, true, 100),
            (false, false, 10_000)
        ]),
        Ok(())
    );
}

#[test]
fn an_announcement_over_the_limit_is_refused_before_its_bytes_come() {
    let limits = FrameLimits {
        frame_bytes: 1000,
        message_bytes: 1500,
        command_bytes: 10,
        ..FrameLimits::default()
    };
    let announced = |len: u64| {
        let mut out = Vec::new();
        let header = FrameHeader {
            more: false,
            command: false,
            len,
        };
        header.encode(&mut out);
        out
    };
    let overhead = OVERHEAD as u64;
    let first = |len| feed(&mut inbox(limits), &announced(len), usize::MAX).1;
    assert_eq!(first(1000 + overhead), Ok(()));
    assert!(matches!(
        first(1001 + overhead),
        Err(DecodeError::Frame { .. })
    ));
    assert!(matches!(first(1 << 40), Err(DecodeError::Frame { .. })));
    let second = |len| {
        let mut bytes = sealed(&mut TOY.client(), true, false, &[0; 1000]);
        bytes.extend(announced(len));
        feed(&mut inbox(limits), &bytes, usize::MAX).1
    };
    assert_eq!(second(500 + overhead), Ok(()));
    assert_eq!(
        second(501 + overhead),
        Err(DecodeError::Message { limit: 1500 })
    );
}

#[test]
fn frames_that_the_peer_has_not_sealed_for_this_place_are_refused() {
    let refused = |bytes: &[u8]| match feed(&mut inbox(FrameLimits::default()), bytes, 7).1 {
        Err(DecodeError::Open(error)) => error,
        other => panic!("{other:?}"),
    };
    let mut sealer = TOY.client();
    let first = sealed(&mut sealer, false, false, b"one");
    let second = sealed(&mut sealer, false, false, b"two");

    assert_eq!(refused(&second), OpenError::Reordered);
    assert_eq!(
        refused(&[&first[..], &first[..]].concat()),
        OpenError::Reordered
    );
    for at in 10..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 0x10;
        assert_eq!(refused(&changed), OpenError::Forged, "byte {at}");
    }
    // In the clear: a message, a command, a frame too short to be sealed.
    assert_eq!(refused(b"\x00\x05hello"), OpenError::NotSealed);
    assert_eq!(refused(b"\x04\x05\x04PONG"), OpenError::NotSealed);
    assert_eq!(refused(b"\x00\x08\x07MESSAGE"), OpenError::NotSealed);
}

#[test]
fn the_flags_of_outer_frames_say_nothing() {
    let mut sealer = TOY.client();
    let mut decoder = inbox(FrameLimits::default());
    for flags in [1, 4] {
        let mut bytes = sealed(&mut sealer, false, false, b"one");
        bytes[0] |= flags;
        let (items, end) = feed(&mut decoder, &bytes, 100);
        assert_eq!(end, Ok(()));
        assert_eq!(items, [Item::Message(Message::new(b"one", &[]))]);
    }
}

#[test]
fn large_contents_are_slices_of_what_was_read() {
    let mut sealer = TOY.client();
    let mut bytes = BytesMut::from(&sealed(&mut sealer, true, false, b"h")[..]);
    bytes.extend(sealed(&mut sealer, false, false, &blob(COPY_BELOW)));
    let read = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.remaining();
    let mut decoder = Decoder::new(FrameLimits::default(), bytes, Some(Box::new(TOY.client())));
    let Ok(Some(Item::Message(message))) = decoder.decode(&mut Unpooled) else {
        panic!("no message");
    };
    assert_eq!(message.body[0], blob(COPY_BELOW));
    assert!(read.contains(&(message.body[0].as_ptr() as usize)));
}
