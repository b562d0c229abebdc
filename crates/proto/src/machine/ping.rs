//! Round trips that the application asks for.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

use super::peer::Phase;
use super::{Event, Machine};
use crate::{Command, Time};

/// How many of its PINGs to one peer may wait for their answers: one a second,
/// to a peer that has died and is soon to expire.
const OPEN: usize = 32;

/// Why a PING wasn't sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PingRefused {
    /// The peer isn't here, or is going; or we are.
    #[error("the peer is gone")]
    Gone,
    /// Too many to it wait for their answers.
    #[error("{OPEN} PINGs to the peer wait for their answers")]
    TooMany,
}

/// The application's PINGs that aren't answered.
#[derive(Debug, Default)]
pub(super) struct Pings(BTreeMap<Uuid, VecDeque<Open>>);

#[derive(Debug)]
struct Open {
    /// PING-OKs until its own, which is one of them: PING-OK names no PING, but
    /// a session is ordered.
    due: u32,
    sent: Time,
}

impl Pings {
    /// The peer has gone.
    pub(super) fn forget(&mut self, peer: Uuid) {
        self.0.remove(&peer);
    }

    /// A PING-OK came. When the PING was sent that it answers, if that one was
    /// the application's.
    fn answered(&mut self, peer: Uuid) -> Option<Time> {
        let open = self.0.get_mut(&peer)?;
        for ping in open.iter_mut() {
            ping.due = ping.due.saturating_sub(1);
        }
        let sent = open.pop_front_if(|first| first.due == 0)?.sent;
        if open.is_empty() {
            self.0.remove(&peer);
        }
        Some(sent)
    }
}

impl Machine {
    /// Sends a PING, whatever the silence. [`Event::Pong`] tells its round trip;
    /// a peer that exits first owes no answer any more.
    ///
    /// Any ZRE peer answers. The time is from here to when its PING-OK is
    /// handled, so it includes what waits in the queues of both sides.
    ///
    /// # Errors
    /// [`PingRefused`]; no PING was sent.
    pub fn ping(&mut self, now: Time, peer: Uuid) -> Result<(), PingRefused> {
        if self.departure.is_some() {
            return Err(PingRefused::Gone);
        }
        let Some(Phase::Ready(live)) = self.peers.get_mut(&peer).map(|peer| &mut peer.phase) else {
            return Err(PingRefused::Gone);
        };
        let open = self.pings.0.entry(peer).or_default();
        if open.len() >= OPEN {
            return Err(PingRefused::TooMany);
        }
        live.note_ping(now);
        open.push_back(Open {
            due: live.watch.pings,
            sent: now,
        });
        let session = live.mailbox.session;
        self.send(session, Command::Ping);
        Ok(())
    }

    pub(super) fn tell_round_trip(&mut self, now: Time, peer: Uuid) {
        if let Some(sent) = self.pings.answered(peer) {
            let round_trip = now - sent;
            self.event(Event::Pong { peer, round_trip });
        }
    }
}
