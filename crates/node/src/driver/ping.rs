//! Pings that wait for their answers.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::PingRefused;

use super::Driver;
use crate::Peer;
use crate::commands::PingReply;

/// The waiting pings of each peer, in the order of their PINGs. The machine bounds their
/// number, including those that were given up: each PING-OK belongs to one of them.
#[derive(Debug, Default)]
pub(super) struct PingWaiters(HashMap<Uuid, VecDeque<PingReply>>);

impl PingWaiters {
    pub(super) fn answer(&mut self, peer: Uuid, round_trip: Duration) {
        if let Some(waiting) = self.0.get_mut(&peer) {
            if let Some(reply) = waiting.pop_front() {
                // An error means that the ping was given up.
                let _ = reply.send(Ok(round_trip));
            }
            if waiting.is_empty() {
                self.0.remove(&peer);
            }
        }
    }

    pub(super) fn forget(&mut self, peer: Uuid) {
        self.0.remove(&peer);
    }
}

impl Driver {
    /// Whether this session of the peer is still here.
    pub(super) fn is_here(&self, peer: &Peer) -> bool {
        let shared = self.shared.read();
        shared
            .peers
            .get(&peer.uuid())
            .is_some_and(|here| here.is(peer))
    }

    pub(super) fn ping(&mut self, peer: &Peer, reply: PingReply) {
        let uuid = peer.uuid();
        let asked = if self.is_here(peer) {
            self.machine.ping(self.clock.now(), uuid)
        } else {
            Err(PingRefused::Gone)
        };
        match asked {
            Ok(()) => {
                self.pings.0.entry(uuid).or_default().push_back(reply);
                self.carry_out();
            }
            Err(refused) => {
                let _ = reply.send(Err(refused));
            }
        }
    }
}
