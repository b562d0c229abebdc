//! The network namespace of a thread.

/// A network namespace: its device and inode in the kernel's namespace file system.
///
/// A process may have threads in several (as container runtimes and tests do), and a socket
/// belongs to that of the thread that opened it. While a hub's thread is in a namespace, the
/// kernel can't reuse its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Namespace(u64, u64);

impl Namespace {
    /// The calling thread's. If `/proc` isn't mounted, all threads count as being in one.
    #[cfg(target_os = "linux")]
    pub(crate) fn current() -> Self {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/thread-self/ns/net")
            .map_or(Self(0, 0), |file| Self(file.dev(), file.ino()))
    }

    /// The only network of such a system.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn current() -> Self {
        Self(0, 0)
    }
}
