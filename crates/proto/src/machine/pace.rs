//! How often we beacon, and how widely.
//!
//! A node that knows us learns nothing from our beacon, and a newcomer is answered by our
//! HELLO. If each node beaconed every second, the datagrams that a host receives would
//! grow with the square of its processes. Therefore the nodes of a network share a rate, as
//! the reports of RTCP do (RFC 3550, section 6.2). A node that has news, or whose beacons
//! others may have missed, beacons often for a while, as trickle timers do (RFC 6206). If two
//! halves of a network meet again, one beacon is therefore enough for both to notice it.

use std::time::Duration;

use super::output::Audience;
use super::peer::Phase;
use super::timers::Timer;
use super::{Machine, Output};
use crate::Time;

/// How many beacons all nodes of a network send in one interval when nothing happens, each
/// to a single address on each network.
const SHARED: u32 = 4;

/// How many intervals each neighbour adds to the time between two beacons to every address:
/// all nodes of a network send one in two intervals.
const WIDELY: u32 = 2;

/// How many beacons all nodes of a network send in one interval when something happens, every
/// other of them to every address.
const SHARED_NEWS: u32 = 50;

/// How many of the peers that are being met count as neighbours. When hundreds start at once,
/// their beacons would delay their greetings. Anybody can make up any number.
const MEETING: u32 = 64;

/// The longest time between two beacons, in intervals.
const LONGEST: u32 = 60;

/// The same, between two beacons to every address.
const LONGEST_WIDELY: u32 = 300;

/// The time between our beacons.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The time from the last beacon to the next, without jitter. Zero after news.
    wait: Duration,
    /// When a beacon last went to every address. `None` if the next one has to.
    widely_at: Option<Time>,
    /// Whether the last beacon did.
    was_wide: bool,
    /// How many peers are known by their beacons, of those that are being met some.
    neighbours: u32,
}

impl Pace {
    /// A share of `rate` beacons in an interval, for each of the nodes of the network.
    fn share(&self, interval: Duration, rate: u32) -> Duration {
        let nodes = self.neighbours.saturating_add(1);
        let longest = interval.saturating_mul(LONGEST);
        interval
            .saturating_mul(nodes)
            .checked_div(rate)
            .unwrap_or(longest)
            .clamp(interval, longest)
    }

    /// The time between two beacons to every address.
    fn widely(&self, interval: Duration) -> Duration {
        let intervals = self.neighbours.saturating_mul(WIDELY);
        interval.saturating_mul(intervals.clamp(1, LONGEST_WIDELY))
    }

    fn restart(&mut self) {
        self.wait = Duration::ZERO;
        self.widely_at = None;
    }

    /// Whether a beacon has gone to every address at this very moment.
    pub(super) fn has_just_begun(&self, now: Time) -> bool {
        self.widely_at == Some(now)
    }

    /// A beacon goes out. Returns whether it goes to every address, and how long to wait
    /// for the next one.
    fn step(&mut self, now: Time, interval: Duration) -> (bool, Duration) {
        let steady = self.share(interval, SHARED);
        let news = self.wait < steady && steady > interval;
        let overdue = |at| now >= at + self.widely(interval);
        let widely = self.widely_at.is_none_or(overdue) || news && !self.was_wide;
        self.was_wide = widely;
        if widely {
            self.widely_at = Some(now);
        }
        let soonest = self.share(interval, SHARED_NEWS);
        self.wait = self.wait.saturating_mul(2).clamp(soonest, steady);
        (widely, self.wait)
    }
}

impl Machine {
    /// Sends a beacon to every address at once, because it has news. A datagram may get
    /// lost: it is repeated soon, and then at growing intervals.
    pub(super) fn announce(&mut self, now: Time) {
        self.pace.restart();
        self.announce_again(now);
    }

    /// We have started, and everybody was sent a beacon just now. Those who beacon are told by
    /// our HELLO that we are ready.
    pub(super) fn announce_start(&mut self) {
        self.outputs.push_back(Output::Announce {
            state: self.state,
            to: Audience::EachNetwork,
        });
    }

    /// The next beacon is due.
    pub(super) fn announce_again(&mut self, now: Time) {
        let Some(interval) = self.config.interval else {
            return;
        };
        if self.count_company() {
            self.pace.restart();
        }
        let (widely, wait) = self.pace.step(now, interval);
        self.outputs.push_back(Output::Announce {
            state: self.state,
            to: match widely {
                true => Audience::Everybody,
                false => Audience::EachNetwork,
            },
        });
        let wait = self.spread(interval, wait);
        self.timers.set(Timer::Announce, now + wait);
    }

    /// The next beacon comes soon, because some nodes may have missed the last ones: a session
    /// broke, a peer doesn't answer, or an unknown node sends beacons of one that isn't new.
    pub(super) fn announce_soon(&mut self, now: Time) {
        let Some(interval) = self.config.interval else {
            return;
        };
        if self.pace.wait.is_zero() || self.departure.is_some() {
            return;
        }
        self.pace.restart();
        let soon = self.pace.share(interval, SHARED_NEWS);
        let soon = self.random.jitter(soon);
        self.announce_within(now, soon);
    }

    /// The next beacon comes within that time: a node that couldn't hear the last
    /// one listens from now on.
    pub fn announce_within(&mut self, now: Time, time: Duration) {
        let later = self
            .timers
            .when(&Timer::Announce)
            .is_some_and(|set| now + time < set);
        if later {
            self.timers.set(Timer::Announce, now + time);
        }
    }

    /// After peers have gone, the nodes that are left share the same rate.
    pub(super) fn keep_pace(&mut self, now: Time) {
        self.count_company();
        if let Some(interval) = self.config.interval {
            let steady = self.pace.share(interval, SHARED);
            let wait = self.spread(interval, steady);
            self.announce_within(now, wait);
        }
    }

    /// Nodes that started together don't beacon together for ever.
    fn spread(&mut self, interval: Duration, wait: Duration) -> Duration {
        if wait <= interval {
            return wait;
        }
        let quarter = wait.checked_div(4).unwrap_or_default();
        self.random.jitter(wait).saturating_add(quarter)
    }

    /// Counts the peers that share the network with us, and those that share the host.
    /// Returns whether one is silent that may need a beacon to greet us again: other
    /// implementations drop a peer without a word, and don't dial it before they hear its
    /// beacon.
    fn count_company(&mut self) -> bool {
        let (mut neighbours, mut meeting, mut same_host) = (0u32, 0u32, 0u32);
        let mut missed = false;
        for peer in self.peers.values() {
            if peer.is_engaged() && peer.via.has_beacons() {
                match &peer.phase {
                    Phase::Established(_) => neighbours = neighbours.saturating_add(1),
                    _ => meeting = meeting.saturating_add(1),
                }
            }
            if let Phase::Established(established) = &peer.phase {
                same_host = same_host.saturating_add(established.mailbox.same_host.into());
                missed |= established.liveness.is_silent() && !established.hello.shows_state;
            }
        }
        self.pace.neighbours = neighbours.saturating_add(meeting.min(MEETING));
        self.same_host = same_host;
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(neighbours: u32) -> Pace {
        Pace {
            neighbours,
            ..Pace::default()
        }
    }

    /// The waits after news, in tenths of a second, and whether each beacon went to every
    /// address.
    fn steps(pace: &mut Pace, count: usize) -> Vec<(bool, u128)> {
        let mut now = Time::ZERO;
        let step = |_| {
            let (widely, wait) = pace.step(now, SECOND);
            now = now + wait;
            (widely, wait.as_millis() / 100)
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn a_few_nodes_beacon_every_second() {
        assert_eq!(steps(&mut pace(0), 4), [(true, 10); 4]);
        let two = [(true, 10), (false, 10), (true, 10), (false, 10)];
        assert_eq!(steps(&mut pace(1), 4), two);
    }

    #[test]
    fn many_nodes_share_a_rate_and_repeat_news() {
        let mut pace = pace(199);
        let all = [
            (true, 40),
            (false, 80),
            (true, 160),
            (false, 320),
            (true, 500),
            (false, 500),
            (false, 500),
            (false, 500),
        ];
        assert_eq!(steps(&mut pace, 8), all);
        pace.restart();
        assert_eq!(steps(&mut pace, 2), all[..2]);
    }

    #[test]
    fn nobody_is_silent_for_more_than_sixty_intervals() {
        let steps = steps(&mut pace(100_000), 6);
        let rare = (false, 600);
        let all = [(true, 600), rare, rare, rare, rare, (true, 600)];
        assert_eq!(steps, all);
    }
}
