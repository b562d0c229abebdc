//! A peer that the application knows.

use std::time::Duration;

use super::conflict::Dispute;
use super::exit_claim::ExitClaim;
use super::liveness::Liveness;
use super::mailbox::Mailbox;
use super::remote_hello::RemoteHello;
use crate::{Endpoint, Incoming, State, Time};

/// A peer that the application knows.
#[derive(Debug)]
pub(super) struct EstablishedPeer {
    pub(super) mailbox: Mailbox,
    pub(super) hello: RemoteHello,
    pub(super) status: u8,
    pub(super) state: State,
    pub(super) incoming: Incoming,
    pub(super) entered: Time,
    pub(super) liveness: Liveness,
    /// Another node claims its UUID.
    pub(super) dispute: Option<Box<Dispute>>,
    /// When a beacon last changed its state.
    pub(super) beacon_state_since: Option<Time>,
    /// An EXIT beacon says that it leaves.
    pub(super) exit_claim: Option<Box<ExitClaim>>,
    /// When it last disproved such a beacon.
    pub(super) exit_disproved: Option<Time>,
    /// Whether its connection to our inbox has ended: nothing more can come.
    pub(super) connection_ended: bool,
}

impl EstablishedPeer {
    pub(super) fn new(now: Time, clock: Time, mailbox: Mailbox, hello: RemoteHello) -> Self {
        Self {
            status: hello.status,
            state: hello.state,
            incoming: Incoming::greeted(),
            connection_ended: false,
            entered: now,
            liveness: Liveness::new(now, clock),
            dispute: None,
            beacon_state_since: None,
            exit_claim: None,
            exit_disproved: None,
            mailbox,
            hello,
        }
    }

    /// Whether the node that claims its UUID uses that connection.
    pub(super) fn is_disputed_by(&self, connection: u64) -> bool {
        self.dispute
            .as_ref()
            .is_some_and(|dispute| dispute.newcomer.hello.connection == connection)
    }

    /// Whether its inbox has that port, as far as we know.
    pub(super) fn listens_at(&self, port: u16) -> bool {
        let greeted_at = self.hello.endpoint.as_ref();
        self.mailbox.endpoint.port() == Some(port)
            || greeted_at.and_then(Endpoint::port) == Some(port)
    }

    pub(super) fn age(&self, now: Time) -> Duration {
        now - self.entered
    }

    /// Notes a status that the peer reports. Returns whether it is the next one.
    /// Other implementations assert this; here it only shows that somebody
    /// miscounts.
    pub(super) fn note_status(&mut self, status: u8) -> bool {
        let expected = self.status.wrapping_add(1);
        self.status = status;
        status == expected
    }
}
