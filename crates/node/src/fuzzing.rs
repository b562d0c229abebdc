//! For the fuzz targets, which are built with `--cfg fuzzing`; nobody else has it.

/// What gossiping neighbours say: frames, and the milliseconds before each.
pub fn gossip(frames: &[(u16, &[u8])]) {
    crate::discovery::gossip::fuzz(frames);
}

/// What a name server answers, question by question.
#[cfg(feature = "dns")]
pub fn dns(messages: &[&[u8]]) {
    crate::discovery::dns::fuzz(messages);
}
