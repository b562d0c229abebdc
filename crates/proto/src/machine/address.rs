//! The addresses of one peer.

use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;

use super::bounds::ADDRESSES;
use super::input::Heard;
use super::source::{Source, Sources};
use crate::{Endpoint, Time};

/// An address that wasn't heard for that long counts as new when it is heard
/// again.
const LAPSE: Duration = Duration::from_secs(5);

/// An address, and how and when it was last heard.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) endpoint: Endpoint,
    pub(super) over_loopback: bool,
    /// The sources that name it. The first decides when it is dialled.
    pub(super) sources: Sources,
    pub(super) heard: Time,
}

impl Address {
    pub(super) fn new(endpoint: Endpoint, source: Source, over_loopback: bool, now: Time) -> Self {
        Self {
            endpoint,
            over_loopback,
            sources: source.into(),
            heard: now,
        }
    }

    fn is_persistent(&self) -> bool {
        self.sources.iter().any(Source::is_persistent)
    }

    /// Whether it can be no third party's: the user has named it, or it was heard over
    /// loopback. Whoever sends other beacons or gossip can name any.
    pub(super) fn is_vouched_for(&self) -> bool {
        let configured = [Source::Static, Source::Dns];
        let local = self.over_loopback && self.sources.iter().any(Source::is_beacon);
        local || configured.iter().any(|it| self.sources.contains(*it))
    }
}

/// The addresses of one peer, the one to dial first in front. Most peers have one.
#[derive(Debug, Default)]
pub(super) struct Addresses(SmallVec<[Address; 1]>);

impl Addresses {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    pub(super) fn first(&self) -> Option<&Address> {
        self.0.first()
    }

    pub(super) fn contains(&self, endpoint: &Endpoint) -> bool {
        self.iter().any(|known| known.endpoint == *endpoint)
    }

    pub(super) fn names_source(&self, source: Source) -> bool {
        self.iter().any(|known| known.sources.contains(source))
    }

    pub(super) fn any_at(&self, ip: IpAddr) -> bool {
        self.iter().any(|known| known.endpoint.ip() == Some(ip))
    }

    pub(super) fn any_persistent(&self) -> bool {
        self.iter().any(Address::is_persistent)
    }

    /// Adds an address, or a source to a known one. The order of the sources
    /// decides which address comes first; within one source, the newest does.
    pub(super) fn note(&mut self, mut address: Address) {
        let known = self
            .iter()
            .position(|known| known.endpoint == address.endpoint);
        if let Some(index) = known
            && let Some(known) = self.0.get_mut(index)
        {
            known.over_loopback |= address.over_loopback;
            let rank = known.sources.first();
            known.sources.extend(address.sources);
            let last = std::mem::replace(&mut known.heard, address.heard);
            // It is heard all the time and no better source names it: it keeps its
            // position.
            if address.heard - last < LAPSE && known.sources.first() == rank {
                return;
            }
            address = self.0.remove(index);
        }
        let at = self
            .0
            .partition_point(|known| known.sources.first() < address.sources.first());
        self.0.insert(at, address);
        self.drop_excess();
    }

    fn drop_excess(&mut self) {
        if self.0.len() <= ADDRESSES {
            return;
        }
        let stalest = self
            .iter()
            .enumerate()
            .min_by_key(|(_, known)| (known.is_persistent(), known.heard));
        if let Some((stalest, _)) = stalest {
            self.0.remove(stalest);
        }
    }

    /// A source no longer names an address. Returns whether it did.
    pub(super) fn drop_source(&mut self, endpoint: &Endpoint, source: Source) -> bool {
        let mut dropped = false;
        self.0.retain(|known| {
            dropped |= known.endpoint == *endpoint && known.sources.remove(source);
            !known.sources.is_empty()
        });
        dropped
    }

    /// Notes that an address was heard which is heard all the time. Returns false,
    /// and changes nothing, if it tells anything new.
    pub(super) fn hear_again(&mut self, now: Time, endpoint: &Endpoint, heard: &Heard) -> bool {
        let known = self.0.iter_mut().find(|known| {
            known.sources.contains(heard.source)
                && now - known.heard < LAPSE
                && (known.over_loopback || !heard.over_loopback)
                && known.endpoint == *endpoint
        });
        match known {
            Some(known) => {
                known.heard = now;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_origin(Duration::from_secs(seconds))
    }

    fn endpoint(host: u8) -> Endpoint {
        Endpoint::from(std::net::SocketAddr::from(([10, 0, 0, host], 1)))
    }

    fn hosts(addresses: &Addresses) -> Vec<u8> {
        let last = |address: &Address| match address.endpoint.ip() {
            Some(IpAddr::V4(ip)) => ip.octets()[3],
            _ => 0,
        };
        addresses.iter().map(last).collect()
    }

    #[test]
    fn the_best_source_comes_first_and_then_the_newest_address() {
        let mut addresses = Addresses::default();
        for (host, source) in [
            (1, Source::Dns),
            (2, Source::Broadcast),
            (3, Source::Dns),
            (4, Source::Multicast),
        ] {
            addresses.note(Address::new(endpoint(host), source, false, at(host.into())));
        }
        assert_eq!(hosts(&addresses), [4, 2, 3, 1]);
        // A better source moves an address up, and a repetition doesn't.
        addresses.note(Address::new(endpoint(1), Source::Multicast, false, at(5)));
        assert_eq!(hosts(&addresses), [1, 4, 2, 3]);
        addresses.note(Address::new(endpoint(4), Source::Multicast, false, at(6)));
        assert_eq!(hosts(&addresses), [1, 4, 2, 3]);
        // After a lapse it counts as new.
        addresses.note(Address::new(endpoint(4), Source::Multicast, false, at(60)));
        assert_eq!(hosts(&addresses), [4, 1, 2, 3]);
    }

    #[test]
    fn a_lost_source_costs_its_address_and_no_other() {
        let mut addresses = Addresses::default();
        for (host, source) in [
            (1, Source::Dns),
            (2, Source::Dns),
            (2, Source::Static),
            (3, Source::Static),
        ] {
            addresses.note(Address::new(endpoint(host), source, false, at(1)));
        }
        assert!(!addresses.drop_source(&endpoint(1), Source::Static));
        assert!(addresses.drop_source(&endpoint(1), Source::Dns));
        assert!(addresses.drop_source(&endpoint(2), Source::Dns));
        assert_eq!(hosts(&addresses), [2, 3]);
        assert!(!addresses.names_source(Source::Dns));
    }

    #[test]
    fn of_too_many_addresses_the_stalest_that_nobody_stands_by_goes() {
        let mut addresses = Addresses::default();
        addresses.note(Address::new(endpoint(100), Source::Static, false, at(0)));
        for host in 0..20 {
            addresses.note(Address::new(
                endpoint(host),
                Source::Multicast,
                false,
                at(u64::from(host) + 1),
            ));
        }
        assert_eq!(hosts(&addresses), [19, 18, 17, 16, 15, 14, 13, 100]);
    }
}
