//! The fields of a HELLO: no panic, limits kept, and what is accepted is written
//! and read the same again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use zre_proto::{Command, Frames, MessageLimits};

fuzz_target!(|data: &[u8]| {
    let mut limits = MessageLimits::default();
    limits.groups_per_peer = 8;
    limits.headers = 8;
    let frame = [&[0xAA, 0xA1, 1, 2, 0, 1], data].concat();
    let frames: Frames = [Bytes::from(frame)].into_iter().collect();
    if let Ok((sequence, command)) = Command::decode(frames, &limits) {
        let Command::Hello(hello) = &command else {
            panic!("{command:?} out of a HELLO");
        };
        assert!(hello.groups.len() <= limits.groups_per_peer);
        // Beside those of the application, 16 of nodes for each other.
        assert!(hello.headers.len() <= limits.headers + 16);
        let again = Command::decode(command.encode(sequence), &limits);
        assert_eq!(again, Ok((sequence, command)));
    }
});
