//! What peers say, and what it costs them to say it wrong.

use std::iter;

use zre_proto::{Command, split_header};

use crate::bench::{Bench, Peer, header, join, leave, ms, secs, whisper};

#[test]
fn whispers_and_shouts_arrive_in_order() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, whisper("a"));
    bench.say(
        &mut peer,
        Command::Shout {
            group: "G".into(),
            content: "b".into(),
        },
    );
    bench.say(&mut peer, whisper("c"));
    assert_eq!(
        bench.events(),
        ["whisper 01 a", "shout 01 G b", "whisper 01 c"]
    );
}

#[test]
fn a_whisper_does_not_overtake_the_outputs_before_it() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let (now, from) = (bench.now, peer.inbound());
    let (header, content) = split_header(join("G", 1).encode(peer.number()));
    bench.machine.handle_message(now, &from, &header, content);
    let (header, content) = split_header(whisper("a").encode(peer.number()));
    let machine = &mut bench.machine;
    assert!(!machine.handle_whisper(now, &from, &header, &content));
    machine.handle_message(now, &from, &header, content);
    bench.drain();
    bench.say(&mut peer, whisper("b"));
    assert_eq!(
        bench.events(),
        ["join 01 G", "whisper 01 a", "whisper 01 b"]
    );
}

#[test]
fn joins_and_leaves_change_the_groups_once() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, join("G", 1));
    bench.say(&mut peer, join("G", 2));
    bench.say(&mut peer, leave("H", 3));
    bench.say(&mut peer, leave("G", 4));
    bench.say(&mut peer, leave("G", 5));
    assert_eq!(bench.events(), ["join 01 G", "leave 01 G"]);
    assert_eq!(bench.machine.counters().status, 0);
    assert!(bench.machine.peer_groups(peer.uuid).unwrap().is_empty());
}

#[test]
fn a_wrong_status_is_counted_and_costs_nothing() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    peer.status = 255;
    bench.meet(&mut peer);
    bench.say(&mut peer, join("A", 0));
    assert_eq!(bench.machine.counters().status, 0, "255 is followed by 0");
    bench.say(&mut peer, join("B", 7));
    bench.say(&mut peer, join("C", 8));
    assert_eq!(bench.machine.counters().status, 1);
    assert_eq!(bench.events(), ["join 01 A", "join 01 B", "join 01 C"]);
}

#[test]
fn our_own_status_counts_each_join_and_leave_and_wraps() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    for _ in 0..150 {
        assert!(bench.machine.join(bench.now, "G").unwrap());
        assert!(!bench.machine.join(bench.now, "G").unwrap());
        assert!(bench.machine.leave("G"));
        assert!(!bench.machine.leave("G"));
        bench.drain();
    }
    let statuses: Vec<u8> = bench
        .said(session)
        .iter()
        .map(|command| match command {
            Command::Join { status, .. } | Command::Leave { status, .. } => *status,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<u8> = (1..=300u32).map(|n| (n % 256) as u8).collect();
    assert_eq!(statuses, expected);
}

#[test]
fn a_join_goes_to_whoever_has_our_hello_greeted_back_or_not() {
    let mut bench = Bench::new();
    let silent = Peer::new(1);
    bench.hear(&silent);
    let session = bench.last_session();
    bench.machine.join(bench.now, "G").unwrap();
    bench.drain();
    assert_eq!(bench.said(session), [&join("G", 1)]);
    // Whose mailbox isn't open yet reads it in HELLO.
    bench.open = false;
    bench.hear(&Peer::new(2));
    let late = bench.last_session();
    bench.machine.join(bench.now, "H").unwrap();
    bench.drain();
    bench.mailbox_opens(late);
    let Some((_, 1, Command::Hello(hello))) = bench.sent.last() else {
        panic!("{:?}", bench.sent.last());
    };
    assert_eq!((hello.groups.len(), hello.status), (2, 2));
    assert!(bench.said(late).is_empty());
}

#[test]
fn a_gap_ends_the_session_and_the_peer_comes_back() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.say(&mut peer, whisper("one"));
    peer.next += 1;
    bench.say(&mut peer, whisper("three"));
    bench.say(&mut peer, whisper("four"));
    assert_eq!(bench.events(), ["whisper 01 one", "exit 01 sequence"]);
    assert!(!bench.is_open(session));
    assert_eq!(bench.machine.counters().gaps, 1);
    assert_eq!(bench.machine.counters().ungreeted, 1);
    bench.pass(ms(600));
    bench.meet(&mut peer);
}

#[test]
fn a_repeated_message_is_a_gap_too() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, whisper("one"));
    peer.next -= 1;
    bench.say(&mut peer, whisper("one"));
    assert_eq!(bench.events(), ["whisper 01 one", "exit 01 sequence"]);
}

#[test]
fn the_sequence_wraps_both_ways_that_are_in_use() {
    for last in [65535, 65534] {
        let mut bench = Bench::new();
        let mut peer = Peer::new(1);
        bench.meet(&mut peer);
        for round in 0..3 {
            let first = if round == 0 { 2 } else { 0 };
            for number in first..=last {
                peer.next = number;
                bench.say(&mut peer, Command::PingOk(None));
            }
        }
        peer.next = 0;
        bench.say(&mut peer, whisper("after the wrap"));
        assert_eq!(bench.events(), ["whisper 01 after the wrap"]);
    }
}

#[test]
fn a_peer_that_drops_us_at_65535_is_spared_it_in_its_next_session() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(1));
    assert_eq!(bench.whisper_out(session, 65_534), 65_535);
    // pyre takes that for a gap, drops us and greets anew on a new connection.
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    assert_eq!(bench.exits, [65_534]);
    bench.pass(ms(600));
    peer.connection += 1;
    let session = bench.meet(&mut peer);
    assert_eq!(bench.whisper_out(session, 65_533), 65_534);
    assert_eq!(bench.whisper_out(session, 1), 0);
}

#[test]
fn a_peer_that_leaves_anywhere_else_keeps_65535() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    assert_eq!(bench.whisper_out(session, 60_000), 60_001);
    bench.connection_closes(&peer);
    bench.pass(ms(600));
    bench.events();
    peer.connection += 1;
    let session = bench.meet(&mut peer);
    assert_eq!(bench.whisper_out(session, 65_534), 65_535);
}

#[test]
fn a_peer_that_skips_65535_itself_is_spared_ours_in_its_next_session() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for number in (2..=65_534).chain(iter::once(0)) {
        peer.next = number;
        bench.say(&mut peer, Command::PingOk(None));
    }
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    bench.pass(secs(1));
    peer.connection += 1;
    let session = bench.meet(&mut peer);
    assert_eq!(bench.whisper_out(session, 65_533), 65_534);
    assert_eq!(bench.whisper_out(session, 1), 0);
}

#[test]
fn an_unknown_command_is_counted_in_the_sequence_and_survived() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let number = peer.number();
    bench.receive(&peer, header(77, 2, number, b"whatever"));
    bench.say(&mut peer, whisper("next"));
    assert_eq!(bench.events(), ["whisper 01 next"]);
    assert_eq!(bench.machine.counters().unknown, 1);
}

#[test]
fn elections_are_read_and_left_to_those_who_hold_them() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    let id: zre_proto::Str = "00".repeat(16).into();
    bench.say(
        &mut peer,
        Command::Elect {
            group: "G".into(),
            challenger_id: id.clone(),
        },
    );
    bench.say(
        &mut peer,
        Command::Leader {
            group: "G".into(),
            leader_id: id,
        },
    );
    bench.say(&mut peer, whisper("next"));
    assert_eq!(bench.events(), ["whisper 01 next"]);
    assert!(bench.said(session).is_empty());
}

#[test]
fn a_malformed_message_costs_its_sender_the_session_and_nobody_else() {
    let mut bench = Bench::new();
    let mut bad = Peer::new(1);
    let mut good = Peer::new(2);
    bench.meet(&mut bad);
    bench.meet(&mut good);
    let number = bad.number();
    bench.receive(&bad, header(4, 2, number, &[200, b'G']));
    assert_eq!(bench.events(), ["exit 01 protocol"]);
    assert_eq!(bench.machine.counters().malformed, 1);
    bench.say(&mut good, whisper("still here"));
    assert_eq!(bench.events(), ["whisper 02 still here"]);
}

#[test]
fn a_wrong_version_or_signature_is_ignored_and_counted() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.receive(&peer, header(2, 3, 2, b""));
    bench.receive(
        &peer,
        [b"GET / HTTP/1.1".to_vec().into()].into_iter().collect(),
    );
    bench.receive(&peer, [].into_iter().collect());
    bench.say(&mut peer, whisper("next"));
    assert_eq!(bench.events(), ["whisper 01 next"]);
    let counters = bench.machine.counters();
    assert_eq!((counters.version, counters.foreign), (1, 2));
}

#[test]
fn a_hello_past_the_limits_is_no_hello() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    peer.groups = (0..2000).map(|n| n.to_string()).collect();
    bench.greet(&mut peer);
    assert!(bench.connects.is_empty());
    assert_eq!(bench.machine.counters().limited, 1);
    let mut other = Peer::new(2);
    bench.meet(&mut other);
    other.groups = peer.groups.clone();
    bench.greet(&mut other);
    assert_eq!(bench.events(), ["exit 02 sequence"]);
}

#[test]
fn a_stranger_is_not_heard_before_its_hello() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    for command in [
        whisper("hi"),
        join("G", 1),
        Command::Ping(None),
        Command::Goodbye,
    ] {
        bench.say(&mut peer, command);
    }
    // A HELLO that isn't the first message of its session is none.
    let frames = Command::Hello(peer.hello()).encode(5);
    bench.receive(&peer, frames);
    assert!(bench.events().is_empty());
    assert!(bench.connects.is_empty());
    assert_eq!(bench.machine.counters().ungreeted, 5);
    assert_eq!(bench.machine.table_sizes()[0], 0);
}

#[test]
fn a_stranger_on_another_connection_cannot_speak_for_a_peer() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let mut liar = Peer {
        connection: 5000,
        ..peer.clone()
    };
    bench.say(&mut liar, whisper("I am 1"));
    liar.next = 60_000;
    bench.say(&mut liar, whisper("gap"));
    let broken = header(4, 2, 2, &[200]);
    bench.receive(&liar, broken);
    bench.connection_closes(&liar);
    bench.say(&mut peer, whisper("me"));
    assert_eq!(bench.events(), ["whisper 01 me"]);
}

#[test]
fn a_ping_is_answered_and_an_answer_confirms_what_went_before() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.say(&mut peer, Command::Ping(None));
    bench.say(&mut peer, Command::Ping(None));
    assert_eq!(
        bench.said(session),
        [&Command::PingOk(None), &Command::PingOk(None)]
    );
    bench.whisper_out(session, 3);
    bench.pass(ms(5500));
    assert_eq!(bench.pings(session), 1);
    bench.whisper_out(session, 2);
    bench.say(&mut peer, Command::PingOk(None));
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    assert_eq!(bench.exits, [2], "two came after the PING");
}

#[test]
fn a_hundred_thousand_groups_are_not_kept() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for n in 0..100_000u32 {
        let status = (n + 1) as u8;
        bench.say(&mut peer, join(&n.to_string(), status));
        if peer.next == 0 {
            bench.events();
        }
    }
    assert_eq!(bench.machine.peer_groups(peer.uuid).unwrap().len(), 1024);
    assert_eq!(bench.machine.counters().status, 0);
    assert_eq!(bench.machine.counters().limited, 100_000 - 1024);
    bench.events();
    bench.say(&mut peer, whisper("still counted"));
    assert_eq!(bench.events(), ["whisper 01 still counted"]);
}
