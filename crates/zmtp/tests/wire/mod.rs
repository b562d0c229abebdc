//! The bytes between an encoder and a decoder.
#![allow(dead_code, reason = "each test file uses a part")]

use bytes::BufMut;
use zre_zmtp::{DecodeError, Decoder, Encoder, Item, Unpooled};

/// Everything that waits in an encoder.
pub(crate) fn drain(encoder: &mut Encoder) -> Vec<u8> {
    let mut out = Vec::new();
    while !encoder.is_empty() {
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        let n = encoder.slices(&mut slices);
        let before = out.len();
        for slice in &slices[..n] {
            out.extend_from_slice(slice);
        }
        encoder.advance(out.len() - before);
    }
    out
}

/// Feeds `bytes` in pieces of at most `step`, as a socket would.
pub(crate) fn feed(
    decoder: &mut Decoder,
    bytes: &[u8],
    step: usize,
) -> (Vec<Item>, Result<(), DecodeError>) {
    feed_watched(decoder, bytes, step, |_| ())
}

/// The same; `watch` sees the decoder after each piece.
pub(crate) fn feed_watched(
    decoder: &mut Decoder,
    bytes: &[u8],
    step: usize,
    mut watch: impl FnMut(&Decoder),
) -> (Vec<Item>, Result<(), DecodeError>) {
    let mut items = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = {
            let mut buf = decoder.read_buf(&mut Unpooled);
            let n = step.min(rest.len()).min(buf.remaining_mut());
            buf.put_slice(&rest[..n]);
            n
        };
        rest = &rest[n..];
        watch(decoder);
        loop {
            match decoder.decode(&mut Unpooled) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Err(error)),
            }
        }
        if n % 3 == 0 {
            decoder.rest(&mut Unpooled);
        }
    }
    (items, Ok(()))
}
