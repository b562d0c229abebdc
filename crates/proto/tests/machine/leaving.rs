//! How peers go, and how we go.

use zre_proto::machine::{Found, STATE_HEADER, SessionId, Source};
use zre_proto::{Beacon, Command, State};

use crate::bench::{Bench, OUR_PORT, Peer, ms, our_uuid, secs, whisper};
use crate::net::Net;

#[test]
fn a_peer_that_announces_its_exit_and_answers_nothing_leaves_within_150_ms() {
    for state_form in [true, false] {
        let mut bench = Bench::new();
        let mut peer = Peer::new(1);
        let session = bench.meet(&mut peer);
        bench.pass(secs(2));
        let goodbye = if state_form {
            peer.state_beacon(State::Exit)
        } else {
            peer.goodbye_beacon()
        };
        for _ in 0..3 {
            bench.hear_beacon(&goodbye, peer.ip);
        }
        assert_eq!(bench.pings(session), 1);
        assert_eq!(bench.events(), ["state 01 ready exit"]);
        bench.pass(ms(149));
        assert!(bench.events().is_empty());
        bench.pass(ms(1));
        assert_eq!(bench.events(), ["exit 01 goodbye"]);
        assert!(!bench.is_open(session));
        bench.say(&mut peer, whisper("too late"));
        assert!(bench.events().is_empty());
        let dialled = bench.connects.len();
        bench.hear(&peer);
        assert_eq!(bench.connects.len(), dialled, "a late copy of a beacon");
        assert_eq!(bench.machine.counters().forged, 0);
    }
}

#[test]
fn what_a_leaving_peer_still_sends_is_delivered() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(secs(2));
    bench.hear_state(&peer, State::Exit);
    bench.events();
    for _ in 0..3 {
        // Its answer comes behind what it had queued.
        bench.pass(ms(100));
        bench.say(&mut peer, whisper("queued"));
        assert_eq!(bench.events(), ["whisper 01 queued"]);
    }
    bench.pass(ms(149));
    assert!(bench.events().is_empty());
    bench.pass(ms(1));
    assert_eq!(bench.events(), ["exit 01 goodbye"]);
}

/// Ends the session of a peer that leaves, in one of three ways.
fn end_session(bench: &mut Bench, peer: &mut Peer, session: SessionId, end: u32) {
    match end {
        0 => bench.connection_closes(peer),
        1 => bench.say(peer, Command::Goodbye),
        _ => {
            bench.mailbox_closes(session);
            bench.pass(ms(50));
        }
    }
}

#[test]
fn the_end_of_its_session_or_goodbye_confirms_an_exit_beacon() {
    for end in 0..3 {
        let mut bench = Bench::new();
        let mut peer = Peer::new(1);
        let session = bench.meet(&mut peer);
        bench.pass(secs(2));
        bench.hear_state(&peer, State::Exit);
        bench.say(&mut peer, whisper("last"));
        end_session(&mut bench, &mut peer, session, end);
        assert_eq!(
            bench.events(),
            ["state 01 ready exit", "whisper 01 last", "exit 01 goodbye"]
        );
        bench.hear(&peer);
        assert_eq!(bench.connects.len(), 1, "a late copy of a beacon");
        bench.pass(secs(1));
        assert!(bench.events().is_empty());
    }
}

#[test]
fn a_peer_that_answers_stays_whoever_says_that_it_leaves() {
    for state_form in [true, false] {
        let mut bench = Bench::new();
        let mut peer = Peer::ours(1);
        let session = bench.meet(&mut peer);
        bench.pass(secs(2));
        let forged = if state_form {
            peer.state_beacon(State::Exit)
        } else {
            peer.goodbye_beacon()
        };
        // A hundred a second, with the peer's own source address.
        for round in 0..300 {
            bench.hear_beacon(&forged, peer.ip);
            bench.say(&mut peer, whisper("I am here"));
            bench.say(&mut peer, Command::PingOk(None));
            bench.hear_state(&peer, State::Ready);
            let mut events = bench.events();
            events.retain(|event| !event.starts_with("whisper"));
            let told: &[&str] = if round == 0 {
                &["state 01 ready exit", "state 01 exit ready"]
            } else {
                &[]
            };
            assert_eq!(events, told, "round {round}");
            bench.pass(ms(10));
        }
        assert!(bench.is_open(session));
        assert_eq!(bench.pings(session), 300);
        assert_eq!(bench.machine.counters().forged, 300);
        assert_eq!(bench.connects.len(), 1);
        // One that comes true is believed all the same.
        bench.hear_beacon(&forged, peer.ip);
        bench.pass(ms(150));
        assert_eq!(bench.events(), ["exit 01 goodbye"]);
    }
}

#[test]
fn a_state_that_comes_while_a_peer_is_said_to_leave_is_told_when_it_stays() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.pass(secs(2));
    bench.hear_state(&peer, State::Exit);
    bench.say(&mut peer, Command::State(State::Busy));
    assert_eq!(bench.events(), ["state 01 ready exit"]);
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["state 01 exit busy"]);
}

#[test]
fn an_exit_beacon_is_not_judged_while_we_do_not_read() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(secs(2));
    bench.pause(true);
    bench.hear_state(&peer, State::Exit);
    bench.pass(secs(10));
    assert_eq!(bench.events(), ["state 01 ready exit"]);
    bench.pause(false);
    bench.pass(ms(140));
    bench.say(&mut peer, whisper("waited"));
    assert_eq!(bench.events(), ["whisper 01 waited"]);
    bench.pass(ms(150));
    assert_eq!(bench.events(), ["exit 01 goodbye"]);
}

#[test]
fn an_exit_beacon_between_hello_and_answer_is_asked_about_and_keeps_the_greeter() {
    for lives in [true, false] {
        let mut bench = Bench::new();
        bench.open = false;
        let mut peer = Peer::ours(1);
        bench.greet(&mut peer);
        let session = bench.last_session();
        bench.hear_state(&peer, State::Exit);
        bench.mailbox_opens(session);
        assert_eq!(bench.events(), ["enter 01"]);
        assert_eq!(bench.pings(session), 1);
        bench.pass(ms(1999));
        assert!(bench.events().is_empty());
        if lives {
            bench.say(&mut peer, Command::PingOk(None));
            bench.pass(secs(4));
            assert!(bench.events().is_empty());
        } else {
            bench.pass(ms(1));
            assert_eq!(bench.events(), ["exit 01 goodbye"]);
        }
    }
}

#[test]
fn a_late_exit_of_an_earlier_life_does_not_end_a_peer_whose_answer_is_slow() {
    for state_form in [true, false] {
        let mut bench = Bench::new();
        let mut peer = Peer::ours(1);
        let session = bench.meet(&mut peer);
        let late = if state_form {
            peer.state_beacon(State::Exit)
        } else {
            peer.goodbye_beacon()
        };
        bench.pass(ms(500));
        bench.hear_beacon(&late, peer.ip);
        assert_eq!(bench.pings(session), 1);
        bench.pass(ms(1400));
        bench.say(&mut peer, whisper("on its way"));
        assert_eq!(bench.events(), ["whisper 01 on its way"]);
        // What it says gives it as much time again.
        bench.pass(ms(1900));
        bench.say(&mut peer, Command::PingOk(None));
        bench.pass(secs(3));
        assert!(bench.is_open(session));
        assert!(bench.events().is_empty());
        assert_eq!(bench.machine.counters().forged, 1);
        assert_eq!(bench.connects.len(), 1);
    }
}

#[test]
fn a_peer_that_leaves_right_after_entering_goes_when_its_session_says_so() {
    for end in 0..3 {
        let mut bench = Bench::new();
        let mut peer = Peer::ours(1);
        let session = bench.meet(&mut peer);
        bench.pass(ms(500));
        bench.hear_state(&peer, State::Exit);
        bench.pass(ms(200));
        assert!(bench.events().is_empty());
        end_session(&mut bench, &mut peer, session, end);
        assert_eq!(bench.events(), ["exit 01 goodbye"]);
    }
}

#[test]
fn a_late_exit_is_not_the_reason_why_a_young_session_broke() {
    for (age, reason) in [(500, "disconnected"), (2000, "goodbye")] {
        let mut bench = Bench::new();
        let mut peer = Peer::ours(1);
        let session = bench.meet(&mut peer);
        bench.pass(ms(age));
        bench.mailbox_closes(session);
        bench.hear_state(&peer, State::Exit);
        bench.connection_closes(&peer);
        assert_eq!(bench.events(), [format!("exit 01 {reason}")]);
    }
}

#[test]
fn a_late_exit_is_not_judged_while_we_do_not_read() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(ms(500));
    bench.hear_state(&peer, State::Exit);
    bench.pass(ms(1000));
    bench.pause(true);
    bench.pass(secs(10));
    bench.pause(false);
    bench.pass(ms(1990));
    assert_eq!(bench.events(), ["evasive 01"]);
    bench.pass(ms(10));
    assert_eq!(bench.events(), ["exit 01 goodbye"]);
}

#[test]
fn exit_of_another_port_is_of_another_life() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(2));
    let old = Peer {
        port: 40_000,
        ..peer.clone()
    };
    bench.hear_state(&old, State::Exit);
    bench.pass(secs(1));
    assert!(bench.is_open(session));
    assert!(bench.events().is_empty());
}

#[test]
fn exit_from_where_the_peer_was_never_heard_only_asks_it() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(2));
    let forger = "10.6.6.6".parse().unwrap();
    bench.hear_beacon(&peer.state_beacon(State::Exit), forger);
    bench.hear_beacon(&peer.goodbye_beacon(), forger);
    assert_eq!(bench.pings(session), 1, "one question for both");
    bench.say(&mut peer, Command::PingOk(None));
    bench.pass(secs(2));
    assert!(bench.is_open(session));
    assert!(bench.events().is_empty());
}

#[test]
fn a_classic_goodbye_right_after_entering_only_asks() {
    // It names no port: it may be a late copy of the life before.
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(ms(500));
    bench.hear_beacon(&peer.goodbye_beacon(), peer.ip);
    assert_eq!(bench.pings(session), 1);
    bench.pass(ms(1999));
    assert!(bench.is_open(session));
    assert!(bench.events().is_empty());
    bench.pass(ms(1));
    assert_eq!(bench.events(), ["exit 01 goodbye"]);
}

#[test]
fn a_tombstone_holds_late_beacons_off_and_init_or_hello_lifts_it() {
    for by_hello in [false, true] {
        let mut bench = Bench::new();
        let mut peer = Peer::ours(1);
        bench.meet(&mut peer);
        bench.pass(secs(2));
        bench.say(&mut peer, Command::Goodbye);
        assert_eq!(bench.events(), ["exit 01 goodbye"]);
        bench.hear_state(&peer, State::Ready);
        bench.hear(&peer);
        assert_eq!(bench.connects.len(), 1);
        assert_eq!(bench.machine.counters().buried, 2);
        // It starts again under the same UUID and port.
        if by_hello {
            peer.connection += 1;
            bench.greet(&mut peer);
            assert_eq!(bench.events(), ["enter 01"]);
            bench.hear_state(&peer, State::Ready);
        } else {
            bench.hear_state(&peer, State::Init);
        }
        assert_eq!(bench.connects.len(), 2);
        assert_eq!(bench.machine.counters().buried, 2);
    }
}

#[test]
fn a_tombstone_is_of_one_port_and_of_two_seconds() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, Command::Goodbye);
    let elsewhere = Peer {
        port: 50_000,
        ..peer.clone()
    };
    bench.hear(&elsewhere);
    assert_eq!(bench.connects.len(), 2, "another port is another life");
    let mut bench = Bench::new();
    bench.meet(&mut peer);
    bench.say(&mut peer, Command::Goodbye);
    bench.pass(ms(1900));
    bench.hear(&peer);
    assert_eq!(bench.connects.len(), 1);
    bench.pass(ms(200));
    bench.hear(&peer);
    assert_eq!(bench.connects.len(), 2);
    bench.pass(secs(60));
    assert_eq!(
        bench.machine.table_sizes()[3],
        0,
        "tombstones go by themselves"
    );
}

#[test]
fn an_exit_beacon_of_a_peer_that_is_only_known_forgets_it() {
    let mut bench = Bench::new();
    let peer = Peer::new(1);
    bench.hear(&peer);
    let session = bench.last_session();
    bench.hear_state(&peer, State::Exit);
    assert!(!bench.is_open(session));
    assert_eq!(bench.machine.table_sizes()[0], 0);
    assert!(bench.events().is_empty());
}

#[test]
fn a_goodbye_beacon_that_overtakes_the_sessions_end_tells_why() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(2));
    bench.mailbox_closes(session);
    bench.hear_beacon(&peer.goodbye_beacon(), peer.ip);
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 goodbye"]);
    bench.hear(&peer);
    assert_eq!(bench.connects.len(), 1, "a late copy of a beacon");
}

#[test]
fn the_end_of_the_connection_is_an_exit_at_once() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    assert!(!bench.is_open(session));
    bench.connection_closes(&peer);
    bench.mailbox_closes(session);
    bench.pass(secs(60));
    assert!(bench.events().is_empty(), "once");
}

#[test]
fn a_mailbox_that_ends_waits_for_the_peers_last_words() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.mailbox_closes(session);
    bench.say(&mut peer, whisper("last words"));
    assert_eq!(bench.events(), ["whisper 01 last words"]);
    bench.pass(ms(50));
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    // Where its connection ends first, there is nothing to wait for.
    let mut peer = Peer::new(2);
    let session = bench.meet(&mut peer);
    bench.mailbox_closes(session);
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 02 disconnected"]);
}

#[test]
fn a_state_exit_in_the_session_is_a_goodbye() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, Command::State(State::Exit));
    bench.say(&mut peer, Command::Goodbye);
    assert_eq!(bench.events(), ["exit 01 goodbye"]);
    // A node that is on its way out doesn't enter.
    let mut late = Peer::ours(2);
    late.state = Some(State::Exit);
    bench.greet(&mut late);
    assert!(bench.events().is_empty());
    assert_eq!(bench.machine.counters().refused, 1);
}

#[test]
fn we_leave_draining_confirmed_goodbye_and_three_exits() {
    let mut bench = Bench::new();
    let mut peers = [Peer::ours(1), Peer::new(2)];
    let sessions: Vec<_> = peers.iter_mut().map(|peer| bench.meet(peer)).collect();
    bench.hear(&Peer::new(3));
    let half_open = bench.last_session();
    bench.pass(ms(300));
    bench.announced.clear();
    bench.shut_down(secs(10));
    assert_eq!(bench.announced.len(), 1);
    assert_eq!(bench.announced[0].1, State::Draining);
    assert!(matches!(
        bench.said(sessions[0])[..],
        [Command::State(State::Draining), Command::Ping(Some(_))]
    ));
    assert_eq!(
        bench.said(sessions[1]),
        [&Command::Ping(None)],
        "C Zyre isn't told"
    );
    assert!(!bench.is_open(half_open));
    // What they say meanwhile still arrives, and the PING-OK of one isn't
    // enough.
    bench.pass(secs(2));
    bench.say(&mut peers[0], whisper("meanwhile"));
    bench.say(&mut peers[0], Command::PingOk(None));
    assert_eq!(bench.events(), ["whisper 01 meanwhile"]);
    assert!(bench.announced.iter().all(|(_, s)| *s == State::Draining));
    let mut newcomer = Peer::new(4);
    bench.hear(&newcomer);
    bench.greet(&mut newcomer);
    bench.announced.clear();
    bench.say(&mut peers[1], Command::PingOk(None));
    for session in &sessions {
        assert!(bench.disconnected.contains(&(*session, true)), "it lingers");
    }
    assert_eq!(bench.said(sessions[0]).last(), Some(&&Command::Goodbye));
    assert_eq!(
        bench.said(sessions[1]),
        [&Command::Ping(None)],
        "gyre doesn't survive an id that it doesn't know"
    );
    let left = bench.now;
    bench.pass(ms(50));
    let times: Vec<_> = bench.announced.iter().map(|(at, _)| *at - left).collect();
    assert_eq!(times, [ms(0), ms(20), ms(40)]);
    assert!(bench.announced.iter().all(|(_, s)| *s == State::Exit));
    assert_eq!(bench.stopped, Some(left + ms(40)));
    assert_eq!(bench.open_mailboxes(), 0);
    assert!(bench.machine.poll_timeout().is_none());
}

#[test]
fn a_peer_that_never_answers_holds_us_up_to_the_deadline_only() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    let session = bench.meet(&mut peer);
    bench.shut_down(secs(3));
    bench.pass(ms(2990));
    assert!(bench.is_open(session));
    bench.pass(ms(10));
    assert_eq!(bench.said(session).last(), Some(&&Command::Goodbye));
    bench.pass(ms(40));
    assert!(bench.stopped.is_some());
}

#[test]
fn a_peer_that_goes_while_we_leave_is_not_waited_for() {
    for how in 0..4 {
        let mut bench = Bench::new();
        let mut peer = Peer::new(1);
        let session = bench.meet(&mut peer);
        bench.shut_down(secs(30));
        match how {
            0 => bench.connection_closes(&peer),
            1 => bench.mailbox_closes(session),
            2 => bench.say(&mut peer, Command::Goodbye),
            _ => bench.receive(&peer, whisper("gap").encode(99)),
        }
        bench.pass(ms(100));
        assert!(bench.stopped.is_some(), "{how}");
        assert_eq!(bench.events().len(), 1, "its exit");
    }
}

#[test]
fn nothing_at_all_comes_after_stopped() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.find("tcp://10.0.0.7:7", zre_proto::machine::Source::Static);
    bench.shut_down(ms(0));
    bench.pass(secs(1));
    assert!(bench.stopped.is_some());
    // The harness panics at the first output.
    bench.hear(&peer);
    bench.hear_state(&peer, State::Exit);
    bench.greet(&mut peer);
    bench.say(&mut peer, Command::Ping(None));
    bench.connection_closes(&peer);
    bench.find("tcp://10.0.0.8:8", zre_proto::machine::Source::Static);
    let twin = Beacon::Classic {
        uuid: our_uuid(),
        port: OUR_PORT + 1,
    };
    bench.hear_beacon(&twin, peer.ip);
    bench.machine.set_state(bench.now, State::Busy);
    bench.machine.handle_resume(bench.now);
    let _ = bench.machine.join(bench.now, "G");
    bench.pause(true);
    bench.pause(false);
    bench.shut_down(secs(1));
    bench.pass(secs(60));
}

#[test]
fn alone_or_without_beacons_we_leave_at_once() {
    let mut bench = Bench::new();
    bench.shut_down(secs(10));
    bench.pass(ms(40));
    assert!(bench.stopped.is_some());
    let mut bench = Bench::with(|config| config.interval = None);
    bench.shut_down(secs(10));
    assert!(bench.stopped.is_some());
    assert!(bench.announced.is_empty());
}

#[test]
fn everything_sent_before_a_shutdown_arrives_before_the_exit() {
    let mut net = Net::of(2);
    net.pass(secs(1));
    net.events(1);
    for n in 0..10_000 {
        net.whisper(0, 1, &n.to_string());
    }
    net.act(0, |machine, now| machine.shutdown(now, secs(10)));
    net.pass(secs(1));
    let events = net.events(1);
    assert_eq!(events.len(), 10_002, "{:?}", events.last());
    assert_eq!(events[0], "whisper 01 0");
    assert_eq!(events[9_999], "whisper 01 9999");
    assert_eq!(events[10_000], "state 01 ready draining");
    assert_eq!(events[10_001], "exit 01 goodbye");
    assert!(net.nodes[0].stopped.is_some());
}

#[test]
fn the_header_of_our_state_is_ours_alone() {
    let mut bench = Bench::with(|config| {
        config.headers.insert(STATE_HEADER.into(), "77".into());
    });
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let Command::Hello(hello) = &bench.sent[0].2 else {
        panic!("{:?}", bench.sent[0]);
    };
    assert_eq!(hello.headers[STATE_HEADER], "1");
}

#[test]
fn a_peer_that_drains_is_asked_whether_it_has_everything() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    let session = bench.meet(&mut peer);
    bench.whisper_out(session, 3);
    let before = bench.pings(session);
    bench.say(&mut peer, Command::State(State::Draining));
    assert_eq!(bench.pings(session), before + 1);
    bench.say(&mut peer, Command::PingOk(None));
    bench.say(&mut peer, Command::Goodbye);
    assert_eq!(bench.exits, [0], "everything had arrived");
}

#[test]
fn a_peer_found_by_gossip_gets_goodbye_as_c_zyre_says_it_there() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let found = Found::new(
        peer.endpoint().parse().unwrap(),
        Some(peer.uuid),
        Source::Gossip,
    );
    bench.machine.handle_found(bench.now, found);
    bench.drain();
    let session = bench.last_session();
    bench.greet(&mut peer);
    bench.shut_down(ms(0));
    bench.pass(ms(1));
    assert_eq!(bench.said(session).last(), Some(&&Command::Goodbye));
}

/// The beacons of the old process come late, when the new one has its UUID and port.
fn late_exit_beacons(bench: &mut Bench, peer: &Peer) {
    bench.hear_state(peer, State::Exit);
    bench.hear_beacon(&peer.goodbye_beacon(), peer.ip);
}

#[test]
fn a_late_exit_beacon_does_not_end_the_session_of_the_next_process() {
    // The old process said GOODBYE, or its session just ended.
    for said in [true, false] {
        for lateness in [0, 59, 1999] {
            let mut bench = Bench::new();
            let mut peer = Peer::ours(1);
            bench.meet(&mut peer);
            bench.pass(secs(20));
            if said {
                bench.say(&mut peer, Command::Goodbye);
            } else {
                bench.connection_closes(&peer);
            }
            bench.events();
            peer.connection += 1;
            bench.greet(&mut peer);
            let session = bench.last_session();
            assert_eq!(bench.events(), ["enter 01"]);
            bench.pass(ms(lateness));
            late_exit_beacons(&mut bench, &peer);
            assert_eq!(bench.pings(session), 1, "it is asked");
            bench.say(&mut peer, Command::PingOk(None));
            bench.hear_state(&peer, State::Ready);
            bench.pass(secs(3));
            assert!(bench.is_open(session), "{lateness} ms late");
            assert!(bench.events().is_empty(), "{lateness} ms late");
        }
    }
}

#[test]
fn a_late_exit_beacon_does_not_end_the_greeting_of_the_next_process() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, Command::Goodbye);
    bench.events();
    bench.open = false;
    peer.connection += 1;
    bench.greet(&mut peer);
    bench.hear(&peer);
    late_exit_beacons(&mut bench, &peer);
    bench.mailbox_opens(bench.last_session());
    assert_eq!(bench.events(), ["enter 01"]);
}

#[test]
fn a_late_exit_beacon_does_not_end_the_dial_to_the_next_process() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, Command::Goodbye);
    bench.events();
    bench.hear_state(&peer, State::Init);
    let session = bench.last_session();
    late_exit_beacons(&mut bench, &peer);
    assert!(bench.is_open(session));
    peer.connection += 1;
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
}

#[test]
fn a_young_session_whose_peer_leaves_ends_with_its_connection() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.hear_beacon(&peer.goodbye_beacon(), peer.ip);
    bench.say(&mut peer, whisper("last"));
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["whisper 01 last", "exit 01 goodbye"]);
}

/// Nodes that prove who they are believe no beacon that ends one of them.
#[test]
fn an_exit_beacon_of_an_authenticated_peer_only_asks() {
    for answers in [true, false] {
        let mut bench = Bench::with(|config| config.public_key = Some("key".into()));
        let mut peer = Peer::ours(1);
        let session = bench.meet(&mut peer);
        bench.pass(secs(3));
        let pings = bench.pings(session);
        bench.hear_state(&peer, State::Exit);
        assert_eq!(bench.pings(session), pings + 1);
        if answers {
            bench.say(&mut peer, Command::PingOk(None));
        }
        // It says nothing for longer than a peer without keys may.
        bench.pass(ms(900));
        assert!(bench.events().is_empty(), "answers: {answers}");
        assert!(bench.is_open(session));
        // The end of its session is another matter.
        bench.connection_closes(&peer);
        assert_eq!(bench.events(), ["exit 01 disconnected"]);
    }
}

/// Leaves beside peers of other implementations. `hears` tells whether one hears the
/// beacon of that number; those that do close their connections 5 ms later. Returns how
/// many have never heard one, and how often one was heard again.
fn leave_beside(count: u8, hears: &mut impl FnMut() -> bool) -> (usize, usize) {
    let mut bench = Bench::new();
    let mut peers: Vec<_> = (1..=count).map(Peer::new).collect();
    for peer in &mut peers {
        bench.meet(peer);
    }
    bench.pass(ms(300));
    bench.to_others = 0;
    bench.shut_down(secs(10));
    for peer in &mut peers {
        bench.say(peer, Command::PingOk(None));
    }
    let (mut heard, mut again) = (vec![false; peers.len()], 0);
    // The one that shows Draining, which they take for an ordinary one.
    let mut before = 1;
    for _ in 0..12 {
        let mut closing = Vec::new();
        for _ in before..bench.to_others {
            for (heard, peer) in heard.iter_mut().zip(&peers) {
                if hears() {
                    again += usize::from(*heard);
                    if !std::mem::replace(heard, true) {
                        closing.push(peer.clone());
                    }
                }
            }
        }
        before = bench.to_others;
        if bench.stopped.is_some() {
            break;
        }
        bench.pass(ms(5));
        for peer in closing {
            bench.connection_closes(&peer);
        }
    }
    (heard.iter().filter(|heard| !**heard).count(), again)
}

#[test]
fn other_implementations_hear_our_exit_once_unless_one_may_have_missed_it() {
    for count in 1..4 {
        assert_eq!(leave_beside(count, &mut || true), (0, 0));
    }
    // A fifth of the beacons is lost, for each on its own.
    let mut seed = 7u32;
    let mut hears = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 8 >= (1 << 24) / 5
    };
    let (mut missed, mut again) = (0, 0);
    for _ in 0..500 {
        let (more, twice) = leave_beside(2, &mut hears);
        missed += more;
        again += twice;
    }
    // Three beacons each would be missed by 8 of 1,000, and heard again 1,408 times.
    assert!((1..20).contains(&missed), "{missed}");
    assert!(again < 250, "{again}");
}
