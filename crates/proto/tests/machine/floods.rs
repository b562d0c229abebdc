//! What strangers can fill, and how far.

use uuid::Uuid;
use zre_proto::State;
use zre_proto::machine::Source;

use crate::bench::{Bench, Peer, ms, secs, whisper};

fn stranger(n: u32) -> Peer {
    let [_, a, b, c] = n.to_be_bytes();
    Peer {
        uuid: Uuid::from_u128(u128::from(n) + 1000),
        ip: [10, a, b, c].into(),
        connection: u64::from(n) + 100_000,
        ..Peer::new(1)
    }
}

/// Dials to addresses at which nothing listens.
#[derive(Default)]
struct Dials {
    failed: usize,
}

impl Dials {
    /// Lets all fail that have been begun.
    fn fail(&mut self, bench: &mut Bench) {
        while let Some((session, ..)) = bench.connects.get(self.failed) {
            self.failed += 1;
            bench.mailbox_closes(*session);
        }
    }
}

#[test]
fn hellos_of_ever_new_uuids_fill_a_bounded_table() {
    let mut bench = Bench::with(|config| config.limits.peers = 200);
    bench.open = false;
    for n in 0..20_000 {
        bench.greet(&mut stranger(n));
        if n % 100 == 0 {
            bench.pass(ms(10));
        }
        let sizes = bench.machine.table_sizes();
        assert!(sizes[..3].iter().all(|size| *size <= 200), "{sizes:?}");
        assert!(sizes[4] <= 1000, "{sizes:?}");
    }
    assert_eq!(bench.machine.counters().overflow, 20_000 - 200);
    assert!(bench.events().is_empty());
}

#[test]
fn beacons_of_ever_new_uuids_fill_a_bounded_table_that_empties_again() {
    let mut bench = Bench::with(|config| config.limits.peers = 200);
    bench.open = false;
    let mut dials = Dials::default();
    for n in 0..20_000 {
        bench.hear(&stranger(n));
        dials.fail(&mut bench);
        if n % 10 == 0 {
            bench.pass(ms(10));
        }
        let sizes = bench.machine.table_sizes();
        assert!(sizes[..3].iter().all(|size| *size <= 200), "{sizes:?}");
    }
    for _ in 0..110 {
        bench.pass(secs(1));
        dials.fail(&mut bench);
    }
    bench.open = true;
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    assert_eq!(bench.machine.table_sizes()[0], 1);
}

#[test]
fn beacons_of_ever_new_uuids_keep_no_newcomer_out() {
    for addresses in [1, 100] {
        let mut bench = Bench::with(|config| {
            config.limits.peers = 800;
            config.limits.dials = 50;
        });
        bench.open = false;
        let mut dials = Dials::default();
        for n in 0..20_000 {
            let ip = [10, 99, 0, u8::try_from(n % addresses).unwrap()].into();
            bench.hear(&Peer { ip, ..stranger(n) });
            dials.fail(&mut bench);
            bench.pass(ms(1));
            assert!(bench.machine.table_sizes()[0] <= 800);
        }
        bench.open = true;
        // One that greets us, and one that we have only heard.
        let mut newcomer = Peer::new(1);
        bench.greet(&mut newcomer);
        assert_eq!(bench.events(), ["enter 01"], "{addresses} addresses");
        let mut heard = Peer::new(2);
        bench.hear(&heard);
        bench.pass(secs(1));
        bench.greet(&mut heard);
        assert_eq!(bench.events(), ["enter 02"], "{addresses} addresses");
    }
}

#[test]
fn beacons_of_ever_new_uuids_keep_a_bounded_number_of_dials() {
    let mut bench = Bench::with(|config| config.limits.dials = 50);
    bench.open = false;
    for n in 0..3000 {
        bench.hear(&stranger(n));
    }
    assert_eq!(bench.connects.len(), 50);
    // Who greets first is answered at once, flood or not.
    let mut honest = Peer {
        ip: [10, 99, 0, 1].into(),
        ..Peer::new(1)
    };
    bench.greet(&mut honest);
    let answer = bench.last_session();
    bench.mailbox_opens(answer);
    assert_eq!(bench.events(), ["enter 01"]);
    // Each dial that ends makes room for one other, until all had their turn.
    let mut ended = 0;
    while ended < bench.connects.len() {
        let (session, ..) = bench.connects[ended];
        ended += 1;
        if session != answer {
            bench.mailbox_closes(session);
        }
        assert!(bench.open_mailboxes() <= 51, "{}", bench.open_mailboxes());
    }
    assert_eq!(ended, 3001);
}

#[test]
fn a_dial_without_an_answer_gives_its_place_to_the_next() {
    let mut bench = Bench::with(|config| config.limits.dials = 1);
    for n in 0..10 {
        bench.hear(&stranger(n));
    }
    // They open, and say nothing for a second.
    for waited in 1..10 {
        assert_eq!(bench.connects.len(), waited);
        bench.pass(secs(1));
        for n in 0..10 {
            bench.hear(&stranger(n));
        }
    }
    assert!(bench.connects.len() >= 10);
    let distinct: std::collections::BTreeSet<_> =
        bench.connects.iter().map(|(_, uuid, _)| *uuid).collect();
    assert_eq!(distinct.len(), 10, "each had its turn before any had two");
}

#[test]
fn goodbyes_of_ever_new_uuids_fill_a_bounded_table_that_empties_again() {
    let mut bench = Bench::with(|config| config.limits.peers = 200);
    for n in 0..20_000 {
        bench.hear_state(&stranger(n), State::Exit);
        assert!(bench.machine.table_sizes()[3] <= 200);
    }
    bench.pass(secs(20));
    assert_eq!(bench.machine.table_sizes()[..4], [0; 4]);
}

#[test]
fn peers_that_come_and_go_leave_nothing_behind() {
    let mut bench = Bench::new();
    for n in 0..3000 {
        let mut peer = stranger(n);
        bench.greet(&mut peer);
        match n % 4 {
            0 => bench.connection_closes(&peer),
            1 => bench.say(&mut peer, zre_proto::Command::Goodbye),
            2 => bench.mailbox_closes(bench.last_session()),
            _ => bench.receive(&peer, whisper("gap").encode(99)),
        }
        bench.pass(ms(100));
        assert_eq!(bench.events().len(), 2);
    }
    bench.pass(secs(90));
    let [peers, sessions, seeds, tombstones, timers] = bench.machine.table_sizes();
    assert_eq!([peers, sessions, seeds, tombstones], [0; 4]);
    assert!(timers <= 2, "{timers}");
    assert_eq!(bench.open_mailboxes(), 0);
}

#[test]
fn what_all_strangers_together_say_before_they_entered_is_bounded() {
    let mut bench = Bench::new();
    bench.open = false;
    let chunk = "x".repeat(1 << 20);
    let mut cut = 0u32;
    for n in 0..100 {
        let mut peer = stranger(n);
        bench.greet(&mut peer);
        let session = bench.last_session();
        for _ in 0..3 {
            bench.say(&mut peer, whisper(&chunk));
        }
        cut += u32::from(!bench.is_open(session));
    }
    assert!(cut >= 50, "300 MiB wait, only {cut} were cut off");
}

#[test]
fn addresses_without_a_uuid_are_bounded() {
    let mut bench = Bench::with(|config| config.limits.bootstraps = 10);
    for n in 1..100 {
        bench.find(&format!("tcp://10.0.0.1:{n}"), Source::Dns);
    }
    assert_eq!(bench.machine.table_sizes()[2], 10);
    assert_eq!(bench.machine.counters().overflow, 89);
}

/// A thousand beacons a second of nodes whose addresses accept and say nothing, after the
/// handshake or not even that.
#[test]
fn a_newcomer_is_dialled_among_beacons_of_nodes_that_say_nothing() {
    let worst = [(1u16, secs(1)), (100, secs(3))];
    for (opens, (hosts, patience)) in [(true, worst), (false, worst)]
        .into_iter()
        .flat_map(|(opens, worst)| worst.map(|it| (opens, it)))
    {
        let mut bench = Bench::new();
        bench.open = opens;
        let newcomer = Peer::new(1);
        let mut heard = None;
        let mut number = 0u16;
        for step in 0..8000u16 {
            number = number.wrapping_add(1);
            let mut nobody = Peer::new(2);
            nobody.uuid = Uuid::from_u128(u128::from(number) + 1000);
            let host = u8::try_from(number % hosts).unwrap();
            nobody.ip = std::net::IpAddr::from([10, 2, 0, host]);
            nobody.port = 1000 + number;
            bench.hear(&nobody);
            if step == 5000 {
                heard = Some(bench.now);
                bench.hear(&newcomer);
            }
            bench.pass(ms(1));
            let dialled = |bench: &Bench| {
                let mut dials = bench.connects.iter().rev().take(20);
                dials.any(|(_, peer, _)| *peer == Some(newcomer.uuid))
            };
            if let Some(heard) = heard
                && dialled(&bench)
            {
                assert!(bench.now - heard < patience, "{:?}", bench.now - heard);
                break;
            }
        }
        let dials = &bench.connects;
        assert!(
            dials
                .iter()
                .any(|(_, peer, _)| *peer == Some(newcomer.uuid)),
            "{hosts} hosts"
        );
    }
}

/// A thousand beacons a second that somebody sends under a third party's address. It
/// refuses connections, or accepts them and says nothing.
#[test]
fn beacons_that_bear_a_third_partys_address_cause_few_dials_to_it() {
    for accepts in [false, true] {
        let mut bench = Bench::new();
        bench.open = accepts;
        let victim = std::net::IpAddr::from([10, 9, 9, 9]);
        let (mut closed, mut seconds) = (0, Vec::new());
        for second in 0..20u16 {
            for number in 0..1000u16 {
                let mut nobody = Peer::new(1);
                nobody.uuid = Uuid::from_u128(u128::from(number % 997) + 1000);
                (nobody.ip, nobody.port) = (victim, 1000 + second * 1000 + number);
                bench.hear(&nobody);
                while !accepts && let Some((session, ..)) = bench.connects.get(closed) {
                    let session = *session;
                    closed += 1;
                    bench.mailbox_closes(session);
                }
                bench.pass(ms(1));
            }
            seconds.push(bench.connects.len());
        }
        assert!(seconds[8] <= 64, "in less than ten seconds: {seconds:?}");
        assert!(seconds[18] <= 128, "in less than twenty: {seconds:?}");
        // A node that is at another address is met, and so is one there that greets.
        bench.open = true;
        let (mut there, mut elsewhere) = (Peer::new(1), Peer::new(2));
        there.ip = victim;
        bench.events();
        bench.greet(&mut there);
        assert_eq!(bench.events(), ["enter 01"]);
        bench.meet(&mut elsewhere);
    }
}

/// Gossip of a thousand nodes at names, all of which stand for a third party.
#[test]
fn names_of_gossip_that_stand_for_a_third_party_cause_few_dials_to_it() {
    let mut bench = Bench::new();
    bench.open = false;
    let victim = [std::net::SocketAddr::from(([10, 9, 9, 9], 80))];
    let mut dials = 0;
    for number in 0..1000u128 {
        let endpoint = format!("tcp://n{number}.example:80").parse().unwrap();
        let uuid = Some(Uuid::from_u128(number + 1000));
        let found = zre_proto::machine::Found::new(endpoint, uuid, Source::Gossip);
        bench
            .machine
            .handle_found(bench.now, found.by_another_host());
        bench.drain();
        let session = bench.last_session();
        if bench.is_open(session) {
            let dialled = bench.machine.handle_resolved(bench.now, session, &victim);
            bench.drain();
            dials += u32::from(dialled);
            if dialled {
                bench.mailbox_closes(session);
            }
        }
    }
    assert_eq!(dials, 64);
}

/// No other host can send under such an address, and a host may run many nodes that are
/// busy.
#[test]
fn nodes_that_are_heard_over_loopback_are_all_dialled() {
    let mut bench = Bench::new();
    for number in 0..200u16 {
        let mut peer = stranger(number.into());
        (peer.ip, peer.port) = ([127, 0, 0, 1].into(), 1000 + number);
        bench.hear(&peer);
    }
    bench.pass(ms(1500));
    assert_eq!((bench.connects.len(), bench.open_mailboxes()), (200, 200));
}

/// A host on which a thousand nodes run: those that greet back cost nothing.
#[test]
fn nodes_that_answer_are_all_dialled_however_many_share_an_address() {
    let mut bench = Bench::new();
    for number in 0..1000u16 {
        let mut peer = stranger(number.into());
        (peer.ip, peer.port) = ([10, 9, 9, 9].into(), 1000 + number);
        bench.hear(&peer);
        assert_eq!(bench.connects.len(), usize::from(number) + 1);
        bench.greet(&mut peer);
        assert_eq!(bench.events().len(), 1, "{number}");
    }
}
