//! Who leads a group.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;
use zre_proto::Command;
use zre_proto::machine::{ELECTION_HEADER, SessionId};

use crate::bench::{Bench, Peer, join, leave, ms, our_uuid, secs};
use crate::net::Net;

fn text(uuid: Uuid) -> zre_proto::Str {
    uuid.simple().to_string().to_uppercase().into()
}

pub(crate) fn elect(challenger: Uuid) -> Command {
    Command::Elect {
        group: "G".into(),
        challenger_id: text(challenger),
    }
}

pub(crate) fn leader(leader: Uuid) -> Command {
    Command::Leader {
        group: "G".into(),
        leader_id: text(leader),
    }
}

fn is_ballot(command: &Command) -> bool {
    matches!(command, Command::Elect { .. } | Command::Leader { .. })
}

impl Bench {
    /// What it has said of elections to one peer.
    fn ballots(&self, session: SessionId) -> Vec<Command> {
        let said = self.said(session).into_iter();
        said.filter(|command| is_ballot(command)).cloned().collect()
    }
}

impl Net {
    fn join_group(&mut self, index: usize, contests: bool) {
        self.act(index, |machine, now| {
            if contests {
                machine.contest(now, "G").unwrap();
            }
            machine.join(now, "G").unwrap();
        });
    }

    fn leaders(&self) -> Vec<Option<Uuid>> {
        let nodes = self.nodes.iter();
        nodes.map(|node| node.machine.leader("G")).collect()
    }

    fn ballots(&mut self, index: usize) -> usize {
        let sent = std::mem::take(&mut self.nodes[index].sent);
        sent.iter()
            .filter(|(_, command)| is_ballot(command))
            .count()
    }

    fn elections(&mut self, index: usize) -> Vec<String> {
        let mut events = self.events(index);
        events.retain(|event| event.starts_with("leader") || event.starts_with("undecided"));
        events
    }
}

#[test]
fn the_lowest_of_those_who_contest_leads_and_everybody_hears_it_once() {
    let mut net = Net::of(5);
    net.pass(secs(2));
    for index in [4, 3, 2, 1] {
        net.join_group(index, index >= 2);
        net.pass(ms(20));
    }
    net.pass(secs(2));
    let leader = net.uuid(2);
    assert_eq!(
        net.leaders(),
        [None, Some(leader), Some(leader), Some(leader), Some(leader)]
    );
    for index in 1..5 {
        let told = net.elections(index);
        assert_eq!(
            told.last().map(String::as_str),
            Some("leader 03 G"),
            "{told:?}"
        );
        let before = told.len();
        net.pass(secs(20));
        assert!(net.elections(index).is_empty(), "after {before}");
    }
    assert!(net.elections(0).is_empty(), "it isn't a member");
}

#[test]
fn an_election_of_two_takes_two_words_each() {
    let mut net = Net::of(2);
    net.pass(secs(2));
    net.join_group(0, true);
    net.join_group(1, true);
    net.pass(secs(1));
    assert_eq!(net.elections(0), ["leader 01 G"]);
    assert_eq!(net.elections(1), ["leader 01 G"]);
    // ELECT and LEADER from the first; from the other its own ELECT, which
    // nobody joins, the echo, and LEADER.
    assert_eq!(net.ballots(0), 2);
    assert_eq!(net.ballots(1), 3);
    net.pass(secs(60));
    assert_eq!(net.ballots(0) + net.ballots(1), 0);
}

#[test]
fn when_the_leader_goes_the_next_one_leads() {
    let mut net = Net::of(4);
    net.pass(secs(2));
    for index in 0..4 {
        net.join_group(index, index != 1);
    }
    net.pass(secs(2));
    assert_eq!(net.leaders(), [Some(net.uuid(0)); 4]);
    net.kill(0);
    net.pass(secs(2));
    assert_eq!(net.leaders()[1..], [Some(net.uuid(2)); 3]);
    // It leaves the group, and not the network.
    net.act(2, |machine, _| {
        machine.leave("G");
    });
    net.pass(secs(2));
    assert_eq!(net.leaders()[1], Some(net.uuid(3)));
    assert_eq!(net.leaders()[2], None);
    assert_eq!(net.leaders()[3], Some(net.uuid(3)));
    // Nobody is left who wants to.
    net.kill(3);
    net.pass(secs(60));
    assert_eq!(net.leaders()[1], None);
}

#[test]
fn who_is_alone_leads_after_a_while_and_gives_way() {
    let mut net = Net::of(1);
    net.join_group(0, false);
    net.act(0, |machine, now| {
        assert_eq!(machine.contest(now, "G"), Ok(true));
        assert_eq!(machine.contest(now, "G"), Ok(false));
        assert!(machine.contest(now, "").is_err());
    });
    net.pass(ms(4900));
    assert!(net.elections(0).is_empty());
    net.pass(ms(200));
    assert_eq!(net.elections(0), ["leader 01 G"]);
    let lower = net.start(|config| config.uuid = Uuid::nil());
    net.join_group(lower, true);
    net.pass(secs(2));
    assert_eq!(net.elections(0), ["leader 00 G"]);
    net.kill(lower);
    net.pass(secs(2));
    assert_eq!(net.elections(0), ["leader 01 G"]);
}

#[test]
fn nobody_hears_of_elections_who_never_showed_that_he_takes_part() {
    let mut bench = Bench::new();
    let mut peer = Peer::new(1);
    bench.machine.contest(bench.now, "G").unwrap();
    bench.machine.join(bench.now, "G").unwrap();
    let session = bench.meet(&mut peer);
    bench.say(&mut peer, join("G", 1));
    let _ = bench.events();
    for _ in 0..120 {
        bench.pass(secs(1));
        bench.say(&mut peer, Command::Ping(None));
    }
    assert!(bench.ballots(session).is_empty());
    assert_eq!(bench.events(), ["undecided G 01"], "once");
    bench.say(&mut peer, leave("G", 2));
    assert_eq!(
        bench.events(),
        [
            "leave 01 G".to_owned(),
            format!("leader {:02x} G", our_uuid().as_u128())
        ],
    );
}

#[test]
fn a_contest_with_one_that_only_speaks_when_spoken_to_by_elect() {
    // As C Zyre: nothing in its HELLO tells that it knows of elections.
    let mut bench = Bench::new();
    bench.machine.contest(bench.now, "G").unwrap();
    bench.machine.join(bench.now, "G").unwrap();
    let mut low = Peer::new(1);
    let its = low.uuid;
    assert!(its < our_uuid());
    let session = bench.meet(&mut low);
    bench.say(&mut low, join("G", 1));
    let _ = bench.events();
    assert!(bench.ballots(session).is_empty());
    bench.say(&mut low, elect(its));
    assert_eq!(bench.ballots(session), [elect(its)]);
    bench.say(&mut low, leader(its));
    assert!(bench.ballots(session).contains(&leader(its)));
    assert_eq!(bench.events(), ["leader 01 G"]);
    assert_eq!(bench.machine.leader("G"), Some(its));
}

#[test]
fn a_wave_of_our_own_is_finished_with_one_that_takes_part() {
    let mut bench = Bench::new();
    let mut high = Peer::new(250);
    let its = high.uuid;
    assert!(its > our_uuid());
    bench.machine.contest(bench.now, "G").unwrap();
    bench.machine.join(bench.now, "G").unwrap();
    let session = bench.meet(&mut high);
    bench.say(&mut high, join("G", 1));
    // It contests too: that shows that it takes part.
    bench.say(&mut high, elect(its));
    let ours = our_uuid();
    assert!(bench.ballots(session).contains(&elect(ours)));
    // A result that nobody has reached.
    bench.say(&mut high, leader(ours));
    assert!(!bench.ballots(session).contains(&leader(ours)));
    bench.say(&mut high, elect(ours));
    assert!(bench.ballots(session).contains(&leader(ours)));
    assert_eq!(bench.machine.leader("G"), None);
    bench.say(&mut high, leader(ours));
    assert_eq!(bench.machine.leader("G"), Some(ours));
}

#[test]
fn nonsense_leads_nowhere() {
    let mut bench = Bench::new();
    let mut peer = Peer::ours(1);
    let its = peer.uuid;
    let session = bench.meet(&mut peer);
    // Neither of a group that we aren't in, nor of one that it isn't in.
    bench.say(&mut peer, elect(its));
    bench.machine.join(bench.now, "G").unwrap();
    bench.say(&mut peer, elect(its));
    bench.say(&mut peer, join("G", 1));
    let text = Command::Elect {
        group: "G".into(),
        challenger_id: "the lowest".into(),
    };
    bench.say(&mut peer, text);
    bench.say(&mut peer, leader(its));
    let _ = bench.events();
    assert!(bench.ballots(session).is_empty());
    assert_eq!(bench.machine.counters().malformed, 1);
    // Somebody who isn't here can't win, and isn't waited for.
    bench.say(&mut peer, elect(Uuid::nil()));
    bench.say(&mut peer, leader(Uuid::nil()));
    bench.pass(secs(6));
    assert_eq!(bench.machine.leader("G"), None);
    bench.say(&mut peer, elect(its));
    bench.say(&mut peer, leader(its));
    assert_eq!(bench.machine.leader("G"), Some(its));
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize, bool),
    Leave(usize),
    Kill(usize),
    Start,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6usize, any::<bool>()).prop_map(|(node, contests)| Step::Join(node, contests)),
        2 => (0..6usize).prop_map(Step::Leave),
        1 => (0..6usize).prop_map(Step::Kill),
        1 => Just(Step::Start),
        4 => (0..30u16).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_all_agree_in_the_end(steps in proptest::collection::vec(step(), 1..60)) {
        let mut net = Net::of(4);
        let mut alive = vec![true; 4];
        let mut contests = vec![false; 4];
        net.pass(secs(2));
        for step in steps {
            match step {
                Step::Join(node, wants) if alive.get(node) == Some(&true) => {
                    contests[node] |= wants;
                    net.act(node, |machine, now| {
                        if wants {
                            machine.contest(now, "G").unwrap();
                        }
                        machine.join(now, "G").unwrap();
                    });
                }
                Step::Leave(node) if alive.get(node) == Some(&true) => {
                    net.act(node, |machine, _| {
                        machine.leave("G");
                    });
                }
                Step::Kill(node) if alive.get(node) == Some(&true) => {
                    alive[node] = false;
                    net.kill(node);
                }
                Step::Start if alive.len() < 7 => {
                    net.start(|_| {});
                    alive.push(true);
                    contests.push(false);
                }
                Step::Pass(time) => net.pass(Duration::from_millis(time.into())),
                _ => {}
            }
        }
        net.pass(secs(60));
        let members: Vec<usize> = (0..alive.len())
            .filter(|node| alive[*node])
            .filter(|node| net.nodes[*node].machine.own_groups().any(|group| &**group == "G"))
            .collect();
        let best = members.iter().filter(|node| contests[**node]).map(|node| net.uuid(*node)).min();
        for node in &members {
            let leader = net.nodes[*node].machine.leader("G");
            if best.is_some() {
                prop_assert_eq!(leader, best, "of node {}", node);
            }
        }
        // Silence, once it is over.
        for node in 0..alive.len() {
            net.nodes[node].sent.clear();
        }
        net.pass(secs(60));
        for node in 0..alive.len() {
            prop_assert_eq!(net.ballots(node), 0);
        }
    }
}

#[test]
fn only_members_that_know_nothing_of_elections_are_named() {
    let mut bench = Bench::new();
    bench.machine.contest(bench.now, "G").unwrap();
    bench.machine.join(bench.now, "G").unwrap();
    bench.drain();
    let (mut stranger, mut ours) = (Peer::new(0xa1), Peer::ours(0xa2));
    stranger.groups = vec!["G".into()];
    bench.meet(&mut stranger);
    let mut hello = ours.hello();
    hello.groups = vec!["G".into()];
    hello.headers.insert(ELECTION_HEADER.into(), "1".into());
    ours.next = 1;
    bench.say(&mut ours, Command::Hello(hello));
    bench.events();
    bench.pass(secs(6));
    // The other one waits for the stranger as well.
    let mut events = bench.events();
    events.retain(|event| event.starts_with("undecided"));
    assert_eq!(events, ["undecided G a1"]);
}
