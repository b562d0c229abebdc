//! Reading and writing the fields of a ZRE header frame.
//!
//! RFC 36: numbers are unsigned and in network byte order; `string` is one
//! length octet and that many bytes, `longstr` four length octets and that many
//! bytes. Nothing here allocates for bytes that haven't arrived.

use std::borrow::Cow;

use bytes::BufMut;

/// Why a field couldn't be read. The codec adds the message that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldError {
    /// The frame ends inside the named field.
    Short(&'static str),
    /// The named field exceeds the limit.
    Limit(&'static str, usize),
}

/// Takes fields off the front of a frame.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], FieldError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(FieldError::Short(field))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FieldError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(FieldError::Short(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn number1(&mut self, field: &'static str) -> Result<u8, FieldError> {
        let [number] = self.array(field)?;
        Ok(number)
    }

    pub(crate) fn number2(&mut self, field: &'static str) -> Result<u16, FieldError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// A count or a length. If it doesn't fit into `usize`, so many bytes can't follow,
    /// and the frame counts as too short.
    pub(crate) fn number4(&mut self, field: &'static str) -> Result<usize, FieldError> {
        let number = self.array(field).map(u32::from_be_bytes)?;
        usize::try_from(number).map_err(|_| FieldError::Short(field))
    }

    pub(crate) fn number8(&mut self, field: &'static str) -> Result<u64, FieldError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// A `string` of at most `limit` bytes.
    pub(crate) fn string(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<&'a [u8], FieldError> {
        let length = usize::from(self.number1(field)?);
        self.bounded(length, field, limit)
    }

    /// A `longstr` of at most `limit` bytes.
    pub(crate) fn longstr(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<&'a [u8], FieldError> {
        let length = self.number4(field)?;
        self.bounded(length, field, limit)
    }

    /// A length beyond the end of the frame makes the frame malformed, whatever the
    /// limit. Only a string that is really there can be too long.
    fn bounded(
        &mut self,
        length: usize,
        field: &'static str,
        limit: usize,
    ) -> Result<&'a [u8], FieldError> {
        let bytes = self.take(length, field)?;
        if bytes.len() > limit {
            return Err(FieldError::Limit(field, limit));
        }
        Ok(bytes)
    }

    /// A `u32` count of items that take at least `least` bytes each. Refuses a count
    /// above `limit`, and one that doesn't fit into this frame.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        least: usize,
        limit: usize,
    ) -> Result<usize, FieldError> {
        let count = self.number4(field)?;
        if count > self.rest.len().checked_div(least.max(1)).unwrap_or(0) {
            return Err(FieldError::Short(field));
        }
        if count > limit {
            return Err(FieldError::Limit(field, limit));
        }
        Ok(count)
    }
}

/// Text from the wire, of at most `most` bytes. It is never an error: pyre counts
/// characters instead of bytes, so its non-ASCII names arrive cut inside a character.
/// A replacement character takes three bytes. The text can therefore be longer than
/// the bytes that it was read from, and is cut.
pub(crate) fn text(bytes: &[u8], most: usize) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.split_at(text.floor_char_boundary(most)).0),
        Cow::Owned(mut text) => {
            text.truncate(text.floor_char_boundary(most));
            Cow::Owned(text)
        }
    }
}

/// The longest `string` in bytes: its length is one octet.
pub(crate) const STRING_MAX: usize = 255;

/// As much of the text as fits into `most` bytes, up to the edge of a character.
pub(crate) fn clip(text: &str, most: usize) -> &[u8] {
    let end = text.floor_char_boundary(most);
    text.as_bytes().get(..end).unwrap_or_default()
}

/// Writes a `string`. Text that is too long is cut at the edge of a character, so the
/// frame is always well formed.
pub(crate) fn put_string(out: &mut impl BufMut, text: &str) {
    let bytes = clip(text, STRING_MAX);
    out.put_u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.put_slice(bytes);
}

/// Writes a `longstr`. The wire allows no more than 4 GiB; the rest is cut.
pub(crate) fn put_longstr(out: &mut impl BufMut, text: &str) {
    let most = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
    let bytes = clip(text, most);
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

/// 2^32 groups or headers don't fit into memory, so the count never saturates.
pub(crate) fn put_count(out: &mut impl BufMut, count: usize) {
    out.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overrun_is_short_and_a_long_string_is_a_limit() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, b'a']);
        assert_eq!(reader.longstr("value", 1), Err(FieldError::Short("value")));
        let mut reader = Reader::new(&[0, 0, 0, 2, b'a', b'b']);
        assert_eq!(
            reader.longstr("value", 1),
            Err(FieldError::Limit("value", 1))
        );
    }

    #[test]
    fn a_count_that_does_not_fit_into_the_frame_is_refused_first() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(
            reader.count("groups", 4, usize::MAX),
            Err(FieldError::Short("groups"))
        );
    }

    #[test]
    fn a_string_is_cut_at_the_edge_of_a_character() {
        let mut out = Vec::new();
        put_string(&mut out, &"é".repeat(200));
        assert_eq!(out.len(), 1 + 254);
        assert_eq!(out[0], 254);
        assert!(std::str::from_utf8(&out[1..]).is_ok());
    }
}
