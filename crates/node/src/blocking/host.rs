use std::future::Future;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::wait::{wait, wait_until};

/// A thread with a runtime for one node.
#[derive(Debug)]
pub(super) struct Host {
    runtime: Handle,
    /// Dropped to end the thread.
    alive: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, dropped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("zre-node".into())
            .spawn(move || {
                // An error means that the host was dropped, which ends the thread.
                let _ = runtime.block_on(dropped);
                // Without waiting for lookups of names, which nobody needs any more.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            alive: Some(alive),
            thread: Some(thread),
        })
    }

    /// Waits for a future on the caller's thread; its timers, sockets and tasks belong to
    /// this host.
    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        let _inside = self.runtime.enter();
        wait(future)
    }

    /// The same, until the deadline: then `None`.
    pub(super) fn wait_until<F: Future>(&self, future: F, deadline: Instant) -> Option<F::Output> {
        let _inside = self.runtime.enter();
        wait_until(future, deadline)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of that thread has been reported already.
            let _ = thread.join();
        }
    }
}
