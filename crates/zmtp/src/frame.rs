//! The frame header: flags and length.

use bytes::BufMut;

pub(crate) const MORE: u8 = 0x01;
const LONG: u8 = 0x02;
const COMMAND: u8 = 0x04;
const RESERVED: u8 = !(MORE | LONG | COMMAND);

/// The first 2 or 9 bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Another frame of the same message follows.
    pub more: bool,
    /// A command, not part of any message.
    pub command: bool,
    /// Bytes of the body, as announced. Unchecked: compare with a limit.
    pub len: u64,
}

/// A header that no ZMTP 3.x peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// RFC 23: "Bits 7-3: reserved … SHALL be zero".
    #[error("frame flags {0:#04x} use reserved bits")]
    Reserved(u8),
    /// RFC 23 knows commands of one frame only.
    #[error("a command that announces more frames (flags {0:#04x})")]
    CommandMore(u8),
    /// RFC 23: "the most significant bit of the long-size SHALL be zero".
    #[error("a frame length of {0:#x}, past 2^63")]
    Length(u64),
}

impl FrameHeader {
    /// Reads a header; returns it and how many bytes it takes. `Ok(None)` asks for
    /// more.
    ///
    /// # Errors
    ///
    /// Flags or a length that the grammar excludes.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, HeaderError> {
        let Some(&flags) = bytes.first() else {
            return Ok(None);
        };
        if flags & RESERVED != 0 {
            return Err(HeaderError::Reserved(flags));
        }
        if flags & (COMMAND | MORE) == COMMAND | MORE {
            return Err(HeaderError::CommandMore(flags));
        }
        let (len, taken) = if flags & LONG == 0 {
            match bytes.get(1) {
                None => return Ok(None),
                Some(&len) => (u64::from(len), 2),
            }
        } else {
            match bytes.get(1..9).and_then(|b| b.first_chunk::<8>()) {
                None => return Ok(None),
                Some(len) => (u64::from_be_bytes(*len), 9),
            }
        };
        if len >> 63 != 0 {
            return Err(HeaderError::Length(len));
        }
        let header = FrameHeader {
            more: flags & MORE != 0,
            command: flags & COMMAND != 0,
            len,
        };
        Ok(Some((header, taken)))
    }

    /// Writes the header, in the short form if the length allows it.
    #[inline]
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut flags = 0;
        if self.more {
            flags |= MORE;
        }
        if self.command {
            flags |= COMMAND;
        }
        match u8::try_from(self.len) {
            Ok(len) => out.put_slice(&[flags, len]),
            Err(_) => {
                out.put_u8(flags | LONG);
                out.put_u64(self.len);
            }
        }
    }

    /// Bytes of the header in front of a body of `len` bytes.
    #[inline]
    pub fn size_for(len: usize) -> usize {
        if len <= usize::from(u8::MAX) { 2 } else { 9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_at_the_edges() {
        for len in [0, 1, 255, 256, 65_536, (1 << 63) - 1] {
            for (more, command) in [(false, false), (true, false), (false, true)] {
                let header = FrameHeader { more, command, len };
                let mut out = Vec::new();
                header.encode(&mut out);
                assert_eq!(out.len(), FrameHeader::size_for(len as usize));
                assert_eq!(FrameHeader::parse(&out), Ok(Some((header, out.len()))));
                for n in 0..out.len() {
                    assert_eq!(FrameHeader::parse(&out[..n]), Ok(None));
                }
            }
        }
    }

    #[test]
    fn a_long_form_of_a_short_length_is_read() {
        let bytes = [0x02, 0, 0, 0, 0, 0, 0, 0, 5];
        let (header, taken) = FrameHeader::parse(&bytes).unwrap().unwrap();
        assert_eq!((header.len, taken), (5, 9));
    }

    #[test]
    fn headers_that_the_grammar_excludes_are_refused() {
        assert_eq!(
            FrameHeader::parse(&[0x08, 0]),
            Err(HeaderError::Reserved(8))
        );
        assert_eq!(
            FrameHeader::parse(&[0x05, 0]),
            Err(HeaderError::CommandMore(5))
        );
        assert_eq!(
            FrameHeader::parse(&[0x02, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            Err(HeaderError::Length(1 << 63))
        );
    }
}
