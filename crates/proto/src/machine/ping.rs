//! Round trips that the application asks for.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

use super::bounds::OPEN_PINGS;
use super::peer::Phase;
use super::{Event, Machine};
use crate::Time;

/// Why a PING wasn't sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PingRefused {
    /// The peer isn't here, or it is leaving, or we are.
    #[error("the peer is gone")]
    Gone,
    /// Too many PINGs to the peer are unanswered.
    #[error("{OPEN_PINGS} PINGs to the peer are unanswered: wait for their answers")]
    TooMany,
}

/// The unanswered PINGs of the application.
#[derive(Debug, Default)]
pub(super) struct Pings(BTreeMap<Uuid, VecDeque<OpenPing>>);

#[derive(Debug)]
struct OpenPing {
    /// PING-OKs up to and including its own. PING-OK names no PING, but a session
    /// keeps their order.
    due: u32,
    sent: Time,
}

impl Pings {
    /// The peer is gone.
    pub(super) fn forget(&mut self, peer: Uuid) {
        self.0.remove(&peer);
    }

    /// A PING-OK came. If it answers a PING of the application, returns when that
    /// was sent.
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
    /// Sends a PING, however short the silence is. [`Event::Pong`] reports its round
    /// trip. A peer that exits first owes no answer any more.
    ///
    /// Every ZRE peer answers. The time ends when its PING-OK is handled, so it
    /// includes the waits in the queues of both sides.
    ///
    /// # Errors
    /// [`PingRefused`]; no PING was sent.
    pub fn ping(&mut self, now: Time, peer: Uuid) -> Result<(), PingRefused> {
        if self.departure.is_some() {
            return Err(PingRefused::Gone);
        }
        let Some(Phase::Established(established)) = self.peers.get(&peer).map(|peer| &peer.phase)
        else {
            return Err(PingRefused::Gone);
        };
        let open = self.pings.0.entry(peer).or_default();
        if open.len() >= OPEN_PINGS {
            return Err(PingRefused::TooMany);
        }
        open.push_back(OpenPing {
            due: established.liveness.open_pings.saturating_add(1),
            sent: now,
        });
        self.send_ping(now, peer);
        Ok(())
    }

    pub(super) fn report_round_trip(&mut self, now: Time, peer: Uuid) {
        if let Some(sent) = self.pings.answered(peer) {
            let round_trip = now - sent;
            self.event(Event::Pong { peer, round_trip });
        }
    }
}
