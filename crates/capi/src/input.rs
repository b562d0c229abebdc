//! What callers give by its address.

use std::ffi::{CStr, c_char};

use bytes::Bytes;
use zre::Message;

use crate::error::{Failure, Outcome};
use crate::message::Frame;

/// Text from C: NULL, or characters up to a NUL.
///
/// Only a caller from C makes one. The header says that it is NULL or ends with a NUL,
/// and stays as it is until the call returns; every `Text` relies on that.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Text(*const c_char);

impl Text {
    /// The text, which may be absent.
    pub(crate) fn optional<'a>(self, what: &str) -> Outcome<Option<&'a str>> {
        if self.0.is_null() {
            return Ok(None);
        }
        #[allow(unsafe_code)]
        // SAFETY: it isn't NULL, and therefore ends with a NUL and stays as it is until the
        // call returns; nothing that is borrowed from it is kept beyond that.
        let text = unsafe { CStr::from_ptr(self.0) };
        let text = text
            .to_str()
            .map_err(|_| Failure::argument(format!("{what} isn't UTF-8")))?;
        Ok(Some(text))
    }

    /// The text, which has to be there.
    pub(crate) fn needed<'a>(self, what: &str) -> Outcome<&'a str> {
        self.optional(what)?
            .ok_or_else(|| Failure::argument(format!("{what} is NULL")))
    }

    /// The bytes before the NUL; none if it is NULL.
    pub(crate) fn bytes(self) -> usize {
        if self.0.is_null() {
            return 0;
        }
        #[allow(unsafe_code)]
        // SAFETY: as above.
        unsafe { CStr::from_ptr(self.0) }.count_bytes()
    }

    /// Where it is.
    pub(crate) fn address(self) -> *const c_char {
        self.0
    }
}

/// Frames from C: the first of an array of them.
///
/// Only a caller from C makes one. The header says that as many frames are there as the
/// call is told, and as many bytes as each frame says, and that all of them stay as they
/// are until the call returns.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct FrameList(*const Frame);

impl FrameList {
    /// A copy of that many frames.
    pub(crate) fn message(self, count: usize) -> Outcome<Message> {
        if count == 0 {
            return Ok(Message::new());
        }
        if self.0.is_null() {
            return Err(Failure::argument(
                "the frames are NULL, and their count isn't 0",
            ));
        }
        const MOST: usize = isize::MAX as usize / size_of::<Frame>();
        if count > MOST {
            return Err(Failure::argument("so many frames can't be"));
        }
        #[allow(unsafe_code)]
        // SAFETY: it isn't NULL, and therefore so many frames are there, and stay as they
        // are until the call returns.
        let frames = unsafe { std::slice::from_raw_parts(self.0, count) };
        frames.iter().map(bytes).collect()
    }
}

/// A copy of a frame's bytes.
fn bytes(frame: &Frame) -> Outcome<Bytes> {
    if frame.size == 0 {
        return Ok(Bytes::new());
    }
    if frame.data.is_null() {
        return Err(Failure::argument(
            "a frame's data is NULL, and its size isn't 0",
        ));
    }
    if frame.size > isize::MAX as usize {
        return Err(Failure::argument("a frame can't be so large"));
    }
    #[allow(unsafe_code)]
    // SAFETY: it isn't NULL, and therefore so many bytes are there, and stay as they are
    // until the call returns.
    let bytes = unsafe { std::slice::from_raw_parts(frame.data.cast::<u8>(), frame.size) };
    Ok(Bytes::copy_from_slice(bytes))
}
