//! The known tuples, and the rules for passing them on. Pure: the caller gives the time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::message::GossipMessage;
use crate::later::later;

/// How many tuples are kept. Further ones are refused and counted.
pub(super) const TUPLES: usize = 4096;

/// The shortest time between two changes of a value. Otherwise two neighbours that
/// disagree about a key would make it circulate as fast as the network carries it.
const CHANGE: Duration = Duration::from_secs(1);

/// A longer time to live is reduced to this.
pub(super) const TTL_MAX: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Tuple {
    value: String,
    /// `None`: never.
    expires: Option<Instant>,
    changed: Instant,
    /// Whether this node published it: then neighbours can't change it.
    own: bool,
    /// Whether it changed so soon that nodes with the same rule refused it: then it must
    /// be sent once more.
    again: bool,
}

/// The effect of a received tuple.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// None: it was known, or it was refused.
    Nothing,
    /// It is valid for longer than known: to be passed on.
    Renewed,
    /// It is new, or replaces this value: to be passed on.
    Changed(Option<String>),
}

/// The tuples that are known.
#[derive(Debug, Default)]
pub(super) struct TupleTable {
    tuples: BTreeMap<String, Tuple>,
    refused: u64,
}

impl TupleTable {
    /// Publishes a tuple of this node, until it is unpublished or expires. Returns the
    /// previous value of the key, or `None` if there is no room.
    #[allow(clippy::option_option, reason = "no room, no value before, a value")]
    pub(super) fn publish(
        &mut self,
        now: Instant,
        key: String,
        value: String,
        ttl: Option<Duration>,
    ) -> Option<Option<String>> {
        if self.tuples.len() >= TUPLES && !self.tuples.contains_key(&key) {
            return None;
        }
        let soon =
            |before: &Tuple| now.duration_since(before.changed) < CHANGE && before.value != value;
        let again = self.tuples.get(&key).is_some_and(soon);
        let tuple = Tuple {
            value,
            expires: ttl.map(|ttl| later(now, ttl)),
            changed: now,
            own: true,
            again,
        };
        Some(self.tuples.insert(key, tuple).map(|before| before.value))
    }

    /// Forgets a tuple. Neighbours aren't notified: the wire has no message for this.
    pub(super) fn unpublish(&mut self, key: &str) -> Option<String> {
        self.tuples.remove(key).map(|tuple| tuple.value)
    }

    /// A neighbour sent a tuple.
    pub(super) fn hear(&mut self, now: Instant, key: &str, value: &str, ttl: u32) -> Effect {
        let ttl = Duration::from_millis(ttl.into()).min(TTL_MAX);
        let expires = (!ttl.is_zero()).then(|| later(now, ttl));
        let Some(known) = self.tuples.get_mut(key) else {
            if self.tuples.len() >= TUPLES {
                self.refused = self.refused.saturating_add(1);
                tracing::debug!(refused = self.refused, "no room for another tuple");
                return Effect::Nothing;
            }
            let tuple = Tuple {
                value: value.to_owned(),
                expires,
                changed: now,
                own: false,
                again: false,
            };
            self.tuples.insert(key.to_owned(), tuple);
            return Effect::Changed(None);
        };
        if known.own {
            return Effect::Nothing;
        }
        if known.value == value {
            // Only a tuple that was published again is passed on again: a copy that
            // comes by another route isn't valid for longer than the one that is known.
            let renewed = match (known.expires, expires) {
                (Some(before), Some(after)) => {
                    after.duration_since(before) > ttl.checked_div(8).unwrap_or_default()
                }
                _ => false,
            };
            if renewed {
                known.expires = expires;
                return Effect::Renewed;
            }
            return Effect::Nothing;
        }
        if now.duration_since(known.changed) < CHANGE {
            self.refused = self.refused.saturating_add(1);
            tracing::debug!(%key, refused = self.refused, "a tuple changes too often");
            return Effect::Nothing;
        }
        known.changed = now;
        known.expires = expires;
        Effect::Changed(Some(std::mem::replace(&mut known.value, value.to_owned())))
    }

    /// Removes and returns the tuples that have expired.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(String, String)> {
        let over = |tuple: &mut Tuple| tuple.expires.is_some_and(|until| until <= now);
        self.tuples
            .extract_if(.., |_, tuple| over(tuple))
            .map(|(key, tuple)| (key, tuple.value))
            .collect()
    }

    /// The message that sends a tuple to a neighbour.
    pub(super) fn message(
        &self,
        now: Instant,
        own_ttl: Duration,
        key: &str,
    ) -> Option<GossipMessage> {
        let tuple = self.tuples.get(key)?;
        let left = match tuple.expires {
            None if tuple.own => own_ttl,
            None => Duration::ZERO,
            // 0 would mean for ever.
            Some(until) => until.duration_since(now).max(Duration::from_millis(1)),
        };
        Some(GossipMessage::Publish {
            key: key.to_owned(),
            value: tuple.value.clone(),
            ttl: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
        })
    }

    /// The keys of this node's tuples that don't expire.
    pub(super) fn renewed(&self) -> Vec<String> {
        self.tuples
            .iter()
            .filter(|(_, tuple)| tuple.own && tuple.expires.is_none())
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The keys to send once more, each once, when neighbours will accept them.
    pub(super) fn take_again(&mut self, now: Instant) -> Vec<String> {
        self.tuples
            .iter_mut()
            .filter(|(_, tuple)| now.duration_since(tuple.changed) >= CHANGE)
            .filter_map(|(key, tuple)| std::mem::take(&mut tuple.again).then(|| key.clone()))
            .collect()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.tuples.keys().cloned().collect()
    }

    pub(super) fn all(&self) -> BTreeMap<String, String> {
        self.tuples
            .iter()
            .map(|(key, tuple)| (key.clone(), tuple.value.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_change_is_passed_on_once() {
        let mut table = TupleTable::default();
        let now = Instant::now();
        assert_eq!(table.hear(now, "a", "1", 0), Effect::Changed(None));
        assert_eq!(table.hear(now, "a", "1", 0), Effect::Nothing);
        let later = now + SECOND;
        let changed = Effect::Changed(Some("1".into()));
        assert_eq!(table.hear(later, "a", "2", 0), changed);
        assert_eq!(table.unpublish("a").as_deref(), Some("2"));
        assert!(table.keys().is_empty());
    }

    #[test]
    fn neighbours_that_disagree_make_no_storm() {
        let mut table = TupleTable::default();
        let mut now = Instant::now();
        table.hear(now, "a", "1", 0);
        let mut passed_on = 0;
        for round in 0..10_000 {
            now += Duration::from_millis(1);
            let value = if round % 2 == 0 { "2" } else { "1" };
            passed_on += u32::from(table.hear(now, "a", value, 0) != Effect::Nothing);
        }
        assert!((5..=10).contains(&passed_on), "{passed_on}");
    }

    #[test]
    fn a_tuple_that_is_not_renewed_expires() {
        let mut table = TupleTable::default();
        let now = Instant::now();
        table.hear(now, "a", "1", 9000);
        table.hear(now, "forever", "1", 0);
        // It comes back by a longer way.
        assert_eq!(table.hear(now + SECOND, "a", "1", 8000), Effect::Nothing);
        assert_eq!(
            table.hear(now + 3 * SECOND, "a", "1", 9000),
            Effect::Renewed
        );
        assert!(table.expire(now + 10 * SECOND).is_empty());
        let over = table.expire(now + 12 * SECOND);
        assert_eq!(over, [("a".to_owned(), "1".to_owned())]);
        assert_eq!(table.keys(), ["forever"]);
    }

    #[test]
    fn neighbours_cannot_change_own_tuples() {
        let mut table = TupleTable::default();
        let now = Instant::now();
        table.publish(now, "me".into(), "here".into(), None);
        let later = now + 5 * SECOND;
        assert_eq!(table.hear(later, "me", "elsewhere", 1), Effect::Nothing);
        assert!(table.expire(later + SECOND).is_empty());
        let message = table.message(later, 9 * SECOND, "me").unwrap();
        let told = GossipMessage::Publish {
            key: "me".into(),
            value: "here".into(),
            ttl: 9000,
        };
        assert_eq!(message, told);
        assert_eq!(table.renewed(), ["me"]);

        assert!(table.take_again(later).is_empty());
        table.publish(later, "me".into(), "there".into(), None);
        assert!(table.take_again(later + SECOND).is_empty());
        table.publish(later, "me".into(), "here".into(), None);
        assert!(table.take_again(later).is_empty());
        assert_eq!(table.take_again(later + SECOND), ["me"]);
        assert!(table.take_again(later + SECOND).is_empty());
        let before = table.publish(later, "me".into(), "there".into(), Some(SECOND));
        assert_eq!(before, Some(Some("here".into())));
        let told = GossipMessage::Publish {
            key: "me".into(),
            value: "there".into(),
            ttl: 1000,
        };
        assert_eq!(table.message(later, 9 * SECOND, "me"), Some(told));
        assert!(table.renewed().is_empty());
        let over = table.expire(later + SECOND);
        assert_eq!(over, [("me".to_owned(), "there".to_owned())]);
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut table = TupleTable::default();
        let now = Instant::now();
        for number in 0..TUPLES + 100 {
            table.hear(now, &number.to_string(), "x", 0);
        }
        assert_eq!(table.keys().len(), TUPLES);
        assert_eq!(table.refused, 100);
        assert_eq!(table.publish(now, "own".into(), "x".into(), None), None);
        let again = table.publish(now, "7".into(), "y".into(), None);
        assert_eq!(again, Some(Some("x".into())));
    }
}
