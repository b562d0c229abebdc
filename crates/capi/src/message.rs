//! Messages.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::ffi::c_void;
use std::ptr;

use crate::error::value;
use crate::input::Text;

/// One frame of a message: bytes that belong to somebody else.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The bytes; may be NULL if there are none.
    pub(crate) data: *const c_void,
    /// How many there are.
    pub(crate) size: usize,
}

impl Frame {
    const NONE: Self = Self {
        data: ptr::null(),
        size: 0,
    };
}

/// The frames of a message that was received.
pub struct Message(zre::Message);

impl Message {
    pub(crate) fn new(message: zre::Message) -> Self {
        Self(message)
    }
}

/// A frame with the characters of a text, without the NUL. It refers to the text; NULL
/// gives an empty frame.
#[unsafe(no_mangle)]
pub extern "C" fn zre_frame_of_text(text: Text) -> Frame {
    value(Frame::NONE, || Frame {
        data: text.address().cast(),
        size: text.bytes(),
    })
}

/// The number of frames; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_message_count(message: Option<&Message>) -> usize {
    value(0, || message.map_or(0, |message| message.0.frame_count()))
}

/// One frame, which lives as long as the message; one without data behind the last, and
/// for NULL. No NUL follows the bytes.
#[unsafe(no_mangle)]
pub extern "C" fn zre_message_frame(message: Option<&Message>, index: usize) -> Frame {
    value(Frame::NONE, || {
        let frame = message.and_then(|message| message.0.frame(index));
        frame.map_or(Frame::NONE, |frame| Frame {
            data: frame.as_ptr().cast(),
            size: frame.len(),
        })
    })
}

/// Frees a message, and makes the pointer NULL. NULL is ignored, there or behind it. Not
/// for a message that belongs to an event.
#[unsafe(no_mangle)]
pub extern "C" fn zre_message_destroy(message: Option<&mut Option<Box<Message>>>) {
    value((), || drop(message.and_then(Option::take)));
}
