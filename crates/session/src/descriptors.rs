//! The limit of the process on file descriptors.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two warnings: one says all, and dials fail many times a second.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How many descriptors macOS grants a process in any case, if it may have more than the
/// default.
#[cfg(unix)]
const OPEN_MAX: u64 = 10_240;

/// Raises the limit of this process on open file descriptors (`ulimit -n`) as far as it may,
/// and returns the limit in force now.
///
/// Each peer takes about two descriptors, and systems start programs with a limit of 1024 or
/// less. Call it once at the start of a program; the library never does so by itself,
/// because the limit concerns the whole process, and `select` can't take descriptors over
/// 1023. `None` on systems without such a limit, as on Windows.
///
/// # Errors
/// The system's error; the limit stays as it was.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(limit.current);
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        // Older macOS allows no more than that, whatever the hard limit is.
        let current = limit.current.map(|now| now.max(OPEN_MAX));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit })?;
    }
    Ok(getrlimit(Resource::Nofile).current)
}

/// This system has no such limit.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    Ok(None)
}

/// How many descriptors connections may take that nobody has let in yet: a quarter of
/// the limit of this process, so that silent strangers can't take all.
#[cfg(unix)]
pub(crate) fn share() -> usize {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_MAX);
    // There the kernel has a bound of its own, `kern.maxfilesperproc`, which this limit
    // may exceed.
    let limit = match cfg!(target_vendor = "apple") {
        true => limit.min(OPEN_MAX),
        false => limit,
    };
    usize::try_from(limit >> 2).map_or(usize::MAX, |share| share.max(1))
}

#[cfg(not(unix))]
pub(crate) fn share() -> usize {
    usize::MAX
}

/// Whether an error says that the process, or the system, has no free descriptor.
pub(crate) fn is_out(error: &io::Error) -> bool {
    #[cfg(unix)]
    let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|e| e.raw_os_error());
    // WSAEMFILE
    #[cfg(not(unix))]
    let codes = [10_024];
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Warns, at most once a minute in a process, that connections fail for want of descriptors.
pub(crate) fn warn() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
        *last = Some(Instant::now());
        tracing::warn!(
            "no free file descriptor: peers can't be reached or accepted; raise the limit on open files (`ulimit -n`)"
        );
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_the_lack_of_descriptors_counts() {
        let error = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(is_out(&error(rustix::io::Errno::MFILE)));
        assert!(!is_out(&error(rustix::io::Errno::CONNREFUSED)));
        assert!(!is_out(&io::Error::other("something else")));
    }
}
