//! What a peer's silence means, and what it doesn't.

use zre_proto::{Command, State};

use crate::bench::{Bench, Peer, ms, secs, whisper};
use crate::net::Net;

#[test]
fn silence_is_asked_after_then_told_then_final_each_step_once() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(ms(4900));
    assert_eq!(bench.pings(session), 0);
    let silence = bench.machine.silence(bench.now, peer.uuid);
    assert_eq!(silence, Some(ms(4900)));
    bench.pass(ms(200));
    assert_eq!(bench.pings(session), 1, "5 s");
    assert!(bench.events().is_empty());
    bench.pass(ms(1000));
    assert_eq!(bench.events(), ["evasive 01"], "1 s more");
    bench.pass(ms(4800));
    assert!(bench.events().is_empty());
    bench.pass(ms(300));
    assert_eq!(bench.events(), ["silent 01"], "5 s more");
    bench.pass(ms(18_500));
    assert!(bench.events().is_empty());
    bench.pass(ms(500));
    assert_eq!(bench.events(), ["exit 01 expired"], "30 s of silence");
    assert!(!bench.is_open(session));
    let pings = bench.pings(session);
    assert!(
        (20..=27).contains(&pings),
        "{pings}: one a second from 5 s on"
    );
    bench.pass(secs(120));
    assert!(bench.events().is_empty(), "nothing after exit");
}

#[test]
fn any_message_brings_a_peer_back_to_life() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(ms(5500));
    bench.say(&mut peer, Command::PingOk(None));
    assert!(bench.events().is_empty(), "it answered in time");
    bench.pass(ms(7000));
    assert_eq!(bench.events(), ["evasive 01"]);
    bench.say(&mut peer, whisper("back"));
    assert_eq!(bench.events(), ["responsive 01", "whisper 01 back"]);
    bench.pass(ms(12_000));
    assert_eq!(bench.events(), ["evasive 01", "silent 01"]);
    bench.say(&mut peer, Command::PingOk(None));
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["responsive 01"]);
    bench.pass(secs(31));
    assert_eq!(
        bench.events(),
        ["evasive 01", "silent 01", "exit 01 expired"]
    );
}

#[test]
fn a_beacon_does_not_keep_a_dead_session_alive() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for _ in 0..29 {
        bench.hear(&peer);
        bench.pass(secs(1));
    }
    assert_eq!(bench.events(), ["evasive 01", "silent 01"]);
    bench.pass(ms(1500));
    assert_eq!(bench.events(), ["exit 01 expired"]);
}

#[test]
fn healthy_idle_peers_are_never_evasive() {
    let mut net = Net::of(2);
    net.pass(secs(1));
    assert_eq!(net.events(0), ["enter 02"]);
    assert_eq!(net.events(1), ["enter 01"]);
    net.pass(secs(3600));
    assert!(net.events(0).is_empty());
    assert!(net.events(1).is_empty());
    assert_eq!((net.nodes[0].hellos, net.nodes[1].hellos), (1, 1));
    let pings = net.nodes[0].sent.len() + net.nodes[1].sent.len();
    assert!(pings < 2 * 2 * 3600 / 5 + 10, "{pings} messages in an hour");
}

#[test]
fn nobody_expires_while_we_do_not_read_and_everybody_is_pinged() {
    let mut bench = Bench::new();
    let mut peers = [Peer::new(1), Peer::new(2)];
    let sessions: Vec<_> = peers.iter_mut().map(|peer| bench.meet(peer)).collect();
    bench.pass(secs(1));
    bench.pause(true);
    bench.pass(secs(300));
    assert!(bench.events().is_empty());
    for session in &sessions {
        let pings = bench.pings(*session);
        assert!((58..=65).contains(&pings), "{pings} in five minutes");
    }
    bench.pause(false);
    bench.pass(ms(900));
    assert!(bench.events().is_empty(), "what waits has first to be read");
    for peer in &mut peers {
        bench.say(peer, Command::PingOk(None));
    }
    bench.pass(ms(4000));
    assert!(bench.events().is_empty());
}

#[test]
fn who_died_while_we_did_not_read_is_found_out_afterwards() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pause(true);
    bench.pass(secs(300));
    bench.pause(false);
    bench.pass(secs(31));
    assert_eq!(
        bench.events(),
        ["evasive 01", "silent 01", "exit 01 expired"]
    );
}

#[test]
fn a_consumer_that_is_always_a_little_late_pings_nobody_more_than_needed() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    // A queue of events that is full again and again, for five seconds.
    for _ in 0..500 {
        bench.pause(true);
        bench.pass(ms(5));
        bench.pause(false);
        bench.pass(ms(5));
        bench.say(&mut peer, whisper("more"));
    }
    let pings = bench.pings(session);
    assert!(pings <= 6, "{pings} PINGs in five seconds");
    let timers = bench.machine.table_sizes()[4];
    assert!(timers < 10);
}

#[test]
fn a_dead_peer_is_found_out_although_we_read_now_and_then_only() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for _ in 0..6200 {
        bench.pause(true);
        bench.pass(ms(5));
        bench.pause(false);
        bench.pass(ms(5));
    }
    assert_eq!(
        bench.events(),
        ["evasive 01", "silent 01", "exit 01 expired"],
        "after 30 s of reading, which took a minute"
    );
}

#[test]
fn a_greeting_that_waits_to_be_read_is_not_late() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    let session = bench.last_session();
    bench.pass(secs(4));
    bench.pause(true);
    bench.pass(secs(60));
    assert!(bench.is_open(session), "its HELLO may be among what waits");
    bench.pause(false);
    bench.pass(ms(500));
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
    assert_eq!(bench.hellos(), 1);
}

#[test]
fn a_process_that_stood_still_judges_nobody() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let mut unanswered = Peer::new(2);
    let session = bench.meet(&mut peer);
    bench.hear(&unanswered);
    bench.find("tcp://10.0.0.3:49155", zre_proto::machine::Source::Static);
    let dialled = bench.connects.len();
    bench.pass(secs(3));
    bench.stand_still(secs(40));
    bench.wake();
    assert!(bench.events().is_empty());
    assert_eq!(bench.pings(session), 1, "but everybody is asked");
    // What came meanwhile is read now.
    bench.pass(ms(10));
    bench.greet(&mut unanswered);
    bench.say(&mut peer, whisper("from before"));
    let mut third = Peer::new(3);
    third.port = 49155;
    bench.greet(&mut third);
    assert_eq!(
        bench.events(),
        ["enter 02", "whisper 01 from before", "enter 03"]
    );
    assert_eq!(bench.connects.len(), dialled, "no HELLO was taken for lost");
}

#[test]
fn a_process_that_stood_still_reads_first_and_still_finds_out_the_dead() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(secs(1));
    bench.stand_still(secs(3000));
    // The inbox is read before the timers are minded.
    bench.say(&mut peer, whisper("from before"));
    bench.wake();
    assert_eq!(bench.events(), ["whisper 01 from before"]);
    bench.pass(secs(31));
    assert_eq!(
        bench.events(),
        ["evasive 01", "silent 01", "exit 01 expired"]
    );
}

#[test]
fn standing_still_while_not_reading_is_not_counted_twice() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pause(true);
    bench.pass(secs(10));
    bench.stand_still(secs(1000));
    bench.wake();
    bench.pause(false);
    bench.pass(secs(31));
    assert_eq!(
        bench.events(),
        ["evasive 01", "silent 01", "exit 01 expired"]
    );
}

#[test]
fn a_peer_in_our_own_process_is_not_pinged_and_not_judged() {
    let mut bench = Bench::new();
    bench.up.in_memory = true;
    let mut peer = Peer::ours(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(3600));
    bench.pause(true);
    bench.pass(secs(60));
    bench.pause(false);
    bench.machine.handle_resume(bench.now);
    bench.drain();
    bench.pass(secs(60));
    assert_eq!(bench.pings(session), 0);
    assert!(bench.events().is_empty());
    bench.mailbox_closes(session);
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
}

#[test]
fn after_a_sleep_everybody_is_told_and_asked_and_nobody_judged() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    let failed = Peer::new(2);
    bench.hear(&failed);
    bench.mailbox_closes(bench.last_session());
    bench.pass(ms(100));
    let beacons = bench.announced.len();
    bench.machine.handle_resume(bench.now);
    bench.drain();
    assert_eq!(bench.announced.len(), beacons + 1);
    assert_eq!(bench.pings(session), 1);
    bench.hear(&failed);
    assert_eq!(bench.connects.len(), 3, "its rest is over");
    bench.pass(ms(900));
    assert!(bench.events().is_empty());
}

#[test]
fn beacons_go_out_at_once_and_each_second() {
    let mut bench = Bench::new();
    assert_eq!(bench.announced.len(), 1);
    bench.pass(secs(10));
    assert_eq!(bench.announced.len(), 11);
    assert!(bench.announced.iter().all(|(_, s)| *s == State::Ready));
    let mut bench = Bench::with(|config| config.interval = None);
    bench.pass(secs(10));
    assert!(bench.announced.is_empty());
}

#[test]
fn patience_of_no_length_is_no_endless_loop() {
    let zero = ms(0);
    let mut bench = Bench::with(|config| {
        config.interval = Some(zero);
        config.ping_after = zero;
        config.ping_interval = zero;
        config.silent = zero;
        config.hello_timeout = zero;
        config.backoff_min = zero;
        config.backoff_max = zero;
        config.farewell = zero;
    });
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    bench.greet(&mut peer);
    bench.find("tcp://10.0.0.3:5", zre_proto::machine::Source::Static);
    bench.pass(secs(1));
    bench.pause(true);
    bench.pass(secs(1));
    bench.pause(false);
    let mut endless = Bench::with(|config| {
        config.interval = Some(std::time::Duration::MAX);
        config.ping_interval = std::time::Duration::MAX;
    });
    let mut peer = Peer::new(1);
    endless.meet(&mut peer);
    endless.pass(secs(40));
    assert_eq!(endless.events(), ["exit 01 expired"]);
}
