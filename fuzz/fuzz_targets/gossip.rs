//! Gossip: no panic, what is read is written the same again, tuples stay within
//! their bound, and what comes back doesn't go round again.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Two bytes of milliseconds and two of length before each frame; the last may be
/// cut short.
fn frames(mut data: &[u8]) -> Vec<(u16, &[u8])> {
    let mut frames = Vec::new();
    while let Some(([a, b, c, d], rest)) = data.split_first_chunk::<4>() {
        let pause = u16::from_be_bytes([*a, *b]);
        let length = usize::from(u16::from_be_bytes([*c, *d])).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        frames.push((pause, frame));
        data = rest;
    }
    frames
}

fuzz_target!(|data: &[u8]| zre::fuzzing::gossip(&frames(data)));
