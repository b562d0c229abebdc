//! Places for connections, shared by the addresses that they come from.

use std::collections::HashMap;
use std::net::IpAddr;

/// Places for connections, bounded altogether and for each address. The last eighth is
/// for addresses that have less than a 64th of them: no two hosts can keep all others
/// out.
///
/// ```
/// use zre_session::Places;
///
/// let (busy, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
/// let mut places = Places::new(64, 64);
/// while places.check(Some(busy)).is_ok() {
///     places.take(Some(busy));
/// }
/// assert!(places.check(Some(other)).is_ok());
/// ```
#[derive(Debug)]
pub struct Places {
    limit: usize,
    per_addr: usize,
    taken: usize,
    by_addr: HashMap<IpAddr, usize>,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPlace {
    /// All places are taken, or the rest is for addresses that have fewer.
    #[error("all places are taken")]
    All,
    /// The address has as many as one address may have.
    #[error("the address has all the places that it may have")]
    Address,
}

impl Places {
    /// So many places, and so many for one address.
    #[must_use]
    pub fn new(limit: usize, per_addr: usize) -> Self {
        Self {
            limit,
            per_addr,
            taken: 0,
            by_addr: HashMap::new(),
        }
    }

    /// Whether there is a place for one more connection from that address. Those without
    /// an address share what all have.
    ///
    /// # Errors
    /// There is none.
    pub fn check(&self, addr: Option<IpAddr>) -> Result<(), NoPlace> {
        let free = self.limit.saturating_sub(self.taken);
        if free == 0 {
            return Err(NoPlace::All);
        }
        let Some(here) = addr.map(|addr| self.by_addr.get(&addr).copied().unwrap_or(0)) else {
            return Ok(());
        };
        if here >= self.per_addr {
            return Err(NoPlace::Address);
        }
        let (scarce, few) = (self.limit >> 3, (self.limit >> 6).max(1));
        match free <= scarce && here >= few {
            true => Err(NoPlace::All),
            false => Ok(()),
        }
    }

    /// Takes a place, whether or not there is one.
    pub fn take(&mut self, addr: Option<IpAddr>) {
        self.taken = self.taken.saturating_add(1);
        if let Some(addr) = addr {
            let here = self.by_addr.entry(addr).or_default();
            *here = here.saturating_add(1);
        }
    }

    /// Gives back a place that was taken.
    pub fn give_back(&mut self, addr: Option<IpAddr>) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(addr) = addr
            && let Some(here) = self.by_addr.get_mut(&addr)
        {
            *here = here.saturating_sub(1);
            if *here == 0 {
                self.by_addr.remove(&addr);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eighth_is_for_those_that_have_few() {
        let addr = |host: u8| Some(IpAddr::from([10, 0, 0, host]));
        let mut places = Places::new(128, 64);
        for host in [1, 2] {
            while places.check(addr(host)).is_ok() {
                places.take(addr(host));
            }
        }
        assert_eq!(places.check(addr(1)), Err(NoPlace::Address));
        assert_eq!(places.check(addr(2)), Err(NoPlace::All));
        assert_eq!(places.taken, 112);
        for _ in 0..2 {
            assert_eq!(places.check(addr(3)), Ok(()));
            places.take(addr(3));
        }
        assert_eq!(places.check(addr(3)), Err(NoPlace::All));
        for host in 4..=10 {
            places.take(addr(host));
            places.take(addr(host));
        }
        assert_eq!(places.check(addr(11)), Err(NoPlace::All));
        places.give_back(addr(1));
        assert_eq!(places.check(addr(11)), Ok(()));
        assert_eq!(places.check(addr(1)), Err(NoPlace::All));
    }

    #[test]
    fn a_few_places_are_for_whoever_comes() {
        let mut places = Places::new(3, 3);
        for _ in 0..3 {
            assert_eq!(places.check(None), Ok(()));
            places.take(None);
        }
        assert_eq!(places.check(None), Err(NoPlace::All));
    }
}
