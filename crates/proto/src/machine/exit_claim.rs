//! EXIT beacons of established peers, which anybody can forge.
//!
//! A process that ends closes its connections within milliseconds. So the beacon
//! isn't believed alone: the peer gets a PING, and goes when its session ends, or
//! when it doesn't answer.
//!
//! Soon after a session began, the beacon may be of the process before. Then only a
//! peer that is silent for as long as a datagram may be late is gone.

use std::time::Duration;

use uuid::Uuid;

use super::counters::count;
use super::peer::Phase;
use super::{DATAGRAM_LATENESS, ExitReason, Machine};
use crate::{State, Time};

/// How long a peer that is said to leave may take to answer, or to be heard at all.
const EXIT_PATIENCE: Duration = Duration::from_millis(150);

/// After a peer has disproved a claim, further ones within this time are dropped: a
/// leaver repeats its own later than that, and each costs a PING.
const CLAIM_GAP: Duration = Duration::from_millis(10);

/// For how long after that a claim isn't reported: whoever forges one forges more.
const CLAIM_REST: Duration = Duration::from_secs(10);

/// An EXIT beacon says that an established peer leaves.
#[derive(Debug)]
pub(super) struct ExitClaim {
    /// PINGs that the peer still has to answer to disprove it.
    open_pings: u32,
    /// When it was made, on the silence clock.
    since: Time,
    /// How long the peer may be silent.
    patience: Duration,
    /// The peer goes at that time on the silence clock.
    until: Time,
    /// The state to go back to, if the application was told `State::Exit`.
    reported: Option<State>,
    /// The port that is buried if the peer goes.
    port: Option<u16>,
}

impl ExitClaim {
    /// We stood still until that time on the silence clock. The peer gets its patience
    /// again.
    pub(super) fn spare(&mut self, clock: Time) {
        self.until = self.until.max(clock + self.patience);
    }
}

impl Machine {
    /// An EXIT beacon came from where an established peer is known. A `late` one may
    /// be of a process before this one: it isn't reported, and the peer has as long to
    /// answer as a datagram may be late.
    pub(super) fn open_exit_claim(&mut self, now: Time, uuid: Uuid, port: Option<u16>, late: bool) {
        let since = self.clock.at(now);
        let Some(Phase::Established(established)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
        else {
            return;
        };
        if established.exit_claim.is_some() {
            return;
        }
        let disproved = established.exit_disproved.map(|at| now - at);
        if disproved.is_some_and(|age| age < CLAIM_GAP) {
            count(&mut self.counters.forged);
            return;
        }
        let quiet = late || disproved.is_some_and(|age| age < CLAIM_REST);
        let patience = if late {
            DATAGRAM_LATENESS
        } else {
            EXIT_PATIENCE
        };
        let until = since + patience;
        established.exit_claim = Some(Box::new(ExitClaim {
            open_pings: established.liveness.open_pings.saturating_add(1),
            since,
            patience,
            until,
            reported: (!quiet).then_some(established.state),
            port,
        }));
        self.send_ping(now, uuid);
        if !quiet {
            self.set_peer_state(uuid, State::Exit);
        }
        let due = self.clock.due(now, until);
        self.schedule(uuid, due);
    }

    /// A PING-OK came from a peer that is said to leave.
    pub(super) fn answer_exit_claim(&mut self, now: Time, uuid: Uuid) {
        let Some(established) = self.established_mut(uuid) else {
            return;
        };
        let Some(claim) = &mut established.exit_claim else {
            return;
        };
        claim.open_pings = claim.open_pings.saturating_sub(1);
        if claim.open_pings > 0 {
            return;
        }
        let reported = claim.reported;
        established.exit_claim = None;
        established.exit_disproved = Some(now);
        count(&mut self.counters.forged);
        tracing::debug!(%uuid, "answers, although a beacon said that it leaves");
        self.unbury(uuid);
        if let Some(state) = reported {
            self.set_peer_state(uuid, state);
        }
    }

    /// The time of a claim has come. Returns whether the peer is gone. A peer that
    /// still sends has more time: its answer comes behind what it had queued.
    pub(super) fn check_exit_claim(&mut self, now: Time, uuid: Uuid) -> bool {
        let clock = self.clock.at(now);
        let Some(established) = self.established_mut(uuid) else {
            return false;
        };
        let heard = established.liveness.last_heard;
        let Some(claim) = &mut established.exit_claim else {
            return false;
        };
        if heard > claim.since {
            claim.until = claim.until.max(heard + claim.patience);
        }
        let until = claim.until;
        if clock < until {
            let due = self.clock.due(now, until);
            self.schedule(uuid, due);
            return false;
        }
        let reason = self.reason_of_end(now, uuid);
        self.exit(now, uuid, reason);
        true
    }

    /// Why a session has ended: if a beacon announced it, that was true.
    pub(super) fn reason_of_end(&mut self, now: Time, uuid: Uuid) -> ExitReason {
        let claim = self
            .established_mut(uuid)
            .and_then(|established| established.exit_claim.take());
        let Some(claim) = claim else {
            return ExitReason::Disconnected;
        };
        if let Some(port) = claim.port {
            self.bury(now, uuid, port);
        }
        ExitReason::Goodbye
    }

    /// A peer's session or its beacon shows a state. While it is reported as leaving,
    /// that state waits.
    pub(super) fn note_state(&mut self, uuid: Uuid, to: State) {
        if let Some(established) = self.established_mut(uuid)
            && let Some(claim) = &mut established.exit_claim
            && let Some(state) = &mut claim.reported
        {
            *state = to;
            return;
        }
        self.set_peer_state(uuid, to);
    }
}
