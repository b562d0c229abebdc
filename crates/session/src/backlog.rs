//! The messages of one connection that nobody has read yet.

use std::collections::VecDeque;

use crate::Message;

/// The largest number of messages in one segment. A single list of all that a
/// fast sender is ahead would take megabytes: growing it means copying it, and
/// getting and returning its memory page by page.
const SEGMENT: usize = 256;

/// Messages in order, in segments.
///
/// Nearly every connection has few messages at a time: the first segment lies in
/// place, and the list of the others takes no memory until there are some.
#[derive(Default)]
pub(crate) struct Backlog {
    first: Segment,
    further: VecDeque<Segment>,
}

/// Messages that are read together.
#[derive(Default)]
pub(crate) struct Segment {
    pub(crate) messages: Vec<Message>,
    /// What they cost.
    pub(crate) cost: usize,
}

impl Segment {
    fn push(&mut self, message: Message, cost: usize) {
        if self.messages.capacity() == 0 {
            // Mostly a message is read before the next one comes. When a thousand
            // nodes of one process meet, a million connections hold a HELLO each.
            self.messages.reserve_exact(1);
        }
        self.messages.push(message);
        self.cost = self.cost.saturating_add(cost);
    }
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.messages.is_empty()
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.segments().map(|segment| segment.messages.len()).sum()
    }

    /// What they cost.
    pub(crate) fn cost(&self) -> usize {
        self.segments()
            .fold(0, |sum, segment| sum.saturating_add(segment.cost))
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        std::iter::once(&self.first).chain(&self.further)
    }

    pub(crate) fn push(&mut self, message: Message, cost: usize) {
        let last = self.further.back_mut().unwrap_or(&mut self.first);
        if last.messages.len() < SEGMENT {
            return last.push(message, cost);
        }
        let mut segment = Segment {
            messages: Vec::with_capacity(SEGMENT),
            cost: 0,
        };
        segment.push(message, cost);
        self.further.push_back(segment);
    }

    /// Moves all messages of the other one to the end of this one.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        while let Some(mut segment) = other.take() {
            let last = self.further.back_mut().unwrap_or(&mut self.first);
            if last.messages.len().saturating_add(segment.messages.len()) <= SEGMENT {
                last.messages.append(&mut segment.messages);
                last.cost = last.cost.saturating_add(segment.cost);
            } else {
                self.further.push_back(segment);
            }
        }
    }

    /// The first segment, if there is one.
    pub(crate) fn take(&mut self) -> Option<Segment> {
        if self.is_empty() {
            return None;
        }
        let next = self.further.pop_front();
        if self.further.is_empty() {
            self.further = VecDeque::new();
        }
        Some(std::mem::replace(&mut self.first, next.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> Message {
        Message::new(&number.to_be_bytes(), &[])
    }

    fn read(backlog: &mut Backlog) -> Vec<Message> {
        let mut all = Vec::new();
        let mut cost = backlog.cost();
        while let Some(segment) = backlog.take() {
            assert!((1..=SEGMENT).contains(&segment.messages.len()));
            all.extend(segment.messages);
            cost -= segment.cost;
        }
        assert_eq!((cost, backlog.len(), backlog.cost()), (0, 0, 0));
        all
    }

    #[test]
    fn messages_come_out_in_order_in_segments() {
        for count in [0, 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 5 * SEGMENT + 7] {
            let mut backlog = Backlog::default();
            (0..count).for_each(|number| backlog.push(message(number), 3));
            assert_eq!((backlog.len(), backlog.cost()), (count, 3 * count));
            assert_eq!(read(&mut backlog), Vec::from_iter((0..count).map(message)));
            assert!(backlog.is_empty() && backlog.further.capacity() == 0);
        }
    }

    #[test]
    fn lists_are_joined_in_order_and_small_ones_in_one_segment() {
        let mut backlog = Backlog::default();
        let mut next = 0;
        for count in [3, 0, 5, SEGMENT, 1, 1, 3 * SEGMENT + 1, 2] {
            let mut other = Backlog::default();
            (next..next + count).for_each(|number| other.push(message(number), 1));
            next += count;
            backlog.append(&mut other);
            assert!(other.is_empty());
            assert_eq!(backlog.len(), next);
        }
        assert_eq!(backlog.first.messages.len(), 8);
        assert_eq!(read(&mut backlog), Vec::from_iter((0..next).map(message)));
    }
}
