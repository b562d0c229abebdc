//! Bytes to messages and back, of ZRE and of ZMTP.

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;
use zre_proto::{
    Beacon, Command, Frames, Hello, Incoming, Message, MessageLimits, Outgoing, patch_sequence,
    shout_header, split_header, whisper_header,
};
use zre_zmtp::{Decoder, Encoder, FrameLimits, Unpooled};

use crate::cases::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "encode a whisper's header",
        turns: 10_000,
        run: |turns| repeat(turns, || whisper_header(black_box(7))),
    },
    Case {
        name: "encode a HELLO",
        turns: 1_000,
        run: |turns| {
            let hello = hello(4000);
            repeat(turns, || black_box(&hello).encode(1));
        },
    },
    Case {
        name: "decode a HELLO",
        turns: 1_000,
        run: |turns| decode(turns, &hello(4000).encode(1)),
    },
    Case {
        name: "decode a WHISPER",
        turns: 10_000,
        run: |turns| decode(turns, &whisper(7)),
    },
    Case {
        name: "decode a SHOUT",
        turns: 10_000,
        run: |turns| {
            let shout = Command::Shout {
                group: "group".into(),
                content: Message::from("sixteen bytes in"),
            };
            decode(turns, &shout.encode(7));
        },
    },
    Case {
        name: "decode a beacon",
        turns: 10_000,
        run: |turns| {
            let (uuid, port) = (Uuid::from_u128(1), 4000);
            let beacon = Beacon::Classic { uuid, port }.encode();
            repeat(turns, || Beacon::decode(black_box(&beacon)));
        },
    },
    Case {
        name: "number a message and check it",
        turns: 10_000,
        run: |turns| {
            let (mut out, mut incoming) = (Outgoing::new(false), Incoming::greeted());
            let _ = out.next();
            repeat(turns, || incoming.accept(black_box(out.next_data())));
        },
    },
    Case {
        name: "number a shout to 100",
        turns: 1_000,
        run: |turns| {
            let mut all = vec![Outgoing::new(false); 100];
            let mut header = shout_header("group", 0);
            repeat(turns, || {
                for out in &mut all {
                    patch_sequence(&mut header, out.next_data());
                    black_box(&header);
                }
            });
        },
    },
    Case {
        name: "ZMTP: encode 100 whispers of 16 B",
        turns: 100,
        run: |turns| {
            let mut encoder = Encoder::new(None);
            let message = whisper(7);
            repeat(turns, || wire(&mut encoder, &message));
        },
    },
    Case {
        name: "ZMTP: decode 100 whispers of 16 B",
        turns: 100,
        run: |turns| {
            let bytes = wire(&mut Encoder::new(None), &whisper(7));
            repeat(turns, || {
                let limits = FrameLimits::default();
                let mut decoder = Decoder::new(limits, BytesMut::from(&*bytes), None);
                while let Ok(Some(item)) = decoder.decode(&mut Unpooled) {
                    black_box(item);
                }
            });
        },
    },
];

pub(crate) fn repeat<T>(turns: usize, mut work: impl FnMut() -> T) {
    for _ in 0..turns {
        black_box(work());
    }
}

fn decode(turns: usize, frames: &Frames) {
    let limits = MessageLimits::default();
    let (header, content) = split_header(frames.clone());
    repeat(turns, || {
        Command::decode_split(&header, content.clone(), &limits)
    });
}

/// A hundred of that message, as they go over the wire.
fn wire(encoder: &mut Encoder, message: &Frames) -> Vec<u8> {
    if let Some((head, body)) = message.split_first() {
        for _ in 0..100 {
            encoder.push_message(head, body);
        }
    }
    let mut bytes = Vec::with_capacity(64 << 10);
    while !encoder.is_empty() {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = encoder.slices(&mut slices);
        let written = slices
            .iter()
            .take(filled)
            .map(|slice| {
                bytes.extend_from_slice(slice);
                slice.len()
            })
            .sum();
        encoder.advance(written);
    }
    bytes
}

pub(crate) fn hello(port: u16) -> Command {
    Command::Hello(Hello {
        endpoint: format!("tcp://127.0.0.1:{port}"),
        groups: vec!["one".into(), "two".into()],
        status: 2,
        name: "a node of usual name".into(),
        headers: [("X-ROLE".to_owned(), "camera".to_owned())].into(),
    })
}

pub(crate) fn whisper(sequence: u16) -> Frames {
    let header = Bytes::copy_from_slice(&whisper_header(sequence));
    [header, Bytes::from_static(b"sixteen bytes in")]
        .into_iter()
        .collect()
}
