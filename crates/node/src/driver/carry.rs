//! Carries out the outputs of the state machine.

use std::time::Duration;

use zre_proto::State;
use zre_proto::machine::Output;

use super::sessions::Dial;
use super::{Driver, LINGER};

impl Driver {
    /// Carries out all that the machine has put out, in order.
    pub(crate) fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Event(event) => self.report(event),
                Output::Send { session, command } => {
                    tracing::trace!(?session, command = command.name(), "send");
                    if let Some(entry) = self.sessions.get(&session)
                        && let Err(error) = entry.sender().send_control(&command)
                    {
                        // A session that lacks JOINs or PINGs is useless.
                        tracing::debug!(?session, %error, "no room for a control message");
                        entry.sender().close(Duration::ZERO);
                    }
                }
                Output::Connect {
                    session,
                    target,
                    outgoing,
                } => {
                    let mechanism = self.keys.mechanism_for(target.peer, &target.endpoint);
                    let dial = Dial {
                        target,
                        outgoing,
                        mechanism,
                    };
                    self.start_dial(session, dial);
                }
                Output::Disconnect { session, linger } => {
                    self.beacons_matter = true;
                    self.pending.remove(&session);
                    if let Some(entry) = self.sessions.remove(&session) {
                        entry
                            .sender()
                            .close(if linger { LINGER } else { Duration::ZERO });
                    }
                }
                Output::Admit { connection } => self.links.admit(connection),
                Output::Refuse { connection } => self.links.refuse(connection),
                Output::Announce { state, to } => {
                    self.said_exit |= state == State::Exit;
                    if let Some(announcer) = &self.announcer {
                        announcer.announce(state, to);
                    }
                }
                Output::Stopped => self.stopped = true,
            }
        }
    }
}
