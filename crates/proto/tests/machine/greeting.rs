//! How two nodes meet.

use zre_proto::machine::Source;
use zre_proto::{Command, State, split_header};

use crate::bench::{Bench, OUR_IP, Peer, join, ms, our_uuid, secs, whisper};
use crate::net::Net;

#[test]
fn a_mailbox_that_is_open_cannot_open_again() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.events();
    // Not even as somebody else's.
    bench.up.peer = Some(Peer::new(2).uuid);
    bench.mailbox_opens(session);
    assert!(bench.is_open(session));
    assert_eq!(bench.hellos(), 1);
    bench.say(&mut peer, whisper("still here"));
    assert_eq!(bench.events(), ["whisper 01 still here"]);
    bench.mailbox_closes(session);
    bench.pass(secs(1));
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
}

#[test]
fn their_beacon_first_we_dial_greet_and_enter_at_their_hello() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    assert_eq!(bench.connects.len(), 1);
    assert_eq!(bench.connects[0].1, Some(peer.uuid));
    assert_eq!(bench.connects[0].2.to_string(), peer.endpoint());
    assert_eq!(bench.hellos(), 1);
    assert!(bench.events().is_empty(), "our HELLO alone isn't a peer");
    peer.groups = vec!["B".into(), "A".into()];
    peer.status = 2;
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01", "join 01 A", "join 01 B"]);
    for _ in 0..5 {
        bench.hear(&peer);
    }
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
    assert!(bench.events().is_empty());
}

#[test]
fn their_hello_first_we_dial_its_endpoint_and_enter_when_ours_is_out() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.greet(&mut peer);
    assert_eq!(bench.connects[0].2.to_string(), peer.endpoint());
    assert!(bench.events().is_empty(), "nobody can be spoken to yet");
    bench.mailbox_opens(bench.last_session());
    assert_eq!(bench.events(), ["enter 01"]);
    assert_eq!(bench.hellos(), 1);
}

#[test]
fn our_hello_says_who_and_where_we_are() {
    let mut bench = Bench::with(|config| {
        config.headers.insert("role".into(), "camera".into());
    });
    bench.machine.join(bench.now, "G").unwrap();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let Command::Hello(hello) = &bench.sent[0].2 else {
        panic!("{:?}", bench.sent[0]);
    };
    assert_eq!(hello.endpoint, format!("tcp://{OUR_IP}:49200"));
    assert_eq!((hello.groups.clone(), hello.status), (vec!["G".into()], 1));
    assert_eq!(hello.headers["role"], "camera");
    assert_eq!(hello.headers["X-ZRE-STATE"], "1");
    assert_eq!(our_uuid().simple().to_string()[..6].len(), hello.name.len());
}

#[test]
fn a_hello_while_ours_is_unanswered_is_the_answer() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    // It dialled by our beacon at the same time, and its HELLO crossed ours.
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
    assert_eq!((bench.connects.len(), bench.hellos()), (1, 1));
}

#[test]
fn a_hello_while_we_dial_waits_for_the_mailbox() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    bench.greet(&mut peer);
    bench.say(&mut peer, whisper("one"));
    assert!(bench.events().is_empty());
    assert_eq!(bench.connects.len(), 1);
    bench.mailbox_opens(bench.last_session());
    assert_eq!(bench.events(), ["enter 01", "whisper 01 one"]);
}

#[test]
fn what_comes_right_behind_hello_is_delivered_after_enter_and_in_order() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    peer.groups = vec!["A".into()];
    bench.greet(&mut peer);
    for text in ["one", "two"] {
        bench.say(&mut peer, whisper(text));
    }
    bench.say(&mut peer, join("B", 1));
    bench.say(&mut peer, Command::Ping(None));
    bench.say(&mut peer, whisper("three"));
    assert!(bench.events().is_empty());
    let session = bench.last_session();
    bench.mailbox_opens(session);
    assert_eq!(
        bench.events(),
        [
            "enter 01",
            "join 01 A",
            "whisper 01 one",
            "whisper 01 two",
            "join 01 B",
            "whisper 01 three",
        ]
    );
    assert_eq!(bench.said(session), [&Command::PingOk(None)]);
}

#[test]
fn what_a_peer_says_before_its_mailbox_opens_is_bounded() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.greet(&mut peer);
    let session = bench.last_session();
    for _ in 0..40_000 {
        bench.say(&mut peer, whisper("more"));
    }
    assert!(!bench.is_open(session), "its session is worth nothing");
    assert!(bench.machine.counters().limited > 0);
    assert!(bench.events().is_empty());
}

#[test]
fn empty_frames_that_wait_are_not_free() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.greet(&mut peer);
    let session = bench.last_session();
    let empty = Command::Whisper {
        content: std::iter::repeat_n(Vec::<u8>::new(), 4000).collect(),
    };
    for _ in 0..100 {
        bench.say(&mut peer, empty.clone());
    }
    assert!(!bench.is_open(session), "400,000 frames are held");
}

#[test]
fn an_unanswered_hello_is_given_up_after_five_seconds_and_backs_off() {
    let mut bench = Bench::new();
    let peer = Peer::new(1);
    let mut dialled = Vec::new();
    for tick in 0..1200 {
        bench.hear(&peer);
        bench.pass(ms(100));
        if bench.connects.len() > dialled.len() {
            dialled.push(tick);
        }
    }
    // At most 5 s unanswered, then a rest that doubles up to 30 s.
    let gaps: Vec<u64> = dialled.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps.len() >= 4, "{dialled:?}");
    assert!((52..=57).contains(&gaps[0]), "{gaps:?}");
    // A rest of 30 s at most has a jitter of half of it.
    let grows = |two: &[u64]| two[0] < two[1] || two[0] >= 200;
    assert!(gaps.windows(2).all(grows), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 352), "{gaps:?}");
    assert!(bench.open_mailboxes() <= 1);
    let events = bench.events();
    assert_eq!(events.len(), dialled.len(), "one for each: {events:?}");
    let unanswered = |event: &String| event == "unanswered 01 tcp://10.0.0.1:49153";
    assert!(events.iter().all(unanswered), "{events:?}");
    assert_eq!(bench.pings(bench.last_session()), 0);
}

#[test]
fn the_backoff_has_jitter() {
    let rest = |id: u8| {
        let mut bench = Bench::new();
        bench.open = false;
        for before in 2..id {
            // Others who failed before draw from the same source.
            bench.hear(&Peer::new(before));
            bench.mailbox_closes(bench.last_session());
        }
        let peer = Peer::new(1);
        bench.hear(&peer);
        bench.mailbox_closes(bench.last_session());
        let before = bench.connects.len();
        let mut waited = 0;
        while bench.connects.len() == before {
            bench.pass(ms(1));
            bench.hear(&peer);
            waited += 1;
            assert!(waited < 2000);
        }
        waited
    };
    let rests: Vec<u32> = (2..10).map(rest).collect();
    assert!(rests.iter().all(|rest| (250..=500).contains(rest)));
    assert!(rests.iter().any(|rest| *rest != rests[0]), "{rests:?}");
}

#[test]
fn a_hello_on_the_same_session_means_that_it_started_anew() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let old = bench.meet(&mut peer);
    bench.say(&mut peer, whisper("before"));
    bench.pass(secs(20));
    bench.events();
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["exit 01 replaced", "enter 01"]);
    assert!(!bench.is_open(old));
    assert_eq!(bench.hellos(), 2);
    bench.say(&mut peer, whisper("after"));
    assert_eq!(bench.events(), ["whisper 01 after"]);
}

#[test]
fn a_peer_that_restarts_on_a_new_port_enters_again_under_its_new_endpoint() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let old = bench.meet(&mut peer);
    bench.pass(secs(2));
    // Its host was reset: nothing told us that the old connection is dead.
    let mut again = Peer {
        port: 50_000,
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut again);
    bench.say(&mut again, whisper("new life"));
    assert!(bench.events().is_empty(), "the older one is asked first");
    bench.pass(ms(1100));
    assert_eq!(
        bench.events(),
        ["exit 01 replaced", "enter 01", "whisper 01 new life"]
    );
    assert!(!bench.is_open(old));
    let new = bench.last_session();
    assert_eq!(bench.endpoint(new).to_string(), again.endpoint());
}

#[test]
fn a_peer_that_restarts_on_a_new_port_needs_no_wait_once_its_old_connection_ends() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let mut again = Peer {
        port: 50_000,
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut again);
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 replaced", "enter 01"]);
}

#[test]
fn a_goodbye_of_the_old_life_does_not_cost_the_new_one_its_greeting() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    let mut again = Peer {
        port: 50_000,
        connection: 2000,
        ..peer.clone()
    };
    bench.greet(&mut again);
    bench.say(&mut peer, Command::Goodbye);
    assert_eq!(bench.events(), ["exit 01 goodbye", "enter 01"]);
    let new = bench.last_session();
    assert_eq!(bench.endpoint(new).to_string(), again.endpoint());
}

#[test]
fn a_second_greeting_right_after_the_first_is_an_echo_and_answered_by_silence() {
    // C Zyre, greeted a second time, makes its peer anew and greets back. Who
    // answers that, too, greets for ever.
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    peer.groups = vec!["A".into(), "B".into()];
    let session = bench.meet(&mut peer);
    let mut echo = Peer {
        connection: 2000,
        groups: vec!["B".into(), "C".into()],
        ..peer.clone()
    };
    bench.greet(&mut echo);
    bench.say(&mut echo, whisper("on the new connection"));
    assert!(bench.events().is_empty(), "the old connection is there");
    bench.connection_closes(&peer);
    let whispered = "whisper 01 on the new connection";
    assert_eq!(bench.events(), ["leave 01 A", "join 01 C", whispered]);
    assert!(bench.is_open(session));
    assert_eq!(bench.hellos(), 1);
    assert_eq!(bench.admitted, [peer.connection, echo.connection]);
}

#[test]
fn greetings_without_end_are_followed_a_few_times_only() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for _ in 0..1000 {
        bench.pass(ms(5));
        bench.greet(&mut peer);
    }
    let entered = bench.events().iter().filter(|e| *e == "enter 01").count();
    assert!(entered < 20, "{entered} times in five seconds");
    assert!(bench.machine.counters().refused > 900);
}

#[test]
fn an_address_that_fails_gives_way_to_the_next() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.hear(&peer);
    let first = bench.last_session();
    let other = Peer {
        ip: "10.0.1.1".parse().unwrap(),
        ..peer.clone()
    };
    bench.hear(&other);
    assert_eq!(bench.connects.len(), 1, "one dial at a time");
    bench.mailbox_closes(first);
    assert_eq!(bench.connects.len(), 2, "the other address at once");
    assert_ne!(bench.connects[0].2, bench.connects[1].2);
    bench.mailbox_closes(bench.last_session());
    assert_eq!(bench.connects.len(), 2, "then a rest");
    bench.pass(secs(1));
    bench.hear(&peer);
    bench.mailbox_opens(bench.last_session());
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
}

#[test]
fn a_greeting_outlives_a_dial_that_fails() {
    // Its beacon came from an address that we can't reach; its HELLO names
    // another. It won't greet twice.
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    let unreachable = Peer {
        ip: "10.9.9.9".parse().unwrap(),
        ..peer.clone()
    };
    bench.hear(&unreachable);
    bench.greet(&mut peer);
    bench.say(&mut peer, whisper("one"));
    bench.mailbox_closes(bench.last_session());
    assert_eq!(
        bench.connects.last().unwrap().2.to_string(),
        peer.endpoint()
    );
    bench.mailbox_opens(bench.last_session());
    assert_eq!(bench.events(), ["enter 01", "whisper 01 one"]);
}

#[test]
fn a_greeting_is_answered_late_where_no_address_answers_at_once() {
    let mut bench = Bench::new();
    bench.open = false;
    let mut peer = Peer::new(1);
    bench.greet(&mut peer);
    bench.say(&mut peer, whisper("one"));
    bench.mailbox_closes(bench.last_session());
    assert_eq!(bench.connects.len(), 1, "not at once");
    bench.say(&mut peer, whisper("two"));
    bench.pass(ms(600));
    assert_eq!(bench.connects.len(), 2);
    bench.mailbox_opens(bench.last_session());
    assert_eq!(
        bench.events(),
        ["enter 01", "whisper 01 one", "whisper 01 two"]
    );
    // A connection that ends takes its greeting along.
    let mut other = Peer::new(2);
    bench.greet(&mut other);
    bench.mailbox_closes(bench.last_session());
    bench.connection_closes(&other);
    let dialled = bench.connects.len();
    bench.pass(secs(60));
    assert_eq!(bench.connects.len(), dialled);
}

#[test]
fn a_node_that_listens_everywhere_is_dialled_where_its_hello_came_from() {
    for told in ["tcp://0.0.0.0:49153", "tcp://127.0.0.1:49153"] {
        let mut bench = Bench::new();
        let mut peer = Peer::new(1);
        let mut hello = peer.hello();
        hello.endpoint = told.into();
        let frames = Command::Hello(hello).encode(peer.number());
        bench.receive(&peer, frames);
        assert_eq!(bench.connects[0].2.to_string(), "tcp://10.0.0.1:49153");
    }
}

#[test]
fn a_scope_in_a_hello_is_its_hosts_and_replaced_by_ours() {
    let mut bench = Bench::new();
    let peer = Peer::new(1);
    for told in ["tcp://[fe80::1%eth0]:49153", "tcp://fe80::1%7:49153"] {
        let mut hello = peer.hello();
        hello.endpoint = told.into();
        let mut from = peer.inbound();
        from.from = Some("[fe80::1%3]:4000".parse().unwrap());
        let now = bench.now;
        let (header, content) = split_header(Command::Hello(hello).encode(1));
        bench.machine.handle_message(now, &from, &header, content);
        bench.drain();
        let dialled = bench.connects.last().expect("dialled").2.to_string();
        assert_eq!(dialled, "tcp://[fe80::1%3]:49153");
        bench.pass(secs(20));
    }
}

#[test]
fn no_hello_makes_us_dial_our_own_services_or_everybody() {
    for named in [
        "tcp://localhost:49153",
        "tcp://some.name:49153",
        "tcp://127.1.2.3:49153",
        "tcp://[::1]:49153",
        "tcp://[::ffff:127.0.0.1]:49153",
        "tcp://[::ffff:0.0.0.0]:49153",
        "tcp://[::]:49153",
        "tcp://0.1.2.3:49153",
        "tcp://224.0.0.250:49153",
        "tcp://[ff02::1]:49153",
        "tcp://[::ffff:239.1.1.1]:49153",
        "tcp://255.255.255.255:49153",
        "tcp://[::ffff:255.255.255.255]:49153",
        "tcp://[::ffff:10.0.0.1]:49153",
    ] {
        for mapped in [false, true] {
            let mut bench = Bench::new();
            let peer = Peer::new(1);
            let mut hello = peer.hello();
            hello.endpoint = named.into();
            let mut from = peer.inbound();
            if mapped {
                from.from = Some("[::ffff:10.0.0.1]:30000".parse().unwrap());
            }
            let (header, content) = split_header(Command::Hello(hello).encode(1));
            bench
                .machine
                .handle_message(bench.now, &from, &header, content);
            bench.drain();
            let dialled: Vec<String> = bench
                .connects
                .iter()
                .map(|(_, _, endpoint)| endpoint.to_string())
                .collect();
            assert_eq!(dialled, ["tcp://10.0.0.1:49153"], "{named}");
        }
    }
}

#[test]
fn a_thousand_hellos_that_name_a_third_party_cause_few_dials_to_it() {
    let mut bench = Bench::new();
    bench.open = false;
    let victim = std::net::IpAddr::from([10, 9, 9, 9]);
    for number in 0..1000u16 {
        let mut peer = Peer::new(1);
        peer.uuid = uuid::Uuid::from_u128(u128::from(number) + 1000);
        peer.connection = u64::from(number) + 5000;
        // From fifty addresses.
        peer.ip = std::net::IpAddr::from([10, 1, 0, u8::try_from(number % 50).unwrap()]);
        let mut hello = peer.hello();
        hello.endpoint = format!("tcp://{victim}:{}", 1 + number);
        let frames = Command::Hello(hello).encode(1);
        bench.receive(&peer, frames);
    }
    let mut closed = 0;
    for _ in 0..150 {
        while let Some((session, ..)) = bench.connects.get(closed).cloned() {
            closed += 1;
            if bench.is_open(session) {
                bench.mailbox_closes(session);
            }
        }
        bench.pass(ms(100));
    }
    let dialled = bench.connects.iter();
    let there = dialled.filter(|(_, _, endpoint)| endpoint.ip() == Some(victim));
    assert_eq!(there.count(), 8, "four in ten seconds");
}

#[test]
fn an_endpoint_that_nobody_can_dial_is_refused_and_counted() {
    let mut bench = Bench::new();
    for (id, told) in (1..).zip(["", "tcp://", "udp://1.2.3.4:5", "tcp://*:5", "ipc:///x"]) {
        let mut peer = Peer::new(id);
        let mut hello = peer.hello();
        hello.endpoint = told.into();
        let frames = Command::Hello(hello).encode(peer.number());
        bench.receive(&peer, frames);
    }
    assert_eq!(bench.machine.counters().refused, 5);
    assert!(bench.connects.is_empty());
    assert!(bench.events().is_empty());
}

#[test]
fn somebody_elses_answer_at_an_address_is_nobody_we_know() {
    let mut bench = Bench::new();
    bench.up.peer = Some(Peer::new(9).uuid);
    bench.hear(&Peer::new(1));
    assert_eq!(bench.hellos(), 0, "our HELLO isn't for whoever lives there");
    assert_eq!(bench.open_mailboxes(), 0);
}

#[test]
fn a_node_that_drains_or_sleeps_is_left_alone_until_it_says_otherwise() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    for state in [State::Draining, State::Asleep, State::Exit] {
        bench.hear_state(&peer, state);
        bench.pass(secs(3));
    }
    assert!(bench.connects.is_empty());
    bench.hear_state(&peer, State::Init);
    assert_eq!(bench.connects.len(), 1);
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
}

#[test]
fn a_new_address_is_followed_only_when_the_old_one_stops_answering() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    let elsewhere = Peer {
        ip: "10.0.1.1".parse().unwrap(),
        ..peer.clone()
    };
    // A host with two interfaces beacons from both.
    for _ in 0..10 {
        bench.hear(&peer);
        bench.hear(&elsewhere);
        bench.pass(secs(1));
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert_eq!(bench.connects.len(), 1);
    assert!(bench.is_open(session));
    // It moves: only the new address is heard, and nobody answers the old one.
    for _ in 0..20 {
        bench.hear(&elsewhere);
        bench.pass(secs(1));
    }
    assert!(!bench.is_open(session));
    assert_eq!(
        bench.events(),
        [
            "evasive 01",
            "exit 01 disconnected",
            "unanswered 01 tcp://10.0.1.1:49153",
            "unanswered 01 tcp://10.0.0.1:49153",
        ],
        "not after 30 seconds"
    );
    assert_eq!(
        bench.connects[1].2.to_string(),
        elsewhere.endpoint(),
        "where it is heard"
    );
}

#[test]
fn a_peer_that_moved_while_it_was_pinged_is_followed_at_once() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    for _ in 0..5 {
        bench.pass(secs(1));
        bench.hear(&peer);
    }
    // It has been silent for 5 s when it moves, and is evasive when its last beacon from
    // the old address is 1 s old.
    let elsewhere = Peer {
        ip: "10.0.1.1".parse().unwrap(),
        ..peer.clone()
    };
    for _ in 0..6 {
        bench.pass(secs(1));
        bench.hear(&elsewhere);
    }
    assert!(!bench.is_open(session));
    assert_eq!(bench.connects[1].2.to_string(), elsewhere.endpoint());
    assert_eq!(bench.events(), ["evasive 01", "exit 01 disconnected"]);
    peer.ip = elsewhere.ip;
    peer.connection += 1;
    peer.next = 1;
    bench.greet(&mut peer);
    assert_eq!(bench.events(), ["enter 01"]);
}

#[test]
fn a_beacon_that_is_missing_ends_nothing() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    for _ in 0..600 {
        bench.pass(secs(1));
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert!(bench.events().is_empty());
    assert_eq!(bench.connects.len(), 1);
}

#[test]
fn a_broken_session_comes_back_by_the_next_beacons() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(secs(2));
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    assert!(!bench.is_open(session));
    bench.pass(ms(600));
    peer.connection += 1;
    bench.meet(&mut peer);
    assert_eq!(bench.hellos(), 2);
}

#[test]
fn sessions_that_break_at_once_are_followed_by_ever_fewer() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let mut sessions = [0; 2];
    for minute in &mut sessions {
        for _ in 0..60 {
            let before = bench.connects.len();
            bench.hear(&peer);
            bench.pass(secs(1));
            if bench.connects.len() > before {
                bench.greet(&mut peer);
                bench.connection_closes(&peer);
                peer.connection += 1;
                assert_eq!(bench.events(), ["enter 01", "exit 01 disconnected"]);
                *minute += 1;
            }
        }
    }
    let [first, second] = sessions;
    assert!((4..=8).contains(&first), "{sessions:?}");
    assert!((1..=3).contains(&second), "{sessions:?}");
}

#[test]
fn a_node_that_greets_anew_where_it_was_is_one_node() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    // Each session lasts, and all of them less than two minutes.
    for _ in 0..8 {
        bench.greet(&mut peer);
        assert_eq!(bench.events(), ["enter 01"]);
        for _ in 0..3 {
            bench.pass(secs(4));
            bench.say(&mut peer, Command::PingOk(None));
        }
        bench.connection_closes(&peer);
        peer.connection += 1;
        assert_eq!(bench.events(), ["exit 01 disconnected"]);
    }
}

#[test]
fn via_tells_how_a_peer_became_known() {
    for (source, expected) in [
        (Source::Multicast, "multicast"),
        (Source::Broadcast, "broadcast"),
    ] {
        assert_eq!(source.to_string(), expected);
    }
    let mut bench = Bench::new();
    let peer = Peer::new(1);
    bench.hear_beacon_by(&peer.beacon(), peer.ip, Source::Multicast);
    assert_eq!(bench.connects.len(), 1);
}

#[test]
fn a_node_with_as_many_headers_as_the_limit_allows_is_met() {
    let mut net = Net::new();
    for _ in 0..2 {
        net.start(|config| {
            let keys = 0..config.limits.headers;
            config.headers = keys.map(|key| (key.to_string(), String::new())).collect();
        });
    }
    net.pass(secs(1));
    assert_eq!(net.events(0), ["enter 02"]);
    assert_eq!(net.events(1), ["enter 01"]);
}

#[test]
fn among_many_a_busy_process_of_this_host_has_more_time_for_its_hello() {
    let unanswered_after = |count: u8, same_host: bool, named: bool| {
        let mut bench = Bench::new();
        bench.up.same_host = same_host;
        for id in 1..=count {
            let peer = Peer::ours(id);
            bench.up.peer = named.then_some(peer.uuid);
            bench.hear(&peer);
        }
        let begin = bench.now;
        // The first ones are dialled before there are many.
        let last = format!("unanswered {count:02x} ");
        while !bench.events().iter().any(|event| event.starts_with(&last)) {
            bench.pass(ms(100));
        }
        bench.now - begin
    };
    assert_eq!(unanswered_after(20, false, true), secs(5));
    // Anything may listen there.
    assert_eq!(unanswered_after(20, true, false), secs(5));
    assert_eq!(unanswered_after(1, true, true), secs(5));
    assert_eq!(unanswered_after(20, true, true), secs(30));
}
