//! What is done to a network, and when.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;
use zre_proto::State;

use crate::action::{Action, ActionError, Start};

/// Actions by time since the simulation's begin, in any order. As text, one a
/// line: seconds, then the action; `#` begins a comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script(pub Vec<(Duration, Action)>);

/// How late a datagram may be.
const LATENESS_MS: u64 = 2000;

impl Script {
    /// Adds an action at so many milliseconds.
    #[must_use]
    pub fn at(mut self, milliseconds: u64, action: Action) -> Self {
        self.0.push((Duration::from_millis(milliseconds), action));
        self
    }

    /// What users, operators and bad luck do to so many hosts for so long, one
    /// action in each `pace` on average.
    pub fn random(random: &mut Rng, hosts: usize, length: Duration, pace: Duration) -> Self {
        let mut script = Self::default();
        let mut now = Duration::ZERO;
        // Whole milliseconds survive the way through text.
        let pace = u64::try_from(pace.as_millis())
            .unwrap_or(u64::MAX / 2)
            .max(1);
        if hosts == 0 {
            return script;
        }
        loop {
            now += Duration::from_millis(random.u64(1..=2 * pace));
            if now >= length {
                // The end of a fault may lie beyond.
                script.0.retain(|(at, _)| *at < length);
                return script;
            }
            script.push_random(random, hosts, now);
        }
    }

    /// A fault comes with its end, some seconds later.
    fn push_random(&mut self, random: &mut Rng, hosts: usize, now: Duration) {
        let a = random.usize(0..hosts);
        let b = random.usize(0..hosts);
        let group = random.u8(0..4);
        let later = now + Duration::from_millis(random.u64(50..60_000));
        let start = *random
            .choice(&[Start::Same, Start::Moved, Start::Anew])
            .unwrap_or(&Start::Same);
        let mut lasting = |action, end| {
            self.0.push((now, action));
            self.0.push((later, end));
        };
        match random.u8(0..43) {
            0..=4 => self.0.push((now, Action::Join(a, group))),
            5..=6 => self.0.push((now, Action::Leave(a, group))),
            7..=12 => self.0.push((now, Action::Whisper(a, b, random.u16(1..50)))),
            13..=16 => self
                .0
                .push((now, Action::Shout(a, group, random.u16(1..50)))),
            17 => {
                let states = [State::Busy, State::Draining, State::Asleep];
                let state = *random.choice(&states).unwrap_or(&State::Busy);
                lasting(Action::State(a, state), Action::State(a, State::Ready));
            }
            18 => {
                let island = (0..hosts).filter(|_| random.bool()).collect();
                lasting(Action::Partition(island), Action::Heal);
            }
            19 => lasting(Action::Block(a, b), Action::Heal),
            20..=21 => self.0.push((now, Action::Reset(a, b))),
            22 => lasting(Action::Stop(a), Action::Continue(a)),
            23 => lasting(Action::Sleep(a), Action::Wake(a)),
            24..=25 => lasting(Action::Hold(a), Action::Read(a)),
            26 => lasting(Action::Kill(a), Action::Start(a, start)),
            27 => lasting(Action::Cut(a), Action::Start(a, start)),
            28 => self.0.push((now, Action::Start(a, start))),
            29 => {
                let patience = Duration::from_millis(random.u64(0..5_000));
                lasting(Action::Shutdown(a, patience), Action::Start(a, start));
            }
            30 => self.0.push((now, Action::Found(a, b))),
            31 => lasting(
                Action::State(a, State::Other(200)),
                Action::State(a, State::Ready),
            ),
            32..=34 => {
                let count = random.u16(1..20);
                self.0.push((now, Action::Request(a, b, count)));
            }
            35..=36 => self.0.push((now, Action::Ping(a, b))),
            37 => self.0.push((now, Action::Contest(a, group))),
            // Several within the time for which a node collects such changes.
            38 => self.0.extend((0..random.u64(1..4)).map(|turn| {
                let at = now + Duration::from_millis(20 * turn);
                (at, Action::Rename(a, random.u16(..)))
            })),
            // It is back while its last datagrams may still be on their way.
            last => {
                let patience = Duration::from_millis(random.u64(0..300));
                let soon = now + Duration::from_millis(random.u64(1..LATENESS_MS));
                let end = match last {
                    39 => Action::Kill(a),
                    _ => Action::Shutdown(a, patience),
                };
                self.0.push((now, end));
                self.0.push((soon, Action::Start(a, Start::Same)));
            }
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(at, _)| *at);
        sorted
            .into_iter()
            .try_for_each(|(at, action)| writeln!(f, "{:.6} {action}", at.as_secs_f64()))
    }
}

impl FromStr for Script {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        let mut script = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let wrong = || ActionError(line.to_owned());
            let (at, action) = line.split_once(' ').ok_or_else(wrong)?;
            let at = at.parse().map_err(|_| wrong())?;
            let at = Duration::try_from_secs_f64(at).map_err(|_| wrong())?;
            script.0.push((at, action.parse()?));
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_as_text() {
        let mut random = Rng::with_seed(1);
        let script = Script::random(
            &mut random,
            5,
            Duration::from_secs(2000),
            Duration::from_secs(1),
        );
        assert!(script.0.len() > 1000);
        let text = script.to_string();
        let again: Script = text.parse().unwrap();
        assert_eq!(again.to_string(), text);
        assert_eq!(again.0.len(), script.0.len());
    }

    #[test]
    fn comments_are_skipped_and_nonsense_is_named() {
        let script: Script = "# a story\n1.5 heal # at last\n\n2 partition 0 2\n"
            .parse()
            .unwrap();
        assert_eq!(script.0.len(), 2);
        for bad in [
            "1",
            "x heal",
            "-1 heal",
            "1 fly 3",
            "1 stop",
            "1 stop 1 2",
            "1 state 0 x",
        ] {
            assert!(bad.parse::<Script>().is_err(), "{bad}");
        }
    }
}
