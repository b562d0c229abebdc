//! The sequence numbers of a session, one direction each.
//!
//! RFC 36 numbers every message of a session in one `u16` that starts at 1 with
//! HELLO. C Zyre, gyre and NetMQ wrap 65535 to 0; pyre and zyre.js wrap 65534 to 0.

use std::collections::VecDeque;

/// What is numbered first: HELLO.
pub const FIRST: u16 = 1;

/// PINGs whose place is remembered until they are answered. A peer expires long
/// before as many are open; past it, PINGs are only counted.
const PINGS_MARKED: usize = 64;

/// Numbers of what we send in one session, and how much of it the peer is known
/// to have read.
///
/// ZRE acknowledges nothing, but a session is ordered: a peer that answers a PING
/// has read everything that was numbered before it.
///
/// Take a number only when the message is sure to be queued: a number that is
/// taken and never sent is a gap that ends the session.
#[derive(Debug, Clone)]
pub struct Outgoing {
    next: u16,
    skip_65535: bool,
    total: u64,
    data: u64,
    /// What the last PING-OK confirmed.
    confirmed: Mark,
    /// For each PING that isn't answered, what was numbered before it.
    marks: VecDeque<Mark>,
    /// PINGs after those, whose place wasn't remembered.
    unmarked: u64,
    /// How often the numbers have come to where the two wraps part, and the
    /// total when they first did.
    partings: u8,
    parted_at: u64,
}

/// A place in what was sent.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    total: u64,
    data: u64,
}

impl Outgoing {
    /// A new session. `skip_65535` is for a peer known to wrap 65534 to 0, such
    /// as pyre and zyre.js, which would take our 65535 for a gap.
    pub fn new(skip_65535: bool) -> Self {
        Self {
            next: FIRST,
            skip_65535,
            total: 0,
            data: 0,
            confirmed: Mark::default(),
            marks: VecDeque::new(),
            unmarked: 0,
            partings: 0,
            parted_at: 0,
        }
    }

    /// The number of the next message, if it is none of the application's:
    /// 1, 2, … 65535, 0, 1, …
    #[must_use = "a number that isn't sent is a gap"]
    #[expect(
        clippy::should_implement_trait,
        reason = "the next number, which never ends; an iterator would invite to take numbers that aren't sent"
    )]
    pub fn next(&mut self) -> u16 {
        let number = self.next;
        self.next = if self.skip_65535 && number == u16::MAX - 1 {
            0
        } else {
            number.wrapping_add(1)
        };
        self.total = self.total.saturating_add(1);
        // Here the one wrap says 65535 and the other 0; no 0 comes before.
        if number == if self.skip_65535 { 0 } else { u16::MAX } {
            self.note_parting();
        }
        number
    }

    /// Apart from [`next`](Self::next), which is called for each message.
    #[cold]
    fn note_parting(&mut self) {
        self.partings = self.partings.saturating_add(1);
        if self.partings == 1 {
            self.parted_at = self.total;
        }
    }

    /// The number of the next message, a WHISPER or SHOUT.
    #[must_use = "a number that isn't sent is a gap"]
    pub fn next_data(&mut self) -> u16 {
        self.data = self.data.saturating_add(1);
        self.next()
    }

    /// Remembers that a PING stands here: to be called with each PING, after or
    /// before [`next`](Self::next).
    pub fn note_ping(&mut self) {
        let mark = Mark {
            total: self.total,
            data: self.data,
        };
        // Once one PING's place is unknown, so is which answer is whose; only
        // when those before have been answered is a place of use again.
        if self.unmarked == 0 && self.marks.len() < PINGS_MARKED {
            self.marks.push_back(mark);
        } else {
            self.unmarked = self.unmarked.saturating_add(1);
        }
    }

    /// A PING-OK came: the oldest open PING is answered, and what was sent before
    /// it has been read. An answer to nothing is ignored.
    pub fn confirm(&mut self) {
        if let Some(mark) = self.marks.pop_front() {
            self.confirmed = mark;
        } else {
            self.unmarked = self.unmarked.saturating_sub(1);
        }
    }

    /// WHISPERs and SHOUTs numbered that no later PING-OK has confirmed: what may
    /// have been lost when the session ends now. Never too low.
    pub fn unconfirmed(&self) -> u64 {
        self.data.saturating_sub(self.confirmed.data)
    }

    /// Whether the message at which the two wraps part (65535, or the 0 that
    /// skips it) was sent once and isn't known to have been taken. A peer that
    /// ends the session then probably wraps the other way.
    ///
    /// It can be wrong about a peer that leaves for another reason soon after;
    /// taking the other wrap for it costs one more broken session.
    pub fn wrapped_unconfirmed(&self) -> bool {
        self.partings == 1 && self.confirmed.total < self.parted_at
    }

    /// Messages numbered since the session began.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// WHISPERs and SHOUTs among them.
    pub fn data(&self) -> u64 {
        self.data
    }

    /// Whether 65534 is followed by 0.
    pub fn skips_65535(&self) -> bool {
        self.skip_65535
    }

    /// The number that the next message will have.
    pub fn peek(&self) -> u16 {
        self.next
    }
}

/// Checks the numbers of what a peer sends in one session.
///
/// Only messages that this node understands at least in their header are to be
/// counted; see [`DecodeError::sequence`](crate::DecodeError::sequence).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    expected: u16,
    wraps_early: bool,
}

impl Incoming {
    /// A session whose HELLO, with its 1, has been taken already.
    pub fn greeted() -> Self {
        Self {
            expected: FIRST.wrapping_add(1),
            wraps_early: false,
        }
    }

    /// Takes the number of any message but HELLO.
    ///
    /// # Errors
    /// [`Gap`] when it isn't the next one: messages were lost or made up, and the
    /// session is worth nothing any more. Nothing has changed then. The one
    /// exception is 0 where 65535 is due, which is how pyre and zyre.js wrap.
    pub fn accept(&mut self, sequence: u16) -> Result<(), Gap> {
        let early = self.expected == u16::MAX && sequence == 0;
        if sequence != self.expected && !early {
            return Err(Gap {
                expected: self.expected,
                got: sequence,
            });
        }
        self.wraps_early |= early;
        self.expected = sequence.wrapping_add(1);
        Ok(())
    }

    /// Whether the peer was seen to wrap 65534 to 0. It will take our 65535 for a
    /// gap, too: [`Outgoing::new`] with `skip_65535` in its next session.
    pub fn wraps_early(&self) -> bool {
        self.wraps_early
    }

    /// The number due next.
    pub fn expected(&self) -> u16 {
        self.expected
    }
}

/// A number that isn't the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sequence {got} where {expected} was due: messages of this session were lost")]
pub struct Gap {
    /// The number that was due.
    pub expected: u16,
    /// The number that came.
    pub got: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_through_the_wrap() {
        for skip in [false, true] {
            let mut out = Outgoing::new(skip);
            let mut incoming = Incoming::greeted();
            assert_eq!(out.next(), FIRST, "HELLO");
            let mut seen = Vec::new();
            for _ in 0..140_000 {
                let number = out.next();
                seen.push(number);
                incoming.accept(number).unwrap();
            }
            assert_eq!(seen.contains(&u16::MAX), !skip);
            assert_eq!(incoming.wraps_early(), skip);
            assert_eq!(out.total(), 140_001);
        }
    }

    #[test]
    fn any_other_step_is_a_gap_and_changes_nothing() {
        let mut incoming = Incoming::greeted();
        for got in [0, 1, 3, 65535] {
            let before = incoming.clone();
            assert_eq!(incoming.accept(got), Err(Gap { expected: 2, got }));
            assert_eq!(incoming, before);
        }
        incoming.accept(2).unwrap();
        assert_eq!(incoming.expected(), 3);
    }

    #[test]
    fn the_early_wrap_is_taken_at_65535_only() {
        let mut incoming = Incoming {
            expected: u16::MAX,
            wraps_early: false,
        };
        assert!(incoming.clone().accept(1).is_err());
        incoming.accept(0).unwrap();
        assert!(incoming.wraps_early());
        assert_eq!(incoming.expected(), 1);
        let mut incoming = Incoming {
            expected: u16::MAX - 1,
            wraps_early: false,
        };
        assert!(incoming.accept(0).is_err());
    }

    #[test]
    fn an_answered_ping_confirms_what_went_before_it() {
        let mut out = Outgoing::new(false);
        assert_eq!(out.next(), 1);
        assert_eq!(out.unconfirmed(), 0);
        assert_eq!((out.next_data(), out.next_data()), (2, 3));
        assert_eq!(out.unconfirmed(), 2);
        assert_eq!(out.next(), 4);
        out.note_ping();
        assert_eq!(out.next_data(), 5);
        assert_eq!(out.next(), 6);
        out.note_ping();
        assert_eq!(out.marks.len(), 2);
        out.confirm();
        assert_eq!(out.unconfirmed(), 1);
        out.confirm();
        assert_eq!((out.unconfirmed(), out.marks.len()), (0, 0));
        assert_eq!(out.next_data(), 7);
        out.confirm();
        assert_eq!(
            out.unconfirmed(),
            1,
            "an answer to nothing confirms nothing"
        );
    }

    #[test]
    fn a_wrap_is_in_doubt_from_its_number_until_an_answer_or_the_next() {
        for skip in [false, true] {
            let mut out = Outgoing::new(skip);
            let take = |out: &mut Outgoing, count: u32| {
                for _ in 0..count {
                    let _ = out.next();
                }
            };
            take(&mut out, 65534);
            out.note_ping();
            out.confirm();
            assert!(!out.wrapped_unconfirmed());
            assert_eq!(out.next(), if skip { 0 } else { 65535 });
            assert!(out.wrapped_unconfirmed());
            let mut answered = out.clone();
            answered.note_ping();
            assert!(answered.wrapped_unconfirmed());
            answered.confirm();
            assert!(!answered.wrapped_unconfirmed());
            take(&mut out, 65534);
            assert!(out.wrapped_unconfirmed());
            take(&mut out, 2);
            assert!(!out.wrapped_unconfirmed());
        }
    }

    #[test]
    fn unanswered_pings_take_bounded_memory_and_never_confirm_too_much() {
        let mut out = Outgoing::new(false);
        let rounds = 10_000u64;
        for _ in 0..rounds {
            assert_ne!(out.next_data(), out.next());
            out.note_ping();
        }
        assert_eq!(out.marks.len(), PINGS_MARKED);
        for answered in 1..=rounds {
            out.confirm();
            assert!(out.unconfirmed() >= rounds - answered);
        }
        assert_eq!((out.marks.len(), out.unmarked), (0, 0));
        assert_ne!(out.next(), 0);
        out.note_ping();
        out.confirm();
        assert_eq!(out.unconfirmed(), 0);
    }
}
