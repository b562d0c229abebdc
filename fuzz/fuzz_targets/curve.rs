//! CURVE with somebody in between, who changes, cuts and adds bytes: no panic; a
//! handshake that was touched fails, and of the traffic only what came before the
//! change is delivered.
#![no_main]

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use zre_curve::{Anyone, Curve, Keys};
use zre_zmtp::{
    Decoder, Encoder, Established, FrameHeader, FrameLimits, Handshake, HandshakeError, Item,
    Local, Message, SocketType, Unpooled,
};

/// What is done to the bytes on their way.
#[derive(Arbitrary, Debug)]
struct Tampering {
    /// With which of the four commands; otherwise with the traffic.
    at: u8,
    edits: Vec<Edit>,
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Flip { at: u16, bits: u8 },
    Cut { from: u16, len: u8 },
    Insert { at: u16, bytes: Vec<u8> },
    Replace { bytes: Vec<u8> },
}

impl Tampering {
    fn apply(&self, bytes: &mut Vec<u8>) {
        for edit in &self.edits {
            let place = |at: u16| usize::from(at) % (bytes.len() + 1);
            match edit {
                Edit::Flip { at, bits } => {
                    let at = place(*at);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= bits;
                    }
                }
                Edit::Cut { from, len } => {
                    let from = place(*from);
                    let to = bytes.len().min(from + usize::from(*len));
                    bytes.drain(from..to);
                }
                Edit::Insert { at, bytes: new } => {
                    let at = place(*at);
                    bytes.splice(at..at, new.iter().copied());
                }
                Edit::Replace { bytes: new } => bytes.clone_from(new),
            }
        }
    }
}

fn side(socket_type: SocketType, curve: Curve) -> Handshake {
    let local = Local::new(socket_type, Bytes::from_static(b"x"), Arc::new(curve));
    Handshake::new(local, FrameLimits::default())
}

/// A whole handshake; `None` if a side still waits.
fn shake(
    mut between: impl FnMut(u8, &mut BytesMut),
) -> Result<Option<(Established, Established)>, HandshakeError> {
    let (ours, theirs) = (Keys::from_secret([1; 32]), Keys::from_secret([2; 32]));
    let key = theirs.public();
    let mut dealer = side(
        SocketType::Dealer,
        Curve::new(ours, Arc::new(Anyone)).to(key),
    );
    let mut router = side(SocketType::Router, Curve::new(theirs, Arc::new(Anyone)));
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    dealer.start(&mut up);
    router.start(&mut down);
    router.advance(&mut up, &mut down)?;
    dealer.advance(&mut down, &mut up)?;
    between(0, &mut up);
    router.advance(&mut up, &mut down)?;
    between(1, &mut down);
    dealer.advance(&mut down, &mut up)?;
    between(2, &mut up);
    let receiver = router.advance(&mut up, &mut down)?;
    between(3, &mut down);
    let sender = dealer.advance(&mut down, &mut up)?;
    Ok(sender.zip(receiver))
}

/// What counts of the first command: its body, but for HELLO's padding, on which nothing
/// depends.
fn body(at: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, taken) = FrameHeader::parse(bytes).ok()??;
    let len = usize::try_from(header.len).ok()?;
    let mut body = bytes.get(taken..)?.get(..len)?.to_vec();
    if at == 0 {
        body.get_mut(8..80)?.fill(0);
    }
    Some(body)
}

fn handshake(tampering: &Tampering) {
    let mut same = true;
    let outcome = shake(|at, bytes| {
        if at == tampering.at {
            let mut changed = bytes.to_vec();
            tampering.apply(&mut changed);
            same = body(at, bytes) == body(at, &changed);
            *bytes = BytesMut::from(&changed[..]);
        }
    });
    if let Ok(Some(_)) = outcome {
        assert!(same, "{tampering:?}");
    }
}

fn traffic(tampering: &Tampering) {
    let Ok(Some((sender, receiver))) = shake(|_, _| {}) else {
        panic!("an undisturbed handshake failed");
    };
    let sent: Vec<Message> = [3usize, 300, 9000]
        .map(|len| Message::new(b"head", &[vec![7; len].into()]))
        .into();
    let mut encoder = Encoder::new(sender.sealer);
    for message in &sent {
        encoder.push_message(&message.head, &message.body);
    }
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let count = encoder.slices(&mut slices);
    let mut bytes: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).collect();
    tampering.apply(&mut bytes);

    let mut decoder = Decoder::new(FrameLimits::default(), BytesMut::new(), receiver.opener);
    let mut delivered = Vec::new();
    let mut rest = &bytes[..];
    'connection: while !rest.is_empty() {
        let mut room = decoder.read_buf(&mut Unpooled);
        let n = rest.len().min(room.remaining_mut());
        room.put_slice(&rest[..n]);
        rest = &rest[n..];
        loop {
            match decoder.decode(&mut Unpooled) {
                Ok(Some(Item::Message(message))) => delivered.push(message),
                Ok(Some(Item::Command(command))) => panic!("nobody sent {command:?}"),
                Ok(None) => break,
                Err(_) => break 'connection,
            }
        }
    }
    assert!(sent.starts_with(&delivered), "{tampering:?}");
}

fuzz_target!(|data: &[u8]| {
    let Ok(tampering) = Tampering::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    if tampering.at < 4 {
        handshake(&tampering);
    } else {
        traffic(&tampering);
    }
});
