//! Notices the panic of a task that many connections depend on.

use std::thread;

use tokio::sync::mpsc;

use crate::Notice;

/// Reports a panic when it is dropped by one: the runtime drops a task that has panicked
/// while its thread still unwinds.
#[derive(Clone)]
pub(crate) struct PanicGuard {
    task: &'static str,
    notices: mpsc::UnboundedSender<Notice>,
}

impl PanicGuard {
    pub(crate) fn new(task: &'static str, notices: &mpsc::UnboundedSender<Notice>) -> Self {
        Self {
            task,
            notices: notices.clone(),
        }
    }

    /// Holds the guard for as long as the work takes.
    pub(crate) async fn watch<T>(self, work: impl Future<Output = T>) -> T {
        let _guard = self;
        work.await
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            // An error means that nobody wants to know.
            let _ = self.notices.send(Notice::Panicked { task: self.task });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Notices;

    #[tokio::test]
    async fn a_panic_is_reported_and_an_end_is_not() {
        let (sender, mut notices) = Notices::new();
        let guard = PanicGuard::new("something", &sender);
        drop(sender);
        let ending = tokio::spawn(guard.clone().watch(async {}));
        ending.await.unwrap();
        let aborted = tokio::spawn(guard.clone().watch(std::future::pending::<()>()));
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert!(notices.try_recv().is_none());
        let panicking = tokio::spawn(guard.watch(async { panic!("on purpose") }));
        assert!(panicking.await.unwrap_err().is_panic());
        let notice = notices.recv().await;
        assert!(
            matches!(notice, Some(Notice::Panicked { task: "something" })),
            "{notice:?}"
        );
        assert!(notices.recv().await.is_none());
    }
}
