//! What beacons tell of other processes of this host, and which of them are familiar.

use std::net::SocketAddr;
use std::time::Duration;

use zre_proto::machine::{Heard, SessionId, Source};
use zre_proto::{Beacon, Command, State};

use crate::bench::{Bench, Peer, ms, secs};

/// That many processes of this host, and our sessions to them.
fn crowd(bench: &mut Bench, count: u8) -> (Vec<Peer>, Vec<SessionId>) {
    bench.up.same_host = true;
    let mut peers: Vec<Peer> = (1..=count).map(Peer::ours).collect();
    let sessions = peers.iter_mut().map(|peer| bench.meet(peer)).collect();
    (peers, sessions)
}

fn heard(peer: &Peer, from_this_host: bool) -> Heard {
    let from = SocketAddr::new(peer.ip, 40_000);
    Heard::new(from, Source::Multicast, false).from_this_host(from_this_host)
}

/// Each of the peers beacons.
fn show(bench: &mut Bench, peers: &[Peer], from_this_host: bool) {
    for peer in peers {
        let heard = heard(peer, from_this_host);
        let beacon = peer.state_beacon(State::Ready);
        bench.machine.handle_beacon(bench.now, &beacon, &heard);
        bench.drain();
    }
}

/// Lets time pass in which the peers only beacon, each every 5 s.
fn beacon(bench: &mut Bench, peers: &[Peer], from_this_host: bool, time: Duration) {
    let end = bench.now + time;
    while bench.now < end {
        show(bench, peers, from_this_host);
        bench.pass(secs(5).min(end - bench.now));
    }
}

fn pings(bench: &Bench, sessions: &[SessionId]) -> usize {
    sessions.iter().map(|it| bench.pings(*it)).sum()
}

#[test]
fn processes_of_this_host_that_beacon_get_no_ping_for_five_minutes() {
    let mut bench = Bench::new();
    let (peers, sessions) = crowd(&mut bench, 20);
    beacon(&mut bench, &peers, true, secs(300));
    assert_eq!(pings(&bench, &sessions), 0);
    beacon(&mut bench, &peers, true, secs(15));
    assert_eq!(pings(&bench, &sessions), 20);
    assert!(bench.events().is_empty());
}

#[test]
fn a_process_that_stands_still_sends_no_beacons_either() {
    let mut bench = Bench::new();
    let (peers, sessions) = crowd(&mut bench, 20);
    beacon(&mut bench, &peers, true, secs(60));
    let begin = bench.now;
    // Ten seconds of silence, looked at each 2.5 s.
    beacon(&mut bench, &peers[1..], true, ms(4900));
    assert_eq!(pings(&bench, &sessions), 0);
    while bench.pings(sessions[0]) == 0 {
        beacon(&mut bench, &peers[1..], true, ms(500));
    }
    // It was heard 5 s before.
    let asked = secs(5) + (bench.now - begin);
    assert!((secs(10)..=secs(13)).contains(&asked), "{asked:?}");
    assert_eq!(pings(&bench, &sessions), 1);
    // It may be busy. A beacon is no answer.
    beacon(&mut bench, &peers, true, secs(11));
    assert_eq!(bench.events(), ["evasive 01"]);
}

#[test]
fn beacons_stand_for_no_message_of_anybody_else() {
    let pinged = |bench: &mut Bench, peers: &[Peer], sessions: &[SessionId], here| {
        beacon(bench, peers, here, ms(12_500));
        pings(bench, sessions)
    };
    // Of another host, as far as the address tells.
    let mut bench = Bench::new();
    let (peers, sessions) = crowd(&mut bench, 20);
    assert_eq!(pinged(&mut bench, &peers, &sessions, false), 20);
    // Of a link that the system doesn't end with the process.
    let mut bench = Bench::new();
    let (mut peers, sessions) = crowd(&mut bench, 20);
    bench.up.same_host = false;
    let mut far = Peer::ours(21);
    let session = bench.meet(&mut far);
    peers.push(far);
    assert_eq!(pinged(&mut bench, &peers, &sessions, true), 0);
    assert!(bench.pings(session) > 0);
    // Of a process with that UUID at another port.
    let mut bench = Bench::new();
    let (mut peers, sessions) = crowd(&mut bench, 20);
    peers[0].port += 100;
    pinged(&mut bench, &peers, &sessions, true);
    assert_eq!(bench.pings(sessions[0]), 1);
    assert_eq!(pings(&bench, &sessions), 1);
    // If links prove keys.
    let mut bench = Bench::with(|config| config.public_key = Some("key".into()));
    let (peers, sessions) = crowd(&mut bench, 20);
    assert_eq!(pinged(&mut bench, &peers, &sessions, true), 20);
}

#[test]
fn messages_of_ours_are_confirmed_although_their_receiver_beacons() {
    let mut bench = Bench::new();
    let (peers, sessions) = crowd(&mut bench, 20);
    beacon(&mut bench, &peers, true, secs(30));
    bench.whisper_out(sessions[3], 1);
    beacon(&mut bench, &peers, true, secs(5));
    assert_eq!(bench.pings(sessions[3]), 1);
    assert_eq!(pings(&bench, &sessions), 1);
}

#[test]
fn a_crowd_is_judged_together() {
    let mut bench = Bench::new();
    let (peers, _) = crowd(&mut bench, 100);
    let mut woken = 0;
    for step in 0..800 {
        // One after the other, each every 25 s.
        let peer = step % peers.len();
        show(&mut bench, &peers[peer..=peer], true);
        let end = bench.now + ms(250);
        while let Some(due) = bench.machine.poll_timeout()
            && due <= end
        {
            bench.now = due;
            bench.wake();
            woken += 1;
        }
        bench.now = end;
    }
    // Each 2.5 s, and for our own beacons.
    assert!(woken <= 90, "{woken} in 200 s");
}

#[test]
fn a_beacon_is_familiar_until_something_happens_to_its_sender() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    let ready = peer.state_beacon(State::Ready);
    let here = heard(&peer, false);
    let familiar = |bench: &mut Bench, beacon: &Beacon, heard: &Heard| {
        bench.machine.handle_beacon(bench.now, beacon, heard);
        bench.drain();
        bench.machine.is_familiar(beacon, heard)
    };
    let stranger = bench.machine.is_familiar(&ready, &here);
    assert!(!stranger);
    assert!(familiar(&mut bench, &ready, &here), "it is being dialled");
    // It doesn't greet, and is dialled again when it is heard.
    bench.pass(secs(6));
    assert!(!bench.machine.is_familiar(&ready, &here));
    assert!(familiar(&mut bench, &ready, &here));
    bench.greet(&mut peer);
    assert!(familiar(&mut bench, &ready, &here));
    assert!(familiar(&mut bench, &peer.beacon(), &here));
    assert!(!familiar(
        &mut bench,
        &peer.state_beacon(State::Exit),
        &here
    ));
    bench.say(&mut peer, Command::PingOk(None));
    bench.pass(secs(1));
    assert!(familiar(&mut bench, &ready, &here));
    // It shows another state, and its session hasn't.
    let busy = peer.state_beacon(State::Busy);
    assert!(!bench.machine.is_familiar(&busy, &here));
    // From elsewhere it isn't until it has been handled.
    let mut moved = peer.clone();
    moved.ip = [10, 0, 0, 77].into();
    let there = heard(&moved, false);
    assert!(!bench.machine.is_familiar(&ready, &there));
    assert!(familiar(&mut bench, &ready, &there));
    bench.events();
    bench.pass(secs(8));
    assert_eq!(bench.events(), ["evasive 01"]);
    assert!(!familiar(&mut bench, &ready, &here));
    bench.say(&mut peer, Command::PingOk(None));
    assert!(familiar(&mut bench, &ready, &here));
    bench.connection_closes(&peer);
    assert!(!bench.machine.is_familiar(&ready, &here));
}
