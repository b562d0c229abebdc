//! What a call returns, and what it says about a failure.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::output::c_text;

/// Whether a call succeeded, and if not, why. 0 is success. Later versions may add
/// numbers; those that are here stay.
///
/// zre_last_error() has a sentence about the failure, and zre_last_error_code() a finer
/// word.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Success.
    None = 0,
    /// NULL where a value is needed, text that isn't UTF-8, or a number out of range.
    Argument = 1,
    /// A node or settings that were destroyed, or never were any. NULL is one of those.
    Handle = 2,
    /// There is no such setting, or it doesn't take that value.
    Setting = 3,
    /// The node can't start; zre_last_error_code() tells causes apart.
    Start = 4,
    /// A name, header or group that peers wouldn't accept, or too many of them.
    Limit = 5,
    /// A state that only the protocol sets, or no state at all.
    State = 6,
    /// No peer of that UUID or name is here.
    UnknownPeer = 7,
    /// Several peers have that name: use the UUID.
    AmbiguousPeer = 8,
    /// The queue to the peer is full.
    Full = 9,
    /// The peer has gone.
    Gone = 10,
    /// The message is too large.
    TooLarge = 11,
    /// The node has stopped, and all its events are read.
    Stopped = 12,
    /// The time is over.
    Elapsed = 13,
    /// Too many pings or requests wait for answers.
    TooMany = 14,
    /// The peer, or this system, can't do that.
    Unsupported = 15,
    /// The peer's program dropped the request without an answer.
    Unanswered = 16,
    /// The request is answered already.
    Answered = 17,
    /// No request of that number is open.
    UnknownRequest = 18,
    /// The system refused something, as a file descriptor.
    System = 19,
    /// There is no such thing: no header of that name, no leader.
    Missing = 20,
    /// Something else; zre_last_error_code() has the word for it.
    Other = 98,
    /// A bug in this library. The call had no effect, or only a part of it.
    Internal = 99,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    code: &'static str,
    message: String,
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(Error::Argument, "argument", message)
    }

    pub(crate) fn new(error: Error, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            error,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn stopped() -> Self {
        Self::new(Error::Stopped, "stopped", "the node has stopped")
    }

    pub(crate) fn elapsed() -> Self {
        Self::new(Error::Elapsed, "elapsed", "no event came in time")
    }

    pub(crate) fn missing(what: impl Into<String>) -> Self {
        Self::new(Error::Missing, "missing", what)
    }

    /// An error of the Rust library, by the word that it has for scripts.
    fn coded(code: &'static str, message: String) -> Self {
        let error = match code {
            "limit" => Error::Limit,
            "state" => Error::State,
            "unknown_peer" => Error::UnknownPeer,
            "ambiguous_peer" => Error::AmbiguousPeer,
            "full" => Error::Full,
            "gone" => Error::Gone,
            "too_large" => Error::TooLarge,
            "stopped" => Error::Stopped,
            "elapsed" => Error::Elapsed,
            "too_many" => Error::TooMany,
            "unsupported" => Error::Unsupported,
            "unanswered" => Error::Unanswered,
            "answered" => Error::Answered,
            "unknown_request" => Error::UnknownRequest,
            _ => Error::Other,
        };
        Self::new(error, code, message)
    }

    /// Keeps it for [`last`], and gives its number.
    fn keep(self) -> Error {
        let last = Last {
            code: c_text(self.code),
            message: c_text(&self.message),
        };
        // A thread that is ending has no place for it any more.
        let _ = LAST.try_with(|place| place.replace(Some(last)));
        self.error
    }
}

macro_rules! coded {
    ($($error:ident),*) => {$(
        impl From<zre::$error> for Failure {
            fn from(error: zre::$error) -> Self {
                Self::coded(error.code(), error.to_string())
            }
        }
    )*};
}

coded!(
    SendError,
    PingError,
    RequestError,
    ReplyError,
    CommandError,
    WaitError,
    GossipError
);

impl From<zre::StartError> for Failure {
    fn from(error: zre::StartError) -> Self {
        Self::new(Error::Start, error.code(), error.to_string())
    }
}

impl From<zre::SettingError> for Failure {
    fn from(error: zre::SettingError) -> Self {
        Self::new(Error::Setting, "setting", error.to_string())
    }
}

/// Runs a call that can fail. No panic leaves it.
pub(crate) fn call(body: impl FnOnce() -> Outcome) -> Error {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Error::None,
        Ok(Err(failure)) => failure.keep(),
        Err(_) => Failure::new(Error::Internal, "internal", "a bug: libzre has panicked").keep(),
    }
}

/// Runs a call that only looks something up. After a panic it found nothing.
pub(crate) fn value<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

struct Last {
    code: CString,
    message: CString,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// The message of this thread's last failure, and the word for it.
pub(crate) fn last() -> Option<(*const c_char, *const c_char)> {
    LAST.try_with(|place| {
        let last = place.borrow();
        last.as_ref()
            .map(|last| (last.message.as_ptr(), last.code.as_ptr()))
    })
    .unwrap_or(None)
}

/// A place for a result: NULL isn't one.
pub(crate) fn place<T>(place: Option<&mut T>) -> Outcome<&mut T> {
    place.ok_or_else(|| Failure::argument("the place for the result is NULL"))
}

/// Not NULL where the caller may look.
pub(crate) fn or_null(text: Option<&std::ffi::CStr>) -> *const c_char {
    text.map_or(ptr::null(), std::ffi::CStr::as_ptr)
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn a_panic_is_an_error_of_that_call() {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(call(|| panic!("oh")), Error::Internal);
        assert_eq!(value(7, || panic!("oh")), 7);
        std::panic::set_hook(quiet);
        let (message, code) = last().unwrap();
        // SAFETY: nothing on this thread has failed since.
        let (message, code) = unsafe { (CStr::from_ptr(message), CStr::from_ptr(code)) };
        assert_eq!(code, c"internal");
        assert_eq!(message, c"a bug: libzre has panicked");
    }

    #[test]
    fn errors_of_the_library_keep_their_kinds() {
        let cases: [(Failure, Error, &str); 4] = [
            (zre::SendError::Full.into(), Error::Full, "full"),
            (
                zre::ReplyError::Answered.into(),
                Error::Answered,
                "answered",
            ),
            (zre::GossipError::Own.into(), Error::Other, "own_key"),
            (
                zre::StartError::NoRuntime.into(),
                Error::Start,
                "no_runtime",
            ),
        ];
        for (failure, error, code) in cases {
            assert_eq!((failure.error, failure.code), (error, code));
        }
    }
}
