//! Carries out the application's commands.

use zre_proto::machine::{Found, Source};

use super::Driver;
use crate::Stats;
use crate::commands::Command;
use crate::later::in_time;

impl Driver {
    pub(super) fn handle_command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Join(group, reply) => {
                let joined = self.machine.join(now, &group);
                if let Ok(true) = joined {
                    self.shared.write().own_groups.insert(group.as_str().into());
                }
                self.carry_out();
                let _ = reply.send(joined);
            }
            Command::Leave(group, reply) => {
                let left = self.machine.leave(&group);
                if left {
                    self.shared.write().own_groups.remove(group.as_str());
                }
                self.carry_out();
                let _ = reply.send(left);
            }
            Command::Contest(group, reply) => {
                let contests = self.machine.contest(now, &group);
                self.carry_out();
                let _ = reply.send(contests);
            }
            Command::Leader(group, reply) => {
                let _ = reply.send(self.machine.leader(&group));
            }
            Command::AddPeer {
                endpoint,
                uuid,
                key,
                reply,
            } => {
                if let Some(key) = key {
                    self.keys.learn(&endpoint, &key);
                }
                let found = Found::new(endpoint, uuid, Source::Static);
                self.machine.handle_found(now, found);
                self.carry_out();
                let _ = reply.send(());
            }
            Command::RemovePeer(endpoint, reply) => {
                self.machine.handle_lost(&endpoint, Source::Static);
                self.carry_out();
                let _ = reply.send(());
            }
            Command::Ping(peer, reply) => self.ping(&peer, reply),
            Command::Silences(reply) => {
                let all = self.machine.peers();
                let silence = |uuid| Some((uuid, self.machine.silence(now, uuid)?));
                let _ = reply.send(all.filter_map(silence).collect());
            }
            Command::Stats(reply) => {
                let _ = reply.send(self.stats());
            }
            Command::SetState(state, reply) => {
                self.busy.forget();
                self.machine.set_state(now, state);
                self.carry_out();
                let _ = reply.send(());
            }
            Command::SetName(name, reply) => {
                let changed = self.machine.set_name(now, &name);
                self.show_profile();
                let _ = reply.send(changed);
            }
            Command::SetHeader(key, value, reply) => {
                let changed = self.machine.set_header(now, &key, &value);
                self.show_profile();
                let _ = reply.send(changed);
            }
            Command::RemoveHeader(key, reply) => {
                let removed = self.machine.remove_header(now, &key);
                self.show_profile();
                let _ = reply.send(removed);
            }
            Command::Shutdown(patience, reply) => {
                let (_, waiting) = self
                    .stopping
                    .get_or_insert_with(|| (in_time(patience), Vec::new()));
                waiting.push(reply);
                self.shared.stop();
                self.machine.shutdown(now, patience);
            }
        }
    }

    /// Shows the handles our name and headers, and carries out what follows from them.
    fn show_profile(&mut self) {
        self.shared.write().own_profile = self.machine.profile();
        self.carry_out();
    }

    /// Passes the node's figures to the metrics recorder.
    pub(super) fn publish(&mut self) {
        let stats = self.stats();
        self.publisher.publish(&stats);
    }

    pub(super) fn stats(&self) -> Stats {
        let [peers, sessions, bootstraps, tombstones, timers] = self.machine.table_sizes();
        let (requests, late_replies) = self.shared.pending_requests.counts();
        let (refused, last_refusal) = self.keys.refusals();
        Stats {
            refused,
            last_refusal,
            requests,
            unanswered_requests: self.shared.open_requests.len(),
            late_replies,
            peers: self.entered,
            known: peers,
            sessions,
            bootstraps,
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
