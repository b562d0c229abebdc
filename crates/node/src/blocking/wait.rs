//! Waiting for a future on the caller's thread.

use std::convert::Infallible;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Wakes a waiting thread.
struct Alarm {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits until the future is ready.
///
/// tokio's `block_on` panics inside a runtime, and that of the futures crate inside
/// another of its executors. tokio's cooperative budget is turned off: there is no task
/// here that could yield, and inside another task the future would never be ready.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    wait_while(future, || {
        thread::park();
        ControlFlow::<Infallible>::Continue(())
    })
    .unwrap_or_else(|never| match never {})
}

/// Waits until the future is ready, or until the deadline: then `None`.
pub(super) fn wait_until<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let waited = wait_while(future, || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return ControlFlow::Break(());
        }
        thread::park_timeout(left);
        ControlFlow::Continue(())
    });
    waited.ok()
}

/// Waits by calling `park`, which may return early, until the future is ready or `park`
/// says to stop.
fn wait_while<F: Future, E>(future: F, park: impl Fn() -> ControlFlow<E>) -> Result<F::Output, E> {
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    // Most calls don't have to wait.
    let mut idle = Context::from_waker(Waker::noop());
    if let Poll::Ready(output) = future.as_mut().poll(&mut idle) {
        return Ok(output);
    }
    let alarm = Arc::new(Alarm {
        thread: thread::current(),
        rung: AtomicBool::new(true),
    });
    let waker = Waker::from(alarm.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if alarm.rung.swap(false, Ordering::Acquire) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
        } else if let ControlFlow::Break(end) = park() {
            return Err(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_future_is_waited_for_until_it_is_ready_or_the_deadline() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let teller = thread::spawn(move || tell.send(7));
        assert_eq!(wait(told), Ok(7));
        teller.join().unwrap().unwrap();
        let soon = Instant::now() + Duration::from_millis(5);
        let never = std::future::pending::<()>();
        assert_eq!(wait_until(never, soon), None);
        assert!(Instant::now() >= soon);
    }
}
