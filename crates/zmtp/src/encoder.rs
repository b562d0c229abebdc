//! Messages to bytes.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::FrameHeader;
use crate::command::{error_body, pong_body};
use crate::seal::{FrameFlags, Sealer};

/// Bodies of at least so many bytes are not copied into the buffer but handed
/// to the vectored write as they are.
///
/// Copying 2 KiB takes about as long as the alternative: one more entry for the
/// kernel to walk, a shared handle to take and to release.
pub const SHARE_FROM: usize = 2048;

/// Encoded messages on their way out, sealed if the connection's mechanism seals.
///
/// Small frames and all headers lie side by side in one buffer; a large body stays
/// in its own [`Bytes`], and the encoder remembers its place. Write what
/// [`Encoder::slices`] returns, then report it to [`Encoder::advance`].
///
/// The encoder sets no bound: the code that fills it has to.
#[derive(Debug, Default)]
pub struct Encoder {
    buf: BytesMut,
    /// Position of `buf`'s first byte among all bytes ever put into `buf`.
    base: u64,
    /// Large bodies, each with the position in `buf` before which it goes.
    large: VecDeque<(u64, Bytes)>,
    /// Bytes of the stream so far, and how many of them are written.
    total: u64,
    written: u64,
    /// Where in the stream each unfinished message ends.
    ends: VecDeque<u64>,
    sealer: Option<Box<dyn Sealer>>,
}

impl Encoder {
    /// An empty encoder that holds no memory yet. With the sealer of a
    /// handshake's [`Established`](crate::Established), every frame is sealed.
    pub fn new(sealer: Option<Box<dyn Sealer>>) -> Encoder {
        Encoder {
            sealer,
            ..Encoder::default()
        }
    }

    /// Appends one message: `head` is its first frame, `body` the others.
    #[inline]
    pub fn push_message(&mut self, head: &[u8], body: &[Bytes]) {
        if self.sealer.is_some() {
            return self.seal_message(head, body);
        }
        let mut more = body.len();
        self.header(head.len(), more > 0);
        if head.len() < SHARE_FROM {
            self.put(head);
        } else {
            // One copy of its own, instead of a buffer that grows to its size.
            self.share(Bytes::copy_from_slice(head));
        }
        for frame in body {
            more = more.saturating_sub(1);
            self.header(frame.len(), more > 0);
            if frame.len() < SHARE_FROM {
                self.put(frame);
            } else {
                self.share(frame.clone());
            }
        }
        self.ends.push_back(self.total);
    }

    fn share(&mut self, frame: Bytes) {
        let at = self.base.saturating_add(self.buf.len() as u64);
        self.count(frame.len());
        self.large.push_back((at, frame));
    }

    /// Appends the body of a command. It doesn't count as a message.
    pub fn push_command(&mut self, body: &[u8]) {
        let flags = FrameFlags {
            more: false,
            command: true,
        };
        if self.sealer.is_some() {
            return self.seal(flags, body);
        }
        FrameHeader {
            more: false,
            command: true,
            len: body.len() as u64,
        }
        .encode(&mut self.buf);
        self.count(FrameHeader::size_for(body.len()));
        self.put(body);
    }

    /// Appends a PONG command; the context is cut after 16 bytes.
    ///
    /// RFC 37: "the PONG command SHALL echo the ping-context".
    pub fn push_pong(&mut self, context: &[u8]) {
        self.push_command(&pong_body(context));
    }

    /// Appends an ERROR command; the reason is cut after 255 bytes.
    pub fn push_error(&mut self, reason: &str) {
        self.push_command(&error_body(reason));
    }

    #[inline]
    fn header(&mut self, len: usize, more: bool) {
        FrameHeader {
            more,
            command: false,
            len: len as u64,
        }
        .encode(&mut self.buf);
        self.count(FrameHeader::size_for(len));
    }

    #[inline(never)]
    fn seal_message(&mut self, head: &[u8], body: &[Bytes]) {
        let mut more = body.len();
        for frame in std::iter::once(head).chain(body.iter().map(Bytes::as_ref)) {
            let flags = FrameFlags {
                more: more > 0,
                command: false,
            };
            self.seal(flags, frame);
            more = more.saturating_sub(1);
        }
        self.ends.push_back(self.total);
    }

    /// Appends a frame in an outer one, which has neither flag.
    fn seal(&mut self, flags: FrameFlags, content: &[u8]) {
        let Some(sealer) = &mut self.sealer else {
            return;
        };
        let len = content.len().saturating_add(sealer.overhead());
        let header = FrameHeader {
            more: false,
            command: false,
            len: len as u64,
        };
        let size = FrameHeader::size_for(len).saturating_add(len);
        if len < SHARE_FROM {
            header.encode(&mut self.buf);
            sealer.seal(flags, content, &mut self.buf);
            self.count(size);
        } else {
            // In memory of its own, instead of a buffer that grows to its size.
            let mut sealed = BytesMut::with_capacity(size);
            header.encode(&mut sealed);
            sealer.seal(flags, content, &mut sealed);
            self.share(sealed.freeze());
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        self.count(bytes.len());
    }

    /// Counts bytes of the stream; at a gigabyte a second it may go on for five
    /// centuries.
    #[inline]
    fn count(&mut self, bytes: usize) {
        self.total = self.total.saturating_add(bytes as u64);
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.total == self.written
    }

    /// Bytes still to be written.
    pub fn bytes(&self) -> u64 {
        self.total.saturating_sub(self.written)
    }

    /// Messages whose last byte is still to be written.
    pub fn messages(&self) -> usize {
        self.ends.len()
    }

    /// Fills `out` with the next bytes, in order; returns how many slices it has
    /// filled.
    #[allow(
        clippy::indexing_slicing,
        reason = "offsets lie in the buffer, in order, as push_message and advance keep them"
    )]
    pub fn slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut from = 0;
        let mut push = |bytes: &'a [u8]| {
            if bytes.is_empty() {
                return true;
            }
            match out.get_mut(filled) {
                None => false,
                Some(slot) => {
                    *slot = IoSlice::new(bytes);
                    filled = filled.saturating_add(1);
                    true
                }
            }
        };
        for (at, body) in &self.large {
            let to = self.offset(*at);
            if !push(&self.buf[from..to]) || !push(body) {
                return filled;
            }
            from = to;
        }
        push(&self.buf[from..]);
        filled
    }

    /// Records that `n` bytes more are written, and returns how many messages
    /// that completed. `n` past the end counts as the end.
    pub fn advance(&mut self, n: usize) -> usize {
        let mut n = (n as u64).min(self.bytes());
        self.written = self.written.saturating_add(n);
        while n > 0 {
            let before = match self.large.front() {
                Some((at, _)) => self.offset(*at),
                None => self.buf.len(),
            };
            if before > 0 {
                let step = n.min(before as u64);
                self.buf.advance(step as usize);
                self.base = self.base.saturating_add(step);
                n = n.saturating_sub(step);
                continue;
            }
            let Some((_, body)) = self.large.front_mut() else {
                break;
            };
            let step = n.min(body.len() as u64);
            body.advance(step as usize);
            n = n.saturating_sub(step);
            if body.is_empty() {
                self.large.pop_front();
            }
        }
        let before = self.ends.len();
        while self.ends.front().is_some_and(|&end| end <= self.written) {
            self.ends.pop_front();
        }
        before.saturating_sub(self.ends.len())
    }

    /// Bytes that the buffer can hold without growing.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Gives an encoder with nothing left to write a buffer to fill; its contents
    /// are discarded. Ignored while something is left.
    pub fn lend(&mut self, mut buf: BytesMut) {
        if self.is_empty() {
            buf.clear();
            self.base = 0;
            self.buf = buf;
        }
    }

    /// Takes the buffer of an encoder with nothing left to write, if it is larger
    /// than `keep` bytes: an idle connection holds little. `None` while there is
    /// something left, or little to take.
    pub fn release(&mut self, keep: usize) -> Option<BytesMut> {
        if !self.is_empty() || self.buf.capacity() <= keep {
            return None;
        }
        self.ends.shrink_to(4);
        self.large = VecDeque::new();
        self.base = 0;
        Some(std::mem::take(&mut self.buf))
    }

    fn offset(&self, at: u64) -> usize {
        // Never further apart than what `buf` holds, which is a usize.
        usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(encoder: &mut Encoder, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !encoder.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let n = encoder.slices(&mut slices);
            let all: Vec<u8> = slices[..n].iter().flat_map(|s| s.to_vec()).collect();
            let taken = step.min(all.len());
            out.extend_from_slice(&all[..taken]);
            encoder.advance(taken);
        }
        out
    }

    fn fill(encoder: &mut Encoder) {
        encoder.push_message(b"head", &[]);
        encoder.push_message(
            b"h",
            &[Bytes::from(vec![7; 5000]), Bytes::from_static(b"x")],
        );
        encoder.push_message(
            b"",
            &[Bytes::from(vec![8; 4096]), Bytes::from(vec![9; 4096])],
        );
        encoder.push_pong(b"");
        encoder.push_message(b"last", &[Bytes::new()]);
    }

    #[test]
    fn the_stream_is_the_same_whatever_the_writes_take() {
        let mut encoder = Encoder::new(None);
        fill(&mut encoder);
        let whole = drain(&mut encoder, usize::MAX);
        assert_eq!(&whole[..6], b"\x00\x04head");
        assert_eq!(&whole[6..9], b"\x01\x01h");
        assert_eq!(&whole[9..18], b"\x03\0\0\0\0\0\0\x13\x88");
        assert!(whole.ends_with(b"\x04\x05\x04PONG\x01\x04last\x00\x00"));
        for step in [1, 2, 3, 7, 100, 4095, 4096, 4097] {
            fill(&mut encoder);
            assert_eq!(drain(&mut encoder, step), whole, "steps of {step}");
        }
    }

    #[test]
    fn large_bodies_are_the_callers_bytes() {
        let body = Bytes::from(vec![1; SHARE_FROM]);
        let mut encoder = Encoder::new(None);
        encoder.push_message(b"h", std::slice::from_ref(&body));
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(encoder.slices(&mut slices), 2);
        assert_eq!(slices[1].as_ptr(), body.as_ptr());
    }

    #[test]
    fn one_write_takes_as_much_as_there_are_slices_for() {
        let mut encoder = Encoder::new(None);
        fill(&mut encoder);
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = encoder.slices(&mut slices);
        let bytes: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
        assert_eq!(bytes as u64, encoder.bytes());
        assert_eq!(encoder.slices(&mut slices[..filled - 1]), filled - 1);
    }

    #[test]
    fn a_lent_buffer_is_filled_and_given_back() {
        let mut encoder = Encoder::new(None);
        encoder.lend(BytesMut::with_capacity(1000));
        assert_eq!(encoder.capacity(), 1000);
        encoder.push_message(b"ab", &[]);
        encoder.lend(BytesMut::with_capacity(2000));
        assert_eq!(encoder.capacity(), 1000, "something is left in it");
        assert_eq!(drain(&mut encoder, usize::MAX), b"\x00\x02ab");
        assert!(encoder.release(1000).is_none(), "little to take");
        assert!(encoder.release(500).is_some());
    }

    #[test]
    fn messages_are_counted_as_their_last_byte_leaves() {
        let mut encoder = Encoder::new(None);
        encoder.push_message(b"ab", &[]);
        encoder.push_message(b"cd", &[Bytes::from_static(b"ef")]);
        assert_eq!((encoder.messages(), encoder.bytes()), (2, 12));
        assert_eq!(encoder.advance(3), 0);
        assert_eq!(encoder.advance(1), 1);
        assert_eq!(encoder.advance(7), 0);
        assert_eq!(encoder.messages(), 1);
        assert!(encoder.release(0).is_none());
        assert_eq!(encoder.advance(usize::MAX), 1);
        assert!(encoder.release(1 << 20).is_none());
        assert!(encoder.release(0).is_some());
        assert_eq!(encoder.capacity(), 0);
        encoder.push_message(b"ab", &[]);
        assert_eq!(drain(&mut encoder, 1), b"\x00\x02ab");
    }
}
