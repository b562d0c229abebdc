//! From a long script that breaks a promise to a short one.

use std::time::Duration;

use crate::script::Script;
use crate::world::{Options, Violation, World};

impl World {
    /// Runs a simulation of that length, lets it settle, and checks what must be
    /// true then.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn simulate(options: Options, length: Duration) -> Result<Self, Violation> {
        let mut world = Self::new(options);
        world.run(length)?;
        world.settle()?;
        Ok(world)
    }

    /// Leaves out of a script what isn't needed to break a promise. Tells the
    /// violation of the shortest script found, or `None` if nothing breaks. Takes
    /// some hundred simulations for a script of a thousand actions.
    pub fn shrink(options: &Options, length: Duration) -> Option<Violation> {
        let attempt = |actions: &[_]| {
            let mut options = options.clone();
            options.script = Script(actions.to_vec());
            Self::simulate(options, length).err()
        };
        let mut actions = options.script.0.clone();
        actions.sort_by_key(|(at, _)| *at);
        let mut shortest = attempt(&actions)?;
        let mut chunk = actions.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            let before = actions.len();
            while at < actions.len() {
                let mut fewer = actions.clone();
                fewer.drain(at..(at + chunk).min(actions.len()));
                match attempt(&fewer) {
                    Some(violation) => {
                        shortest = violation;
                        actions = fewer;
                    }
                    None => at += chunk,
                }
            }
            // As long as single actions go, others may have become useless.
            if chunk > 1 || actions.len() == before {
                chunk /= 2;
            }
        }
        Some(shortest)
    }
}
