//! New names and headers in the middle of a session.

use zre_proto::machine::UPDATE_HEADER;
use zre_proto::{Command, Hello, LimitError, Profile, State};

use crate::bench::{Bench, Peer, ms, secs, whisper};
use crate::net::Net;

fn profile(name: &str, headers: &[(&str, &str)]) -> Profile {
    let headers = headers.iter();
    Profile {
        name: name.into(),
        headers: headers
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
    }
}

fn update(name: &str, headers: &[(&str, &str)]) -> Command {
    Command::Update(profile(name, headers))
}

fn set_header(bench: &mut Bench, key: &str, value: &str) -> Result<bool, LimitError> {
    let set = bench.machine.set_header(bench.now, key, value);
    bench.drain();
    set
}

#[test]
fn a_change_goes_to_those_that_take_it_and_to_nobody_else() {
    let mut bench = Bench::with(|config| config.name = "old".into());
    let mut ours = Peer::ours(1);
    let mut legacy = Peer::new(2);
    let session = bench.meet(&mut ours);
    let other = bench.meet(&mut legacy);
    assert_eq!(bench.machine.set_name(bench.now, "new"), Ok(true));
    assert_eq!(bench.machine.set_name(bench.now, "new"), Ok(false));
    bench.drain();
    assert_eq!(bench.said(session), [&update("new", &[])]);
    bench.pass(secs(1));
    assert_eq!(set_header(&mut bench, "load", "3"), Ok(true));
    assert_eq!(set_header(&mut bench, "load", "3"), Ok(false));
    bench.pass(secs(1));
    assert!(bench.machine.remove_header(bench.now, "load"));
    assert!(!bench.machine.remove_header(bench.now, "load"));
    bench.drain();
    let said = bench.said(session);
    assert_eq!(
        said[1..],
        [&update("new", &[("load", "3")]), &update("new", &[])]
    );
    assert!(bench.said(other).is_empty());
}

#[test]
fn whoever_comes_later_hears_the_new_values_in_hello_and_no_update() {
    let mut bench = Bench::new();
    set_header(&mut bench, "load", "3").unwrap();
    bench.machine.set_name(bench.now, "new").unwrap();
    for mut peer in [Peer::ours(1), Peer::new(2)] {
        let session = bench.meet(&mut peer);
        let hello = bench
            .sent
            .iter()
            .find_map(|(of, _, command)| match command {
                Command::Hello(hello) if *of == session => Some(hello.clone()),
                _ => None,
            });
        let hello = hello.unwrap();
        assert_eq!(
            (hello.name.as_str(), hello.headers["load"].as_str()),
            ("new", "3")
        );
        assert_eq!(hello.headers[UPDATE_HEADER], "1");
        bench.pass(secs(1));
        assert!(bench.said(session).is_empty());
    }
}

#[test]
fn a_change_between_our_hello_and_theirs_is_not_lost() {
    let mut bench = Bench::with(|config| config.name = "old".into());
    let mut peer = Peer::ours(1);
    bench.hear(&peer);
    let session = bench.last_session();
    bench.machine.set_name(bench.now, "new").unwrap();
    bench.drain();
    assert!(
        bench.said(session).is_empty(),
        "it hasn't shown that it can"
    );
    bench.greet(&mut peer);
    assert_eq!(bench.said(session), [&update("new", &[])]);
    bench.pass(secs(1));
    assert_eq!(bench.said(session).len(), 1);
}

#[test]
fn a_thousand_changes_at_once_are_two_updates() {
    let mut bench = Bench::with(|config| config.name = "us".into());
    let session = bench.meet(&mut Peer::ours(1));
    for number in 0..1000 {
        set_header(&mut bench, "load", &number.to_string()).unwrap();
    }
    assert_eq!(bench.said(session), [&update("us", &[("load", "0")])]);
    bench.pass(ms(99));
    assert_eq!(bench.said(session).len(), 1);
    bench.pass(ms(1));
    assert_eq!(
        bench.said(session)[1..],
        [&update("us", &[("load", "999")])]
    );
    bench.pass(secs(1));
    assert_eq!(bench.said(session).len(), 2);
}

#[test]
fn what_cannot_be_sent_is_refused_and_changes_nothing() {
    let mut bench = Bench::with(|config| {
        config.name = "us".into();
        config.limits.headers = 2;
    });
    let session = bench.meet(&mut Peer::ours(1));
    assert!(matches!(
        set_header(&mut bench, UPDATE_HEADER, "7"),
        Err(LimitError::Reserved { .. })
    ));
    assert!(bench.machine.set_name(bench.now, "").is_err());
    assert!(bench.machine.set_name(bench.now, &"n".repeat(256)).is_err());
    for key in ["a", "b"] {
        assert_eq!(set_header(&mut bench, key, "1"), Ok(true));
    }
    assert!(matches!(
        set_header(&mut bench, "c", "1"),
        Err(LimitError::TooMany { .. })
    ));
    // One that is there may change, though no other may come.
    assert_eq!(set_header(&mut bench, "b", "2"), Ok(true));
    bench.pass(secs(1));
    let last = bench.said(session).last().copied().cloned();
    assert_eq!(last, Some(update("us", &[("a", "1"), ("b", "2")])));
}

#[test]
fn a_peer_has_its_new_name_and_headers_without_ours() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.events();
    bench.say(
        &mut peer,
        update("lamp", &[("on", "yes"), ("X-ZRE-STATE", "2")]),
    );
    bench.say(&mut peer, whisper("after"));
    assert_eq!(
        bench.events(),
        ["update 01 lamp {\"on\": \"yes\"}", "whisper 01 after"]
    );
    assert_eq!(bench.machine.counters().unknown, 0);
}

#[test]
fn one_of_a_peer_that_has_not_shown_that_it_knows_it_is_counted() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(2);
    bench.meet(&mut peer);
    bench.events();
    bench.say(&mut peer, update("lamp", &[]));
    bench.say(&mut peer, whisper("after"));
    assert_eq!(bench.events(), ["whisper 02 after"]);
    assert_eq!(bench.machine.counters().unknown, 1);
}

#[test]
fn one_that_exceeds_a_limit_ends_the_session() {
    let mut bench = Bench::with(|config| config.limits.headers = 1);
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.events();
    let keys: Vec<String> = (0..18).map(|number| number.to_string()).collect();
    let headers: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    bench.say(&mut peer, update("lamp", &headers));
    assert_eq!(bench.events(), ["exit 01 protocol"]);
    assert_eq!(bench.machine.counters().limited, 1);
}

#[test]
fn two_of_ours_hear_each_other_and_nothing_follows_goodbye() {
    let mut net = Net::of(2);
    net.pass(secs(1));
    net.events(0);
    net.events(1);
    net.act(0, |machine, now| {
        machine.set_name(now, "renamed").unwrap();
    });
    net.pass(secs(1));
    assert_eq!(net.events(1), ["update 01 renamed {}"]);
    let mut bench = Bench::new();
    let session = bench.meet(&mut Peer::ours(1));
    bench.machine.shutdown(bench.now, secs(1));
    bench.drain();
    let before = bench.said(session).len();
    set_header(&mut bench, "load", "1").unwrap();
    assert_eq!(bench.said(session).len(), before);
    assert_eq!(bench.machine.state(), State::Draining);
}

#[test]
fn any_value_of_the_header_shows_it() {
    let mut bench = Bench::with(|config| config.name = "us".into());
    let mut peer = Peer::new(3);
    bench.hear(&peer);
    let session = bench.last_session();
    let hello = Hello {
        headers: [(UPDATE_HEADER.to_owned(), "2, and more".to_owned())].into(),
        ..peer.hello()
    };
    bench.say(&mut peer, Command::Hello(hello));
    set_header(&mut bench, "load", "1").unwrap();
    assert_eq!(bench.said(session), [&update("us", &[("load", "1")])]);
}
