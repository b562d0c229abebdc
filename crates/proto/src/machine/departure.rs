//! How we leave.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::output::Audience;
use super::peer::Phase;
use super::timers::{Timer, Timers};
use super::{Machine, Output};
use crate::{Command, Outgoing, State, Time};

/// EXIT beacons are datagrams: one can be lost, but hardly three within 50 ms.
const EXIT_BEACONS: u8 = 3;
const EXIT_SPACING: Duration = Duration::from_millis(20);

/// Our own departure.
#[derive(Debug)]
pub(super) struct Departure {
    /// Peers whose PING-OK is due. It confirms that everything before has arrived.
    awaited: BTreeSet<Uuid>,
    /// EXIT beacons that were sent; 0 while we wait for the peers.
    announced: u8,
    /// Whether there were peers that learn by our beacon alone that we leave, and the
    /// connections of those that haven't closed them yet.
    by_beacon: bool,
    unaware: BTreeSet<(Uuid, u64)>,
}

impl Departure {
    /// Whether EXIT has been announced. Only its repetitions follow.
    pub(super) fn is_announced(&self) -> bool {
        self.announced > 0
    }

    /// A connection to our inbox has ended: the peer knows that we leave.
    pub(super) fn connection_closed(&mut self, peer: Uuid, connection: u64) {
        self.unaware.remove(&(peer, connection));
    }

    /// Whether the next beacon is for peers of other implementations, too: each that
    /// hears it again may report our exit again, as zyre.js does.
    fn is_for_all(&self) -> bool {
        self.announced == 0 || !self.by_beacon || !self.unaware.is_empty()
    }
}

impl Machine {
    /// Leaves: shows Draining, waits until every peer has confirmed what was sent
    /// to it, but no longer than `patience`, sends GOODBYE on each session and EXIT
    /// in beacons. [`Output::Stopped`] comes last.
    ///
    /// GOODBYE is the last message of a session. It goes only to peers that have
    /// shown that they know it, because it ends others (gyre). For the rest, the
    /// EXIT beacon must do.
    pub fn shutdown(&mut self, now: Time, patience: Duration) {
        if self.departure.is_some() {
            return;
        }
        self.show_state(now, State::Draining);
        let uuids: Vec<Uuid> = self.peers.keys().copied().collect();
        let mut awaited = BTreeSet::new();
        for uuid in uuids {
            match self.peers.get(&uuid).map(|peer| &peer.phase) {
                Some(Phase::Established(_)) => {
                    self.send_ping(now, uuid);
                    awaited.insert(uuid);
                }
                Some(Phase::Leaving(..)) | None => {}
                Some(_) => self.drop_peer(uuid),
            }
        }
        self.drop_bootstraps();
        let alone = awaited.is_empty();
        self.departure = Some(Departure {
            awaited,
            announced: 0,
            by_beacon: false,
            unaware: BTreeSet::new(),
        });
        self.timers.set(Timer::Departure, now + patience);
        if alone {
            self.send_goodbyes(now);
        }
    }

    /// A peer has confirmed everything, or is gone.
    pub(super) fn no_longer_awaited(&mut self, now: Time, uuid: Uuid) {
        if let Some(departure) = &mut self.departure
            && !departure.is_announced()
        {
            departure.awaited.remove(&uuid);
            if departure.awaited.is_empty() {
                self.send_goodbyes(now);
            }
        }
    }

    /// The next step of our departure is due.
    pub(super) fn depart(&mut self, now: Time) {
        match &self.departure {
            Some(departure) if !departure.is_announced() => self.send_goodbyes(now),
            Some(_) => self.announce_exit(now),
            None => {}
        }
    }

    fn send_goodbyes(&mut self, now: Time) {
        self.timers.clear(&Timer::Announce);
        let mut unaware = BTreeSet::new();
        for (uuid, peer) in &mut self.peers {
            if let Phase::Established(established) = &peer.phase {
                let session = established.mailbox.session;
                self.sessions.remove(session);
                // A whisper that waited for room would be accepted behind GOODBYE.
                established.mailbox.numbering(Outgoing::end);
                if !peer.takes_goodbye() {
                    unaware.insert((*uuid, established.hello.connection));
                }
                if peer.takes_goodbye() {
                    self.outputs.push_back(Output::Send {
                        session,
                        command: Command::Goodbye,
                    });
                }
                self.outputs.push_back(Output::Disconnect {
                    session,
                    linger: true,
                });
            }
        }
        self.peers.clear();
        if let Some(departure) = &mut self.departure {
            departure.by_beacon = !unaware.is_empty();
            departure.unaware = unaware;
        }
        self.announce_exit(now);
    }

    fn announce_exit(&mut self, now: Time) {
        let Some(departure) = &mut self.departure else {
            return;
        };
        self.state = State::Exit;
        let for_all = departure.is_for_all();
        departure.announced = departure.announced.saturating_add(1);
        let beacons = self.config.interval.is_some();
        let last = departure.announced >= EXIT_BEACONS || !beacons;
        if beacons {
            self.outputs.push_back(Output::Announce {
                state: State::Exit,
                to: match for_all {
                    true => Audience::Everybody,
                    false => Audience::Ours,
                },
            });
        }
        if last {
            self.timers = Timers::default();
            self.outputs.push_back(Output::Stopped);
        } else {
            self.timers.set(Timer::Departure, now + EXIT_SPACING);
        }
    }
}
