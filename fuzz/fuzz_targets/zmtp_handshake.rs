//! Handshakes: no panic, and the outcome doesn't depend on how the bytes are
//! cut. The first byte says where; a greeting that is none is replaced by a
//! good one half of the time, so that what comes behind it is reached.
#![no_main]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use zre_zmtp::{
    FrameLimits, GREETING_LEN, Greeting, Handshake, HandshakeError, Local, MechanismName, Null,
    Peer, SocketType, Version,
};

fn shake(bytes: &[u8], step: usize) -> Result<Option<(Peer, usize)>, HandshakeError> {
    let identity = Bytes::from_static(b"inbox");
    let local = Local::new(SocketType::Router, identity, Arc::new(Null));
    let mut handshake = Handshake::new(local, FrameLimits::default());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    handshake.start(&mut output);
    let mut fed = 0;
    for piece in bytes.chunks(step) {
        input.extend_from_slice(piece);
        fed += piece.len();
        if let Some(established) = handshake.advance(&mut input, &mut output)? {
            let peer = established.peer;
            assert!(peer.identity.len() <= 255);
            return Ok(Some((peer, fed - input.len())));
        }
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let mut bytes = rest.to_vec();
    if first & 1 == 1 {
        let greeting = Greeting {
            version: Version::OURS,
            mechanism: MechanismName::NULL,
            as_server: false,
        };
        bytes.resize(bytes.len().max(GREETING_LEN), 0);
        bytes[..GREETING_LEN].copy_from_slice(&greeting.encode());
    }
    let step = 1 + usize::from(first >> 1);
    let whole = shake(&bytes, usize::MAX);
    assert_eq!(whole, shake(&bytes, step));
});
