//! Addresses at which a node should be, whoever it is.

use zre_proto::machine::{Found, Source};
use zre_proto::{Command, Endpoint};

use crate::bench::{Bench, OUR_PORT, Peer, join, ms, our_uuid, secs, whisper};
use crate::net::Net;

#[test]
fn a_seed_becomes_the_peer_that_answers_with_its_endpoint() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.find(&peer.endpoint(), Source::Static);
    assert_eq!(bench.connects.len(), 1);
    assert_eq!(bench.connects[0].1, None, "nobody knows who it is");
    let session = bench.last_session();
    bench.machine.join(bench.now, "G").unwrap();
    bench.drain();
    assert_eq!(bench.said(session), [&join("G", 1)]);
    bench.greet(&mut peer);
    bench.say(&mut peer, whisper("hi"));
    assert_eq!(bench.events(), ["enter 01", "whisper 01 hi"]);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
    bench.pass(secs(120));
    assert!(
        bench.connects.len() > 1,
        "after its expiry it is dialled again"
    );
}

#[test]
fn a_seed_is_matched_by_source_address_where_the_endpoint_is_another() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    // A mapped port: it says what it has inside.
    bench.find("tcp://10.0.0.1:5001", Source::Static);
    let session = bench.last_session();
    let mut hello = peer.hello();
    hello.endpoint = "tcp://172.17.0.2:49152".into();
    let frames = Command::Hello(hello).encode(peer.number());
    bench.receive(&peer, frames);
    assert_eq!(bench.events(), ["enter 01"]);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
    bench.say(&mut peer, Command::Ping(None));
    assert_eq!(bench.said(session), [&Command::PingOk(None)]);
}

#[test]
fn a_name_is_matched_by_the_address_that_it_led_to() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.up.remote = peer.endpoint().parse::<Endpoint>().unwrap().socket_addr();
    bench.find("tcp://camera.example.org:49152", Source::Static);
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
}

#[test]
fn a_name_that_stands_for_a_peer_that_is_here_is_not_dialled() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let hellos = bench.hellos();
    bench.open = false;
    bench.find("tcp://camera.example.org:49152", Source::Static);
    let session = bench.last_session();
    let there = peer.endpoint().parse::<Endpoint>().unwrap();
    let elsewhere = "10.0.0.77:49152".parse().unwrap();
    let now = bench.now;
    let addrs = [elsewhere, there.socket_addr().unwrap()];
    assert!(bench.machine.handle_resolved(now, session, &[elsewhere]));
    assert!(!bench.machine.handle_resolved(now, session, &addrs));
    bench.drain();
    assert!(
        bench
            .disconnected
            .iter()
            .any(|(closed, _)| *closed == session)
    );
    // What is late is nobody's.
    assert!(!bench.machine.handle_resolved(now, session, &addrs));
    bench.say(&mut peer, Command::Ping(None));
    assert_eq!(bench.hellos(), hellos, "a second HELLO is a restart to it");
}

#[test]
fn another_node_of_the_same_host_is_not_the_seed() {
    let mut bench = Bench::new();
    bench.find("tcp://10.0.0.1:5001", Source::Static);
    let seed = bench.last_session();
    // It says where it is, and that isn't where we dialled.
    let mut neighbour = Peer::new(1);
    bench.greet(&mut neighbour);
    assert_eq!(bench.connects.len(), 2);
    bench.say(&mut neighbour, Command::Ping(None));
    assert!(
        bench.said(seed).is_empty(),
        "what is for one goes to another"
    );
}

#[test]
fn where_two_dials_to_one_address_are_open_nobody_guesses() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.find("tcp://10.0.0.1:5001", Source::Static);
    bench.find("tcp://10.0.0.1:5002", Source::Static);
    let mut hello = peer.hello();
    hello.endpoint = "tcp://172.17.0.2:49152".into();
    let frames = Command::Hello(hello).encode(peer.number());
    bench.receive(&peer, frames);
    assert_eq!(bench.connects.len(), 3);
    assert_eq!(bench.events(), ["enter 01"]);
}

#[test]
fn a_seed_whose_handshake_names_its_node_is_that_peers() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.up.peer = Some(peer.uuid);
    bench.find("tcp://camera.local:5001", Source::Dns);
    assert_eq!(bench.hellos(), 1);
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
    bench.hear(&peer);
    bench.pass(ms(100));
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
}

#[test]
fn a_seed_that_leads_to_a_peer_we_have_says_nothing_to_it() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.up.peer = Some(peer.uuid);
    bench.find("tcp://camera.local:5001", Source::Dns);
    assert_eq!(bench.connects.len(), 2);
    assert_eq!(
        bench.hellos(),
        1,
        "a second HELLO would look like a restart"
    );
    assert_eq!(bench.open_mailboxes(), 1);
    // And isn't dialled while that peer is there.
    for _ in 0..120 {
        bench.pass(secs(1));
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert_eq!(bench.connects.len(), 2);
    bench.connection_closes(&peer);
    bench.pass(secs(2));
    assert_eq!(bench.connects.len(), 3);
}

#[test]
fn a_seed_of_a_peer_that_is_being_dialled_is_not_forgotten_when_the_dial_fails() {
    let mut bench = Bench::new();
    let peer = Peer::new(1);
    bench.open = false;
    bench.hear(&peer);
    let by_beacon = bench.last_session();
    bench.up.peer = Some(peer.uuid);
    bench.find("tcp://camera.local:5001", Source::Dns);
    bench.mailbox_opens(bench.last_session());
    assert_eq!(bench.open_mailboxes(), 1);
    bench.mailbox_closes(by_beacon);
    bench.pass(secs(40));
    assert!(bench.connects.len() >= 3, "{:?}", bench.connects);
}

#[test]
fn a_beacon_from_where_a_seed_is_being_greeted_sends_no_second_hello() {
    for open in [true, false] {
        let mut bench = Bench::new();
        bench.open = open;
        let mut peer = Peer::new(1);
        bench.find(&peer.endpoint(), Source::Static);
        bench.hear(&peer);
        assert_eq!(bench.connects.len(), 1);
        if !open {
            bench.mailbox_opens(bench.last_session());
        }
        bench.greet(&mut peer);
        assert_eq!(bench.events(), ["enter 01"]);
        assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
    }
}

#[test]
fn a_seed_to_a_peer_that_its_beacon_made_known_is_not_dialled() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    bench.find(&peer.endpoint(), Source::Static);
    assert_eq!(bench.connects.len(), 1);
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
    bench.connection_closes(&peer);
    bench.pass(secs(5));
    assert!(
        bench.connects.len() > 1,
        "once it is gone the seed is dialled"
    );
}

#[test]
fn a_second_hello_by_another_address_of_the_same_node_ends_in_one_session() {
    // A legacy node of two addresses: the seed names the one, its beacon comes
    // from the other, and no handshake says that they are the same.
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.pass(secs(30 - 5));
    bench.say(&mut peer, Command::PingOk(None));
    bench.find("tcp://10.0.1.1:49153", Source::Static);
    assert_eq!(bench.hellos(), 2);
    bench.events();
    // C Zyre makes us anew at our second HELLO, and greets back.
    let mut greets_anew = |bench: &mut Bench| {
        let older = peer.clone();
        peer.connection += 1;
        bench.greet(&mut peer);
        bench.connection_closes(&older);
    };
    greets_anew(&mut bench);
    assert_eq!(bench.events(), ["exit 01 replaced", "enter 01"]);
    assert_eq!(bench.hellos(), 3);
    greets_anew(&mut bench);
    assert!(bench.events().is_empty());
    assert_eq!(bench.hellos(), 3, "here it ends");
    for _ in 0..300 {
        bench.pass(secs(1));
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert!(bench.events().is_empty());
    assert_eq!(bench.hellos(), 3, "and doesn't begin again");
}

#[test]
fn an_address_that_does_not_answer_is_not_taken_for_one_of_a_peer_that_greets_meanwhile() {
    let mut bench = Bench::new();
    bench.find("tcp://10.0.0.1:49153", Source::Static);
    bench.find("tcp://10.0.0.2:49154", Source::Static);
    let mut peer = Peer::new(2);
    bench.greet(&mut peer);
    // It restarts under its UUID: its connection ends, and it greets anew.
    bench.pass(secs(1));
    bench.connection_closes(&peer);
    peer.connection += 1;
    bench.greet(&mut peer);
    assert_eq!(
        bench.events(),
        ["enter 02", "exit 02 disconnected", "enter 02"]
    );
    let dialled = |bench: &Bench| {
        let there = "tcp://10.0.0.1:49153".parse().unwrap();
        bench.connects.iter().filter(|it| it.2 == there).count()
    };
    assert_eq!(dialled(&bench), 1);
    bench.pass(ms(4500));
    assert_eq!(dialled(&bench), 2, "the first dial has failed");
    for _ in 0..12 {
        bench.pass(secs(5));
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert!(dialled(&bench) >= 5);
}

#[test]
fn our_own_address_is_recognised_by_the_handshake_or_by_our_hello() {
    let mut bench = Bench::new();
    bench.up.peer = Some(our_uuid());
    bench.find("tcp://10.0.0.99:49200", Source::Dns);
    assert_eq!((bench.hellos(), bench.open_mailboxes()), (0, 0));
    bench.pass(secs(300));
    assert_eq!(bench.connects.len(), 1);

    let mut bench = Bench::new();
    bench.find("tcp://10.0.0.99:49200", Source::Dns);
    let ourselves = Peer {
        uuid: our_uuid(),
        ip: "10.0.0.99".parse().unwrap(),
        port: OUR_PORT,
        ..Peer::new(99)
    };
    let frames = bench.sent[0].2.encode(1);
    bench.receive(&ourselves, frames);
    assert_eq!(bench.open_mailboxes(), 0);
    bench.pass(secs(300));
    assert_eq!(bench.connects.len(), 1);
    assert!(bench.events().is_empty());
    assert_eq!(bench.machine.table_sizes()[1], 0);
}

#[test]
fn a_seed_that_fails_is_tried_again_ever_more_rarely_and_for_ever() {
    let mut bench = Bench::new();
    bench.open = false;
    bench.find("tcp://10.0.0.1:5001", Source::Static);
    let mut times = vec![bench.now];
    bench.mailbox_closes(bench.last_session());
    while times.len() < 30 {
        let dialled = bench.connects.len();
        bench.pass(ms(10));
        if bench.connects.len() > dialled {
            times.push(bench.now);
            bench.mailbox_closes(bench.last_session());
        }
    }
    let gaps: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((ms(250)..=ms(510)).contains(&gaps[0]), "{gaps:?}");
    assert!((ms(500)..=ms(1010)).contains(&gaps[1]), "{gaps:?}");
    assert!(
        gaps[8..]
            .iter()
            .all(|gap| (secs(15)..=ms(30_010)).contains(gap))
    );
}

#[test]
fn a_seed_that_never_greets_is_closed_after_five_seconds() {
    let mut bench = Bench::new();
    bench.find("tcp://10.0.0.1:5001", Source::Static);
    let session = bench.last_session();
    bench.pass(ms(4990));
    assert!(bench.is_open(session));
    bench.pass(ms(20));
    assert!(
        bench
            .disconnected
            .iter()
            .any(|(closed, _)| *closed == session)
    );
    bench.pass(ms(500));
    assert_eq!(bench.connects.len(), 2);
}

#[test]
fn a_seed_that_its_source_loses_is_not_dialled_any_more() {
    let mut bench = Bench::new();
    let endpoint: Endpoint = "tcp://10.0.0.1:5001".parse().unwrap();
    bench.find("tcp://10.0.0.1:5001", Source::Dns);
    bench.find("tcp://10.0.0.1:5001", Source::Static);
    let session = bench.last_session();
    bench.machine.handle_lost(&endpoint, Source::Dns);
    bench.drain();
    assert!(bench.is_open(session), "the other source still says so");
    bench.machine.handle_lost(&endpoint, Source::Static);
    bench.drain();
    assert!(
        bench
            .disconnected
            .iter()
            .any(|(closed, _)| *closed == session)
    );
    bench.pass(secs(100));
    assert_eq!(bench.connects.len(), 1);
    assert_eq!(bench.machine.table_sizes()[2], 0);
}

#[test]
fn a_session_goes_on_when_the_source_that_led_to_it_is_lost() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.find(&peer.endpoint(), Source::Dns);
    bench.greet(&mut peer);
    let endpoint: Endpoint = peer.endpoint().parse().unwrap();
    bench.machine.handle_lost(&endpoint, Source::Dns);
    bench.drain();
    assert_eq!(bench.events(), ["enter 01"]);
    assert!(bench.is_open(bench.last_session()));
    bench.connection_closes(&peer);
    bench.pass(secs(200));
    assert_eq!(bench.connects.len(), 1);
    assert_eq!(bench.machine.table_sizes()[0], 0, "and is forgotten");
}

#[test]
fn a_node_found_with_its_uuid_is_dialled_until_it_is_lost() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    let endpoint: Endpoint = peer.endpoint().parse().unwrap();
    let found = Found::new(endpoint.clone(), Some(peer.uuid), Source::Gossip);
    bench.machine.handle_found(bench.now, found);
    bench.drain();
    for round in 1..20 {
        assert!(bench.connects.len() >= round, "never given up");
        bench.mailbox_closes(bench.last_session());
        bench.pass(secs(31));
    }
    bench.open = true;
    bench.mailbox_opens(bench.last_session());
    bench.greet(&mut peer);
    bench.say(&mut peer, Command::Goodbye);
    assert_eq!(bench.events(), ["enter 01", "exit 01 goodbye"]);
    let dialled = bench.connects.len();
    bench.pass(secs(31));
    assert!(bench.connects.len() > dialled, "it may have come back");
    bench.machine.handle_lost(&endpoint, Source::Gossip);
    bench.drain();
    bench.pass(secs(100));
    let dialled = bench.connects.len();
    bench.pass(secs(200));
    assert_eq!(bench.connects.len(), dialled);
    assert_eq!(bench.machine.table_sizes()[0], 0);
}

#[test]
fn beacons_of_liars_do_not_push_out_a_configured_address() {
    let mut bench = Bench::new();
    bench.open = false;
    let peer = Peer::new(1);
    let found = Found::new(
        "tcp://10.0.0.1:7777".parse().unwrap(),
        Some(peer.uuid),
        Source::Static,
    );
    bench.machine.handle_found(bench.now, found);
    bench.drain();
    for n in 0..50u8 {
        let lie = Peer {
            ip: [10, 6, 6, n].into(),
            ..peer.clone()
        };
        bench.hear(&lie);
        bench.pass(ms(1));
    }
    for _ in 0..20 {
        let session = bench.last_session();
        if bench.is_open(session) {
            bench.mailbox_closes(session);
        }
        bench.pass(secs(2));
    }
    let known = |bench: &Bench| {
        bench
            .connects
            .iter()
            .filter(|(.., endpoint)| endpoint.to_string() == "tcp://10.0.0.1:7777")
            .count()
    };
    assert!(known(&bench) >= 2, "{:?}", bench.connects);
}

#[test]
fn a_seed_whose_peers_come_and_go_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.find("tcp://10.0.0.1:49153", Source::Static);
    for id in 1..=100u8 {
        // The same address, each time a node of another UUID.
        let mut peer = Peer {
            ip: "10.0.0.1".parse().unwrap(),
            port: 49_153,
            ..Peer::new(id)
        };
        bench.greet(&mut peer);
        assert_eq!(bench.events(), [format!("enter {id:02x}")]);
        bench.connection_closes(&peer);
        bench.events();
        bench.pass(ms(1500));
        assert_eq!(bench.open_mailboxes(), 1, "dialled again");
    }
    bench.connects.clear();
    bench.pass(secs(100));
    let [peers, sessions, seeds, ..] = bench.machine.table_sizes();
    assert!(
        peers <= 1 && sessions <= 1 && seeds == 1,
        "{peers} peers are kept"
    );
}

#[test]
fn two_nodes_that_are_each_others_seeds_enter_once() {
    for identities in [true, false] {
        let mut net = Net::new();
        net.beacons = false;
        net.identities = identities;
        net.start(|_| {});
        net.start(|_| {});
        for (from, to) in [(0, 1), (1, 0)] {
            let endpoint = net.endpoint(to);
            net.act(from, |machine, now| {
                machine.handle_found(now, Found::new(endpoint, None, Source::Static));
            });
        }
        net.pass(secs(300));
        assert_eq!(net.events(0), ["enter 02"]);
        assert_eq!(net.events(1), ["enter 01"]);
        assert_eq!((net.nodes[0].hellos, net.nodes[1].hellos), (1, 1));
    }
}

#[test]
fn seeds_and_beacons_of_the_same_nodes_make_one_session_each_way() {
    for identities in [true, false] {
        let mut net = Net::new();
        net.identities = identities;
        for _ in 0..3 {
            net.start(|_| {});
        }
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 0)] {
            let endpoint = net.endpoint(to);
            net.act(from, |machine, now| {
                machine.handle_found(now, Found::new(endpoint, None, Source::Dns));
            });
        }
        net.pass(secs(120));
        for index in 0..3 {
            let events = net.events(index);
            assert_eq!(events.len(), 2, "{events:?}");
            assert!(events.iter().all(|event| event.starts_with("enter")));
        }
    }
}
