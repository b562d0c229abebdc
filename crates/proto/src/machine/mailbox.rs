//! One mailbox of ours, as the machine sees it.

use super::output::SessionId;
use super::shared_outgoing::SharedOutgoing;
use super::source::Source;
use crate::{Endpoint, Outgoing, State, Time};

/// One mailbox of ours.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) session: SessionId,
    pub(super) endpoint: Endpoint,
    pub(super) outgoing: SharedOutgoing,
    /// PINGs carry it, and their answers.
    pub(super) token: u64,
    /// Our state, as our HELLO or a later message reported it.
    pub(super) sent_state: State,
    /// The revision of our name and headers that it has carried.
    pub(super) sent_revision: u32,
    pub(super) in_memory: bool,
    /// Whether the other end is another process of this host: the system reports at once
    /// that it has died.
    pub(super) same_host: bool,
    pub(super) opened: Option<Time>,
    /// Whether the handshake named the node at the other end.
    pub(super) proven: bool,
}

impl Mailbox {
    pub(super) fn numbering<T>(&self, f: impl FnOnce(&mut Outgoing) -> T) -> T {
        self.outgoing.with(f)
    }
}

/// A dial that turns out to lead to a peer that has greeted us.
#[derive(Debug)]
pub(super) struct AdoptedDial {
    pub(super) mailbox: Box<Mailbox>,
    /// Whether the mailbox has carried our HELLO.
    pub(super) greeted: bool,
    /// The source of a bootstrap address.
    pub(super) source: Option<Source>,
}
