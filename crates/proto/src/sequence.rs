//! The sequence numbers of a session, one direction each.
//!
//! RFC 36 numbers every message of a session in one `u16` that starts at 1 with
//! HELLO. C Zyre, gyre and NetMQ wrap 65535 to 0; pyre and zyre.js wrap 65534 to 0.

use std::collections::VecDeque;

/// The number of HELLO, the first message.
pub const FIRST: u16 = 1;

/// PINGs whose position is remembered until they are answered. A peer expires long
/// before it owes as many answers. PINGs beyond that are only counted.
const PINGS_MARKED: usize = 64;

/// Numbers the messages that we send in one session, and remembers how many of them
/// the peer has confirmed.
///
/// ZRE has no acknowledgements, but a session is ordered: a peer that answers a PING
/// has read everything that was numbered before it.
///
/// Take a number only for a message that is certainly queued: a number that is never
/// sent is a gap, which ends the session.
#[derive(Debug, Clone)]
pub struct Outgoing {
    next: u16,
    skip_65535: bool,
    total: u64,
    data: u64,
    /// The position of the last PING that was answered.
    confirmed: Mark,
    /// The position of each PING that isn't answered.
    marks: VecDeque<Mark>,
    /// Later PINGs, whose position wasn't remembered.
    unmarked: u64,
    /// How often the numbers have reached the point where the two ways to wrap
    /// differ, and the total when they first did.
    partings: u8,
    parted_at: u64,
    /// Whether the session has ended for the application.
    ended: bool,
}

/// A position in the messages of a session.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    total: u64,
    data: u64,
}

impl Outgoing {
    /// A new session. `skip_65535` is for a peer that is known to wrap 65534 to 0,
    /// such as pyre and zyre.js. It would take our 65535 for a gap.
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
            ended: false,
        }
    }

    /// The number of the next message, for messages that aren't the application's:
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
        // Here one way to wrap gives 65535 and the other 0. No 0 comes before.
        if number == if self.skip_65535 { 0 } else { u16::MAX } {
            self.note_parting();
        }
        number
    }

    /// Kept out of [`next`](Self::next), which is called for each message.
    #[cold]
    fn note_parting(&mut self) {
        self.partings = self.partings.saturating_add(1);
        if self.partings == 1 {
            self.parted_at = self.total;
        }
    }

    /// The number of the next message, for a message of the application.
    #[must_use = "a number that isn't sent is a gap"]
    #[inline]
    pub fn next_data(&mut self) -> u16 {
        self.data = self.data.saturating_add(1);
        self.next()
    }

    /// Remembers the position of a PING. Call it for each PING, before or after
    /// [`next`](Self::next).
    pub fn note_ping(&mut self) {
        let mark = Mark {
            total: self.total,
            data: self.data,
        };
        // Answers are matched by their order. If the position of one PING is
        // unknown, a later position is of use only when that one is answered.
        if self.unmarked == 0 && self.marks.len() < PINGS_MARKED {
            self.marks.push_back(mark);
        } else {
            self.unmarked = self.unmarked.saturating_add(1);
        }
    }

    /// A PING-OK came. It answers the oldest unanswered PING, and everything that was
    /// sent before that has been read. An answer without a PING is ignored.
    pub fn confirm(&mut self) {
        if let Some(mark) = self.marks.pop_front() {
            self.confirmed = mark;
        } else {
            self.unmarked = self.unmarked.saturating_sub(1);
        }
    }

    /// The application's messages that no PING-OK has confirmed. If the session ends
    /// now, at most so many of them are lost.
    pub fn unconfirmed(&self) -> u64 {
        self.data.saturating_sub(self.confirmed.data)
    }

    /// The session ends for the application: nothing more of it may be sent. Returns what
    /// is [unconfirmed](Self::unconfirmed), for good.
    pub fn end(&mut self) -> u64 {
        self.ended = true;
        self.unconfirmed()
    }

    /// Whether the session has [ended](Self::end) for the application.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the message at which the two ways to wrap differ (65535, or the 0 that
    /// skips it) was sent once and isn't confirmed. A peer that ends the session then
    /// probably wraps the other way.
    ///
    /// This can be wrong about a peer that leaves soon after for another reason. To
    /// use the wrong way to wrap costs one more broken session.
    pub fn wrapped_unconfirmed(&self) -> bool {
        self.partings == 1 && self.confirmed.total < self.parted_at
    }

    /// Messages numbered since the session began.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The application's messages among them.
    pub fn data(&self) -> u64 {
        self.data
    }

    /// Whether 65534 is followed by 0.
    pub fn skips_65535(&self) -> bool {
        self.skip_65535
    }

    /// The number of the next message.
    #[inline]
    pub fn peek(&self) -> u16 {
        self.next
    }
}

/// Whether a PING should follow the message of that number, because the numbers wrap soon
/// and the peer may wrap the other way: its answer confirms what it has read before it
/// takes the wrap for a gap. That is one number in 256 of the last 2,048.
#[must_use]
#[inline]
pub fn nears_wrap(number: u16) -> bool {
    number & 0xf8ff == 0xf800
}

/// Checks the numbers of the messages that a peer sends in one session.
///
/// Count only messages whose header is understood at least; see [`DecodeError::sequence`](crate::DecodeError::sequence).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    expected: u16,
    wraps_early: bool,
}

impl Incoming {
    /// A session whose HELLO, which has the number 1, has come.
    pub fn greeted() -> Self {
        Self {
            expected: FIRST.wrapping_add(1),
            wraps_early: false,
        }
    }

    /// Accepts the number of a message.
    ///
    /// # Errors
    /// [`Gap`] if it isn't the next one: messages were lost or made up, and the
    /// session has to end. Nothing changes then. The one exception is 0 instead of
    /// 65535, because pyre and zyre.js wrap so.
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

    /// Whether the peer was seen to wrap 65534 to 0. It takes our 65535 for a gap,
    /// too: use `skip_65535` of [`Outgoing::new`] in its next session.
    pub fn wraps_early(&self) -> bool {
        self.wraps_early
    }

    /// The number that is due next.
    pub fn expected(&self) -> u16 {
        self.expected
    }
}

/// A number that isn't the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sequence {got} instead of {expected}: messages of this session were lost")]
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
    fn eight_pings_come_before_the_wrap() {
        let near: Vec<u16> = (0..=u16::MAX)
            .filter(|number| nears_wrap(*number))
            .collect();
        assert_eq!((near.len(), near[0], near[7]), (8, 63_488, 65_280));
    }

    #[test]
    fn any_other_number_is_a_gap_and_changes_nothing() {
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
    fn the_early_wrap_is_accepted_at_65535_only() {
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
            "an answer without a PING confirms nothing"
        );
    }

    #[test]
    fn a_wrap_is_unconfirmed_until_an_answer_or_the_next_wrap() {
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
