//! A stream whose other end is a test.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, BytesMut};
use zre_interleave::{Mutex, MutexGuard, Notify, any};

/// A connected stream. It takes as much of each write as the schedule chooses.
#[derive(Debug)]
pub(super) struct ScriptedStream {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// How many writes are taken until the other end reads.
    room: usize,
    /// How many writes, taken or not, succeed until one fails, and all after it.
    sound: usize,
    failed: bool,
    written: Vec<u8>,
    finished: bool,
    to_read: BytesMut,
    /// Who waits for that.
    reader: Option<Waker>,
    /// The other end writes no more.
    closed: bool,
}

impl State {
    fn read(&mut self, buf: &mut impl BufMut) -> io::Result<usize> {
        let some = self.to_read.len().min(buf.remaining_mut());
        if some == 0 && !self.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buf.put_slice(&self.to_read[..some]);
        self.to_read.advance(some);
        Ok(some)
    }
}

impl ScriptedStream {
    /// A stream that takes `room` writes before it is full, and breaks at the write after
    /// `sound` of them.
    pub(super) fn new(room: usize, sound: usize) -> Self {
        Self {
            state: Mutex::new(State {
                room,
                sound,
                failed: false,
                written: Vec::new(),
                finished: false,
                to_read: BytesMut::new(),
                reader: None,
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (changed, reader) = {
            let mut state = self.lock();
            (change(&mut state), state.reader.take())
        };
        self.changed.notify_waiters();
        if let Some(reader) = reader {
            reader.wake();
        }
        changed
    }

    /// The other end makes room for so many more writes.
    pub(super) fn make_room(&self, writes: usize) {
        self.change(|state| state.room = state.room.saturating_add(writes));
    }

    /// The other end sends something.
    pub(super) fn send(&self, bytes: &[u8]) {
        self.change(|state| state.to_read.extend_from_slice(bytes));
    }

    /// The other end closes.
    pub(super) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// The connection breaks: the next write tells.
    pub(super) fn break_off(&self) {
        self.change(|state| state.sound = 0);
    }

    /// Whether a write has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// What was written until now.
    pub(super) fn written(&self) -> Vec<u8> {
        self.lock().written.clone()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Waits until the other end sees that in what was written, or a write has failed.
    pub(super) async fn sees(&self, what: impl Fn(&[u8]) -> bool) {
        self.wait(|state| state.failed || what(&state.written))
            .await;
    }

    async fn wait(&self, until: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if until(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.change(|state| {
            if state.finished {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if state.sound == 0 {
                // As from the kernel, the reason comes once.
                let again = std::mem::replace(&mut state.failed, true);
                return Err(match again {
                    false => io::ErrorKind::TimedOut.into(),
                    true => io::ErrorKind::BrokenPipe.into(),
                });
            }
            state.sound -= 1;
            if state.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            state.room -= 1;
            let mut bytes = Vec::new();
            for slice in slices {
                bytes.extend_from_slice(slice);
            }
            let some = [bytes.len(), bytes.len().div_ceil(2), 1][any(3)];
            state.written.extend_from_slice(&bytes[..some]);
            Ok(some)
        })
    }

    pub(super) fn try_read(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        self.lock().read(buf)
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        match state.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            read => Poll::Ready(read),
        }
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.wait(|state| state.closed || !state.to_read.is_empty())
            .await;
        Ok(())
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.wait(|state| state.room > 0 || state.sound == 0).await;
        Ok(())
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        self.change(|state| state.finished = true);
        Ok(())
    }
}
