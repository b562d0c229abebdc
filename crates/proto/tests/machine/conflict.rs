//! Two nodes that claim the same thing.

use zre_proto::machine::Source;
use zre_proto::{Beacon, Command};

use crate::bench::{Bench, OUR_PORT, Peer, ms, our_uuid, secs, whisper};

#[test]
fn of_two_live_nodes_with_one_uuid_the_one_that_answers_stays() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(2));
    // A cloned image: the same UUID, on another host, even the same port.
    let mut clone = Peer {
        ip: "10.0.1.1".parse().unwrap(),
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut clone);
    assert_eq!(bench.pings(session), 1);
    bench.say(&mut clone, whisper("I am the real one"));
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["conflict 01"]);
    bench.say(&mut peer, whisper("I am"));
    bench.say(&mut clone, whisper("still here"));
    assert_eq!(bench.events(), ["whisper 01 I am"]);
    // It goes on trying.
    for _ in 0..60 {
        bench.pass(secs(5));
        bench.greet(&mut clone);
        bench.say(&mut peer, Command::PingOk(None));
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert!(bench.events().is_empty(), "once");
    assert!(bench.is_open(session));
    assert_eq!(bench.connects.len(), 1);
}

/// A claimant that is the same process, after a partition, would take the answer to a PING
/// of its session before for the answer to one of its own.
#[test]
fn a_peer_is_answered_once_its_claimant_is_judged() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    let answers = |bench: &Bench| {
        let said = bench.said(session);
        said.iter()
            .filter(|it| ***it == Command::PingOk(None))
            .count()
    };
    let mut clone = Peer {
        port: 50_000,
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut clone);
    bench.say(&mut peer, Command::Ping(None));
    assert_eq!(answers(&bench), 0);
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(answers(&bench), 1);
    for _ in 0..6 {
        bench.pass(secs(2));
        bench.say(&mut peer, whisper("here"));
    }
    bench.greet(&mut clone);
    bench.say(&mut peer, Command::Ping(None));
    bench.connection_closes(&clone);
    assert_eq!(answers(&bench), 2);
}

#[test]
fn a_contest_whose_newcomer_hangs_up_is_over() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    let mut clone = Peer {
        port: 50_000,
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut clone);
    bench.connection_closes(&clone);
    bench.pass(ms(3000));
    assert!(bench.events().is_empty());
    assert!(bench.is_open(session));
}

#[test]
fn who_does_not_answer_any_more_is_not_waited_for() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(ms(7000));
    assert_eq!(bench.events(), ["evasive 01"]);
    let mut clone = Peer {
        port: 50_000,
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut clone);
    assert_eq!(bench.events(), ["exit 01 replaced", "enter 01"]);
}

/// A second connection under a peer's UUID from anywhere, ten times a second: from
/// elsewhere, from the same host with the peer's own endpoint, and at any age of the
/// session.
#[test]
fn a_flood_of_claims_to_a_uuid_costs_its_peer_nothing() {
    for elsewhere in [true, false] {
        let mut bench = Bench::new();
        let mut peer = Peer::ours(1);
        let session = bench.meet(&mut peer);
        let mut sent = 0;
        for round in 0..300u64 {
            let mut claim = Peer {
                connection: 2000 + round,
                ..peer.clone()
            };
            if elsewhere {
                claim.ip = "10.0.1.1".parse().unwrap();
                claim.port = 40_000;
            }
            bench.greet(&mut claim);
            bench.say(&mut claim, whisper("a lie"));
            // The peer answers in its time, and goes on to send.
            for _ in 0..10 {
                bench.pass(ms(10));
                bench.say(&mut peer, whisper("data"));
                sent += 1;
            }
            for _ in 0..bench.pings(session).saturating_sub(bench.answered) {
                bench.say(&mut peer, Command::PingOk(None));
            }
            bench.answered = bench.pings(session);
        }
        let events = bench.events();
        let delivered = events.iter().filter(|it| *it == "whisper 01 data").count();
        assert_eq!(delivered, sent);
        let others: Vec<_> = events.iter().filter(|it| !it.contains("data")).collect();
        assert_eq!(others, ["conflict 01"], "told once");
        assert!(bench.is_open(session));
        assert_eq!(bench.connects.len(), 1);
        assert!(bench.pings(session) < 20, "{}", bench.pings(session));
        // Each of them is closed, so that none has to wait for anything.
        assert_eq!(bench.refused.len(), 300);
        assert_eq!(bench.admitted, [peer.connection]);
    }
}

#[test]
fn a_claim_does_not_displace_one_whose_greeting_is_being_answered() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.greet(&mut peer);
    let mut claim = Peer {
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut claim);
    bench.say(&mut claim, whisper("a lie"));
    bench.say(&mut peer, whisper("true"));
    bench.mailbox_opens(bench.last_session());
    assert_eq!(bench.events(), ["enter 01", "whisper 01 true"]);
    assert_eq!(bench.refused, [claim.connection]);
}

/// Its answer comes behind what it has queued.
#[test]
fn who_still_sends_is_not_displaced_however_late_it_answers() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(2));
    let mut claim = Peer {
        connection: 2000,
        port: 40_000,
        ..peer.clone()
    };
    bench.greet(&mut claim);
    for _ in 0..8 {
        bench.pass(ms(500));
        bench.say(&mut peer, whisper("queued"));
    }
    bench.say(&mut peer, Command::PingOk(None));
    bench.pass(secs(2));
    assert!(bench.is_open(session));
    let events = bench.events();
    assert!(
        !events.iter().any(|it| it.starts_with("exit")),
        "{events:?}"
    );
    assert_eq!(bench.refused, [claim.connection]);
}

#[test]
fn somebody_else_with_our_uuid_is_a_conflict_told_once() {
    let mut bench = Bench::new();
    let ours = Beacon::Classic {
        uuid: our_uuid(),
        port: OUR_PORT,
    };
    let twin = Beacon::Classic {
        uuid: our_uuid(),
        port: OUR_PORT + 1,
    };
    let ip = "10.0.0.5".parse().unwrap();
    bench.hear_beacon(&ours, ip);
    assert!(bench.events().is_empty(), "our own, heard again");
    bench.hear_beacon(&twin, ip);
    bench.hear_beacon(&twin, ip);
    assert!(bench.events().is_empty(), "it may be of our life before");
    for _ in 0..3 {
        bench.pass(secs(1));
        bench.hear_beacon(&twin, ip);
    }
    assert_eq!(bench.events(), ["conflict 99"]);
    assert!(bench.connects.is_empty());
    assert_eq!(bench.machine.counters().own, 6);
}

#[test]
fn a_new_uuid_on_an_address_that_another_holds_evicts_nobody_who_answers() {
    let mut bench = Bench::new();
    let mut holder = Peer::new(1);
    let session = bench.meet(&mut holder);
    bench.pass(secs(2));
    let mut claimant = Peer {
        uuid: Peer::new(2).uuid,
        connection: 2000,
        ..holder.clone()
    };
    for round in 0..2 {
        if round == 0 {
            bench.hear(&claimant);
        } else {
            bench.greet(&mut claimant);
        }
        assert_eq!(bench.pings(session), 1 + round, "it is asked");
        bench.say(&mut holder, Command::PingOk(None));
        bench.pass(ms(1500));
        assert!(bench.is_open(session));
    }
    assert_eq!(bench.events(), ["enter 02"], "there is room for both");
}

#[test]
fn a_holder_that_does_not_answer_makes_room_for_the_new_node_of_its_address() {
    let mut bench = Bench::new();
    let mut holder = Peer::new(1);
    bench.meet(&mut holder);
    bench.pass(secs(2));
    let mut claimant = Peer {
        uuid: Peer::new(2).uuid,
        connection: 2000,
        ..holder.clone()
    };
    bench.hear(&claimant);
    bench.greet(&mut claimant);
    bench.pass(ms(8000));
    let events = bench.events();
    assert_eq!(events.first().map(String::as_str), Some("enter 02"));
    assert!(
        events.contains(&"exit 01 replaced".to_owned()),
        "long before it expires: {events:?}"
    );
}

#[test]
fn a_claim_on_the_address_of_a_peer_that_is_slow_does_not_evict_it() {
    // A peer that reads nothing for a while (its application is busy) still
    // sends PINGs, and answers ours late.
    let mut bench = Bench::new();
    let mut holder = Peer::new(1);
    bench.meet(&mut holder);
    bench.pass(secs(2));
    let claimant = Peer {
        uuid: Peer::new(2).uuid,
        connection: 2000,
        ..holder.clone()
    };
    bench.hear(&claimant);
    bench.pass(ms(4000));
    bench.say(&mut holder, Command::Ping(None));
    bench.pass(ms(100));
    let events = bench.events();
    assert!(
        !events.iter().any(|event| event.starts_with("exit 01")),
        "{events:?}"
    );
}

#[test]
fn a_claim_keeps_the_way_by_which_the_older_is_known() {
    let mut bench = Bench::new();
    let mut holder = Peer::new(1);
    bench.hear_beacon_by(&holder.beacon(), holder.ip, Source::Multicast);
    bench.greet(&mut holder);
    assert_eq!(bench.events(), ["enter 01"]);
    for id in 2..200u8 {
        let liar = Peer {
            uuid: Peer::new(id).uuid,
            ..holder.clone()
        };
        bench.hear(&liar);
    }
    assert_eq!(
        bench.pings(bench.connects[0].0),
        1,
        "asked once, not 198 times"
    );
    bench.say(&mut holder, Command::PingOk(None));
    assert!(bench.events().is_empty());
}

/// Whose application stood still for long reads what dead processes once said.
#[test]
fn a_hello_of_who_lived_there_before_takes_no_dial_from_who_lives_there_now() {
    let before = Peer {
        uuid: Peer::new(2).uuid,
        connection: 2000,
        ..Peer::new(1)
    };
    // Its beacons tell that the newcomer is there; or the handshake did.
    for (beacons, proven) in [(true, false), (false, true)] {
        let mut bench = Bench::new();
        let mut newcomer = Peer::new(1);
        if proven {
            bench.up.peer = Some(newcomer.uuid);
        }
        bench.hear(&newcomer);
        let session = bench.last_session();
        bench.pause(true);
        for _ in 0..4 {
            bench.pass(secs(1));
            if beacons {
                bench.hear(&newcomer);
            }
        }
        bench.pause(false);
        bench.greet(&mut before.clone());
        assert!(bench.events().is_empty());
        bench.greet(&mut newcomer);
        assert_eq!(bench.events(), ["enter 01"]);
        assert!(bench.is_open(session));
        if beacons {
            assert_eq!(bench.open_mailboxes(), 1, "no second link to its inbox");
            assert_eq!(bench.hellos(), 1);
        }
    }
}

/// A PING-OK answers a PING of this session, or it tells nothing of it.
#[test]
fn an_answer_to_another_process_of_ours_confirms_nothing() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    let session = bench.meet(&mut peer);
    bench.whisper_out(session, 3);
    bench.machine.ping(bench.now, peer.uuid).unwrap();
    bench.drain();
    let token = bench
        .said(session)
        .iter()
        .find_map(|command| match command {
            Command::Ping(token) => *token,
            _ => None,
        });
    let token = token.expect("a PING with a token");
    bench.say(&mut peer, Command::PingOk(Some(token ^ 1)));
    assert_eq!(bench.machine.counters().stale, 1);
    let lost = peer.clone();
    bench.say(&mut peer, Command::PingOk(Some(token)));
    bench.whisper_out(session, 2);
    bench.connection_closes(&lost);
    assert_eq!(bench.exits, [2]);
    bench.events();
    // Other implementations get PINGs as they know them.
    let mut zyre = Peer::new(2);
    let session = bench.meet(&mut zyre);
    bench.machine.ping(bench.now, zyre.uuid).unwrap();
    bench.drain();
    assert_eq!(bench.said(session), [&Command::Ping(None)]);
    assert_eq!(bench.pings(session), 1);
}

#[test]
fn a_peer_that_greets_twice_gets_a_new_mailbox_if_ours_has_ended() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.greet(&mut peer);
    let session = bench.last_session();
    peer.connection += 1;
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
    bench.mailbox_closes(session);
    assert_eq!(bench.events(), ["exit 01 replaced", "enter 01"]);
    assert_ne!(bench.last_session(), session);
    bench.shut_down(secs(1));
}
