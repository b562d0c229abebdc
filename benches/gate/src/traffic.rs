//! The traffic of twenty nodes, and the beacons of a crowd, in virtual time, if their
//! applications send nothing. The same source gives the same figures, to the last one.

use std::error::Error;
use std::time::Duration;

use zre_sim::{Options, World};

use crate::limits::Cost;

const NODES: usize = 20;
const HOUR: Duration = Duration::from_secs(3600);

/// Until they have all met.
const MEETING: Duration = Duration::from_secs(10);

/// Enough that each beacons once a minute at most.
const CROWD: usize = 80;

/// Until nobody in a crowd repeats its first beacons.
const SETTLING: Duration = Duration::from_secs(120);
const MINUTES: u32 = 5;

/// Everything that chance decides follows from it.
const SEED: u64 = 1;

pub(crate) fn figures() -> Result<Vec<(&'static str, Cost)>, Box<dyn Error>> {
    let mut world = World::new(Options::new(NODES, SEED));
    world.run(MEETING)?;
    world.check_whole()?;
    let met = world.report();
    world.run(HOUR)?;
    world.check_whole()?;
    let later = world.report();
    let (nodes, pairs) = (NODES as f64, (NODES * (NODES - 1)) as f64);
    let messages = |report: &zre_sim::Report| report.messages.values().sum::<u64>() as f64;
    let (beacons, said) = (
        (later.beacons - met.beacons) as f64,
        messages(&later) - messages(&met),
    );
    let crowd = beacons_of_a_crowd()?;
    Ok(vec![
        ("80 nodes idle: beacons of all in a minute", crowd),
        ("20 nodes meet: dials a pair", met.dials as f64 / pairs),
        ("20 nodes meet: messages a pair", messages(&met) / pairs),
        ("20 nodes idle: beacons a node and hour", beacons / nodes),
        ("20 nodes idle: messages a pair and hour", said / pairs),
        ("20 nodes idle: happenings a node and hour", {
            let happened = (later.happenings - met.happenings) as f64;
            happened / nodes
        }),
    ]
    .into_iter()
    .map(|(name, work)| {
        let allocations = None;
        (name, Cost { work, allocations })
    })
    .collect())
}

fn beacons_of_a_crowd() -> Result<f64, Box<dyn Error>> {
    let mut world = World::new(Options::new(CROWD, SEED));
    world.run(SETTLING)?;
    let before = world.report().beacons;
    world.run(Duration::from_secs(60) * MINUTES)?;
    world.check_whole()?;
    Ok((world.report().beacons - before) as f64 / f64::from(MINUTES))
}
