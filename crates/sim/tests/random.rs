//! Networks to which chance does everything, by two hundred seeds, and by scripts
//! that proptest makes and shrinks.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use zre_proto::State;
use zre_sim::{Action, Options, Script, Start, Violation, Weather, World};

/// A network by its seed: three to six hosts, in weather from fair to terrible,
/// with something done every half second to every other second.
fn options(seed: u64, length: Duration) -> Options {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut options = Options::new(random.usize(3..=6), seed);
    options.weather = match random.u8(0..3) {
        0 => Weather::default(),
        1 => Weather::rough(0.05),
        _ => Weather::rough(0.3),
    };
    if options.weather.late > 0.0 && random.bool() {
        // Many a beacon comes when its process is no more.
        options.weather.late = 0.3;
    }
    options.stagger = Duration::from_millis(random.u64(0..3000));
    // In every third network some are of another implementation.
    if seed % 3 == 2 {
        options.legacy = random.usize(1..options.hosts);
        options.short_wrap = random.bool();
    }
    options.names = random.bool();
    // In every fourth, nodes dial one after another.
    if seed % 4 == 1 {
        options.dials = random.usize(1..=2);
    }
    // In every fifth, they know each other by configuration only.
    if seed % 5 == 3 {
        options.beacons = false;
        options.addresses = true;
    }
    options.mailbox = random.usize(10..200);
    let pace = Duration::from_millis(random.u64(500..2000));
    options.script = Script::random(&mut random, options.hosts, length, pace);
    options
}

/// On a broken promise, tells the shortest script that breaks one.
fn simulate(seeds: std::ops::Range<u64>) -> Result<(), Violation> {
    let length = Duration::from_secs(240);
    for seed in seeds {
        let options = options(seed, length);
        if let Err(violation) = World::simulate(options.clone(), length) {
            return Err(World::shrink(&options, length).unwrap_or(violation));
        }
    }
    Ok(())
}

#[test]
fn seeds_from_0() -> Result<(), Violation> {
    simulate(0..50)
}

#[test]
fn seeds_from_50() -> Result<(), Violation> {
    simulate(50..100)
}

#[test]
fn seeds_from_100() -> Result<(), Violation> {
    simulate(100..150)
}

#[test]
fn seeds_from_150() -> Result<(), Violation> {
    simulate(150..200)
}

/// Nothing is wrong but that one process after another is started anew.
#[test]
fn whoever_is_started_anew_is_met_within_five_seconds() -> Result<(), Violation> {
    let mut reunions = 0;
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut options = Options::new(random.usize(3..=6), seed);
        options.names = random.bool();
        options.legacy = random.usize(0..=1);
        for minute in 1..=6 {
            let now = minute * 60_000;
            let host = random.usize(0..options.hosts);
            let later = now + random.u64(1..5000);
            let end = match random.u8(0..3) {
                0 => Action::Kill(host),
                1 => Action::Cut(host),
                _ => Action::Shutdown(host, Duration::from_millis(random.u64(0..1000))),
            };
            let start = *random
                .choice(&[Start::Same, Start::Moved, Start::Anew])
                .unwrap();
            let peer = random.usize(0..options.hosts);
            options.script = options
                .script
                .at(now, Action::Request(peer, host, 20))
                .at(now, end)
                .at(later, Action::Start(host, start));
        }
        let world = World::simulate(options, Duration::from_secs(400))?;
        reunions += world.report().reunions;
    }
    assert!(reunions > 300, "{reunions}");
    Ok(())
}

/// That nothing is ever found wrong proves little if nothing ever happens.
#[test]
fn chance_does_all_there_is_to_do() -> Result<(), Violation> {
    let length = Duration::from_secs(240);
    let mut seen = std::collections::BTreeSet::new();
    let mut told = 0;
    for seed in 0..12 {
        let report = World::simulate(options(seed, length), length)?.report();
        let names = report.events.keys().chain(report.messages.keys());
        seen.extend(names.map(ToString::to_string));
        seen.extend(report.exits.into_keys());
        told += report.told;
    }
    let all = [
        "Enter",
        "Exit",
        "Evasive",
        "Silent",
        "Responsive",
        "Join",
        "Leave",
        "State",
        "Whisper",
        "Shout",
        "Request",
        "Reply",
        "Pong",
        "Leader",
        "HELLO",
        "WHISPER",
        "SHOUT",
        "JOIN",
        "LEAVE",
        "PING",
        "PING-OK",
        "GOODBYE",
        "STATE",
        "REQUEST",
        "REPLY",
        "ELECT",
        "LEADER",
        "goodbye",
        "disconnected",
        "expired",
    ];
    let missing: Vec<&str> = all.into_iter().filter(|it| !seen.contains(*it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(told > 0);
    Ok(())
}

fn action(hosts: usize) -> impl Strategy<Value = Action> {
    let node = 0..hosts;
    let pair = (0..hosts, 0..hosts);
    let group = (0..hosts, 0u8..3);
    let start = prop_oneof![Just(Start::Same), Just(Start::Moved), Just(Start::Anew)];
    let state = prop_oneof![
        Just(State::Ready),
        Just(State::Busy),
        Just(State::Draining),
        Just(State::Asleep)
    ];
    prop_oneof![
        group
            .clone()
            .prop_map(|(node, group)| Action::Join(node, group)),
        group
            .clone()
            .prop_map(|(node, group)| Action::Leave(node, group)),
        (pair.clone(), 1u16..100).prop_map(|((a, b), n)| Action::Whisper(a, b, n)),
        (pair.clone(), 1u16..100).prop_map(|((a, b), n)| Action::Request(a, b, n)),
        pair.clone().prop_map(|(a, b)| Action::Ping(a, b)),
        (node.clone(), 0u8..3).prop_map(|(node, group)| Action::Contest(node, group)),
        (group, 1u16..100).prop_map(|((a, group), n)| Action::Shout(a, group, n)),
        (node.clone(), state).prop_map(|(node, state)| Action::State(node, state)),
        proptest::collection::vec(0..hosts, 0..hosts).prop_map(Action::Partition),
        pair.clone().prop_map(|(a, b)| Action::Block(a, b)),
        Just(Action::Heal),
        pair.clone().prop_map(|(a, b)| Action::Reset(a, b)),
        node.clone().prop_map(Action::Stop),
        node.clone().prop_map(Action::Continue),
        node.clone().prop_map(Action::Sleep),
        node.clone().prop_map(Action::Wake),
        node.clone().prop_map(Action::Hold),
        node.clone().prop_map(Action::Read),
        node.clone().prop_map(Action::Kill),
        node.clone().prop_map(Action::Cut),
        (node.clone(), start).prop_map(|(node, start)| Action::Start(node, start)),
        (node, 0u64..3000).prop_map(|(node, ms)| Action::Shutdown(node, Duration::from_millis(ms))),
        (0u8..60).prop_map(Action::Loss),
        pair.prop_map(|(node, at)| Action::Found(node, at)),
    ]
}

fn script() -> impl Strategy<Value = Vec<(u64, Action)>> {
    proptest::collection::vec((0u64..60_000, action(4)), 0..60)
}

fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

proptest! {
    // The same scripts in each run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` give
    // others and more.
    #![proptest_config(ProptestConfig {
        cases: cases(),
        rng_seed: std::env::var("PROPTEST_RNG_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .map_or(RngSeed::Fixed(36), RngSeed::Fixed),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_script_breaks_a_promise(
        script in script(),
        seed: u64,
        beacons in prop::bool::weighted(0.9),
        legacy in 0usize..3,
    ) {
        let mut options = Options::new(4, seed);
        options.legacy = legacy;
        options.beacons = beacons;
        for (at, action) in script {
            options.script = options.script.at(at, action);
        }
        if beacons {
            let simulated = World::simulate(options, Duration::from_secs(60));
            prop_assert!(simulated.is_ok(), "{}", simulated.unwrap_err());
        } else {
            // Without beacons they may never meet, and yet nothing may go wrong.
            let mut world = World::new(options);
            let simulated = world.run(Duration::from_secs(180));
            prop_assert!(simulated.is_ok(), "{}", simulated.unwrap_err());
        }
    }
}
