use std::sync::{Arc, PoisonError};
#[cfg(not(test))]
use std::sync::{Mutex, MutexGuard};

#[cfg(test)]
use zre_interleave::{Mutex, MutexGuard};

use crate::{Command, Frames, Outgoing, patch_sequence};

/// The numbers of one session's outgoing messages, shared by the machine and by
/// whatever puts messages into the session's mailbox. A clone is the same numbers.
///
/// The numbers have a lock of their own, because messages are sent outside of the
/// machine. A message takes its number when the mailbox accepts it, under that lock:
/// the numbers on the wire have no gap and are in order, whatever is refused and
/// however many threads send.
#[derive(Debug, Clone)]
pub struct SharedOutgoing(Arc<Mutex<Outgoing>>);

/// Why a message of the application wasn't sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent<E> {
    /// The session has ended.
    Ended,
    /// The mailbox refused it.
    Refused(E),
}

impl SharedOutgoing {
    /// Shares these numbers.
    pub fn new(outgoing: Outgoing) -> Self {
        Self(Arc::new(Mutex::new(outgoing)))
    }

    /// Numbers a message of the application and queues it. `enqueue` gets its header,
    /// with the number. Other senders wait meanwhile.
    ///
    /// # Errors
    /// Those of `enqueue`, and [`NotSent::Ended`] once `Exit` has counted the messages of
    /// the session. The number isn't used up then.
    pub fn send_data<T, E>(
        &self,
        header: &mut [u8],
        enqueue: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, NotSent<E>> {
        let mut outgoing = self.lock();
        if outgoing.has_ended() {
            return Err(NotSent::Ended);
        }
        patch_sequence(header, outgoing.peek());
        let queued = enqueue(header).map_err(NotSent::Refused)?;
        let _ = outgoing.next_data();
        Ok(queued)
    }

    /// As [`send_data`](Self::send_data), for a message that isn't the application's.
    /// `enqueue` gets its frames.
    ///
    /// # Errors
    /// Those of `enqueue`. The number isn't used up then.
    pub fn send_control<T, E>(
        &self,
        command: &Command,
        enqueue: impl FnOnce(Frames) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut outgoing = self.lock();
        let queued = enqueue(command.encode(outgoing.peek()))?;
        let _ = outgoing.next();
        if matches!(command, Command::Ping(_)) {
            outgoing.note_ping();
        }
        Ok(queued)
    }

    /// Looks at the numbers, or changes them, under the lock.
    pub fn with<T>(&self, f: impl FnOnce(&mut Outgoing) -> T) -> T {
        f(&mut self.lock())
    }

    // Once for each message, and from another crate.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whisper_header;

    fn sequence(header: &[u8]) -> u16 {
        u16::from_be_bytes([header[4], header[5]])
    }

    #[test]
    fn a_message_that_is_refused_uses_up_no_number_and_confirms_nothing() {
        let outgoing = SharedOutgoing::new(Outgoing::new(false));
        let mut header = whisper_header(0);
        let refused = outgoing.send_data(&mut header, |_| Err::<(), _>("full"));
        assert_eq!(refused, Err(NotSent::Refused("full")));
        let refused = outgoing.send_control(&Command::Ping(None), |_| Err::<(), _>("full"));
        assert_eq!(refused, Err("full"));
        assert_eq!(outgoing.with(|it| (it.peek(), it.total())), (1, 0));
        let sent = outgoing.send_data(&mut header, |header| Ok::<_, ()>(sequence(header)));
        assert_eq!(sent, Ok(1));
        assert_eq!(outgoing.with(|it| it.unconfirmed()), 1);
        // The PING that was refused isn't answered by this.
        outgoing.with(Outgoing::confirm);
        assert_eq!(outgoing.with(|it| it.unconfirmed()), 1);
        let sent = outgoing.send_control(&Command::Ping(None), |frames| {
            Ok::<_, ()>(sequence(&frames[0]))
        });
        assert_eq!(sent, Ok(2));
        outgoing.with(Outgoing::confirm);
        assert_eq!(outgoing.with(|it| it.unconfirmed()), 0);
    }

    #[test]
    fn a_message_that_an_exit_has_not_counted_is_refused() {
        let outgoing = SharedOutgoing::new(Outgoing::new(false));
        let mut header = whisper_header(0);
        let mut send = || outgoing.send_data(&mut header, |_| Ok::<_, ()>(()));
        assert_eq!(send(), Ok(()));
        assert_eq!(outgoing.with(Outgoing::end), 1);
        assert_eq!(send(), Err(NotSent::Ended));
        assert_eq!(outgoing.with(|it| it.unconfirmed()), 1);
        // GOODBYE may still follow.
        assert!(
            outgoing
                .send_control(&Command::Goodbye, Ok::<_, ()>)
                .is_ok()
        );
    }
}
