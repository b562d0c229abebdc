//! What a process runs: our state machine, or another implementation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::{Event, Found, Heard, Inbound, Output, SessionId, Up};
use zre_proto::{Beacon, Frames, Machine, State, Time, split_header};

use crate::legacy::Legacy;

#[derive(Debug)]
pub(crate) enum Brain {
    /// With the whisper that it has just taken.
    Ours(Box<Machine>, Option<Event>),
    Legacy(Box<Legacy>),
}

impl Brain {
    pub(crate) fn ours(&self) -> Option<&Machine> {
        match self {
            Self::Ours(machine, _) => Some(machine),
            Self::Legacy(_) => None,
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Ours(machine, whisper) => machine
                .poll_output()
                .or_else(|| whisper.take().map(Output::Event)),
            Self::Legacy(legacy) => legacy.poll_output(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Ours(machine, _) => machine.poll_timeout(),
            Self::Legacy(legacy) => legacy.poll_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        match self {
            Self::Ours(machine, _) => machine.handle_timeout(now),
            Self::Legacy(legacy) => legacy.handle_timeout(now),
        }
    }

    pub(crate) fn handle_beacon(&mut self, now: Time, beacon: &Beacon, heard: &Heard) {
        match self {
            Self::Ours(machine, _) => machine.handle_beacon(now, beacon, heard),
            Self::Legacy(legacy) => legacy.handle_beacon(now, beacon, heard),
        }
    }

    pub(crate) fn handle_message(&mut self, now: Time, from: &Inbound, frames: Frames) {
        match self {
            Self::Ours(machine, whisper) => {
                let (header, content) = split_header(frames);
                if machine.handle_whisper(now, from, &header, &content) {
                    let (peer, content) = (from.peer, content.into());
                    *whisper = Some(Event::Whisper { peer, content });
                } else {
                    machine.handle_message(now, from, &header, content);
                }
            }
            Self::Legacy(legacy) => legacy.handle_message(now, from, frames),
        }
    }

    pub(crate) fn handle_session_up(&mut self, now: Time, session: SessionId, up: Up) {
        match self {
            Self::Ours(machine, _) => machine.handle_session_up(now, session, up),
            Self::Legacy(legacy) => legacy.handle_session_up(session),
        }
    }

    pub(crate) fn handle_session_closed(&mut self, now: Time, session: SessionId) {
        match self {
            Self::Ours(machine, _) => machine.handle_session_closed(now, session),
            Self::Legacy(legacy) => legacy.handle_session_closed(now, session),
        }
    }

    /// Whether it judges connections: a ROUTER doesn't.
    pub(crate) fn admits(&self) -> bool {
        matches!(self, Self::Ours(..))
    }

    /// A ROUTER tells nobody of the ends of its connections.
    pub(crate) fn handle_connection_closed(&mut self, now: Time, peer: Uuid, connection: u64) {
        if let Self::Ours(machine, _) = self {
            machine.handle_connection_closed(now, peer, connection);
        }
    }

    pub(crate) fn handle_resume(&mut self, now: Time) {
        if let Self::Ours(machine, _) = self {
            machine.handle_resume(now);
        }
    }

    pub(crate) fn handle_paused(&mut self, now: Time, paused: bool) {
        if let Self::Ours(machine, _) = self {
            machine.handle_paused(now, paused);
        }
    }

    pub(crate) fn handle_found(&mut self, now: Time, found: Found) {
        if let Self::Ours(machine, _) = self {
            machine.handle_found(now, found);
        }
    }

    pub(crate) fn join(&mut self, now: Time, group: &str) {
        match self {
            // Whatever the answer is, the events of the others tell.
            Self::Ours(machine, _) => drop(machine.join(now, group)),
            Self::Legacy(legacy) => legacy.join(group),
        }
    }

    pub(crate) fn leave(&mut self, group: &str) {
        match self {
            Self::Ours(machine, _) => drop(machine.leave(group)),
            Self::Legacy(legacy) => legacy.leave(group),
        }
    }

    /// Whether a PING went out.
    pub(crate) fn ping(&mut self, now: Time, peer: Uuid) -> bool {
        match self {
            Self::Ours(machine, _) => machine.ping(now, peer).is_ok(),
            Self::Legacy(_) => false,
        }
    }

    pub(crate) fn contest(&mut self, now: Time, group: &str) {
        if let Self::Ours(machine, _) = self {
            drop(machine.contest(now, group));
        }
    }

    pub(crate) fn set_state(&mut self, now: Time, state: State) {
        if let Self::Ours(machine, _) = self {
            machine.set_state(now, state);
        }
    }

    pub(crate) fn set_name(&mut self, now: Time, name: &str) {
        if let Self::Ours(machine, _) = self {
            drop(machine.set_name(now, name));
        }
    }

    pub(crate) fn shutdown(&mut self, now: Time, patience: Duration) {
        match self {
            Self::Ours(machine, _) => machine.shutdown(now, patience),
            Self::Legacy(legacy) => legacy.shutdown(now),
        }
    }

    pub(crate) fn uuid(&self) -> Uuid {
        match self {
            Self::Ours(machine, _) => machine.uuid(),
            Self::Legacy(legacy) => legacy.uuid,
        }
    }

    /// What a peer that understands states takes it to be in.
    pub(crate) fn state(&self) -> State {
        match self {
            Self::Ours(machine, _) => machine.state(),
            Self::Legacy(_) => State::Ready,
        }
    }

    pub(crate) fn own_groups(&self) -> BTreeSet<String> {
        match self {
            Self::Ours(machine, _) => machine.own_groups().map(ToString::to_string).collect(),
            Self::Legacy(legacy) => names(&legacy.groups),
        }
    }

    pub(crate) fn peers(&self) -> BTreeSet<Uuid> {
        match self {
            Self::Ours(machine, _) => machine.peers().collect(),
            Self::Legacy(legacy) => legacy.ready().collect(),
        }
    }

    pub(crate) fn peer_groups(&self, peer: Uuid) -> Option<BTreeSet<String>> {
        match self {
            Self::Ours(machine, _) => machine.peer_groups(peer).map(names),
            Self::Legacy(legacy) => legacy.peer_groups(peer).map(names),
        }
    }

    pub(crate) fn table_sizes(&self) -> [usize; 5] {
        match self {
            Self::Ours(machine, _) => machine.table_sizes(),
            Self::Legacy(legacy) => legacy.table_sizes(),
        }
    }

    /// What would have ended it, were it what it plays.
    pub(crate) fn aborted(&mut self) -> Option<String> {
        match self {
            Self::Ours(..) => None,
            Self::Legacy(legacy) => legacy.aborted.take(),
        }
    }
}

fn names(groups: &BTreeSet<Arc<str>>) -> BTreeSet<String> {
    groups.iter().map(ToString::to_string).collect()
}
