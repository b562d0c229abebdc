//! What the application asks.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;
use zre_proto::{LimitError, State};

use super::Driver;
use super::ping::PingReply;
use crate::later::in_time;
use crate::{Peer, Stats};

/// What the application asks of the driver.
#[derive(Debug)]
pub(crate) enum Request {
    Join(String, oneshot::Sender<Result<bool, LimitError>>),
    Leave(String, oneshot::Sender<bool>),
    Contest(String, oneshot::Sender<Result<bool, LimitError>>),
    Leader(String, oneshot::Sender<Option<Uuid>>),
    SetState(State, oneshot::Sender<()>),
    Ping(Peer, PingReply),
    Silences(oneshot::Sender<BTreeMap<Uuid, Duration>>),
    Stats(oneshot::Sender<Stats>),
    Shutdown(Duration, oneshot::Sender<()>),
}

impl Driver {
    pub(super) fn handle_request(&mut self, request: Request) {
        let now = self.clock.now();
        match request {
            Request::Join(group, reply) => {
                let joined = self.machine.join(now, &group);
                if let Ok(true) = joined {
                    self.view.write().own_groups.insert(group.as_str().into());
                }
                self.carry_out();
                let _ = reply.send(joined);
            }
            Request::Leave(group, reply) => {
                let left = self.machine.leave(&group);
                if left {
                    self.view.write().own_groups.remove(group.as_str());
                }
                self.carry_out();
                let _ = reply.send(left);
            }
            Request::Contest(group, reply) => {
                let contests = self.machine.contest(now, &group);
                self.carry_out();
                let _ = reply.send(contests);
            }
            Request::Leader(group, reply) => {
                let _ = reply.send(self.machine.leader(&group));
            }
            Request::Ping(peer, reply) => self.ping(&peer, reply),
            Request::Silences(reply) => {
                let all = self.machine.peers();
                let silence = |uuid| Some((uuid, self.machine.silence(now, uuid)?));
                let _ = reply.send(all.filter_map(silence).collect());
            }
            Request::Stats(reply) => {
                let _ = reply.send(self.stats());
            }
            Request::SetState(state, reply) => {
                self.busy.forget();
                self.machine.set_state(now, state);
                self.carry_out();
                let _ = reply.send(());
            }
            Request::Shutdown(patience, reply) => {
                let (_, waiting) = self
                    .stopping
                    .get_or_insert_with(|| (in_time(patience), Vec::new()));
                waiting.push(reply);
                self.view.stop();
                self.machine.shutdown(now, patience);
            }
        }
    }

    /// Tells our own figures to whoever gathers them.
    pub(super) fn publish(&mut self) {
        let stats = self.stats();
        self.publisher.publish(&stats);
    }

    pub(super) fn stats(&self) -> Stats {
        let [peers, sessions, seeds, tombstones, timers] = self.machine.table_sizes();
        let (requests, late_replies) = self.view.exchange.counts();
        Stats {
            requests,
            open_requests: self.view.open_requests.len(),
            late_replies,
            peers: self.entered,
            known: peers,
            sessions,
            seeds,
            tombstones,
            timers,
            connections: self.connections,
            queued_bytes: self.links.queued_bytes(),
            event_bytes: self.events.bytes(),
            protocol: self.machine.counters(),
            links: self.links.counters(),
            beacons: self
                .announcer
                .as_ref()
                .map(|announcer| announcer.beacon.stats()),
        }
    }
}
