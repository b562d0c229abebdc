//! Ends a node one of whose tasks has panicked.

use std::thread;

use tokio::sync::mpsc;

/// Watches the tasks of a node: if one of them panics, the driver hears of it and ends the
/// node. Without it the others would go on without knowing what is missing.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor(mpsc::UnboundedSender<Panicked>);

/// The task that has panicked.
pub(crate) type Panicked = &'static str;

impl Supervisor {
    /// A supervisor, and the queue to the driver.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Panicked>) {
        let (reports, panicked) = mpsc::unbounded_channel();
        (Self(reports), panicked)
    }

    /// Watches a task until it ends or is dropped.
    pub(crate) fn watch<W: Future>(
        &self,
        task: Panicked,
        work: W,
    ) -> impl Future<Output = W::Output> + use<W> {
        let guard = Guard(task, self.0.clone());
        async move {
            let _guard = guard;
            work.await
        }
    }
}

/// Reports a panic when it is dropped by one: the runtime drops a task that has panicked
/// while its thread still unwinds.
struct Guard(Panicked, mpsc::UnboundedSender<Panicked>);

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            // An error means that the driver has gone.
            let _ = self.1.send(self.0);
        }
    }
}
