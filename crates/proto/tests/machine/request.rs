//! Questions and answers, which only our own nodes exchange.

use zre_proto::machine::REQUEST_HEADER;
use zre_proto::{Command, Hello, Message};

use crate::bench::{Bench, Peer, secs, whisper};
use crate::net::Net;

fn request(id: u64, text: &str) -> Command {
    Command::Request {
        id,
        content: Message::from(text),
    }
}

fn reply(id: u64, text: Option<&str>) -> Command {
    Command::Reply {
        id,
        content: text.map(Message::from),
    }
}

#[test]
fn a_question_and_an_answer_between_two_of_ours() {
    let mut net = Net::of(2);
    net.pass(secs(1));
    net.events(0);
    net.events(1);
    net.say(0, 1, request(7, "how much?"));
    net.pass(secs(1));
    assert_eq!(net.events(1), ["request 01 7 how much?"]);
    net.say(1, 0, reply(7, Some("this much")));
    net.say(1, 0, reply(8, None));
    net.pass(secs(1));
    assert_eq!(
        net.events(0),
        ["reply 02 7 Some(\"this much\")", "reply 02 8 None"]
    );
}

#[test]
fn our_hello_says_that_we_take_them_and_so_does_theirs() {
    let mut bench = Bench::new();
    bench.meet(&mut Peer::ours(1));
    bench.meet(&mut Peer::new(2));
    let shown = bench.sent.iter().filter(
        |(.., command)| matches!(command, Command::Hello(hello) if hello.headers.get(REQUEST_HEADER).is_some_and(|value| value == "1")),
    );
    assert_eq!(shown.count(), 2);
    assert_eq!(bench.takes_requests, [true, false]);
    // Any value will do, and applications don't see it.
    let mut later = Peer::new(3);
    bench.hear(&later);
    let hello = Hello {
        headers: [(REQUEST_HEADER.to_owned(), "2, and more".to_owned())].into(),
        ..later.hello()
    };
    bench.say(&mut later, Command::Hello(hello));
    assert_eq!(bench.takes_requests, [true, false, true]);
}

#[test]
fn whoever_has_not_shown_to_know_of_them_is_not_heard() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.meet(&mut peer);
    bench.say(&mut peer, request(1, "?"));
    bench.say(&mut peer, reply(1, Some("!")));
    assert!(bench.events().is_empty());
    assert_eq!(bench.machine.counters().unknown, 2);
    // Their numbers count: the session goes on.
    bench.say(&mut peer, whisper("next"));
    assert_eq!(bench.events(), ["whisper 01 next"]);
}

#[test]
fn one_that_leaves_is_heard_to_the_end() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    bench.meet(&mut peer);
    bench.pass(secs(2));
    bench.hear_beacon(&peer.goodbye_beacon(), peer.ip);
    bench.say(&mut peer, reply(3, Some("the last word")));
    bench.say(&mut peer, Command::Goodbye);
    assert_eq!(
        bench.events(),
        [
            "state 01 ready exit",
            "reply 01 3 Some(\"the last word\")",
            "exit 01 goodbye"
        ]
    );
}
