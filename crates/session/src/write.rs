//! Writing to a socket whose peer may have gone.

use std::io::{self, IoSlice};

use socket2::SockRef;

/// Writes what the kernel takes, as `writev` does, but never raises SIGPIPE when the peer
/// has gone: only Rust's own programs ignore that signal, and a library may be part of
/// another one. (Where there is no such flag, std sets an option of the socket, or the
/// system has no such signal.)
#[doc(hidden)]
pub fn write_vectored<'a>(
    socket: impl Into<SockRef<'a>>,
    slices: &[IoSlice<'_>],
) -> io::Result<usize> {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    let flags = rustix::net::SendFlags::NOSIGNAL.bits().cast_signed();
    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    let flags = 0;
    socket.into().send_vectored_with_flags(slices, flags)
}
