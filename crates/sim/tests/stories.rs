//! Stories of nodes that meet, part and come back, in virtual time.
//!
//! Every promise that the simulator knows is checked after every step of each.

use std::time::Duration;

use zre_proto::State;
use zre_proto::machine::ExitReason;
use zre_sim::{Action, Options, Start, Violation, Weather, World};

type Outcome = Result<(), Violation>;

const SEEDS: std::ops::Range<u64> = 0..20;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Nodes that know each other, on a network without faults.
fn met(hosts: usize, seed: u64) -> Result<World, Violation> {
    let mut world = World::new(Options::new(hosts, seed));
    world.run(seconds(3))?;
    world.check_whole()?;
    Ok(world)
}

#[test]
fn two_greet_each_other_once_whoever_comes_first() -> Outcome {
    for stagger in [0, 1, 3, 10, 1000] {
        for seed in 0..100 {
            let mut options = Options::new(2, seed);
            options.stagger = millis(stagger);
            let mut world = World::new(options);
            world.run(seconds(60))?;
            world.check_whole()?;
            let report = world.report();
            assert_eq!(report.sent("HELLO"), 2, "seed {seed}, stagger {stagger}");
            assert_eq!(report.dials, 2);
            assert_eq!((report.seen("Enter"), report.seen("Exit")), (2, 0));
        }
    }
    Ok(())
}

#[test]
fn a_newcomer_is_not_kept_waiting_for_the_next_beacon() -> Outcome {
    for seed in SEEDS {
        let mut world = World::new(Options::new(2, seed));
        while !(world.sees(0, 1) && world.sees(1, 0)) {
            world.run(millis(1))?;
            assert!(world.now() < seconds(3));
        }
        // The later of the two started within the first second.
        assert!(world.now() <= millis(1000 + 20), "{:?}", world.now());
    }
    Ok(())
}

#[test]
fn twenty_meet_at_once_and_nobody_twice() -> Outcome {
    let mut options = Options::new(20, 1);
    options.stagger = Duration::ZERO;
    let mut world = World::new(options);
    world.run(seconds(600))?;
    world.check_whole()?;
    let report = world.report();
    assert_eq!(report.seen("Enter"), 20 * 19);
    assert_eq!(report.sent("HELLO"), 20 * 19);
    assert_eq!(report.seen("Exit") + report.seen("Evasive"), 0);
    Ok(())
}

#[test]
fn loss_alone_parts_nobody() -> Outcome {
    let mut options = Options::new(8, 5);
    options.weather = Weather::rough(0.2);
    let mut world = World::new(options);
    world.run(seconds(600))?;
    world.check_whole()?;
    let report = world.report();
    assert_eq!((report.seen("Enter"), report.seen("Exit")), (8 * 7, 0));
    Ok(())
}

#[test]
fn groups_that_are_joined_while_all_meet_are_agreed_upon() -> Outcome {
    for seed in SEEDS {
        let mut options = Options::new(6, seed);
        options.stagger = millis(50);
        for step in 0..60 {
            let node = usize::try_from(step % 6).unwrap_or(0);
            let group = u8::try_from(step % 4).unwrap_or(0);
            let action = if step % 3 == 2 {
                Action::Leave(node, group)
            } else {
                Action::Join(node, group)
            };
            options.script = options.script.at(step * 2, action);
        }
        let mut world = World::new(options);
        world.run(seconds(2))?;
        world.check_whole()?;
        assert!(world.report().sent("JOIN") > 0);
    }
    Ok(())
}

#[test]
fn whoever_shuts_down_has_delivered_everything_and_is_gone_at_once() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        world.act(Action::Whisper(0, 1, 1000))?;
        world.act(Action::Whisper(0, 2, 1000))?;
        world.act(Action::Shutdown(0, seconds(5)))?;
        world.run(millis(150))?;
        let report = world.report();
        assert_eq!(report.delivered, 2000);
        assert_eq!(report.exited(ExitReason::Goodbye), 2);
        assert_eq!(report.seen("Exit"), 2);
        assert!(world.machine(0).is_none(), "it has stopped");
        world.run(seconds(100))?;
        world.check_whole()?;
        assert_eq!(
            world.report().seen("Enter"),
            6,
            "its late beacons raise no ghost"
        );
    }
    Ok(())
}

#[test]
fn a_process_that_dies_is_gone_at_once() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        world.act(Action::Kill(0))?;
        world.run(millis(100))?;
        let report = world.report();
        assert_eq!(report.exited(ExitReason::Disconnected), 2);
        world.run(seconds(100))?;
        world.check_whole()?;
        assert_eq!(world.report().seen("Exit"), 2);
    }
    Ok(())
}

#[test]
fn a_host_that_loses_power_is_given_up_step_by_step() -> Outcome {
    let mut world = met(2, 1)?;
    world.act(Action::Cut(0))?;
    world.run(seconds(8))?;
    let report = world.report();
    assert_eq!((report.seen("Evasive"), report.seen("Silent")), (1, 0));
    world.run(seconds(10))?;
    assert_eq!(world.report().seen("Silent"), 1);
    assert_eq!(world.report().seen("Exit"), 0);
    world.run(seconds(14))?;
    let report = world.report();
    assert_eq!(report.exited(ExitReason::Expired), 1);
    assert_eq!((report.seen("Evasive"), report.seen("Silent")), (1, 1));
    Ok(())
}

#[test]
fn whoever_comes_back_is_met_again_once() -> Outcome {
    for start in [Start::Same, Start::Moved, Start::Anew] {
        for seed in SEEDS {
            let mut world = met(4, seed)?;
            world.act(Action::Join(1, 0))?;
            world.act(Action::Start(0, start))?;
            world.run(seconds(3))?;
            world.check_whole()?;
            let report = world.report();
            // Three lose it, and meet it again; it meets three.
            assert_eq!(report.seen("Exit"), 3, "{start:?}, seed {seed}");
            assert_eq!(report.seen("Enter"), 12 + 6, "{start:?}, seed {seed}");
        }
    }
    Ok(())
}

#[test]
fn a_host_that_is_back_before_anybody_noticed_is_met_again() -> Outcome {
    for start in [Start::Same, Start::Moved, Start::Anew] {
        for seed in SEEDS {
            let mut world = met(3, seed)?;
            world.act(Action::Cut(0))?;
            world.run(millis(800))?;
            world.act(Action::Start(0, start))?;
            world.run(seconds(45))?;
            world.check_whole()?;
            assert!(world.report().most_enters <= 2, "{start:?}, seed {seed}");
        }
    }
    Ok(())
}

#[test]
fn a_short_stop_parts_nobody() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        world.act(Action::Stop(0))?;
        world.run(seconds(3))?;
        world.act(Action::Continue(0))?;
        world.run(seconds(60))?;
        world.check_whole()?;
        assert_eq!(world.report().seen("Exit"), 0);
    }
    Ok(())
}

#[test]
fn a_long_stop_is_an_exit_and_a_new_meeting() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        world.act(Action::Stop(0))?;
        world.run(seconds(40))?;
        assert_eq!(world.report().exited(ExitReason::Expired), 2);
        world.act(Action::Continue(0))?;
        world.run(seconds(40))?;
        world.check_whole()?;
        assert!(world.report().most_enters <= 2, "seed {seed}");
    }
    Ok(())
}

#[test]
fn a_laptop_that_wakes_judges_nobody_and_is_back_at_once() -> Outcome {
    for (sleep, exits) in [(10, false), (3600, true)] {
        for seed in SEEDS {
            let mut world = met(4, seed)?;
            world.act(Action::Sleep(0))?;
            world.run(seconds(sleep))?;
            let before = world.report();
            assert_eq!(before.seen("Exit") > 0, exits);
            world.act(Action::Wake(0))?;
            world.run(seconds(5))?;
            world.check_whole()?;
            let report = world.report();
            assert!(report.most_enters <= 2, "seed {seed}");
            assert_eq!(
                report.exited(ExitReason::Expired),
                before.exited(ExitReason::Expired)
            );
        }
    }
    Ok(())
}

#[test]
fn an_application_that_does_not_read_loses_nothing_and_nobody() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        world.act(Action::Hold(0))?;
        world.act(Action::Whisper(1, 0, 1000))?;
        world.run(seconds(90))?;
        assert_eq!(world.report().delivered, 0);
        world.act(Action::Read(0))?;
        world.run(seconds(5))?;
        world.check_whole()?;
        world.check_ledgers()?;
        let report = world.report();
        assert_eq!(report.delivered, 1000);
        // The others have heard its PINGs all the time.
        assert_eq!(
            report.seen("Exit") + report.seen("Silent"),
            0,
            "seed {seed}"
        );
    }
    Ok(())
}

#[test]
fn a_short_partition_parts_nobody_and_a_long_one_everybody_once() -> Outcome {
    for (length, exits) in [(10, 0), (60, 8)] {
        for seed in SEEDS {
            let mut world = met(4, seed)?;
            world.act(Action::Join(0, 1))?;
            world.act(Action::Partition(vec![0, 1]))?;
            world.act(Action::Join(2, 1))?;
            world.run(seconds(length))?;
            world.act(Action::Heal)?;
            world.run(seconds(35))?;
            world.check_whole()?;
            world.check_ledgers()?;
            assert_eq!(world.report().seen("Exit"), exits, "seed {seed}");
        }
    }
    Ok(())
}

#[test]
fn what_cannot_arrive_any_more_is_told() -> Outcome {
    for seed in SEEDS {
        let mut world = met(2, seed)?;
        world.act(Action::Block(0, 1))?;
        world.act(Action::Whisper(0, 1, 500))?;
        world.run(seconds(60))?;
        world.act(Action::Heal)?;
        world.run(seconds(60))?;
        world.check_whole()?;
        world.check_ledgers()?;
        let report = world.report();
        assert_eq!(report.delivered + report.told, 500);
    }
    Ok(())
}

#[test]
fn links_that_break_a_hundred_times_lose_nothing_silently() -> Outcome {
    let mut world = met(3, 3)?;
    for _ in 0..100 {
        world.act(Action::Whisper(0, 1, 20))?;
        world.act(Action::Whisper(1, 0, 20))?;
        world.run(millis(1))?;
        world.act(Action::Reset(0, 1))?;
        world.run(seconds(20))?;
    }
    world.settle()?;
    let report = world.report();
    assert!(report.told > 0 && report.delivered > 0);
    assert_eq!(report.seen("Exit"), 200);
    Ok(())
}

#[test]
fn numbers_go_round_without_a_gap() -> Outcome {
    let mut world = met(2, 1)?;
    for _ in 0..80 {
        world.act(Action::Whisper(0, 1, 1800))?;
        world.run(millis(100))?;
    }
    let report = world.report();
    assert_eq!(report.delivered, 80 * 1800, "more than twice round");
    assert_eq!(report.seen("Exit"), 0);
    Ok(())
}

#[test]
fn nodes_without_beacons_meet_where_they_are_told_to_look() -> Outcome {
    for seed in SEEDS {
        let mut options = Options::new(3, seed);
        options.beacons = false;
        // In a ring, and the last pair from both ends at once.
        for (node, at) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
            options.script = options.script.at(1500, Action::Found(node, at));
        }
        let mut world = World::new(options);
        world.run(seconds(10))?;
        world.check_whole()?;
        let report = world.report();
        assert_eq!(report.seen("Enter"), 6);
        assert!(
            report.seen("Exit") <= 2,
            "both ends dialled at once, {report}"
        );
        world.run(seconds(300))?;
        world.check_whole()?;
        assert_eq!(world.report().seen("Exit"), report.seen("Exit"));
    }
    Ok(())
}

/// The simulator's first find: the node that answers isn't the one that was
/// dialled, and a second link to it would take the place of the first.
#[test]
fn somebody_new_at_an_old_address_is_met_once() -> Outcome {
    for seed in SEEDS {
        for found in [false, true] {
            let mut world = met(2, seed)?;
            if found {
                world.act(Action::Found(0, 1))?;
                world.run(seconds(1))?;
            }
            world.act(Action::Start(1, Start::Anew))?;
            world.run(seconds(60))?;
            world.check_whole()?;
            let report = world.report();
            assert_eq!(
                (report.seen("Enter"), report.seen("Exit")),
                (4, 1),
                "{seed}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_state_is_seen_by_all_and_a_legacy_default_by_none() -> Outcome {
    let mut world = met(5, 1)?;
    world.act(Action::State(0, State::Busy))?;
    world.run(millis(100))?;
    world.check_whole()?;
    assert_eq!(world.report().seen("State"), 4);
    world.act(Action::State(0, State::Busy))?;
    world.act(Action::State(0, State::Other(200)))?;
    world.run(seconds(30))?;
    world.check_whole()?;
    assert_eq!(world.report().seen("State"), 8, "each transition once");
    Ok(())
}

/// A cloned image. In an inbox a new connection takes the place of the old one of
/// the same identity, so the two are heard in turns, and can't be kept apart; but
/// the application is told, the turns are slow, and nobody else suffers.
#[test]
fn two_with_one_uuid_are_told_of_once_and_storm_nobody() -> Outcome {
    for seed in SEEDS {
        let mut world = met(4, seed)?;
        world.act(Action::Kill(2))?;
        world.run(seconds(1))?;
        world.clone_of(2, 1);
        let before = world.report();
        world.run(seconds(600))?;
        let report = world.report();
        let told = report.seen("Conflict");
        assert!((2..=4).contains(&told), "seed {seed}: {report}");
        assert!(report.most_enters <= 100, "seed {seed}: {report}");
        assert!(world.sees(0, 3) && world.sees(3, 0));
        let third = report.exited(ExitReason::Expired) - before.exited(ExitReason::Expired);
        assert_eq!(third, 0, "seed {seed}: {report}");
    }
    Ok(())
}

/// A network of ours and, at the end, others.
fn mixed(ours: usize, others: usize, seed: u64) -> Options {
    let mut options = Options::new(ours + others, seed);
    options.legacy = others;
    options
}

#[test]
fn another_implementation_is_greeted_once_whoever_comes_first() -> Outcome {
    for stagger in [0, 1, 3, 1000] {
        for seed in 0..50 {
            let mut options = mixed(1, 1, seed);
            options.stagger = millis(stagger);
            let mut world = World::new(options);
            world.run(seconds(60))?;
            world.check_whole()?;
            let report = world.report();
            assert_eq!(report.sent("HELLO"), 2, "seed {seed}, stagger {stagger}");
            assert_eq!((report.seen("Enter"), report.seen("Exit")), (2, 0));
            assert_eq!(report.seen("Evasive"), 0);
        }
    }
    Ok(())
}

#[test]
fn another_implementation_hears_of_every_group_and_never_asserts() -> Outcome {
    for seed in SEEDS {
        let mut options = mixed(3, 2, seed);
        options.stagger = millis(50);
        for step in 0..600 {
            let node = usize::try_from(step % 5).unwrap_or(0);
            let group = u8::try_from(step % 3).unwrap_or(0);
            let action = if step % 2 == 0 {
                Action::Join(node, group)
            } else {
                Action::Leave(node, group)
            };
            options.script = options.script.at(step * 3, action);
        }
        let mut world = World::new(options);
        world.run(seconds(5))?;
        world.check_whole()?;
    }
    Ok(())
}

#[test]
fn another_implementation_sees_us_leave_and_we_see_it() -> Outcome {
    for seed in SEEDS {
        for leaver in [0, 2] {
            let mut world = World::new(mixed(2, 2, seed));
            world.run(seconds(3))?;
            world.act(Action::Shutdown(leaver, seconds(1)))?;
            world.run(millis(150))?;
            let report = world.report();
            let goodbyes = report.exited(ExitReason::Goodbye);
            assert_eq!(report.seen("Exit"), 3, "seed {seed}: {report}");
            // Its single datagram races the end of its links; ours comes first.
            assert!(goodbyes == 3 || leaver == 2, "seed {seed}: {report}");
            world.run(seconds(60))?;
            world.check_whole()?;
            assert_eq!(world.report().seen("Enter"), 12, "seed {seed}");
        }
    }
    Ok(())
}

#[test]
fn whoever_comes_back_to_another_implementation_is_met_again() -> Outcome {
    for start in [Start::Same, Start::Moved, Start::Anew] {
        for seed in SEEDS {
            for comer in [0, 3] {
                let mut world = World::new(mixed(2, 2, seed));
                world.run(seconds(3))?;
                world.act(Action::Start(comer, start))?;
                world.run(seconds(60))?;
                world.check_whole()?;
                let report = world.report();
                assert!(report.most_enters <= 2, "{start:?}, {comer}, seed {seed}");
            }
        }
    }
    Ok(())
}

/// pyre goes from 65534 to 0. From us to it the first session breaks there, once;
/// from it to us none does.
#[test]
fn numbers_go_round_with_one_that_goes_round_early() -> Outcome {
    let mut options = mixed(1, 1, 1);
    options.short_wrap = true;
    let mut world = World::new(options);
    world.run(seconds(3))?;
    for (from, to, exits) in [(1, 0, 0), (0, 1, 2)] {
        for _ in 0..80 {
            world.act(Action::Whisper(from, to, 1800))?;
            world.run(seconds(1))?;
        }
        let report = world.report();
        assert_eq!(report.seen("Exit"), exits, "{report}");
        world.check_whole()?;
    }
    assert!(world.report().delivered > 2 * 75 * 1800);
    Ok(())
}

#[test]
fn one_seed_gives_one_course_of_things() -> Outcome {
    let trace = |seed| {
        let mut options = Options::new(5, seed);
        options.weather = Weather::rough(0.1);
        options.script = zre_sim::Script::default()
            .at(1500, Action::Join(0, 0))
            .at(2000, Action::Shout(1, 0, 3))
            .at(3000, Action::Kill(2))
            .at(5000, Action::Start(2, Start::Anew));
        let mut world = World::new(options);
        world.run(seconds(60))?;
        Ok::<_, Violation>(world.report())
    };
    assert_eq!(trace(1)?, trace(1)?);
    assert_ne!(trace(1)?.trace, trace(2)?.trace);
    Ok(())
}

/// Ten times a second, somebody at another host greets under the UUID of a healthy node,
/// and names its endpoint.
#[test]
fn claims_to_a_uuid_part_nobody_and_cost_no_message() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        for _ in 0..300 {
            world.act(Action::Claim(2, 1, 0))?;
            world.act(Action::Whisper(1, 0, 5))?;
            world.run(millis(100))?;
        }
        world.run(seconds(1))?;
        world.check_whole()?;
        let report = world.report();
        assert_eq!((report.seen("Enter"), report.seen("Exit")), (6, 0));
        assert_eq!(report.seen("Conflict"), 1, "seed {seed}");
        assert_eq!((report.delivered, report.full + report.told), (1500, 0));
    }
    Ok(())
}

/// The healthy node restarts meanwhile, under the same UUID and at the same port.
#[test]
fn who_restarts_among_claims_is_met_again() -> Outcome {
    for seed in SEEDS {
        let mut world = met(3, seed)?;
        let mut met_after = None;
        for round in 0..600 {
            world.act(Action::Claim(2, 1, 0))?;
            if round == 100 {
                world.act(Action::Start(1, Start::Same))?;
            }
            world.run(millis(100))?;
            let meet = world.sees(0, 1) && world.sees(1, 0);
            if round > 100 && meet && met_after.is_none() {
                met_after = Some(round - 100);
            }
        }
        assert!(
            met_after.is_some_and(|rounds| rounds <= 10),
            "{met_after:?}"
        );
        world.run(seconds(15))?;
        world.check_whole()?;
    }
    Ok(())
}

/// Fifty nodes beacon four times a second, all together, and yet two halves that were cut off
/// for long find each other at once.
#[test]
fn a_crowd_beacons_rarely_and_finds_itself_again_after_a_cut() -> Outcome {
    let hosts = 50;
    for seed in SEEDS.take(2) {
        let mut world = met(hosts, seed)?;
        world.run(seconds(120))?;
        let before = world.report().beacons;
        world.run(seconds(100))?;
        let sent = world.report().beacons - before;
        // Four a second, and one more form of each second one or so.
        assert!((300..=900).contains(&sent), "seed {seed}: {sent}");
        world.act(Action::Partition((0..hosts / 2).collect()))?;
        world.run(seconds(60))?;
        world.act(Action::Heal)?;
        world.run(seconds(2))?;
        world.check_whole()?;
        let pairs = u64::try_from(hosts * (hosts - 1)).unwrap_or(0);
        let apart = u64::try_from(hosts * hosts / 2).unwrap_or(0);
        let report = world.report();
        assert_eq!(report.seen("Enter"), pairs + apart, "seed {seed}");
    }
    Ok(())
}
