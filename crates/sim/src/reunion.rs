//! Whether a process that was started anew is met again at once.

use std::time::Duration;

use zre_proto::State;

use crate::host::{Power, Process};
use crate::link::ProcessId;
use crate::world::{Happening, World};

/// How long two nodes may take to have each other again after one of them was started
/// anew, if nothing else is wrong.
pub(crate) const RESTART: Duration = Duration::from_secs(5);

/// For how long before that nothing may have been wrong: a dial that failed for another
/// reason rests for 30 s at the most, with jitter.
const CALM: Duration = Duration::from_secs(45);

impl World {
    /// A process starts: looks later whether all have met it.
    pub(crate) fn plan_reunion(&mut self, id: ProcessId) {
        self.queue.push(self.now + RESTART, Happening::Reunion(id));
    }

    pub(crate) fn check_reunion(&mut self, id: ProcessId) {
        let weather = self.network.weather;
        if !self.options.beacons || weather.loss > 0.0 || weather.late > 0.0 {
            return;
        }
        let newcomer = id.host;
        if !self.is_calm(newcomer, RESTART) || self.life(newcomer) != Some(id) {
            return;
        }
        for other in (0..self.first_legacy()).filter(|other| *other != newcomer) {
            let since = self.before(CALM);
            let calm = self.is_calm(other, CALM) && !self.hindered(other, newcomer, since);
            let once = self
                .hosts
                .get(newcomer)
                .is_some_and(|it| it.started[1] <= since);
            if !calm || !once {
                continue;
            }
            self.report.reunions += 1;
            if !self.sees(newcomer, other) || !self.sees(other, newcomer) {
                self.accuse(
                    newcomer,
                    &format!("was started 5 s ago, and isn't together with host {other}"),
                );
            }
        }
    }

    fn life(&self, host: usize) -> Option<ProcessId> {
        Some(self.hosts.get(host)?.process.as_ref()?.id)
    }

    /// Whether a process of ours has run undisturbed for so long.
    fn is_calm(&self, host: usize, time: Duration) -> bool {
        let since = self.before(time);
        let takes_part = |process: &Process| {
            process.disturbed <= since
                && !process.stopped
                && !process.held
                && !process.leaving
                && matches!(process.brain.state(), State::Ready | State::Busy)
        };
        host < self.first_legacy()
            && self.hosts.get(host).is_some_and(|host| {
                host.power == Power::On && host.process.as_ref().is_some_and(takes_part)
            })
    }
}
