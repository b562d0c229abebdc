//! What nodes say of themselves.

use zre_proto::machine::STATE_HEADER;
use zre_proto::{Command, State};

use crate::bench::{Bench, Peer, ms, secs};

#[test]
fn a_new_state_is_announced_at_once_and_told_to_those_who_show_theirs() {
    let mut bench = Bench::new();
    let mut ours = Peer::ours(1);
    let mut legacy = Peer::new(2);
    let session = bench.meet(&mut ours);
    let other = bench.meet(&mut legacy);
    bench.pass(ms(300));
    bench.announced.clear();
    bench.machine.set_state(bench.now, State::Busy);
    bench.machine.set_state(bench.now, State::Busy);
    bench.drain();
    assert_eq!(bench.announced, [(bench.now, State::Busy)]);
    assert_eq!(bench.said(session), [&Command::State(State::Busy)]);
    assert!(bench.said(other).is_empty());
    bench.pass(ms(1000));
    assert_eq!(
        bench.announced.len(),
        2,
        "the next one a full interval later"
    );
}

#[test]
fn exit_and_reserved_states_are_not_to_be_set() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    let session = bench.meet(&mut peer);
    bench.announced.clear();
    for state in [
        State::Exit,
        State::Other(2),
        State::Other(6),
        State::Other(127),
    ] {
        bench.machine.set_state(bench.now, state);
    }
    bench.drain();
    assert!(bench.announced.is_empty());
    assert!(bench.said(session).is_empty());
    bench.machine.set_state(bench.now, State::Other(200));
    bench.drain();
    assert_eq!(bench.said(session), [&Command::State(State::Other(200))]);
}

#[test]
fn a_state_that_changes_between_our_hello_and_theirs_is_not_lost() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.hear(&peer);
    let session = bench.last_session();
    bench.machine.set_state(bench.now, State::Busy);
    bench.drain();
    assert!(
        bench.said(session).is_empty(),
        "not before it showed its own"
    );
    bench.greet(&mut peer);
    assert_eq!(bench.said(session), [&Command::State(State::Busy)]);
    // There and back again needs no word.
    let mut peer = Peer::ours(2);
    bench.hear(&peer);
    let session = bench.last_session();
    bench.machine.set_state(bench.now, State::Ready);
    bench.machine.set_state(bench.now, State::Busy);
    bench.drain();
    bench.greet(&mut peer);
    assert!(bench.said(session).is_empty());
}

#[test]
fn a_session_alone_sets_the_state_of_a_peer_that_shows_it() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    peer.state = Some(State::Init);
    bench.meet(&mut peer);
    bench.hear_state(&peer, State::Busy);
    assert!(bench.events().is_empty(), "beacons add only EXIT");
    bench.say(&mut peer, Command::State(State::Ready));
    bench.say(&mut peer, Command::State(State::Ready));
    bench.say(&mut peer, Command::State(State::Other(130)));
    assert_eq!(
        bench.events(),
        ["state 01 init ready", "state 01 ready 130"]
    );
}

#[test]
fn a_legacy_peer_counts_as_ready() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for _ in 0..3 {
        bench.hear(&peer);
    }
    assert!(bench.events().is_empty());
}

#[test]
fn the_beacons_of_a_peer_that_shows_no_state_in_its_session_set_it() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.hear_state(&peer, State::Busy);
    bench.greet(&mut peer);
    // It was busy before it entered, and is known to be.
    assert_eq!(bench.events(), ["enter 01"]);
    bench.hear_state(&peer, State::Busy);
    assert!(bench.events().is_empty());
    bench.hear_state(&peer, State::Ready);
    bench.hear(&peer);
    assert_eq!(bench.events(), ["state 01 busy ready"]);
}

#[test]
fn a_state_that_is_no_number_still_shows_that_the_peer_knows_states() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let mut hello = peer.hello();
    hello.headers.insert(STATE_HEADER.into(), "busy".into());
    let frames = Command::Hello(hello).encode(peer.number());
    bench.receive(&peer, frames);
    assert_eq!(bench.events(), ["enter 01"]);
    bench.machine.set_state(bench.now, State::Busy);
    bench.drain();
    assert_eq!(
        bench.said(bench.last_session()),
        [&Command::State(State::Busy)]
    );
}

#[test]
fn a_joke_of_a_state_stays_a_state() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    for octet in [3, 77, 255] {
        bench.say(&mut peer, Command::State(State::from(octet)));
    }
    assert_eq!(
        bench.events(),
        ["state 01 ready busy", "state 01 busy 77", "state 01 77 255"]
    );
    bench.pass(secs(1));
}

#[test]
fn a_beacon_that_is_asked_for_early_never_comes_later_than_it_would() {
    let mut bench = Bench::new();
    bench.pass(ms(1));
    let beacons = |bench: &Bench| bench.announced.len();
    let before = beacons(&bench);
    bench.machine.announce_within(bench.now, ms(2));
    bench.machine.announce_within(bench.now, secs(3600));
    bench.pass(ms(2));
    assert_eq!(beacons(&bench), before + 1);
}

#[test]
fn beacons_alone_change_a_state_twice_a_second_at_most() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.events();
    for _ in 0..5000 {
        bench.hear_state(&peer, State::Busy);
        bench.hear_state(&peer, State::Ready);
        bench.pass(ms(1));
    }
    let events = bench.events();
    assert!(events.len() <= 11, "{}", events.len());
    // The state that lasts is shown.
    bench.pass(ms(500));
    bench.hear_state(&peer, State::Other(200));
    assert_eq!(bench.events().len(), 1);
}

#[test]
fn of_a_peer_without_the_header_the_last_word_counts_however_it_comes() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.hear_state(&peer, State::Ready);
    bench.greet(&mut peer);
    bench.events();
    bench.say(&mut peer, Command::State(State::Busy));
    bench.hear_state(&peer, State::Ready);
    assert_eq!(
        bench.events(),
        ["state 01 ready busy", "state 01 busy ready"]
    );
}
