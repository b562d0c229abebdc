//! Handshakes: no panic, the outcome doesn't depend on how the bytes are cut, and whoever
//! chooses between two mechanisms gets the one that its greeting names. The first byte says
//! where to cut, and what we take; a greeting that is none is replaced by a good one half of
//! the time, so that what comes behind it is reached.
#![no_main]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use zre_curve::{Anyone, Curve, Keys};
use zre_zmtp::{
    Either, FrameLimits, GREETING_LEN, Greeting, Handshake, HandshakeError, Local, Mechanism,
    MechanismName, Null, Peer, SocketType, Version,
};

fn shake(
    mechanism: &Arc<dyn Mechanism>,
    bytes: &[u8],
    step: usize,
) -> Result<Option<(Peer, usize)>, HandshakeError> {
    let identity = Bytes::from_static(b"inbox");
    let local = Local::new(SocketType::Router, identity, Arc::clone(mechanism));
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
    let (good, with_keys, both) = (first & 1 == 1, first & 2 == 2, first & 4 == 4);
    if good {
        let greeting = Greeting {
            version: Version::OURS,
            mechanism: match with_keys {
                true => MechanismName::CURVE,
                false => MechanismName::NULL,
            },
            as_server: false,
        };
        bytes.resize(bytes.len().max(GREETING_LEN), 0);
        bytes[..GREETING_LEN].copy_from_slice(&greeting.encode());
    }
    let mechanism: Arc<dyn Mechanism> = match both {
        true => {
            let curve = Curve::new(Keys::from_secret([1; 32]), Arc::new(Anyone));
            Arc::new(Either::new(Arc::new(curve), Arc::new(Null)))
        }
        false => Arc::new(Null),
    };
    let step = 1 + usize::from(first >> 3);
    let whole = shake(&mechanism, &bytes, usize::MAX);
    assert_eq!(whole, shake(&mechanism, &bytes, step));
    if let Ok(Some((peer, _))) = whole {
        // Nobody finishes a handshake of CURVE by chance.
        assert_eq!(peer.key, None);
        assert!(bytes[12..].starts_with(b"NULL\0"));
    }
});
