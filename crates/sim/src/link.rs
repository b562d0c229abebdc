//! One link: a mailbox of one process at an inbox of another.

use std::collections::VecDeque;

use uuid::Uuid;
use zre_proto::machine::{SessionId, SharedOutgoing};
use zre_proto::{Frames, Time};

use crate::wire::WireCheck;

/// A process: its host, and which of the host's processes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) host: usize,
    pub(crate) life: u32,
}

/// Which way something travels on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the inbox.
    There,
    /// To the mailbox. No message goes that way, only what becomes of the link.
    Back,
}

/// What travels on a link.
#[derive(Debug)]
pub(crate) enum Item {
    /// Asks for the link.
    Dial,
    /// The inbox has it.
    Accepted,
    /// A message.
    Frames(Frames),
    /// This end is closed.
    End,
}

/// One direction of a link: first in, first out, nothing lost before its end.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    items: VecDeque<(Time, Item)>,
    last: Time,
    /// When a happening is planned that will look at this lane.
    pub(crate) planned: Option<Time>,
}

impl Lane {
    /// Puts an item in, to arrive no earlier than what went before it. Tells when.
    pub(crate) fn push(&mut self, arrives: Time, item: Item) -> Time {
        self.last = self.last.max(arrives);
        self.items.push_back((self.last, item));
        self.last
    }

    /// When the first item arrives, and whether it asks for the link.
    pub(crate) fn first(&self) -> Option<(Time, &Item)> {
        self.items.front().map(|(at, item)| (*at, item))
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_front()?;
        if self.items.is_empty() {
            // There may be a million idle lanes.
            self.items = VecDeque::new();
        }
        Some(item)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Loses what is on its way behind the first `keep` items.
    pub(crate) fn truncate(&mut self, keep: usize) {
        self.items.truncate(keep);
    }
}

/// One link, from its dial to its end.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) dialler: ProcessId,
    /// Who the dialler says it is.
    pub(crate) identity: Uuid,
    pub(crate) session: SessionId,
    pub(crate) outgoing: SharedOutgoing,
    /// The host and port that were dialled.
    pub(crate) target: usize,
    pub(crate) port: u16,
    /// The process that accepted.
    pub(crate) listener: Option<ProcessId>,
    pub(crate) there: Lane,
    pub(crate) back: Lane,
    /// Whether the mailbox is still there, and whether it has been told that it
    /// is connected.
    pub(crate) mailbox: bool,
    pub(crate) up: bool,
    /// The mailbox has ended, and not because its process closed it.
    pub(crate) lost: bool,
    /// Whether the inbox holds its end.
    pub(crate) inbox: bool,
    pub(crate) wire: WireCheck,
    pub(crate) ledger: Ledger,
}

impl Link {
    /// A link that is dialled.
    pub(crate) fn new(
        dialler: ProcessId,
        identity: Uuid,
        session: SessionId,
        outgoing: SharedOutgoing,
        (target, port): (usize, u16),
    ) -> Self {
        Self {
            dialler,
            identity,
            session,
            outgoing,
            target,
            port,
            listener: None,
            there: Lane::default(),
            back: Lane::default(),
            mailbox: true,
            up: false,
            lost: false,
            inbox: false,
            wire: WireCheck::default(),
            ledger: Ledger::default(),
        }
    }
}

/// What became of the application's messages on one link.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ledger {
    /// Accepted and numbered.
    pub(crate) sent: u64,
    /// Delivered to the application at the other end, in order.
    pub(crate) delivered: u64,
    /// How many the sender was told may be lost, when its session ended.
    pub(crate) told: Option<u64>,
    /// The sender's process ended: nobody is left to be told.
    pub(crate) orphaned: bool,
}

/// A mailbox has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Link {
    /// Whether its mailbox takes one more message, if it holds so many at the most.
    pub(crate) fn room(&self, most: usize) -> Result<(), Full> {
        if self.there.len() < most {
            Ok(())
        } else {
            Err(Full)
        }
    }

    pub(crate) fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::There => &mut self.there,
            Way::Back => &mut self.back,
        }
    }

    /// Whether nothing can happen on it any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.mailbox && !self.inbox && self.there.len() == 0 && self.back.len() == 0
    }
}
