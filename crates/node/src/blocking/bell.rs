#[cfg(unix)]
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;
use std::time::Instant;

use crate::sync::{Condvar, Mutex, MutexGuard};

/// Wakes threads that wait for something, and loops that poll a file descriptor: for
/// bindings to other languages and event loops.
///
#[cfg_attr(unix, doc = "```no_run")]
#[cfg_attr(not(unix), doc = "```ignore")]
/// use std::sync::Arc;
/// use zre::blocking::Bell;
///
/// # fn run(mut events: zre::blocking::Events) -> std::io::Result<()> {
/// let bell = Arc::new(Bell::default());
/// let ringer = bell.clone();
/// events.set_waker(move || ringer.ring());
/// let descriptor = bell.descriptor()?;
/// loop {
///     bell.clear();
///     while let Some(event) = events.try_recv() {
///         println!("{event:?}");
///     }
///     // Here the loop polls `descriptor` beside others.
///     # let _ = descriptor;
/// }
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How often it was rung.
    count: u64,
    #[cfg(unix)]
    pipe: Option<Pipe>,
}

/// The descriptor that callers poll, and its other end. One byte is in it, or none.
#[cfg(unix)]
#[derive(Debug)]
struct Pipe {
    readable: UnixStream,
    writer: UnixStream,
    full: bool,
}

impl Bell {
    /// Wakes everybody who waits, and makes the descriptor readable. It blocks only while
    /// another thread is in a call of this type.
    pub fn ring(&self) {
        let mut state = self.lock();
        state.count = state.count.wrapping_add(1);
        state.set();
        drop(state);
        self.rung.notify_all();
    }

    /// How often it was rung until now, for [`wait`](Self::wait).
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// Waits until it has been rung once more than `count` says, and for ever if there is
    /// no deadline. False if the deadline is first.
    ///
    /// Take the [`count`](Self::count) before you look whether there is anything to wait
    /// for: then nothing that happens in between is missed.
    #[must_use]
    pub fn wait(&self, count: u64, deadline: Option<Instant>) -> bool {
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

    /// Makes the descriptor readable, if there is one, and wakes nobody else.
    pub fn set(&self) {
        self.lock().set();
    }

    /// Makes the descriptor unreadable until the bell is rung or [set](Self::set). Do so
    /// before you look for what it was rung for.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// A file descriptor to poll, always the same, and readable at first. Only poll it:
    /// don't read, write or close it. It is closed when the bell is dropped.
    ///
    /// # Errors
    /// The process or the system has no descriptor left.
    #[cfg(unix)]
    pub fn descriptor(&self) -> std::io::Result<std::os::fd::RawFd> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_counts_before_looking_misses_no_ring() {
        let bell = Bell::default();
        let count = bell.count();
        bell.ring();
        assert!(bell.wait(count, None));
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(!bell.wait(bell.count(), Some(soon)));
        assert!(Instant::now() >= soon);
    }

    #[cfg(unix)]
    #[test]
    fn the_descriptor_is_readable_until_it_is_cleared() {
        use std::os::fd::BorrowedFd;

        let bell = Bell::default();
        let descriptor = bell.descriptor().unwrap();
        assert_eq!(bell.descriptor().unwrap(), descriptor);
        let readable = || {
            let pipe = bell.lock();
            let pipe = pipe.pipe.as_ref().unwrap();
            let fd: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(&pipe.readable);
            let socket = fd.try_clone_to_owned().map(UnixStream::from).unwrap();
            let peeked =
                socket2::SockRef::from(&socket).peek(&mut [std::mem::MaybeUninit::uninit()]);
            peeked.is_ok_and(|bytes| bytes == 1)
        };
        assert!(readable());
        bell.clear();
        assert!(!readable());
        bell.ring();
        bell.ring();
        assert!(readable());
        bell.clear();
        assert!(!readable(), "rings don't add up");
        bell.set();
        assert!(readable());
    }
}
