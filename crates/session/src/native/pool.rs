//! Buffers that connections share, because only a few are busy at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use zre_zmtp::{Buffers, READ_CHUNK};

/// How many buffers of the usual size are kept: a little over 1 MiB. A process
/// in which more sockets are busy at once does so much that an allocation costs
/// nothing.
const KEPT: usize = 16;

/// How many buffers of large frames are kept.
const KEPT_LARGE: usize = 4;

/// The largest of those, in bytes. With [`KEPT_LARGE`] it bounds the large buffers
/// that an idle process keeps, to 16 MiB.
const LARGEST: usize = 4 << 20;

/// All read and write buffers of the process that nobody uses at the moment.
///
/// An idle connection holds none. The allocator would return their memory to the
/// system each time, and get it back at once, which costs more than reading into
/// it: for a message of 64 KiB sixteen page faults, half of the receiver's time.
static POOL: Mutex<Kept> = Mutex::new(Kept {
    usual: VecDeque::new(),
    large: VecDeque::new(),
});

/// Oldest first. Messages may still share some of them; those are whole again when
/// the messages are gone.
struct Kept {
    usual: VecDeque<BytesMut>,
    large: VecDeque<BytesMut>,
}

fn lock() -> MutexGuard<'static, Kept> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The oldest buffer that nobody shares any more and that has room.
fn reclaim(kept: &mut VecDeque<BytesMut>, bytes: usize) -> Option<BytesMut> {
    let at = kept.iter_mut().position(|buf| buf.try_reclaim(bytes))?;
    kept.remove(at)
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
            queue.push_back(buf);
            if queue.len() > most {
                queue.pop_front()
            } else {
                None
            }
        };
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
    fn the_number_kept_is_bounded() {
        for _ in 0..100 {
            put(BytesMut::with_capacity(READ_CHUNK));
            Pool.put(BytesMut::with_capacity(LARGEST), LARGEST);
            Pool.put(BytesMut::with_capacity(LARGEST + 1), LARGEST + 1);
        }
        let kept = lock();
        let large = kept.large.iter().map(BytesMut::capacity).max();
        assert_eq!(large, Some(LARGEST));
        assert!(kept.usual.len() <= KEPT);
        assert!(kept.large.len() <= KEPT_LARGE);
    }
}
