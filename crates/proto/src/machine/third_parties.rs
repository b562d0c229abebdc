//! Dials to addresses that only a HELLO names, and that it didn't come from.
//!
//! A host with several addresses or behind NAT may be there. So may be a third party
//! that has never heard of ZRE, so such dials are few: nobody is used against it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::bounds::{THIRD_PARTY_ADDRESSES, THIRD_PARTY_DIALS, THIRD_PARTY_WINDOW};
use crate::Time;

/// The recent dials to third parties, by the address dialled and by the source of the
/// HELLO that named it.
#[derive(Debug, Default)]
pub(super) struct ThirdParties {
    targets: BTreeMap<IpAddr, Window>,
    sources: BTreeMap<IpAddr, Window>,
}

#[derive(Debug)]
struct Window {
    since: Time,
    dials: u8,
}

impl ThirdParties {
    /// Counts a dial. Returns false, and counts nothing, if there were too many.
    pub(super) fn allow(&mut self, now: Time, source: IpAddr, target: IpAddr) -> bool {
        let allowed =
            has_room(&mut self.sources, now, source) && has_room(&mut self.targets, now, target);
        if allowed {
            for (table, ip) in [(&mut self.sources, source), (&mut self.targets, target)] {
                let window = table.entry(ip).or_insert(Window {
                    since: now,
                    dials: 0,
                });
                window.dials = window.dials.saturating_add(1);
            }
        }
        allowed
    }
}

fn has_room(table: &mut BTreeMap<IpAddr, Window>, now: Time, ip: IpAddr) -> bool {
    let over = |window: &Window| now - window.since >= THIRD_PARTY_WINDOW;
    if table.get(&ip).is_some_and(over) {
        table.remove(&ip);
    }
    if table.len() >= THIRD_PARTY_ADDRESSES {
        table.retain(|_, window| !over(window));
    }
    match table.get(&ip) {
        Some(window) => window.dials < THIRD_PARTY_DIALS,
        None => table.len() < THIRD_PARTY_ADDRESSES,
    }
}
