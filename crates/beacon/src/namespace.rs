//! Which network a thread sees.

/// A network namespace: its device and inode in the kernel's namespace file system.
///
/// A process may have threads in several (container runtimes do, tests do), and a socket
/// belongs to the one of the thread that opened it. While a hub's thread lives in a
/// namespace, the kernel can't give its number to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Namespace(u64, u64);

impl Namespace {
    /// The calling thread's. Where the system has none, or `/proc` isn't mounted, all
    /// threads are taken to share one.
    #[cfg(target_os = "linux")]
    pub(crate) fn current() -> Self {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/thread-self/ns/net")
            .map_or(Self(0, 0), |file| Self(file.dev(), file.ino()))
    }

    /// The one network there is.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn current() -> Self {
        Self(0, 0)
    }
}
