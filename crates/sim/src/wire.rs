//! What each implementation may rely on: checked on every message that one of
//! ours puts on a link, as the strictest of the others would.

use zre_proto::{Command, Frames, MessageLimits};

/// One sender's messages on one link, so far.
#[derive(Debug, Default)]
pub(crate) struct WireCheck {
    messages: u64,
    status: u8,
    ended: bool,
}

/// The header by which a node shows that it knows STATE.
const STATE_HEADER: &str = zre_proto::machine::STATE_HEADER;

impl WireCheck {
    /// Whether the sender's HELLO is out.
    pub(crate) fn has_greeted(&self) -> bool {
        self.messages > 0
    }

    /// Looks at the next message. `knows_state` says whether the peer has shown
    /// the header of ours. Tells the message, as a peer reads it.
    pub(crate) fn see(
        &mut self,
        frames: &Frames,
        wraps_early: bool,
        knows_state: bool,
    ) -> Result<Command, String> {
        let (sequence, command) = Command::decode(frames.clone(), &MessageLimits::default())
            .map_err(|error| format!("puts on the wire what nobody can read: {error}"))?;
        if self.ended {
            return Err(format!("{} after GOODBYE", command.name()));
        }
        self.messages += 1;
        let cycle = if wraps_early { 65_535 } else { 65_536 };
        let due = self.messages % cycle;
        if u64::from(sequence) != due {
            return Err(format!(
                "numbers its {} {sequence} where {due} is due",
                command.name()
            ));
        }
        match &command {
            Command::Hello(hello) if self.messages == 1 => {
                self.status = hello.status;
                if !hello.headers.contains_key(STATE_HEADER) {
                    return Err("greets without its state".to_owned());
                }
            }
            _ if self.messages == 1 => {
                return Err(format!("begins a session with {}", command.name()));
            }
            Command::Hello(_) => return Err("greets twice in a session".to_owned()),
            // C Zyre and pyre assert this.
            Command::Join { status, .. } | Command::Leave { status, .. } => {
                self.status = self.status.wrapping_add(1);
                if *status != self.status {
                    return Err(format!(
                        "says status {status} in {} where {} is due",
                        command.name(),
                        self.status
                    ));
                }
            }
            Command::Goodbye => self.ended = true,
            Command::State(_)
            | Command::Elect { .. }
            | Command::Leader { .. }
            | Command::Request { .. }
            | Command::Reply { .. }
            | Command::Update(_)
                if !knows_state =>
            {
                return Err(format!(
                    "says {} to a peer that hasn't shown it knows it",
                    command.name()
                ));
            }
            _ => {}
        }
        Ok(command)
    }
}
