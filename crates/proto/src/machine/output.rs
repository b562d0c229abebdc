//! What the machine asks of its driver.

use std::fmt;

use uuid::Uuid;

use super::event::Event;
use super::shared_outgoing::SharedOutgoing;
use crate::{Command, Endpoint, State};

/// The number of one of our mailboxes. A machine never uses a number twice, so a
/// late report about an old mailbox is recognised and dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Whom to open a mailbox to, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialTarget {
    /// The node that should be there, if it is known.
    pub peer: Option<Uuid>,
    /// The address to dial.
    pub endpoint: Endpoint,
    /// Whether a loopback address may mean this host: it was heard over
    /// loopback.
    pub over_loopback: bool,
}

impl DialTarget {
    /// A target of these values.
    pub fn new(peer: Option<Uuid>, endpoint: Endpoint, over_loopback: bool) -> Self {
        Self {
            peer,
            endpoint,
            over_loopback,
        }
    }
}

/// Who has to hear a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: it goes to every address, in each form that the address takes.
    Everybody,
    /// Nodes of this library, because every other one that we know has heard it: it goes
    /// to the groups only.
    Ours,
    /// A node on each network that hears us at all: it goes to one address there. Others
    /// have heard the last one to [`Everybody`](Self::Everybody), or will hear the next.
    EachNetwork,
}

/// What the driver has to do, in order.
#[derive(Debug)]
pub enum Output {
    /// Open a mailbox. Report the outcome by `handle_session_up` or
    /// `handle_session_closed`.
    Connect {
        /// The number to report the outcome under.
        session: SessionId,
        /// Whom to open it to.
        target: DialTarget,
        /// Numbers the messages that go into this mailbox.
        outgoing: SharedOutgoing,
    },
    /// Put a control message into a mailbox, numbered by the mailbox's
    /// `outgoing`. If the mailbox can't take it, close the mailbox and report it
    /// as closed.
    Send {
        /// The mailbox.
        session: SessionId,
        /// The message.
        command: Command,
    },
    /// Close a mailbox. Its end needn't be reported.
    Disconnect {
        /// The mailbox.
        session: SessionId,
        /// Whether to send the queued messages first.
        linger: bool,
    },
    /// A connection to our inbox has greeted us, and its HELLO counts: it may stay. If
    /// the links keep others of the same node, those end.
    Admit {
        /// Its number.
        connection: u64,
    },
    /// Close a connection to our inbox: it claims a UUID that a live peer has. Its end
    /// needn't be reported.
    Refuse {
        /// Its number.
        connection: u64,
    },
    /// Send a beacon.
    Announce {
        /// The state that it shows. EXIT is the last one.
        state: State,
        /// Who has to hear it.
        to: Audience,
    },
    /// Report an event to the application.
    Event(Event),
    /// The node has left. No output follows.
    Stopped,
}
