//! Buffers that connections share, because only few are busy at a time.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use zre_zmtp::READ_CHUNK;

/// How many buffers are kept: a little over 1 MiB. More than that many sockets
/// at once are busy only on machines where an allocation costs nothing.
const KEPT: usize = 16;

/// All read and write buffers of the process that nobody uses at the moment.
///
/// An idle connection holds none. Giving them back to the allocator instead
/// would, each time, return memory to the system that is wanted again at once.
static POOL: Mutex<Vec<BytesMut>> = Mutex::new(Vec::new());

/// An empty buffer with room for [`READ_CHUNK`] bytes.
pub(super) fn take() -> BytesMut {
    let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.unwrap_or_else(|| BytesMut::with_capacity(READ_CHUNK))
}

/// Keeps a buffer if it has the pool's size, else drops it.
pub(super) fn put(mut buf: BytesMut) {
    buf.clear();
    // A buffer that is shared with messages can't be reclaimed, and one that
    // grew far beyond what is asked of the pool would only waste memory.
    if !buf.try_reclaim(READ_CHUNK) || buf.capacity() > 2 * READ_CHUNK {
        return;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < KEPT {
        pool.push(buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_and_oversized_buffers_are_not_kept() {
        let mut shared = take();
        shared.extend_from_slice(&[7; 100]);
        let message = shared.split_to(50).freeze();
        put(shared);
        put(BytesMut::with_capacity(10 * READ_CHUNK));
        put(BytesMut::with_capacity(10));
        let pool = POOL.lock().unwrap();
        for buf in pool.iter() {
            assert!(buf.is_empty());
            assert!((READ_CHUNK..=2 * READ_CHUNK).contains(&buf.capacity()));
        }
        assert_eq!(message, [7; 50][..]);
    }
}
