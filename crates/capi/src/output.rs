//! What callers get, and give back.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use crate::error::{Error, Outcome, call, place, value};

/// Text for C. A NUL in it, which a peer may have put there, becomes U+FFFD.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text)
        .unwrap_or_else(|_| CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default())
}

/// Runs a call that reads text from something of the caller's: NULL for NULL.
pub(crate) fn text_of<T>(
    from: Option<&T>,
    read: impl FnOnce(&T) -> *const c_char,
) -> *const c_char {
    value(ptr::null(), || from.map_or(ptr::null(), read))
}

/// Runs a call whose result is text that the caller frees: NULL if it fails.
pub(crate) fn give_text(
    to: Option<&mut MaybeUninit<*mut c_char>>,
    make: impl FnOnce() -> Outcome<String>,
) -> Error {
    call(|| {
        let to = place(to)?;
        to.write(ptr::null_mut());
        to.write(c_text(&make()?).into_raw());
        Ok(())
    })
}

/// Takes back what [`give_text`] gave.
pub(crate) fn take_text(text: Option<&mut *mut c_char>) {
    let Some(place) = text else {
        return;
    };
    let text = std::mem::replace(place, ptr::null_mut());
    if !text.is_null() {
        #[allow(unsafe_code)]
        // SAFETY: the header says that it is NULL or comes from `give_text`, and is given
        // back once.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// Runs a call whose result the caller destroys: NULL if it fails.
pub(crate) fn give<T>(
    to: Option<&mut MaybeUninit<Option<Box<T>>>>,
    make: impl FnOnce() -> Outcome<T>,
) -> Error {
    call(|| {
        let to = place(to)?;
        to.write(None);
        to.write(Some(Box::new(make()?)));
        Ok(())
    })
}

/// Text for C that is made when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Lazy(OnceLock<CString>);

impl Lazy {
    pub(crate) fn get(&self, text: impl FnOnce() -> String) -> *const c_char {
        self.0.get_or_init(|| c_text(&text())).as_ptr()
    }

    /// The text of this, if it is there; otherwise NULL.
    pub(crate) fn of(&self, what: Option<impl ToString>) -> *const c_char {
        what.map_or(ptr::null(), |what| self.get(|| what.to_string()))
    }
}
