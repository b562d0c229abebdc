//! How a peer became known.

use std::fmt;

/// How a peer became known, in the order in which its addresses are tried.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A beacon to a multicast group.
    Multicast,
    /// A beacon to a broadcast address.
    Broadcast,
    /// A DNS SRV record.
    Dns,
    /// A gossip tuple.
    Gossip,
    /// Configuration.
    Static,
    /// The peer's own HELLO.
    Hello,
}

impl Source {
    /// Whether the source stands by an address until it withdraws it, so that the
    /// address is dialled again although nothing more is heard.
    pub(super) fn is_persistent(self) -> bool {
        matches!(self, Self::Dns | Self::Gossip | Self::Static)
    }

    /// Whether the peer itself repeats the address again and again.
    pub(super) fn is_beacon(self) -> bool {
        matches!(self, Self::Multicast | Self::Broadcast)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Multicast => 1,
            Self::Broadcast => 1 << 1,
            Self::Dns => 1 << 2,
            Self::Gossip => 1 << 3,
            Self::Static => 1 << 4,
            Self::Hello => 1 << 5,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Dns => "dns",
            Self::Gossip => "gossip",
            Self::Static => "static",
            Self::Hello => "hello",
        })
    }
}

/// A set of sources, one bit each: every beacon of every peer looks into two of them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sources(u8);

/// All sources, in the order of [`Source`].
const ALL: [Source; 6] = [
    Source::Multicast,
    Source::Broadcast,
    Source::Dns,
    Source::Gossip,
    Source::Static,
    Source::Hello,
];

impl Sources {
    /// Whether the set has that source.
    #[must_use]
    pub fn contains(self, source: Source) -> bool {
        self.0 & source.bit() != 0
    }

    /// Adds a source. Returns whether it is new in the set.
    pub fn insert(&mut self, source: Source) -> bool {
        let new = !self.contains(source);
        self.0 |= source.bit();
        new
    }

    /// Removes a source. Returns whether it was in the set.
    pub fn remove(&mut self, source: Source) -> bool {
        let was = self.contains(source);
        self.0 &= !source.bit();
        was
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether the peer itself repeats an address by beacons.
    pub(super) fn has_beacons(self) -> bool {
        self.contains(Source::Multicast) || self.contains(Source::Broadcast)
    }

    /// Whether the set has no source.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The source whose address is tried first.
    pub(super) fn first(self) -> Option<Source> {
        self.iter().next()
    }

    /// The sources, the one whose address is tried first in front.
    pub fn iter(self) -> impl Iterator<Item = Source> {
        ALL.into_iter().filter(move |source| self.contains(*source))
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl From<Source> for Sources {
    fn from(source: Source) -> Self {
        Self(source.bit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_come_in_the_order_in_which_addresses_are_tried() {
        let mut sources = Sources::default();
        for source in ALL.into_iter().rev() {
            assert!(sources.insert(source) && !sources.insert(source));
        }
        assert!(sources.iter().is_sorted());
        assert_eq!(sources.iter().count(), ALL.len());
        assert!(sources.remove(Source::Multicast) && !sources.remove(Source::Multicast));
        assert_eq!(sources.first(), Some(Source::Broadcast));
        assert_eq!(sources.iter().count(), ALL.len() - 1);
        sources.extend(Source::Multicast.into());
        assert_eq!(sources.first(), Some(Source::Multicast));
    }
}
