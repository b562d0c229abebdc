use std::time::Duration;

use bytes::Bytes;
use zre_proto::machine::{NotSent, SharedOutgoing};
use zre_proto::{Command, nears_wrap};
use zre_session::{Closed, Mailbox, TrySendError};

use crate::backpressure::BackpressureSignal;
use crate::meters::Meters;

/// Sends to one peer: numbers messages and puts them into the peer's mailbox.
///
/// A sender numbers its message and queues it under one lock, so that the
/// numbers on the wire have no gap, whatever is refused. It writes after it:
/// neither other senders nor the driver wait for the system call. Data goes
/// from the application's thread straight into the mailbox; only control
/// messages pass the driver.
#[derive(Debug)]
pub(crate) struct PeerSender {
    outgoing: SharedOutgoing,
    mailbox: Mailbox,
    signal: BackpressureSignal,
    meters: Meters,
}

impl PeerSender {
    pub(crate) fn new(
        outgoing: SharedOutgoing,
        mailbox: Mailbox,
        signal: BackpressureSignal,
        meters: Meters,
    ) -> Self {
        Self {
            outgoing,
            mailbox,
            signal,
            meters,
        }
    }

    /// Reports that the queue is full.
    pub(crate) fn signal(&self) -> &BackpressureSignal {
        &self.signal
    }

    /// Counts what is sent.
    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Queues a WHISPER or SHOUT; the header's number is set here.
    pub(crate) fn send_data(&self, header: &mut [u8], body: &[Bytes]) -> Result<(), TrySendError> {
        let pending = self
            .outgoing
            .send_data(header, |header| self.mailbox.enqueue(header, body))
            .map_err(|not_sent| match not_sent {
                NotSent::Ended => TrySendError::Closed,
                NotSent::Refused(error) => error,
            })?;
        pending.write();
        if let Some(&[high, low]) = header.get(4..6)
            && nears_wrap(u16::from_be_bytes([high, low]))
        {
            self.signal.report_near_wrap();
        }
        Ok(())
    }

    /// Queues anything else.
    pub(crate) fn send_control(&self, command: &Command) -> Result<(), TrySendError> {
        let pending = self.outgoing.send_control(command, |frames| {
            let (head, body) = match frames.split_first() {
                Some((head, body)) => (head.as_ref(), body),
                None => (&[][..], &[][..]),
            };
            self.mailbox.enqueue_control(head, body)
        })?;
        pending.write();
        Ok(())
    }

    /// Waits until the mailbox has room for that many bytes. Cancel-safe.
    pub(crate) async fn writable(&self, bytes: usize) -> Result<(), Closed> {
        self.mailbox.writable(bytes).await
    }

    pub(crate) fn close(&self, linger: Duration) {
        self.mailbox.close(linger);
    }
}
