//! Two nodes and more, over a network with a delay.

use std::time::Duration;

use zre_proto::State;

use crate::bench::{ms, secs};
use crate::net::Net;

fn assert_met(net: &mut Net, context: &str) {
    assert_eq!(net.events(0), ["enter 02"], "{context}");
    assert_eq!(net.events(1), ["enter 01"], "{context}");
    let hellos = net.nodes[0].hellos + net.nodes[1].hellos;
    assert_eq!(hellos, 2, "no re-greeting: {context}");
}

#[test]
fn whoever_starts_first_each_enters_once_and_each_greets_once() {
    // From both at once to one long before the other, in steps finer than the
    // delay of the network.
    for apart in (0..40).chain([100, 500, 999, 1000, 1001, 5000]) {
        let mut net = Net::new();
        net.start(|_| {});
        net.pass(Duration::from_micros(apart * 250));
        net.start(|_| {});
        net.pass(secs(60));
        assert_met(&mut net, &format!("{apart} apart"));
    }
}

#[test]
fn a_node_that_hears_no_beacons_is_met_all_the_same() {
    let mut net = Net::new();
    net.start(|_| {});
    // It sends none either: only its HELLO can tell of it.
    net.start(|config| config.interval = None);
    net.pass(secs(60));
    assert_met(&mut net, "one-sided");
}

#[test]
fn ten_nodes_all_enter_at_each_other_once() {
    let mut net = Net::of(10);
    net.pass(secs(60));
    for index in 0..10 {
        let events = net.events(index);
        assert_eq!(events.len(), 9, "{events:?}");
        assert_eq!(net.nodes[index].hellos, 9);
    }
}

#[test]
fn groups_and_states_are_the_same_on_both_sides_whenever_they_change() {
    for apart in 0..12 {
        let mut net = Net::of(2);
        net.pass(Duration::from_micros(apart * 500));
        net.act(0, |machine, now| {
            machine.join(now, "A").unwrap();
            machine.set_state(now, State::Busy);
        });
        net.pass(Duration::from_micros(500));
        net.act(0, |machine, now| {
            machine.leave("A");
            machine.join(now, "B").unwrap();
            machine.set_state(now, State::Other(200));
        });
        net.pass(secs(1));
        let uuid = net.uuid(0);
        let groups = net.nodes[1].machine.peer_groups(uuid).unwrap();
        assert_eq!(groups.iter().map(|g| &**g).collect::<Vec<_>>(), ["B"]);
        let states: Vec<String> = net.events(1);
        let mut told = states.iter().filter(|event| event.starts_with("state"));
        let last = told.next_back().map(String::as_str);
        // Where the whole change came before our HELLO there is nothing to tell.
        assert!(
            last.is_none_or(|event| event.ends_with("200")),
            "{apart}: {states:?}"
        );
        assert_eq!(net.nodes[1].machine.counters().status, 0);
    }
}

#[test]
fn a_process_that_dies_exits_at_once_and_its_successor_enters() {
    let mut net = Net::of(2);
    net.pass(secs(2));
    net.events(0);
    net.kill(1);
    net.pass(ms(60));
    assert_eq!(net.events(0), ["exit 02 disconnected"]);
    let uuid = net.uuid(1);
    net.start(|config| config.uuid = uuid);
    net.pass(secs(30));
    assert_eq!(net.events(0), ["enter 02"]);
    assert_eq!(net.events(2), ["enter 01"]);
}

#[test]
fn a_process_that_dies_and_is_back_before_we_know_enters_again() {
    let mut net = Net::of(2);
    net.pass(secs(20));
    net.events(0);
    let uuid = net.uuid(1);
    net.kill(1);
    net.start(|config| config.uuid = uuid);
    net.pass(secs(60));
    let events = net.events(0);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[0].starts_with("exit 02"));
    assert_eq!(events[1], "enter 02");
    assert_eq!(net.events(2), ["enter 01"]);
}

#[test]
fn nodes_of_one_process_meet_like_any_others() {
    let mut net = Net::new();
    net.in_memory = true;
    net.identities = true;
    net.start(|_| {});
    net.start(|_| {});
    net.pass(secs(600));
    assert_met(&mut net, "in memory");
}

#[test]
fn a_node_that_leaves_and_comes_back_under_its_uuid_and_port_enters_at_once() {
    let mut net = Net::of(2);
    net.pass(secs(5));
    net.events(0);
    let uuid = net.uuid(1);
    net.act(1, |machine, now| machine.shutdown(now, secs(1)));
    net.pass(ms(100));
    assert_eq!(
        net.events(0),
        ["state 02 ready draining", "exit 02 goodbye"]
    );
    net.kill(1);
    net.start(|config| {
        config.uuid = uuid;
        config.state = State::Init;
    });
    net.pass(ms(100));
    assert_eq!(net.events(0), ["enter 02"], "no tombstone holds it off");
}
