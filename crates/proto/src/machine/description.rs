//! The bounds on what peers tell of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bounds::{DESCRIBED_GROUP, DESCRIBED_HEADER};
use crate::{Hello, MessageLimits};

/// The bytes that a node keeps of what one peer has told of itself: name, endpoint,
/// headers and groups. Dropping it gives them back to the sum of all.
///
/// Strangers can be many, and tell much. Therefore only half of the bound for all is for
/// anybody; the other half is kept for peers that tell little.
#[derive(Debug)]
pub(super) struct Description {
    profile: usize,
    /// Its endpoint and its groups.
    rest: usize,
    /// The bytes of all peers together.
    total: Arc<AtomicUsize>,
}

impl Description {
    /// Of a peer that has told nothing.
    pub(super) fn new(total: &Arc<AtomicUsize>) -> Self {
        Self {
            profile: 0,
            rest: 0,
            total: total.clone(),
        }
    }

    /// Counts what a HELLO tells. False, and nothing changes, if that exceeds a bound.
    pub(super) fn greet(
        &mut self,
        hello: &Hello,
        groups: &BTreeSet<Arc<str>>,
        limits: &MessageLimits,
    ) -> bool {
        let profile = profile_bytes(&hello.name, &hello.headers);
        let groups = groups.iter().map(|group| group_bytes(group));
        let rest = groups.fold(hello.endpoint.len(), usize::saturating_add);
        self.set(profile, rest, limits)
    }

    /// Counts a new name and headers. False, and nothing changes, if that exceeds a bound.
    pub(super) fn update(
        &mut self,
        name: &str,
        headers: &BTreeMap<String, String>,
        limits: &MessageLimits,
    ) -> bool {
        self.set(profile_bytes(name, headers), self.rest, limits)
    }

    /// Counts one more group. False, and nothing changes, if that exceeds a bound.
    pub(super) fn join(&mut self, group: &str, limits: &MessageLimits) -> bool {
        let rest = self.rest.saturating_add(group_bytes(group));
        self.set(self.profile, rest, limits)
    }

    /// Counts one group less.
    pub(super) fn leave(&mut self, group: &str) {
        let bytes = group_bytes(group).min(self.rest);
        self.rest = self.rest.saturating_sub(bytes);
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn bytes(&self) -> usize {
        self.profile.saturating_add(self.rest)
    }

    fn set(&mut self, profile: usize, rest: usize, limits: &MessageLimits) -> bool {
        let before = self.bytes();
        let after = profile.saturating_add(rest);
        let others = self.total.load(Ordering::Relaxed).saturating_sub(before);
        let total = others.saturating_add(after);
        let half = limits.description_bytes / 2;
        // Besides all peers there may be as many that claim their UUIDs.
        let little = half
            .checked_div(limits.peers.saturating_mul(2))
            .unwrap_or(half);
        let fits = after <= limits.description_bytes_per_peer && (total <= half || after <= little);
        if fits || after <= before {
            (self.profile, self.rest) = (profile, rest);
            self.total.store(total, Ordering::Relaxed);
        }
        fits || after <= before
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

fn group_bytes(group: &str) -> usize {
    group.len().saturating_add(DESCRIBED_GROUP)
}

fn profile_bytes(name: &str, headers: &BTreeMap<String, String>) -> usize {
    headers
        .iter()
        .map(|(key, value)| key.len().saturating_add(value.len()))
        .map(|bytes| bytes.saturating_add(DESCRIBED_HEADER))
        .fold(name.len(), usize::saturating_add)
}
