//! What is bounded is given back, and what waits gets its turn.

use std::net::SocketAddr;

use zre_proto::machine::{Found, Heard, Source};
use zre_proto::{Command, Hello, Profile, split_header};

use crate::bench::{Bench, Peer, ms, secs, whisper};

#[test]
fn with_one_dial_at_a_time_all_peers_take_turns() {
    let mut bench = Bench::with(|config| config.limits.dials = 1);
    assert_eq!(bench.machine.limits().dials, 1);
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
        bench.say(&mut holder, zre_proto::Command::PingOk(None));
        bench.pass(ms(500));
    }
}

#[test]
fn a_link_local_address_is_another_one_on_each_interface() {
    for (scope, pings) in [(3, 1), (4, 0)] {
        let mut bench = Bench::new();
        let holder = Peer::new(1);
        let hear = |bench: &mut Bench, peer: &Peer, from: &str| {
            let from: SocketAddr = from.parse().unwrap();
            let heard = Heard::new(from, Source::Multicast, false);
            bench
                .machine
                .handle_beacon(bench.now, &peer.beacon(), &heard);
            bench.drain();
        };
        hear(&mut bench, &holder, "[fe80::1%3]:5670");
        let session = bench.last_session();

        let mut hello = holder.hello();
        hello.endpoint = format!("tcp://[fe80::1]:{}", holder.port);
        let mut inbound = holder.inbound();
        inbound.from = Some("[fe80::1%3]:30000".parse().unwrap());
        let (header, content) = split_header(Command::Hello(hello).encode(1));
        bench
            .machine
            .handle_message(bench.now, &inbound, &header, content);
        bench.drain();
        assert!(bench.events().contains(&"enter 01".to_owned()));

        let claimant = Peer {
            uuid: Peer::new(2).uuid,
            ..holder
        };
        hear(&mut bench, &claimant, &format!("[fe80::1%{scope}]:5670"));
        assert_eq!(bench.pings(session), pings, "scope {scope}");
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

/// A HELLO of a peer that is in that many groups, each with a name of 200 bytes.
fn talkative(peer: &mut Peer, groups: usize) -> Command {
    peer.next = 1;
    let name = |n: usize| format!("{n:0>200}");
    Command::Hello(Hello {
        groups: (0..groups).map(name).collect(),
        ..peer.hello()
    })
}

#[test]
fn peers_that_tell_much_keep_out_none_that_tell_little() {
    let mut bench = Bench::with(|config| {
        config.limits.description_bytes = 1 << 20;
        config.limits.peers = 100;
    });
    let mut entered = Vec::new();
    for id in 1..=50 {
        let mut peer = Peer::new(id);
        let hello = talkative(&mut peer, 100);
        bench.say(&mut peer, hello);
        if bench
            .events()
            .iter()
            .any(|event| event.starts_with("enter"))
        {
            entered.push(peer);
        }
        assert!(bench.machine.description_bytes() <= 1 << 19);
    }
    assert!((10..12).contains(&entered.len()), "{}", entered.len());
    assert_eq!(bench.machine.counters().limited, 50 - entered.len() as u64);
    for id in 51..=98 {
        let mut peer = Peer::new(id);
        let hello = talkative(&mut peer, 4);
        bench.say(&mut peer, hello);
        assert_eq!(bench.events().len(), 5, "{id} enters, in four groups");
        entered.push(peer);
    }
    assert!(bench.machine.description_bytes() <= 1 << 20);
    for peer in &entered {
        bench.connection_closes(peer);
    }
    bench.pass(secs(1));
    assert_eq!(bench.machine.description_bytes(), 0);
}

#[test]
fn joins_and_updates_beyond_the_bound_of_a_peer_are_dropped() {
    let mut bench = Bench::with(|config| config.limits.description_bytes_per_peer = 4096);
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.events();
    let mut status = 0;
    let mut join = |bench: &mut Bench, peer: &mut Peer, group: String| {
        status += 1;
        let group = group.as_str().into();
        bench.say(peer, Command::Join { group, status });
    };
    for n in 0..40 {
        join(&mut bench, &mut peer, format!("{n:0>200}"));
    }
    let joined = bench.events().len();
    assert!((7..10).contains(&joined), "{joined}");
    let limited = bench.machine.counters().limited;
    assert_eq!(limited, 40 - joined as u64);
    join(&mut bench, &mut peer, format!("{:0>200}", 0));
    assert_eq!(
        bench.machine.counters().limited,
        limited,
        "it is there already"
    );

    let full = bench.machine.description_bytes();
    let header = |len| Profile {
        name: "n".into(),
        headers: [("key".to_owned(), "v".repeat(len))].into(),
    };
    bench.say(&mut peer, Command::Update(header(4000)));
    assert_eq!(bench.events(), [""; 0]);
    assert_eq!(bench.machine.counters().limited, limited + 1);
    assert_eq!(bench.machine.description_bytes(), full);

    let group = format!("{:0>200}", 0).as_str().into();
    bench.say(&mut peer, Command::Leave { group, status: 42 });
    bench.say(&mut peer, Command::Update(header(10)));
    assert_eq!(bench.events().len(), 2);
    assert!(bench.machine.description_bytes() < full);
    assert_eq!(bench.machine.counters().limited, limited + 1);
    bench.connection_closes(&peer);
    bench.pass(secs(1));
    assert_eq!(bench.machine.description_bytes(), 0);
}
