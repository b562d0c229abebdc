//! Frames: no panic, limits and memory kept, the cut makes no difference, and
//! what was decoded comes back the same from our own encoder.
#![no_main]

use std::io::IoSlice;

use bytes::{BufMut, BytesMut};
use libfuzzer_sys::fuzz_target;
use zre_zmtp::{Command, DecodeError, Decoder, Encoder, FrameLimits, Item, READ_CHUNK, Unpooled};

const LIMITS: FrameLimits = FrameLimits {
    frame_bytes: 200_000,
    message_bytes: 300_000,
    parts: 8,
    command_bytes: 300,
};

fn decode(bytes: &[u8], step: usize) -> (Vec<Item>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(LIMITS, BytesMut::new(), None);
    let mut items = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = {
            let mut buf = decoder.read_buf(&mut Unpooled);
            let n = step.min(rest.len()).min(buf.remaining_mut());
            assert!(n > 0, "no room to read into");
            buf.put_slice(&rest[..n]);
            n
        };
        rest = &rest[n..];
        assert!(decoder.memory() <= 3 * LIMITS.message_bytes + 2 * READ_CHUNK);
        loop {
            match decoder.decode(&mut Unpooled) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Err(error)),
            }
        }
        decoder.rest(&mut Unpooled);
    }
    (items, Ok(()))
}

fn encode(items: &[Item]) -> Vec<u8> {
    let mut encoder = Encoder::new(None);
    for item in items {
        match item {
            Item::Message(message) => encoder.push_message(&message.head, &message.body),
            Item::Command(body) => encoder.push_command(body),
        }
    }
    let mut out = Vec::new();
    while !encoder.is_empty() {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = encoder.slices(&mut slices);
        assert!(filled > 0);
        let first = slices[0].to_vec();
        encoder.advance(first.len());
        out.extend_from_slice(&first);
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, bytes)) = data.split_first() else {
        return;
    };
    let whole = decode(bytes, usize::MAX);
    assert_eq!(whole, decode(bytes, 1 + usize::from(first)));
    let (items, _) = whole;
    for item in &items {
        match item {
            Item::Message(message) => {
                assert!((1..=LIMITS.parts).contains(&message.parts()));
                assert!(message.bytes() <= LIMITS.message_bytes);
            }
            Item::Command(body) => drop(Command::parse(body.clone())),
        }
    }
    assert_eq!(decode(&encode(&items), usize::MAX), (items, Ok(())));
});
