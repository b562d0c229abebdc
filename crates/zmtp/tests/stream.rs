//! Messages through encoder and decoder, whole, cut, mutated and hostile.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod wire;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use wire::{drain, feed_watched};
use zre_zmtp::{
    Buffers, COPY_BELOW, DecodeError, Decoder, Encoder, FrameLimits, Handshake, HandshakeError,
    Item, Local, Message, Null, READ_CHUNK, SHARE_FROM, SLAB, SocketType, Unpooled, encode_error,
    encode_ping,
};

fn encode(messages: &[(Vec<u8>, Vec<Bytes>)]) -> Vec<u8> {
    let mut encoder = Encoder::new(None);
    for (head, body) in messages {
        encoder.push_message(head, body);
    }
    drain(&mut encoder)
}

/// Decodes `bytes`, read in pieces of at most `step`. With the most memory that the
/// decoder took.
fn decode(
    bytes: &[u8],
    step: usize,
    limits: FrameLimits,
) -> (Vec<Item>, Result<(), DecodeError>, usize) {
    let mut decoder = Decoder::new(limits, BytesMut::new(), None);
    let mut memory = 0;
    let (items, end) = feed_watched(&mut decoder, bytes, step, |decoder| {
        assert!(decoder.memory() >= decoder.pending());
        memory = memory.max(decoder.memory());
    });
    (items, end, memory)
}

fn samples() -> Vec<(Vec<u8>, Vec<Bytes>)> {
    let blob = |n: usize| Bytes::from((0..n).map(|i| (i * 31) as u8).collect::<Vec<_>>());
    let mut messages = vec![
        (vec![], vec![]),
        (b"head".to_vec(), vec![]),
        (b"head".to_vec(), vec![Bytes::new(), Bytes::new()]),
    ];
    for n in [
        1,
        255,
        256,
        SHARE_FROM - 1,
        SHARE_FROM,
        COPY_BELOW - 1,
        COPY_BELOW,
        READ_CHUNK - 9,
        READ_CHUNK,
        READ_CHUNK + 1,
        300_000,
        1 << 20,
    ] {
        messages.push((vec![n as u8; 7], vec![blob(n)]));
        messages.push((blob(n).to_vec(), vec![blob(3), blob(n)]));
    }
    messages
}

#[test]
fn every_message_comes_back_whatever_the_pieces() {
    let messages = samples();
    let bytes = encode(&messages);
    for step in [997, 4096, 65_537, usize::MAX] {
        let (items, end, memory) = decode(&bytes, step, FrameLimits::default());
        assert_eq!(end, Ok(()));
        assert_eq!(items.len(), messages.len());
        for (item, message) in items.iter().zip(&messages) {
            assert_eq!(
                item,
                &Item::Message(Message::new(&message.0, &message.1)),
                "step {step}"
            );
        }
        // Twice the largest message and its parts.
        assert!(memory < 5 << 20, "{memory} bytes held");
    }
}

#[test]
fn one_byte_at_a_time() {
    let messages = &samples()[..9];
    let bytes = encode(messages);
    let (items, end, _) = decode(&bytes, 1, FrameLimits::default());
    assert_eq!(end, Ok(()));
    assert_eq!(items.len(), messages.len());
}

/// A message that is there as a whole has a way of its own if it is a short head and a small
/// frame.
#[test]
fn messages_of_two_frames_and_their_limits_are_the_same_whole_and_in_pieces() {
    let mut messages = Vec::new();
    for head in [0, 1, 6, 22, 23, 24, 255, 256] {
        for body in [0, 1, 16, 128, 129, 255, 256, COPY_BELOW - 1, COPY_BELOW] {
            let (head, body) = (vec![head as u8; head], vec![7; body]);
            messages.push((head, vec![Bytes::from(body)]));
        }
    }
    let default = FrameLimits::default();
    let narrow = [
        default,
        FrameLimits {
            frame_bytes: 128,
            ..default
        },
        FrameLimits {
            frame_bytes: 22,
            ..default
        },
        FrameLimits {
            message_bytes: 134,
            ..default
        },
        FrameLimits {
            parts: 1,
            ..default
        },
    ];
    for limits in narrow {
        let mut refused = 0;
        for message in &messages {
            // What follows it isn't read as a part of it.
            let bytes = encode(&[message.clone(), (vec![9; 40], vec![])]);
            let (whole, end, _) = decode(&bytes, usize::MAX, limits);
            let (pieces, same, _) = decode(&bytes, 1, limits);
            assert_eq!((&whole, &end), (&pieces, &same), "{limits:?}");
            if let Some(item) = whole.first() {
                let message = Message::new(&message.0, &message.1);
                assert_eq!(item, &Item::Message(message));
            }
            refused += usize::from(end.is_err());
        }
        assert_eq!(refused > 0, limits != default, "{limits:?}");
    }
}

#[test]
fn small_frames_are_copies_and_large_ones_slices() {
    let body = Bytes::from(vec![1; COPY_BELOW]);
    let bytes = encode(&[(vec![0; 16], vec![body])]);
    let mut decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), None);
    decoder.read_buf(&mut Unpooled).put_slice(&bytes);
    let read = decoder.read_buf(&mut Unpooled).get_ref().as_ptr() as usize;
    let within = |b: &Bytes| (read..read + READ_CHUNK).contains(&(b.as_ptr() as usize));
    let Ok(Some(Item::Message(message))) = decoder.decode(&mut Unpooled) else {
        panic!("no message");
    };
    assert!(within(&message.body[0]));
}

/// Where the second frames of the messages lie that come in one read.
fn places(messages: &[(Vec<u8>, Vec<Bytes>)]) -> Vec<usize> {
    let (items, end, _) = decode(&encode(messages), usize::MAX, FrameLimits::default());
    assert_eq!(end, Ok(()));
    let mut places = Vec::new();
    for (item, (_, body)) in items.iter().zip(messages) {
        let Item::Message(message) = item else {
            panic!("no message");
        };
        assert_eq!(message.body[..], body[..]);
        places.push(message.body[0].as_ptr() as usize);
    }
    places
}

#[test]
fn small_frames_of_a_flood_share_a_kilobyte() {
    let message = |n: u8| (vec![n; 6], vec![Bytes::from(vec![n; 16])]);
    let flood: Vec<_> = (0..200).map(message).collect();
    let places = places(&flood);
    let is_next = |two: &[usize]| two[1].abs_diff(two[0]) == 16;
    let (pieces, last) = places.split_at(192);
    for piece in pieces.chunks_exact(64) {
        assert!(piece.windows(2).all(is_next));
    }
    // The rest of the flood isn't worth another kilobyte.
    assert!(!last.windows(2).any(is_next));
}

#[test]
fn larger_frames_of_a_flood_share_a_slab() {
    let message = |len: usize| (vec![7; 6], vec![Bytes::from(vec![7; len])]);
    for len in [SLAB / 64, 1 << 10, 4 << 10] {
        let each = SLAB / len;
        let flood = vec![message(len); 3 * each];
        for slab in places(&flood)[..2 * each].chunks_exact(each) {
            assert!(slab.windows(2).all(|two| two[1] == two[0] + len), "{len}");
        }
    }
}

#[test]
fn slabs_come_from_the_buffers_and_go_back() {
    let mut buffers = Counted::default();
    let mut decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), None);
    let flood = vec![(vec![0; 6], vec![Bytes::from(vec![1; 1 << 10])]); 200];
    for piece in encode(&flood).chunks(READ_CHUNK / 2) {
        decoder.read_buf(&mut buffers).put_slice(piece);
        while decoder.decode(&mut buffers).unwrap().is_some() {}
    }
    assert!(buffers.slabs_taken > 3);
    assert_eq!(buffers.slabs_back, buffers.slabs_taken - 1);
    decoder.rest(&mut buffers);
    assert_eq!(buffers.slabs_back, buffers.slabs_taken);
}

#[test]
fn a_frame_that_comes_alone_keeps_only_itself() {
    for len in [16, 1 << 10, 4 << 10] {
        let messages = [(vec![0; 6], vec![Bytes::from(vec![1; len])])];
        let lonely = decode(&encode(&messages), usize::MAX, FrameLimits::default());
        let Item::Message(message) = lonely.0.into_iter().next().unwrap() else {
            panic!("no message");
        };
        let frame = message.body.into_iter().next().unwrap();
        assert_eq!(frame.try_into_mut().unwrap().capacity(), len);
    }
}

#[test]
fn a_frame_of_half_a_read_or_more_is_read_to_its_end() {
    for (have, room) in [
        (30_000, Some(35_536)),
        (30_700, Some(34_836)),
        (40_000, None),
    ] {
        let mut decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), None);
        let bytes = encode(&[(vec![0; 6], vec![Bytes::from(vec![1; 65_536])])]);
        let headers = 2 + 6 + 9;
        let first = &bytes[..headers + have];
        decoder.read_buf(&mut Unpooled).put_slice(first);
        assert_eq!(decoder.decode(&mut Unpooled), Ok(None));
        let left = decoder.read_buf(&mut Unpooled).remaining_mut();
        match room {
            Some(room) => assert_eq!(left, room),
            None => assert!(left > 65_536 - have, "others may come with the rest"),
        }
    }
}

/// Counts the buffers that are taken and given back.
#[derive(Default)]
struct Counted {
    taken: usize,
    back: usize,
    slabs_taken: usize,
    slabs_back: usize,
}

impl Buffers for Counted {
    fn take(&mut self, bytes: usize) -> BytesMut {
        self.taken += 1;
        Unpooled.take(bytes)
    }

    fn recycled(&mut self, bytes: usize) -> Option<BytesMut> {
        Unpooled.recycled(bytes)
    }

    fn put(&mut self, buf: BytesMut, large: usize) {
        self.back += 1;
        Unpooled.put(buf, large);
    }

    fn slab(&mut self) -> BytesMut {
        self.slabs_taken += 1;
        Unpooled.slab()
    }

    fn put_slab(&mut self, slab: BytesMut) {
        self.slabs_back += 1;
        Unpooled.put_slab(slab);
    }
}

#[test]
fn a_thousand_reads_of_small_messages_take_one_buffer_and_give_it_back() {
    let bytes = encode(&[(b"head".to_vec(), vec![Bytes::from(vec![1; 100])])]);
    let mut decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), None);
    let mut buffers = Counted::default();
    for _ in 0..1000 {
        decoder.read_buf(&mut buffers).put_slice(&bytes);
        assert!(matches!(
            decoder.decode(&mut buffers),
            Ok(Some(Item::Message(_)))
        ));
        assert_eq!(decoder.decode(&mut buffers), Ok(None));
    }
    assert_eq!((buffers.taken, buffers.back), (1, 0));
    decoder.rest(&mut buffers);
    assert_eq!((buffers.taken, buffers.back), (1, 1));
}

#[test]
fn announced_lengths_buy_no_memory() {
    for (long, limited) in [
        (1u64 << 40, true),
        (1 << 62, true),
        (u64::MAX, false),
        (64 << 20, false),
    ] {
        let mut bytes = vec![2];
        bytes.extend_from_slice(&long.to_be_bytes());
        bytes.extend_from_slice(&[0; 100]);
        let (items, end, memory) = decode(&bytes, 10, FrameLimits::default());
        assert!(items.is_empty());
        if limited {
            assert!(matches!(end, Err(DecodeError::Frame { announced, .. }) if announced == long));
        } else if long == u64::MAX {
            assert!(matches!(end, Err(DecodeError::Header(_))));
        } else {
            assert_eq!(end, Ok(()));
        }
        assert!(memory <= 2 * READ_CHUNK, "{memory} bytes held for {long}");
    }
}

#[test]
fn parts_and_message_bytes_are_bounded() {
    let limits = FrameLimits {
        message_bytes: 1000,
        frame_bytes: 600,
        parts: 10,
        command_bytes: 100,
    };
    let more = |n: usize| {
        let mut out = BytesMut::new();
        for _ in 0..n {
            out.extend_from_slice(&[1, 0]);
        }
        out
    };
    assert_eq!(decode(&more(10), 3, limits).1, Ok(()));
    assert_eq!(
        decode(&more(11), 3, limits).1,
        Err(DecodeError::Parts { limit: 10 })
    );
    assert_eq!(
        decode(&more(3_000_000), usize::MAX, limits).1,
        Err(DecodeError::Parts { limit: 10 })
    );
    // Two frames of 600: refused at the second header.
    let mut bytes = vec![3, 0, 0, 0, 0, 0, 0, 2, 88];
    bytes.extend_from_slice(&[0; 600]);
    bytes.extend_from_slice(&[2, 0, 0, 0, 0, 0, 0, 2, 88]);
    assert_eq!(
        decode(&bytes, usize::MAX, limits).1,
        Err(DecodeError::Message { limit: 1000 })
    );
    assert!(matches!(
        decode(&[4, 101], 1, limits).1,
        Err(DecodeError::CommandLength { announced: 101, .. })
    ));
}

#[test]
fn commands_come_between_the_frames_of_a_message_too() {
    let mut bytes = vec![1, 1, b'a'];
    let mut ping = BytesMut::new();
    encode_ping(0, b"x", &mut ping);
    bytes.extend_from_slice(&ping);
    bytes.extend_from_slice(&[0, 1, b'b']);
    for step in [2, usize::MAX] {
        let (items, end, _) = decode(&bytes, step, FrameLimits::default());
        assert_eq!(end, Ok(()));
        assert!(matches!(&items[0], Item::Command(body) if body.starts_with(b"\x04PING")));
        assert!(matches!(&items[1], Item::Message(m) if m.parts() == 2));
    }
}

/// A small generator of its own: the same mutations on each run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

fn mutate(bytes: &mut Vec<u8>, lcg: &mut Lcg) {
    for _ in 0..1 + lcg.below(4) {
        let at = lcg.below(bytes.len());
        match lcg.below(4) {
            0 => bytes[at] ^= 1 << lcg.below(8),
            1 => bytes[at] = [0, 1, 2, 4, 0x7f, 0x80, 0xff][lcg.below(7)],
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, lcg.below(256) as u8),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

#[test]
fn mutated_streams_end_in_errors_not_in_panics_and_the_cut_makes_no_difference() {
    let small = FrameLimits {
        frame_bytes: 10_000,
        message_bytes: 20_000,
        parts: 16,
        command_bytes: 200,
    };
    let bytes = encode(&samples()[..9]);
    let mut lcg = Lcg(1);
    let mut failed = 0;
    for _ in 0..2_000 {
        let mut mutated = bytes.clone();
        mutate(&mut mutated, &mut lcg);
        let whole = decode(&mutated, usize::MAX, small);
        let cut = decode(&mutated, 1 + lcg.below(500), small);
        assert_eq!((&whole.0, &whole.1), (&cut.0, &cut.1));
        failed += usize::from(whole.1.is_err());
    }
    assert!(failed > 100, "only {failed} of the mutations were noticed");
}

fn handshake(bytes: &[u8], step: usize) -> Result<bool, HandshakeError> {
    let local = Local::new(SocketType::Router, Bytes::new(), Arc::new(Null));
    let mut handshake = Handshake::new(local, FrameLimits::default());
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    for piece in bytes.chunks(step) {
        input.extend_from_slice(piece);
        if handshake.advance(&mut input, &mut out)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first bytes of a mailbox with this identity.
fn opening(identity: usize) -> Vec<u8> {
    let identity = vec![1; identity].into();
    let local = Local::new(SocketType::Dealer, identity, Arc::new(Null));
    let mut handshake = Handshake::new(local, FrameLimits::default());
    let mut out = BytesMut::new();
    handshake.start(&mut out);
    let mut theirs = BytesMut::from(&out[..]);
    handshake.advance(&mut theirs, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn mutated_handshakes_never_panic_and_the_cut_makes_no_difference() {
    let bytes = opening(17);
    let mut lcg = Lcg(2);
    let (mut failed, mut held) = (0, 0);
    for _ in 0..5_000 {
        let mut mutated = bytes.clone();
        mutate(&mut mutated, &mut lcg);
        let whole = handshake(&mutated, usize::MAX);
        assert_eq!(whole, handshake(&mutated, 1 + lcg.below(20)));
        match whole {
            Err(_) => failed += 1,
            Ok(_) => held += 1,
        }
    }
    assert!(failed > 500 && held > 500, "{failed} failed, {held} held");
}

#[test]
fn handshakes_that_must_fail_say_why() {
    assert_eq!(handshake(&opening(255), 7), Ok(true));
    assert_eq!(
        handshake(&opening(300), 7),
        Err(HandshakeError::IdentityLength(300))
    );
    let mut reserved = opening(5);
    let at = reserved.len() - 5;
    reserved[at] = 0;
    assert_eq!(
        handshake(&reserved, 7),
        Err(HandshakeError::IdentityReserved)
    );

    let greeting = &opening(5)[..64];
    let mut curve = greeting.to_vec();
    curve[12..32].copy_from_slice(b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert!(matches!(
        handshake(&curve, 7),
        Err(HandshakeError::Mechanism { .. })
    ));

    let with = |tail: &[u8]| handshake(&[greeting, tail].concat(), 7);
    assert_eq!(with(&[0, 1, 1]), Err(HandshakeError::EarlyMessage));
    for announced in [1u64 << 40, 1 << 62] {
        let mut long = vec![6];
        long.extend_from_slice(&announced.to_be_bytes());
        assert!(matches!(
            with(&long),
            Err(HandshakeError::TooLarge { announced: a, .. }) if a == announced
        ));
    }
    let mut error = BytesMut::new();
    encode_error("go away\n", &mut error);
    let refused = with(&error).unwrap_err();
    assert!(!refused.can_be_told());
    assert_eq!(
        refused,
        HandshakeError::Refused {
            reason: "go away\\n".into()
        }
    );
    let mut ping = BytesMut::new();
    encode_ping(0, b"", &mut ping);
    assert_eq!(with(&ping), Err(HandshakeError::Unexpected("PING")));
    let publisher = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB";
    assert!(matches!(
        with(publisher),
        Err(HandshakeError::SocketType { theirs, .. }) if theirs == "PUB"
    ));
}
