//! Round trips that the application asks for.

use zre_proto::Command;
use zre_proto::machine::PingRefused;

use crate::bench::{Bench, Peer, ms, secs, whisper};
use crate::net::Net;

impl Bench {
    fn ping(&mut self, peer: &Peer) -> Result<(), PingRefused> {
        let asked = self.machine.ping(self.now, peer.uuid);
        self.drain();
        asked
    }
}

#[test]
fn a_ping_is_answered_after_its_round_trip() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.ping(&peer).unwrap();
    assert_eq!(bench.pings(session), 1);
    bench.pass(ms(3));
    bench.say(&mut peer, whisper("not the answer"));
    bench.pass(ms(4));
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["whisper 01 not the answer", "pong 01 7ms"]);
    // Nobody has asked for more.
    bench.say(&mut peer, Command::PingOk(None));
    assert!(bench.events().is_empty());
    bench.ping(&peer).unwrap();
    bench.pass(ms(1));
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["pong 01 1ms"]);
}

#[test]
fn several_are_answered_in_their_order() {
    let mut bench = Bench::new();
    let mut near = Peer::new(1);
    let mut far = Peer::ours(2);
    bench.meet(&mut near);
    bench.meet(&mut far);
    for _ in 0..2 {
        bench.ping(&near).unwrap();
        bench.ping(&far).unwrap();
        bench.pass(ms(10));
    }
    bench.say(&mut near, Command::PingOk(None));
    bench.say(&mut near, Command::PingOk(None));
    bench.pass(ms(10));
    bench.say(&mut far, Command::PingOk(None));
    bench.say(&mut far, Command::PingOk(None));
    assert_eq!(
        bench.events(),
        [
            "pong 01 20ms",
            "pong 01 10ms",
            "pong 02 30ms",
            "pong 02 20ms"
        ]
    );
}

#[test]
fn a_ping_of_our_own_before_it_is_not_its_answer() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    bench.pass(ms(5100));
    assert_eq!(bench.pings(session), 1, "it was silent");
    bench.ping(&peer).unwrap();
    bench.pass(ms(100));
    bench.say(&mut peer, Command::PingOk(None));
    assert!(bench.events().is_empty(), "that was for ours");
    bench.pass(ms(100));
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["pong 01 200ms"]);
}

#[test]
fn nobody_who_is_not_here_is_pinged() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    assert_eq!(bench.ping(&peer), Err(PingRefused::Gone));
    bench.hear(&peer);
    assert_eq!(bench.ping(&peer), Err(PingRefused::Gone), "not yet");
    bench.greet(&mut peer);
    bench.ping(&peer).unwrap();
    bench.events();
    bench.connection_closes(&peer);
    assert_eq!(bench.events(), ["exit 01 disconnected"]);
    assert_eq!(bench.ping(&peer), Err(PingRefused::Gone));
    // Its next life owes nothing for this one.
    peer.connection += 1;
    bench.pass(secs(20));
    let session = bench.meet(&mut peer);
    bench.say(&mut peer, Command::PingOk(None));
    assert!(bench.events().is_empty());
    bench.ping(&peer).unwrap();
    assert_eq!(bench.pings(session), 1);
    bench.say(&mut peer, Command::PingOk(None));
    assert_eq!(bench.events(), ["pong 01 0ns"]);
    bench.shut_down(secs(1));
    assert_eq!(bench.ping(&peer), Err(PingRefused::Gone), "we leave");
}

#[test]
fn a_peer_that_does_not_answer_holds_a_bounded_number() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    let session = bench.meet(&mut peer);
    let open = (0..1000).take_while(|_| bench.ping(&peer).is_ok()).count();
    assert_eq!(open, 32);
    assert_eq!(bench.pings(session), 32, "no PING for what is refused");
    assert_eq!(bench.ping(&peer), Err(PingRefused::TooMany));
    bench.say(&mut peer, Command::PingOk(None));
    bench.ping(&peer).unwrap();
    bench.events();
    for _ in 0..40 {
        bench.say(&mut peer, Command::PingOk(None));
    }
    assert_eq!(bench.events().len(), 32, "one for each, and no more");
}

#[test]
fn a_round_trip_is_what_the_network_takes() {
    for in_memory in [false, true] {
        let mut net = Net::new();
        net.in_memory = in_memory;
        net.start(|_| {});
        net.start(|_| {});
        net.pass(secs(1));
        net.events(0);
        let uuid = net.uuid(1);
        for _ in 0..3 {
            net.act(0, |machine, now| machine.ping(now, uuid).unwrap());
        }
        net.pass(ms(100));
        assert_eq!(net.events(0), ["pong 02 2ms"; 3]);
        assert!(net.events(1).iter().all(|event| event == "enter 01"));
    }
}
