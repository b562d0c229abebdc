//! Peers without keys, of a node that has keys: which groups they can be in.

use zre_proto::Command;

use crate::bench::{Bench, Peer, join, leave, whisper};

fn shout(group: &str, text: &str) -> Command {
    Command::Shout {
        group: group.into(),
        content: text.to_owned().into(),
    }
}

#[test]
fn peers_without_keys_are_in_the_groups_that_are_open_to_them() {
    let mut bench = Bench::with(|config| {
        config.plain_groups = ["open".to_owned()].into();
    });
    let groups = vec!["open".to_owned(), "closed".to_owned()];
    let mut plain = Peer::new(1);
    plain.is_plain = true;
    plain.groups.clone_from(&groups);
    bench.meet(&mut plain);
    let mut keyed = Peer::new(2);
    keyed.groups = groups;
    bench.meet(&mut keyed);
    for peer in [&mut plain, &mut keyed] {
        bench.say(peer, shout("open", "a"));
        bench.say(peer, shout("closed", "b"));
        bench.say(peer, join("later", 1));
        bench.say(peer, shout("later", "c"));
        bench.say(peer, leave("later", 2));
        bench.say(peer, leave("open", 3));
        bench.say(peer, join("open", 4));
        bench.say(peer, whisper("d"));
    }
    let of_plain = [
        "shout 01 open a",
        "leave 01 open",
        "join 01 open",
        "whisper 01 d",
    ];
    let of_keyed = [
        "shout 02 open a",
        "shout 02 closed b",
        "join 02 later",
        "shout 02 later c",
        "leave 02 later",
        "leave 02 open",
        "join 02 open",
        "whisper 02 d",
    ];
    let events = bench.events();
    let told: Vec<&str> = events.iter().map(String::as_str).collect();
    assert_eq!(told, [&of_plain[..], &of_keyed[..]].concat());
    let members = |peer: &Peer| {
        bench
            .machine
            .peer_groups(peer.uuid)
            .map(|groups| groups.len())
    };
    assert_eq!((members(&plain), members(&keyed)), (Some(1), Some(2)));
    // "closed" in its HELLO, the JOIN, and two shouts.
    let counters = bench.machine.counters();
    assert_eq!((counters.plain, counters.status), (4, 0));
}

#[test]
fn without_a_group_that_is_open_they_whisper_only() {
    let mut bench = Bench::new();
    let mut plain = Peer::new(1);
    plain.is_plain = true;
    plain.groups = vec!["any".to_owned()];
    bench.meet(&mut plain);
    bench.say(&mut plain, shout("any", "a"));
    bench.say(&mut plain, whisper("b"));
    assert_eq!(bench.events(), ["whisper 01 b"]);
}
