//! The protocol's own work, without sockets and without a clock.
//!
//! `cargo bench --bench micro`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a program for measuring
#![allow(missing_docs)] // criterion's macros

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use uuid::Uuid;
use zre_curve::{Anyone, Curve, Keys};
use zre_proto::machine::{Config, Heard, Inbound, Output, Source, Up};
use zre_proto::{
    Beacon, Command, Frames, Hello, Incoming, Machine, Message, MessageLimits, Outgoing, State,
    Time, patch_sequence, shout_header, split_header, whisper_header,
};
use zre_zmtp::{Established, FrameFlags, FrameLimits, Handshake, Local, SocketType};

fn hello(port: u16) -> Command {
    Command::Hello(Hello {
        endpoint: format!("tcp://127.0.0.1:{port}"),
        groups: vec!["one".into(), "two".into()],
        status: 2,
        name: "a node of usual name".into(),
        headers: [("X-ROLE".to_owned(), "camera".to_owned())].into(),
    })
}

fn whisper(sequence: u16) -> Frames {
    let header = Bytes::copy_from_slice(&whisper_header(sequence));
    [header, Bytes::from_static(b"sixteen bytes in")]
        .into_iter()
        .collect()
}

fn codec(c: &mut Criterion) {
    let limits = MessageLimits::default();
    c.bench_function("encode whisper header", |b| {
        b.iter(|| whisper_header(black_box(7)));
    });
    c.bench_function("encode hello", |b| {
        let hello = hello(4000);
        b.iter(|| black_box(&hello).encode(1));
    });
    let mut decode = |name: &str, frames: Frames| {
        c.bench_function(name, |b| {
            b.iter_batched(
                || split_header(frames.clone()),
                |(header, content)| Command::decode_split(&header, content, &limits).unwrap(),
                BatchSize::SmallInput,
            );
        });
    };
    decode("decode whisper", whisper(7));
    decode("decode hello", hello(4000).encode(1));
    let shout = Command::Shout {
        group: "group".into(),
        content: Message::from("sixteen bytes in"),
    };
    decode("decode shout", shout.encode(7));
    let beacon = Beacon::Classic {
        uuid: Uuid::from_u128(1),
        port: 4000,
    }
    .encode();
    c.bench_function("decode beacon", |b| {
        b.iter(|| Beacon::decode(black_box(&beacon)).unwrap());
    });
}

fn numbering(c: &mut Criterion) {
    c.bench_function("number and check a message", |b| {
        let (mut out, mut incoming) = (Outgoing::new(false), Incoming::greeted());
        let _ = out.next();
        b.iter(|| incoming.accept(black_box(out.next_data())).unwrap());
    });
    for receivers in [1, 10, 100, 1000] {
        c.bench_function(&format!("number a shout to {receivers}"), |b| {
            let mut all = vec![Outgoing::new(false); receivers];
            let mut header = shout_header("group", 0);
            b.iter(|| {
                for out in &mut all {
                    patch_sequence(&mut header, out.next_data());
                    black_box(&header);
                }
            });
        });
    }
}

fn now() -> Time {
    Time::from_origin(Duration::from_secs(1))
}

/// A machine that knows that many peers, and where the first one's messages
/// come from.
fn meshed(peers: u16) -> (Machine, Inbound) {
    let mut config = Config::new(Uuid::from_u128(1), 4000);
    config.state = State::Ready;
    let mut machine = Machine::new(config, 7, now());
    let mut inbounds = Vec::new();
    for i in 0..peers {
        let (uuid, port) = (Uuid::from_u128(1000 + u128::from(i)), 5000 + i);
        let beacon = Beacon::Classic { uuid, port };
        let heard = Heard::new(
            SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            Source::Multicast,
            true,
        );
        machine.handle_beacon(now(), &beacon, &heard);
        let session = loop {
            if let Output::Connect { session, .. } = machine.poll_output().unwrap() {
                break session;
            }
        };
        machine.handle_session_up(now(), session, Up::default());
        let inbound = Inbound::new(uuid, u64::from(i) + 1, None);
        let (header, _) = split_header(hello(port).encode(1));
        machine.handle_message(now(), &inbound, &header, Frames::new());
        while machine.poll_output().is_some() {}
        inbounds.push(inbound);
    }
    assert_eq!(machine.peers().count(), usize::from(peers));
    (machine, inbounds[0])
}

fn machine(c: &mut Criterion) {
    for peers in [1, 1000] {
        c.bench_function(&format!("handle a whisper among {peers} peers"), |b| {
            let (mut machine, inbound) = meshed(peers);
            let mut out = Outgoing::new(false);
            let _ = out.next();
            b.iter_batched(
                || split_header(whisper(out.next_data())),
                |(header, content)| {
                    assert!(machine.handle_whisper(now(), &inbound, &header, &content));
                    content
                },
                // The numbers go on from message to message.
                BatchSize::SmallInput,
            );
        });
    }
    c.bench_function("poll_timeout among 1000 peers", |b| {
        let (machine, _) = meshed(1000);
        b.iter(|| black_box(&machine).poll_timeout());
    });
    c.bench_function("handle a known peer's beacon among 1000", |b| {
        let (mut machine, _) = meshed(1000);
        let beacon = Beacon::Classic {
            uuid: Uuid::from_u128(1500),
            port: 5500,
        };
        let heard = Heard::new(
            SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            Source::Multicast,
            true,
        );
        b.iter(|| machine.handle_beacon(now(), black_box(&beacon), &heard));
    });
    c.bench_function("meet 100 peers", |b| b.iter(|| meshed(100)));
}

/// A handshake of CURVE, by both sides: what they agree upon.
fn shake(client: &Curve, server: &Curve) -> (Established, Established) {
    let side = |socket_type, curve: &Curve| {
        let local = Local::new(socket_type, Bytes::new(), Arc::new(curve.clone()));
        Handshake::new(local, FrameLimits::default())
    };
    let mut dealer = side(SocketType::Dealer, client);
    let mut router = side(SocketType::Router, server);
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    dealer.start(&mut up);
    router.start(&mut down);
    loop {
        let accepted = router.advance(&mut up, &mut down).unwrap();
        let dialled = dealer.advance(&mut down, &mut up).unwrap();
        if let (Some(accepted), Some(dialled)) = (accepted, dialled) {
            return (accepted, dialled);
        }
    }
}

fn curve(c: &mut Criterion) {
    let keys = || Keys::generate().unwrap();
    let server = Curve::new(keys(), Arc::new(Anyone));
    let client = Curve::new(keys(), Arc::new(Anyone)).to(server.public());
    c.bench_function("CURVE handshake, both sides", |b| {
        b.iter(|| shake(&client, &server));
    });
    for size in [16, 1 << 10, 64 << 10] {
        c.bench_function(&format!("seal and open {size} bytes in a frame"), |b| {
            let (accepted, dialled) = shake(&client, &server);
            let (mut sealer, mut opener) = (dialled.sealer.unwrap(), accepted.opener.unwrap());
            let flags = FrameFlags {
                more: false,
                command: false,
            };
            let content = vec![7; size];
            let mut sealed = BytesMut::new();
            b.iter(|| {
                sealed.clear();
                sealer.seal(flags, &content, &mut sealed);
                opener.open(&mut sealed).unwrap()
            });
        });
    }
}

criterion_group!(benches, codec, numbering, machine, curve);
criterion_main!(benches);
