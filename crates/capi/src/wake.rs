//! Waking those who wait for events: threads in a call, and loops that poll a file
//! descriptor.

#[cfg(unix)]
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Default)]
pub(crate) struct Wake {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    /// How often it was rung.
    count: u64,
    #[cfg(unix)]
    pipe: Option<Pipe>,
}

/// The descriptor that callers poll, and its other end. One byte is in it, or none.
#[cfg(unix)]
struct Pipe {
    readable: UnixStream,
    writer: UnixStream,
    full: bool,
}

impl Wake {
    /// Wakes everybody.
    pub(crate) fn ring(&self) {
        let mut state = self.lock();
        state.count = state.count.wrapping_add(1);
        state.set();
        drop(state);
        self.rung.notify_all();
    }

    /// How often it was rung until now, for [`wait`](Self::wait).
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Waits until it is rung once more than `count` says. False if the deadline is first.
    pub(crate) fn wait(&self, count: u64, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while state.count == count {
            let Some(deadline) = deadline else {
                state = (self.rung.wait(state)).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.rung.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Makes the descriptor readable, if there is one.
    pub(crate) fn set(&self) {
        self.lock().set();
    }

    /// Makes it unreadable until it is rung or set.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The descriptor, which is readable at first.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> std::io::Result<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd;

        let mut state = self.lock();
        if let Some(pipe) = &state.pipe {
            return Ok(pipe.readable.as_raw_fd());
        }
        let (readable, writer) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let descriptor = readable.as_raw_fd();
        state.pipe = Some(Pipe {
            readable,
            writer,
            full: false,
        });
        state.set();
        Ok(descriptor)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
impl State {
    fn set(&mut self) {
        if let Some(pipe) = &mut self.pipe
            && !pipe.full
        {
            pipe.full = pipe.writer.write(&[1]).is_ok();
        }
    }

    fn clear(&mut self) {
        if let Some(pipe) = &mut self.pipe
            && pipe.full
        {
            // A caller that reads the descriptor itself may have been faster.
            let _ = pipe.readable.read(&mut [0; 8]);
            pipe.full = false;
        }
    }
}

#[cfg(not(unix))]
impl State {
    fn set(&mut self) {}

    fn clear(&mut self) {}
}
