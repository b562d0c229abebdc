//! Records of nodes from a name server (SRV, PTR, TXT): no panic, lists within their
//! bounds, only what can be dialled, and a wait that is neither short nor long.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Two bytes of length before each answer; the last may be cut short.
fn answers(mut data: &[u8]) -> Vec<&[u8]> {
    let mut answers = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (answer, rest) = rest.split_at(length);
        answers.push(answer);
        data = rest;
    }
    answers
}

fuzz_target!(|data: &[u8]| zre::fuzzing::dns(&answers(data)));
