//! What the state machine does with a message, a beacon, a newcomer, a timeout.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::{Config, Heard, Inbound, Output, Source, Up};
use zre_proto::{Beacon, Machine, Outgoing, State, Time, split_header, whisper_header};

use crate::cases::Case;
use crate::codec::{hello, repeat, whisper};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "handle a whisper among 1 peer",
        turns: 2_000,
        run: |turns| whispers(turns, 1),
    },
    Case {
        name: "handle a whisper among 1,000 peers",
        turns: 2_000,
        run: |turns| whispers(turns, 1_000),
    },
    Case {
        name: "handle a known peer's beacon among 1,000",
        turns: 2_000,
        run: |turns| {
            let (mut machine, _) = meshed(1_000);
            let (uuid, port) = (uuid(500), 5500);
            let beacon = Beacon::Classic { uuid, port };
            repeat(turns, || {
                machine.handle_beacon(now(), black_box(&beacon), &HEARD);
            });
        },
    },
    Case {
        name: "poll_timeout among 1,000 peers",
        turns: 2_000,
        run: |turns| {
            let (machine, _) = meshed(1_000);
            repeat(turns, || black_box(&machine).poll_timeout());
        },
    },
    Case {
        name: "meet a peer, up to 100",
        turns: 5,
        run: |turns| {
            for _ in 0..turns {
                black_box(meshed(100));
            }
        },
    },
    Case {
        name: "10 s of silence between 100 peers that answer",
        turns: 10,
        run: silence,
    },
];

const HEARD: Heard = Heard::new(
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9),
    Source::Multicast,
    true,
);

fn now() -> Time {
    Time::from_origin(Duration::from_secs(1))
}

fn uuid(i: u16) -> Uuid {
    Uuid::from_u128(1_000 + u128::from(i))
}

/// A machine that knows that many peers, and where their messages come from.
fn meshed(peers: u16) -> (Machine, Vec<Inbound>) {
    let mut config = Config::new(Uuid::from_u128(1), 4000);
    config.state = State::Ready;
    let mut machine = Machine::new(config, 7, now());
    let mut inbounds = Vec::new();
    for i in 0..peers {
        let (uuid, port) = (uuid(i), 5000 + i);
        machine.handle_beacon(now(), &Beacon::Classic { uuid, port }, &HEARD);
        while let Some(output) = machine.poll_output() {
            if let Output::Connect { session, .. } = output {
                machine.handle_session_up(now(), session, Up::default());
            }
        }
        let inbound = Inbound::new(uuid, u64::from(i) + 1, None);
        let (header, content) = split_header(hello(port).encode(1));
        machine.handle_message(now(), &inbound, &header, content);
        while machine.poll_output().is_some() {}
        inbounds.push(inbound);
    }
    assert_eq!(machine.peers().count(), usize::from(peers));
    (machine, inbounds)
}

fn whispers(turns: usize, peers: u16) {
    let (mut machine, inbounds) = meshed(peers);
    let mut out = Outgoing::new(false);
    let _ = out.next();
    let (_, content) = split_header(whisper(0));
    for _ in 0..turns {
        if let Some(inbound) = inbounds.first() {
            let (header, content) = (whisper_header(out.next_data()), content.clone());
            assert!(machine.handle_whisper(now(), inbound, &header, &content));
            black_box(content);
        }
        assert!(machine.poll_output().is_none());
    }
}

/// Every PING is answered at once, as is every peer's.
fn silence(turns: usize) {
    let (mut machine, inbounds) = meshed(100);
    let mut outs = vec![Outgoing::new(false); inbounds.len()];
    for out in &mut outs {
        let _ = out.next();
    }
    let begin = now();
    let mut pings = 0;
    for turn in 1..=turns {
        let end = begin + Duration::from_secs(10) * u32::try_from(turn).unwrap_or(u32::MAX);
        while let Some(due) = machine.poll_timeout().filter(|due| *due < end) {
            machine.handle_timeout(due);
            let mut asked = Vec::new();
            while let Some(output) = machine.poll_output() {
                if let Output::Send { session, .. } = output {
                    asked.push(session);
                }
            }
            pings += asked.len();
            for session in asked {
                // Sessions were numbered in the order of the peers, from 1 on.
                let at = usize::try_from(session.0).unwrap_or(0).saturating_sub(1);
                if let (Some(inbound), Some(out)) = (inbounds.get(at), outs.get_mut(at)) {
                    let answer = zre_proto::Command::PingOk(None).encode(out.next());
                    let (header, content) = split_header(answer);
                    machine.handle_message(due, inbound, &header, content);
                }
            }
        }
    }
    assert!(pings >= 100 * turns, "nobody was asked");
    assert_eq!(machine.peers().count(), 100, "somebody was given up");
}
