//! A peer that the application knows, and whether it is still there.

use std::time::Duration;

use super::guest::{Greeted, Guest};
use super::peer::Mailbox;
use crate::{Incoming, State, Time};

/// A peer that the application knows.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) mailbox: Box<Mailbox>,
    pub(super) greeted: Greeted,
    pub(super) status: u8,
    pub(super) state: State,
    pub(super) incoming: Incoming,
    pub(super) entered: Time,
    pub(super) watch: Watch,
    /// Its connection to our inbox has ended: nothing more can come.
    pub(super) connection_ended: bool,
}

/// Whether a peer that the application knows is still there.
#[derive(Debug)]
pub(super) struct Watch {
    /// When a message came last, on the silence clock.
    pub(super) last_heard: Time,
    /// When it was last sent a PING.
    pub(super) pinged: Time,
    /// When it was last seen to how much we have said, and how much it was.
    pub(super) looked_at: Time,
    pub(super) said: u64,
    pub(super) presence: Presence,
    /// PINGs that are out.
    pub(super) pings: u32,
    /// Another UUID claims its address: it goes when a PING fails.
    pub(super) doubted: bool,
    pub(super) contest: Option<Contest>,
}

/// What a peer's silence means so far. Times are on the silence clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Healthy,
    /// A PING is out since then.
    Pinged(Time),
    Evasive(Time),
    Silent,
}

/// Somebody else greets us under the UUID of a live peer, from elsewhere.
/// Whether that one still answers decides.
#[derive(Debug)]
pub(super) struct Contest {
    pub(super) newcomer: Box<Guest>,
    /// PINGs that the older one has still to answer.
    pub(super) pings: u32,
    /// On the silence clock.
    pub(super) until: Time,
}

impl Live {
    pub(super) fn new(now: Time, clock: Time, mailbox: Box<Mailbox>, greeted: Greeted) -> Self {
        Self {
            status: greeted.status,
            state: greeted.state,
            incoming: Incoming::greeted(),
            connection_ended: false,
            entered: now,
            watch: Watch {
                last_heard: clock,
                pinged: now,
                looked_at: now,
                said: 0,
                presence: Presence::Healthy,
                pings: 0,
                doubted: false,
                contest: None,
            },
            mailbox,
            greeted,
        }
    }

    /// Nobody claims its UUID any more.
    pub(super) fn end_contest(&mut self) -> Option<Contest> {
        self.watch.contest.take()
    }

    /// Which connection the one has who claims its UUID.
    pub(super) fn is_contested_by(&self, connection: u64) -> bool {
        self.watch
            .contest
            .as_ref()
            .is_some_and(|contest| contest.newcomer.greeted.connection == connection)
    }

    pub(super) fn age(&self, now: Time) -> Duration {
        now - self.entered
    }
}
