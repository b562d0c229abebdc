//! A connected socket, tcp or ipc.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use zre_zmtp::Encoder;

#[cfg(test)]
use super::scripted_stream::ScriptedStream;
use crate::engine::Route;
use crate::write::write_vectored;
use crate::{Credentials, Link};

/// The kernel's send buffer for a unix socket, in bytes. Its default, 208 KiB, holds
/// three messages of 64 KiB, after which writer and reader wait for each other.
/// (tcp sizes its buffers itself, better than any fixed size.)
#[cfg(unix)]
const UNIX_BUFFER: usize = 1 << 20;

/// The most slices of one vectored write.
const SLICES: usize = 64;

/// A connected, non-blocking socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(test)]
    Scripted(std::sync::Arc<ScriptedStream>),
}

impl Stream {
    /// An accepted or dialled tcp connection.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        // We batch what belongs together; Nagle's algorithm would only hold back
        // the end of each batch.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Connects. Cancel safe: an unfinished attempt is given up.
    pub(super) async fn connect(route: &Route) -> io::Result<Self> {
        match route {
            Route::Tcp(addr) => Self::tcp(TcpStream::connect(addr).await?),
            #[cfg(unix)]
            Route::Ipc(path) => {
                let stream = UnixStream::connect(path).await?;
                // As much as the system allows; less is no error.
                let _ = SockRef::from(&stream).set_send_buffer_size(UNIX_BUFFER);
                Ok(Self::Unix(stream))
            }
            #[cfg(not(unix))]
            Route::Ipc(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) fn link(&self) -> Link {
        match self {
            Self::Tcp(_) => Link::Tcp,
            #[cfg(unix)]
            Self::Unix(_) => Link::Ipc,
            #[cfg(test)]
            Self::Scripted(_) => Link::Tcp,
        }
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }

    /// The process at the other end, over ipc.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        match self {
            Self::Tcp(_) => None,
            #[cfg(unix)]
            Self::Unix(stream) => stream.peer_cred().ok().map(|credentials| Credentials {
                uid: credentials.uid(),
                pid: credentials.pid(),
            }),
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }

    /// Whether a process of our user is at the other end, over ipc.
    pub(super) fn is_of_our_user(&self) -> bool {
        #[cfg(unix)]
        let own = Some(rustix::process::geteuid().as_raw());
        #[cfg(not(unix))]
        let own = None::<u32>;
        own.is_some() && self.credentials().map(|it| it.uid) == own
    }

    /// Reads what there is, 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        // The future keeps nothing between polls: the stream keeps the waker.
        match self {
            Self::Tcp(stream) => pin!(stream.read_buf(buf)).poll(cx),
            #[cfg(unix)]
            Self::Unix(stream) => pin!(stream.read_buf(buf)).poll(cx),
            #[cfg(test)]
            Self::Scripted(stream) => stream.poll_read(cx, buf),
        }
    }

    /// Reads what there is, or returns `WouldBlock`.
    pub(super) fn try_read(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buf),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read_buf(buf),
            #[cfg(test)]
            Self::Scripted(stream) => stream.try_read(buf),
        }
    }

    /// Writes what an encoder has, until the kernel takes no more or `most` bytes
    /// are written, or more; returns how many were.
    ///
    /// # Errors
    /// The connection is of no use any more.
    #[allow(
        clippy::indexing_slicing,
        reason = "slices() says how many it has filled"
    )]
    pub(super) fn try_write_encoded(
        &self,
        encoder: &mut Encoder,
        most: usize,
    ) -> io::Result<usize> {
        let mut written = 0usize;
        while !encoder.is_empty() && written < most {
            let result = {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let filled = encoder.slices(&mut slices);
                self.try_write_vectored(&slices[..filled])
            };
            match result {
                Ok(n) => {
                    encoder.advance(n);
                    written = written.saturating_add(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(written)
    }

    /// Writes what the kernel takes now, or returns `WouldBlock`.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => {
                stream.try_io(Interest::WRITABLE, || write_vectored(stream, slices))
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                stream.try_io(Interest::WRITABLE, || write_vectored(stream, slices))
            }
            #[cfg(test)]
            Self::Scripted(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Writes what the kernel takes now, or returns `WouldBlock`.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    /// Cancel safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.readable().await,
            #[cfg(test)]
            Self::Scripted(stream) => stream.readable().await,
        }
    }

    /// Cancel safe.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            #[cfg(unix)]
            Self::Unix(stream) => stream.writable().await,
            #[cfg(test)]
            Self::Scripted(stream) => stream.writable().await,
        }
    }

    /// Closes the sending direction. What was written still arrives.
    pub(super) fn finish(&self) {
        // An error means that the connection is gone already.
        let _ = match self {
            Self::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            #[cfg(test)]
            Self::Scripted(stream) => stream.finish(),
        };
    }
}
