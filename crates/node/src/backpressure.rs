use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use zre_proto::machine::SessionId;

/// Reports to the driver that the queue of a session is full, or its numbers wrap soon.
#[derive(Debug)]
pub(crate) struct BackpressureSignal {
    session: SessionId,
    full: AtomicBool,
    reports: mpsc::UnboundedSender<SessionReport>,
}

/// What the driver hears of a session.
#[derive(Debug)]
pub(crate) enum SessionReport {
    Full(QueueFull),
    /// The numbers of its messages wrap soon.
    NearWrap(SessionId),
}

/// A queue had no room for so many bytes.
#[derive(Debug)]
pub(crate) struct QueueFull {
    pub(crate) session: SessionId,
    pub(crate) bytes: usize,
}

impl BackpressureSignal {
    pub(crate) fn new(session: SessionId, reports: mpsc::UnboundedSender<SessionReport>) -> Self {
        Self {
            session,
            full: AtomicBool::new(false),
            reports,
        }
    }

    /// Reports a message of so many bytes that found no room. Only the first one since
    /// the queue had room is reported, therefore the sessions bound the reports.
    pub(crate) fn report(&self, bytes: usize) {
        if !self.full.swap(true, Ordering::AcqRel) {
            let session = self.session;
            // An error means that the node has stopped.
            let full = SessionReport::Full(QueueFull { session, bytes });
            let _ = self.reports.send(full);
        }
    }

    /// Reports that the numbers of the messages wrap soon.
    #[cold]
    pub(crate) fn report_near_wrap(&self) {
        let _ = self.reports.send(SessionReport::NearWrap(self.session));
    }

    /// The queue has room again.
    pub(crate) fn reset(&self) {
        self.full.store(false, Ordering::Release);
    }
}
