//! How often a node beacons, and how often it asks silent neighbours on its host.

use std::time::Duration;

use zre_proto::{Command, State};

use crate::bench::{Bench, Peer, ms, secs};

/// A node that has known that many of ours for long, by their beacons.
fn in_a_crowd_of(count: u8) -> (Bench, Vec<Peer>) {
    let mut bench = Bench::new();
    // 99 is the node itself, in hex.
    let mut peers: Vec<Peer> = (1..=count)
        .filter(|id| *id != 0x99)
        .map(Peer::ours)
        .collect();
    for peer in &mut peers {
        bench.meet(peer);
    }
    talk(&mut bench, &mut peers, secs(120));
    (bench, peers)
}

/// Lets time pass in which no peer is silent.
fn talk(bench: &mut Bench, peers: &mut [Peer], time: Duration) {
    let end = bench.now + time;
    while bench.now < end {
        bench.pass(secs(4).min(end - bench.now));
        for peer in &mut *peers {
            bench.say(peer, Command::Ping(None));
        }
    }
    bench.events();
}

/// The beacons of that time, and how many of them went to every address.
fn beacons(bench: &mut Bench, peers: &mut [Peer], time: Duration) -> (usize, usize) {
    let (all, widely) = (bench.announced.len(), bench.to_others);
    talk(bench, peers, time);
    (bench.announced.len() - all, bench.to_others - widely)
}

#[test]
fn a_few_nodes_beacon_every_second() {
    let (mut bench, mut peers) = in_a_crowd_of(2);
    let (all, widely) = beacons(&mut bench, &mut peers, secs(60));
    assert_eq!(all, 60);
    assert!((14..=16).contains(&widely), "{widely}");
}

#[test]
fn two_hundred_nodes_send_four_a_second() {
    let (mut bench, mut peers) = in_a_crowd_of(200);
    let (all, widely) = beacons(&mut bench, &mut peers, secs(1000));
    // Each fifty seconds, and to every address each five minutes.
    assert!((17..=24).contains(&all), "{all}");
    assert!((2..=4).contains(&widely), "{widely}");
}

#[test]
fn whoever_was_cut_off_is_noticed_by_one_beacon() {
    let (mut bench, mut peers) = in_a_crowd_of(100);
    // A newcomer is dialled, and hears of us by our HELLO.
    bench.hear_state(&Peer::ours(201), State::Init);
    let (_, widely) = beacons(&mut bench, &mut peers, ms(2100));
    assert_eq!(widely, 0);
    // This one has been there for long, and neither of us knew.
    bench.hear_state(&Peer::ours(202), State::Ready);
    let (_, widely) = beacons(&mut bench, &mut peers, ms(2100));
    assert_eq!(widely, 1);
    // It is repeated, at growing intervals.
    let (all, widely) = beacons(&mut bench, &mut peers, secs(14));
    assert!((2..=4).contains(&all), "{all}");
    assert!((1..=2).contains(&widely), "{widely}");
}

#[test]
fn a_start_is_announced_to_everybody_once() {
    let mut bench = Bench::with(|config| config.state = State::Init);
    bench.machine.set_state(bench.now, State::Ready);
    bench.drain();
    let shown: Vec<State> = bench.announced.iter().map(|(_, state)| *state).collect();
    assert_eq!(shown, [State::Init, State::Ready]);
    assert_eq!(bench.to_others, 1);
    // A change is another matter.
    bench.machine.set_state(bench.now, State::Busy);
    bench.drain();
    assert_eq!(bench.to_others, 2);
}

#[test]
fn who_starts_in_a_crowd_adds_little_to_the_storm() {
    let mut bench = Bench::new();
    let before = (bench.announced.len(), bench.to_others);
    for id in 1..=100 {
        // The others have started a moment before.
        let mut peer = Peer::ours(id);
        bench.hear_state(&peer, State::Ready);
        bench.pass(ms(30));
        if id % 2 == 0 {
            bench.greet(&mut peer);
        }
        bench.pass(ms(20));
    }
    let sent = (bench.announced.len() - before.0, bench.to_others - before.1);
    assert!(sent.0 <= 5 && sent.1 <= 2, "{sent:?}");
}

#[test]
fn strangers_do_not_make_a_crowd_storm() {
    let (mut bench, mut peers) = in_a_crowd_of(200);
    let before = bench.announced.len();
    for round in 0..100u8 {
        for id in 201..=u8::MAX {
            // Always another one.
            let mut stranger = Peer::ours(id);
            stranger.uuid = uuid::Uuid::from_u128(u128::from(round) << 64 | u128::from(id));
            bench.hear_state(&stranger, State::Ready);
        }
        talk(&mut bench, &mut peers, ms(100));
    }
    // One each four seconds: all two hundred together send fifty a second.
    let sent = bench.announced.len() - before;
    assert!((2..=5).contains(&sent), "{sent}");
}

#[test]
fn a_lost_peer_hears_a_beacon_soon() {
    let (mut bench, mut peers) = in_a_crowd_of(100);
    let lost = peers.pop().unwrap();
    bench.connection_closes(&lost);
    let (_, widely) = beacons(&mut bench, &mut peers, ms(2100));
    assert_eq!(widely, 1);
}

#[test]
fn those_who_left_in_order_leave_their_share_to_the_others() {
    let (mut bench, mut peers) = in_a_crowd_of(200);
    for mut peer in peers.drain(3..) {
        bench.say(&mut peer, Command::Goodbye);
    }
    talk(&mut bench, &mut peers, secs(12));
    let (all, _) = beacons(&mut bench, &mut peers, secs(10));
    assert!(all >= 9, "{all}");
}

#[test]
fn a_silent_peer_of_another_kind_hears_beacons_until_it_answers() {
    let (mut bench, mut peers) = in_a_crowd_of(100);
    let mut zyre = Peer::new(201);
    bench.meet(&mut zyre);
    talk(&mut bench, &mut peers, secs(7));
    let (all, widely) = beacons(&mut bench, &mut peers, secs(10));
    assert!(widely >= 4, "{widely} of {all}");
    bench.say(&mut zyre, Command::Ping(None));
    let mut all = peers.clone();
    all.push(zyre);
    talk(&mut bench, &mut all, secs(60));
    let (_, widely) = beacons(&mut bench, &mut all, secs(60));
    assert!(widely <= 3, "{widely}");
}

/// How long each of that many silent peers waits for its first PING.
fn first_pings(count: u8, same_host: bool, ours: bool) -> Duration {
    let mut bench = Bench::new();
    bench.up.same_host = same_host;
    let mut sessions = Vec::new();
    for id in 1..=count {
        let mut peer = if ours { Peer::ours(id) } else { Peer::new(id) };
        sessions.push(bench.meet(&mut peer));
    }
    // The peers are counted with the first beacon.
    let begin = bench.now;
    while sessions.iter().all(|session| bench.pings(*session) == 0) {
        bench.pass(ms(100));
    }
    bench.now - begin
}

#[test]
fn many_neighbours_on_one_host_get_pings_less_often() {
    assert_eq!(first_pings(8, true, true), secs(5));
    assert_eq!(first_pings(20, true, true), secs(10));
    assert_eq!(first_pings(100, true, true), secs(50));
    assert_eq!(first_pings(150, true, true), secs(60));
    assert_eq!(first_pings(100, false, true), secs(5));
    // C Zyre counts on hearing from us.
    assert_eq!(first_pings(100, true, false), secs(5));
}

#[test]
fn a_neighbour_that_stands_still_in_a_crowd_has_the_usual_time_to_answer() {
    let mut bench = Bench::new();
    bench.up.same_host = true;
    let mut peers: Vec<Peer> = (1..=100).map(Peer::ours).collect();
    let sessions: Vec<_> = peers.iter_mut().map(|peer| bench.meet(peer)).collect();
    let (stopped, others) = (sessions[0], &mut peers[1..]);
    let begin = bench.now;
    while bench.pings(stopped) == 0 {
        talk(&mut bench, others, secs(1));
    }
    assert_eq!(bench.now - begin, secs(50));
    let pinged = bench.now;
    bench.pass(secs(9));
    assert!(bench.events().is_empty(), "it may be busy");
    let mut events = Vec::new();
    while !events.iter().any(|event| event == "exit 01 expired") {
        bench.pass(ms(500));
        events.extend(bench.events());
        for peer in &mut *others {
            bench.say(peer, Command::Ping(None));
        }
        assert!(bench.now - pinged < secs(60), "{events:?}");
    }
    assert_eq!(events, ["evasive 01", "silent 01", "exit 01 expired"]);
    assert_eq!(bench.now - pinged, secs(25));
}

#[test]
fn a_silent_peer_that_beacons_from_elsewhere_is_followed_at_its_beacon() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    talk(&mut bench, std::slice::from_mut(&mut peer), secs(20));
    bench.pass(secs(8));
    assert_eq!(bench.events(), ["evasive 01"]);
    peer.ip = [10, 0, 0, 77].into();
    bench.hear_state(&peer, State::Ready);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    assert_eq!(bench.connects.last().unwrap().2.to_wire(), peer.endpoint());
}

#[test]
fn a_process_of_this_host_has_not_moved_because_it_is_heard_elsewhere() {
    let mut bench = Bench::new();
    bench.up.same_host = true;
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.pass(secs(8));
    assert_eq!(bench.events(), ["evasive 01"]);
    // Its beacons go to one address on each network, and not over loopback.
    peer.ip = [10, 0, 0, 77].into();
    bench.hear_state(&peer, State::Ready);
    assert!(bench.events().is_empty());
    // The system reports its end.
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
}
