use super::output::Source;

/// Some sources. Each of a thousand peers has a set for itself and one for each
/// address, and every beacon looks at them: so they are bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources(u8);

/// In the order of [`Source`].
const ALL: [Source; 6] = [
    Source::Multicast,
    Source::Broadcast,
    Source::Dns,
    Source::Gossip,
    Source::Static,
    Source::Hello,
];

fn bit(source: Source) -> u8 {
    match source {
        Source::Multicast => 1,
        Source::Broadcast => 1 << 1,
        Source::Dns => 1 << 2,
        Source::Gossip => 1 << 3,
        Source::Static => 1 << 4,
        Source::Hello => 1 << 5,
    }
}

impl Sources {
    pub(super) fn contains(self, source: Source) -> bool {
        self.0 & bit(source) != 0
    }

    /// True where it wasn't among them.
    pub(super) fn insert(&mut self, source: Source) -> bool {
        let new = !self.contains(source);
        self.0 |= bit(source);
        new
    }

    /// True where it was among them.
    pub(super) fn remove(&mut self, source: Source) -> bool {
        let was = self.contains(source);
        self.0 &= !bit(source);
        was
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The one whose address is tried first.
    pub(super) fn first(self) -> Option<Source> {
        self.iter().next()
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Source> {
        ALL.into_iter().filter(move |source| self.contains(*source))
    }
}

impl From<Source> for Sources {
    fn from(source: Source) -> Self {
        Self(bit(source))
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
