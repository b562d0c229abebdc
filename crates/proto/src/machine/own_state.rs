//! Our groups and our state, and how peers hear of them.

use std::sync::Arc;

use uuid::Uuid;

use super::peer::Phase;
use super::{Machine, Output};
use crate::{Command, LimitError, State, Time};

impl Machine {
    /// Joins a group. Returns false if we were in it already.
    ///
    /// RFC 36: "When a node joins a group it SHALL broadcast a JOIN command to
    /// all its peers."
    ///
    /// # Errors
    /// The name is empty or too long, or we are in too many groups.
    pub fn join(&mut self, now: Time, group: &str) -> Result<bool, LimitError> {
        self.config.limits.validate_group(group)?;
        if self.own_groups.contains(group) {
            return Ok(false);
        }
        self.config
            .limits
            .validate_group_count(self.own_groups.len().saturating_add(1))?;
        self.own_groups.insert(group.into());
        self.status = self.status.wrapping_add(1);
        let status = self.status;
        self.send_to_all(|| Command::Join {
            group: group.into(),
            status,
        });
        self.election_joined(now, group);
        Ok(true)
    }

    /// Leaves a group. Returns false if we weren't in it.
    pub fn leave(&mut self, group: &str) -> bool {
        if !self.own_groups.remove(group) {
            return false;
        }
        self.status = self.status.wrapping_add(1);
        let status = self.status;
        self.send_to_all(|| Command::Leave {
            group: group.into(),
            status,
        });
        self.election_left(group);
        true
    }

    /// Sends to every session that has carried our HELLO, whether or not the peer
    /// has greeted us. Others count our JOINs and LEAVEs from HELLO's status on,
    /// and some assert that none is missing.
    fn send_to_all(&mut self, mut command: impl FnMut() -> Command) {
        for peer in self.peers.values_mut() {
            if let Some(mailbox) = peer.greeted_mailbox_mut() {
                self.outputs.push_back(Output::Send {
                    session: mailbox.session,
                    command: command(),
                });
            }
        }
        for bootstrap in self.bootstraps.values() {
            if let Some(session) = bootstrap.greeted_session() {
                self.outputs.push_back(Output::Send {
                    session,
                    command: command(),
                });
            }
        }
    }

    /// The groups that we are in.
    pub fn own_groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.own_groups.iter()
    }

    /// Changes our state, and reports it at once in a beacon and to the peers that
    /// showed theirs. A state that isn't [settable](State::is_settable) is ignored,
    /// and so is any while the node leaves.
    pub fn set_state(&mut self, now: Time, state: State) {
        if self.state == state || self.departure.is_some() || !state.is_settable() {
            return;
        }
        self.show_state(now, state);
    }

    pub(super) fn show_state(&mut self, now: Time, state: State) {
        let starts = self.state == State::Init && self.pace.has_just_begun(now);
        self.state = state;
        if starts && state == State::Ready {
            self.announce_start();
        } else {
            self.announce(now);
        }
        let peers: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in peers {
            self.send_state(uuid);
        }
    }

    /// Reports our state to an established peer that showed its own.
    pub(super) fn send_state(&mut self, uuid: Uuid) {
        if let Some(Phase::Established(established)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
            && established.hello.shows_state
        {
            established.mailbox.sent_state = self.state;
            let session = established.mailbox.session;
            self.send(session, Command::State(self.state));
        }
    }

    /// Our state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }
}
