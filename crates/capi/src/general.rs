//! What belongs to no handle.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::ffi::c_char;
use std::io::IsTerminal;

use crate::error::{self, Error, Failure, call, value};
use crate::input::Text;
use crate::output::take_text;

/// The version of this library, as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn zre_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// A sentence about the last call on this thread that failed; "" if none has. It lives
/// until the next one fails. A call that succeeds doesn't change it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_last_error() -> *const c_char {
    value(c"".as_ptr(), || {
        error::last().map_or(c"".as_ptr(), |(message, _)| message)
    })
}

/// A word for the same failure, as "unknown_peer" or "no_port", which stays the same in
/// later versions while the sentence may change; "" if no call has failed.
#[unsafe(no_mangle)]
pub extern "C" fn zre_last_error_code() -> *const c_char {
    value(c"".as_ptr(), || {
        error::last().map_or(c"".as_ptr(), |(_, code)| code)
    })
}

/// Writes what the nodes of this process log to stderr from now on, once for a process.
///
/// `filter` is a level, as "debug", or levels of parts, as "warn,zre=trace"; NULL stands
/// for "info".
///
/// Fails if it isn't a filter (ZRE_ERROR_ARGUMENT), and if something in this process logs
/// already (ZRE_ERROR_OTHER).
#[unsafe(no_mangle)]
pub extern "C" fn zre_log(filter: Text) -> Error {
    call(|| {
        let filter = filter.optional("the filter")?.unwrap_or("info");
        let filter = tracing_subscriber::EnvFilter::try_new(filter)
            .map_err(|error| Failure::argument(format!("{filter:?} isn't a filter: {error}")))?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
            .map_err(|error| Failure::new(Error::Other, "log", error.to_string()))
    })
}

/// Frees text that a function of this library wrote to a `char **`, and makes the pointer
/// NULL. NULL is ignored, there or behind it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_string_destroy(text: Option<&mut *mut c_char>) {
    value((), || take_text(text));
}
