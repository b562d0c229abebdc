//! How often addresses are dialled that only strangers name.
//!
//! A datagram's source is easily forged, and a HELLO can name any address. So such dials
//! are few for each address: nobody is used against it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::bounds::{DIAL_WINDOW, FAILED_DIALS, THIRD_PARTY_ADDRESSES, THIRD_PARTY_DIALS};
use crate::Time;

/// The recent dials for each address, bounded in number and in addresses.
#[derive(Debug)]
pub(super) struct DialWindows {
    table: BTreeMap<IpAddr, Window>,
    dials: u8,
    addresses: usize,
}

#[derive(Debug)]
struct Window {
    since: Time,
    dials: u8,
}

impl Window {
    fn is_over(&self, now: Time) -> bool {
        now - self.since >= DIAL_WINDOW
    }
}

impl DialWindows {
    /// Allows that many dials for each address, of that many addresses.
    fn new(dials: u8, addresses: usize) -> Self {
        Self {
            table: BTreeMap::new(),
            dials,
            addresses,
        }
    }

    /// For dials that failed or are unanswered, to addresses that beacons or gossip
    /// name.
    pub(super) fn of_failures(addresses: usize) -> Self {
        Self::new(FAILED_DIALS, addresses)
    }

    /// Whether one more dial is allowed. While the table is full, none to an address
    /// that isn't in it.
    pub(super) fn has_room(&mut self, now: Time, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if self.table.len() >= self.addresses {
            self.table.retain(|_, window| !window.is_over(now));
        }
        match self.table.get(&ip) {
            Some(window) => window.is_over(now) || window.dials < self.dials,
            None => self.table.len() < self.addresses,
        }
    }

    pub(super) fn count(&mut self, now: Time, ip: IpAddr) {
        let new = Window {
            since: now,
            dials: 0,
        };
        let window = self.table.entry(ip.to_canonical()).or_insert(new);
        if window.is_over(now) {
            (window.since, window.dials) = (now, 0);
        }
        window.dials = window.dials.saturating_add(1);
    }

    /// A dial that was counted has its answer: it was wanted.
    pub(super) fn give_back(&mut self, ip: IpAddr) {
        if let Some(window) = self.table.get_mut(&ip.to_canonical()) {
            window.dials = window.dials.saturating_sub(1);
        }
    }
}

/// Dials to addresses that only a HELLO names, and that it didn't come from. A host with
/// several addresses or behind NAT may be there; so may a third party that has never
/// heard of ZRE.
#[derive(Debug)]
pub(super) struct ThirdParties {
    targets: DialWindows,
    sources: DialWindows,
}

impl Default for ThirdParties {
    fn default() -> Self {
        let windows = || DialWindows::new(THIRD_PARTY_DIALS, THIRD_PARTY_ADDRESSES);
        Self {
            targets: windows(),
            sources: windows(),
        }
    }
}

impl ThirdParties {
    /// Counts a dial. Returns false, and counts nothing, if there were too many.
    pub(super) fn allow(&mut self, now: Time, source: IpAddr, target: IpAddr) -> bool {
        let allowed = self.sources.has_room(now, source) && self.targets.has_room(now, target);
        if allowed {
            self.sources.count(now, source);
            self.targets.count(now, target);
        }
        allowed
    }
}
