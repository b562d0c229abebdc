//! Messages of any frames: no panic, limits kept, and what is accepted is
//! written and read the same again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use zre_proto::{Command, Frames, MessageLimits};

/// Two bytes of length before each frame; the last may be cut short.
fn frames(mut data: &[u8]) -> Frames {
    let mut frames = Frames::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        frames.push(Bytes::copy_from_slice(frame));
        data = rest;
    }
    frames
}

fuzz_target!(|data: &[u8]| {
    let mut limits = MessageLimits::default();
    limits.max_frames = 16;
    if let Ok((sequence, command)) = Command::decode(frames(data), &limits) {
        if let Command::Whisper { content } | Command::Shout { content, .. } = &command {
            assert!(content.frame_count() <= limits.max_frames);
        }
        let again = Command::decode(command.encode(sequence), &limits);
        assert_eq!(again, Ok((sequence, command)));
    }
});
