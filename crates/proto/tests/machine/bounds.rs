//! What is bounded is given back, and what waits gets its turn.

use zre_proto::machine::{Found, Source};

use crate::bench::{Bench, Peer, ms, secs, whisper};

#[test]
fn with_one_dial_at_a_time_all_peers_take_turns() {
    let mut bench = Bench::with(|config| config.limits.dials = 1);
    bench.open = false;
    let peers = [1, 2, 3].map(Peer::new);
    for peer in &peers {
        let endpoint = peer.endpoint().parse().unwrap();
        let found = Found::new(endpoint, Some(peer.uuid), Source::Gossip);
        bench.machine.handle_found(bench.now, found);
        bench.drain();
    }
    for _ in 0..120 {
        bench.pass(secs(1));
        assert!(bench.open_mailboxes() <= 1);
        let session = bench.last_session();
        if bench.is_open(session) {
            bench.mailbox_closes(session);
        }
    }
    for peer in &peers {
        let dialled = bench.connects.iter().filter(|it| it.1 == Some(peer.uuid));
        assert!(dialled.count() >= 4, "{}", peer.uuid);
    }
}

#[test]
fn what_was_held_for_guests_is_given_back_when_they_enter_or_go() {
    for enters in [true, false] {
        let mut bench = Bench::with(|config| config.limits.held_bytes = 4000);
        bench.open = false;
        for id in 1..=40 {
            let mut peer = Peer::new(id);
            bench.greet(&mut peer);
            let session = bench.last_session();
            for _ in 0..3 {
                bench.say(&mut peer, whisper(&"x".repeat(500)));
            }
            assert_eq!(bench.machine.counters().limited, 0, "guest {id}");
            if enters {
                bench.mailbox_opens(session);
                assert_eq!(bench.events().len(), 4, "enter and what was held");
            } else {
                bench.connection_closes(&peer);
            }
        }
    }
}

#[test]
fn the_end_of_another_connection_drops_no_greeting_that_waits() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.greet(&mut peer);
    let session = bench.last_session();
    bench.say(&mut peer, whisper("held"));
    let older = Peer {
        connection: peer.connection - 1,
        ..peer.clone()
    };
    bench.connection_closes(&older);
    assert!(bench.is_open(session));
    bench.mailbox_opens(session);
    assert_eq!(bench.events(), ["enter 01", "whisper 01 held"]);
}

#[test]
fn a_dial_that_reached_a_newcomer_at_its_address_is_the_newcomers() {
    let mut bench = Bench::new();
    let former = Peer::new(1);
    bench.hear(&former);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
    let mut newcomer = Peer {
        uuid: Peer::new(2).uuid,
        ..former
    };
    bench.greet(&mut newcomer);
    assert_eq!(bench.events(), ["enter 02"]);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
}

#[test]
fn an_address_that_its_source_loses_is_dialled_no_more_and_the_others_are() {
    let mut bench = Bench::new();
    bench.open = false;
    let uuid = Peer::new(1).uuid;
    let (lost, kept) = ("tcp://10.0.0.1:49153", "tcp://10.0.1.1:49153");
    for endpoint in [lost, kept] {
        let found = Found::new(endpoint.parse().unwrap(), Some(uuid), Source::Gossip);
        bench.machine.handle_found(bench.now, found);
        bench.drain();
    }
    bench
        .machine
        .handle_lost(&lost.parse().unwrap(), Source::Gossip);
    bench.drain();
    let session = bench.last_session();
    bench.mailbox_closes(session);
    let before = bench.connects.len();
    for _ in 0..60 {
        bench.pass(secs(1));
        let session = bench.last_session();
        if bench.is_open(session) {
            bench.mailbox_closes(session);
        }
    }
    let later: Vec<String> = bench
        .connects
        .iter()
        .skip(before)
        .map(|it| it.2.to_wire())
        .collect();
    assert!(
        later.len() >= 3 && later.iter().all(|it| it == kept),
        "{later:?}"
    );
}

#[test]
fn a_claim_to_an_address_is_asked_about_when_it_is_new() {
    let mut bench = Bench::new();
    let mut holder = Peer::new(1);
    let session = bench.meet(&mut holder);
    bench.pass(secs(1));
    let claimant = Peer {
        uuid: Peer::new(2).uuid,
        ..holder.clone()
    };
    for _ in 0..3 {
        bench.hear(&claimant);
        assert_eq!(bench.pings(session), 1);
        bench.say(&mut holder, zre_proto::Command::PingOk);
        bench.pass(ms(500));
    }
}

#[test]
fn a_session_that_lasted_is_followed_by_another_at_once() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for _ in 0..11 {
        bench.pass(secs(1));
        bench.say(&mut peer, whisper("here"));
    }
    bench.connection_closes(&peer);
    bench.hear(&peer);
    assert_eq!(bench.connects.len(), 2);
}

#[test]
fn a_peer_that_is_heard_no_more_is_forgotten() {
    let mut bench = Bench::new();
    bench.open = false;
    bench.hear(&Peer::new(1));
    let session = bench.last_session();
    bench.mailbox_closes(session);
    assert_eq!(bench.machine.table_sizes()[0], 1);
    bench.pass(secs(600));
    assert_eq!(bench.machine.table_sizes()[0], 0);
}
