//! Buffers that connections share, because only a few are busy at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use zre_zmtp::{Buffers, READ_CHUNK, SLAB};

/// How many buffers of the usual size are kept: a little over 2 MiB. Messages of 64 KiB that
/// an application hasn't read yet hold one each. A process in which more are in use at once
/// does so much that an allocation costs nothing.
const KEPT: usize = 32;

/// How many buffers of large frames are kept.
const KEPT_LARGE: usize = 4;

/// The largest of those, in bytes. With [`KEPT_LARGE`] it bounds the large buffers
/// that an idle process keeps, to 16 MiB.
const LARGEST: usize = 4 << 20;

/// How many slabs are kept: 1 MiB. As many are in use while an inbox is full of the
/// messages of one peer.
const KEPT_SLABS: usize = 64;

/// How many slabs are looked at until a new one is made.
const LOOKED_AT: usize = 4;

/// All read and write buffers of the process that nobody uses at the moment.
///
/// An idle connection holds none. The allocator would return their memory to the
/// system each time, and get it back at once, which costs more than reading into
/// it: for a message of 64 KiB sixteen page faults, half of the receiver's time.
static POOL: Mutex<Kept> = Mutex::new(Kept::new());

/// Oldest first. Messages may still share some of them; those are whole again when
/// the messages are gone.
struct Kept {
    usual: VecDeque<BytesMut>,
    large: VecDeque<BytesMut>,
    slabs: VecDeque<BytesMut>,
}

impl Kept {
    const fn new() -> Self {
        Self {
            usual: VecDeque::new(),
            large: VecDeque::new(),
            slabs: VecDeque::new(),
        }
    }

    /// One of the oldest slabs, if nobody shares it any more. Those that are still
    /// shared become the youngest: an application may keep a message for ever.
    fn reclaim_slab(&mut self) -> Option<BytesMut> {
        for _ in 0..LOOKED_AT {
            let mut slab = self.slabs.pop_front()?;
            if slab.try_reclaim(SLAB) {
                return Some(slab);
            }
            self.slabs.push_back(slab);
        }
        None
    }
}

fn lock() -> MutexGuard<'static, Kept> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The oldest buffer that nobody shares any more and that has room.
fn reclaim(kept: &mut VecDeque<BytesMut>, bytes: usize) -> Option<BytesMut> {
    let at = kept.iter_mut().position(|buf| buf.try_reclaim(bytes))?;
    kept.remove(at)
}

/// Keeps a buffer as the youngest of at most `most`; returns the oldest if it has to go.
fn keep(kept: &mut VecDeque<BytesMut>, buf: BytesMut, most: usize) -> Option<BytesMut> {
    kept.push_back(buf);
    match kept.len() > most {
        true => kept.pop_front(),
        false => None,
    }
}

/// An empty buffer with room for [`READ_CHUNK`] bytes.
pub(super) fn take() -> BytesMut {
    Pool.take(READ_CHUNK)
}

/// Keeps a buffer that was taken, unless it has grown far beyond the usual size.
pub(super) fn put(buf: BytesMut) {
    if (READ_CHUNK..=2 * READ_CHUNK).contains(&buf.capacity()) {
        Pool.put(buf, 0);
    }
}

/// The pool as a decoder knows it.
pub(super) struct Pool;

impl Buffers for Pool {
    fn take(&mut self, bytes: usize) -> BytesMut {
        let kept = reclaim(&mut lock().usual, bytes.max(READ_CHUNK));
        kept.unwrap_or_else(|| BytesMut::with_capacity(bytes.max(READ_CHUNK)))
    }

    fn recycled(&mut self, bytes: usize) -> Option<BytesMut> {
        reclaim(&mut lock().large, bytes)
    }

    fn put(&mut self, mut buf: BytesMut, large: usize) {
        if large > LARGEST {
            return;
        }
        buf.clear();
        let dropped = {
            let mut kept = lock();
            let (queue, most) = match large {
                0 => (&mut kept.usual, KEPT),
                _ => (&mut kept.large, KEPT_LARGE),
            };
            keep(queue, buf, most)
        };
        // Freed outside the lock.
        drop(dropped);
    }

    fn slab(&mut self) -> BytesMut {
        lock()
            .reclaim_slab()
            .unwrap_or_else(|| BytesMut::with_capacity(SLAB))
    }

    fn put_slab(&mut self, mut slab: BytesMut) {
        slab.clear();
        let dropped = keep(&mut lock().slabs, slab, KEPT_SLABS);
        // Freed outside the lock.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_buffer_is_whole_again_when_its_messages_are_gone() {
        let mut kept = VecDeque::new();
        let mut shared = BytesMut::with_capacity(1000);
        shared.extend_from_slice(&[7; 900]);
        let message = shared.split_to(900).freeze();
        let place = message.as_ptr();
        kept.push_back(shared);
        assert!(reclaim(&mut kept, 1000).is_none());
        assert_eq!(message, [7; 900][..]);
        drop(message);
        let again = reclaim(&mut kept, 1000).unwrap();
        assert_eq!(again.as_ptr(), place);
        assert!(kept.is_empty());
    }

    #[test]
    fn a_slab_that_stays_shared_holds_up_no_other() {
        let mut kept = Kept::new();
        let mut messages = Vec::new();
        for n in 0..=LOOKED_AT {
            let mut slab = BytesMut::with_capacity(SLAB);
            slab.extend_from_slice(&[n as u8; SLAB]);
            messages.push(slab.split().freeze());
            kept.slabs.push_back(slab);
        }
        let free = messages.pop().unwrap();
        let place = free.as_ptr();
        drop(free);
        assert!(kept.reclaim_slab().is_none());
        let again = kept.reclaim_slab().unwrap();
        assert_eq!((again.as_ptr(), again.capacity()), (place, SLAB));
        assert_eq!(kept.slabs.len(), LOOKED_AT);
        assert!(
            messages
                .iter()
                .zip(0..)
                .all(|(message, n)| message[..] == [n; SLAB])
        );
    }

    #[test]
    fn the_number_kept_is_bounded() {
        for _ in 0..100 {
            Pool.put_slab(BytesMut::with_capacity(SLAB));
            put(BytesMut::with_capacity(READ_CHUNK));
            Pool.put(BytesMut::with_capacity(LARGEST), LARGEST);
            Pool.put(BytesMut::with_capacity(LARGEST + 1), LARGEST + 1);
        }
        let kept = lock();
        let large = kept.large.iter().map(BytesMut::capacity).max();
        assert_eq!(large, Some(LARGEST));
        assert!(kept.usual.len() <= KEPT);
        assert!(kept.large.len() <= KEPT_LARGE);
        assert!(kept.slabs.len() <= KEPT_SLABS);
        drop(kept);
        let again = Pool.recycled(LARGEST).map(|buf| buf.capacity());
        assert_eq!(again, Some(LARGEST));
    }
}
