//! Lists of text.

#![allow(
    unsafe_code,
    reason = "names are exported; nothing here reads an address"
)]

use std::ffi::{CString, c_char};

use crate::error::{or_null, value};
use crate::output::{c_text, text_of};

/// A list of text, which its receiver owns.
pub struct Strings(Vec<CString>);

impl Strings {
    pub(crate) fn of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts = texts.into_iter().map(|text| c_text(text.as_ref()));
        Self(texts.collect())
    }
}

/// The number of texts; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_strings_count(strings: Option<&Strings>) -> usize {
    value(0, || strings.map_or(0, |strings| strings.0.len()))
}

/// One of them, which lives as long as the list; NULL behind the last, and for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn zre_strings_get(strings: Option<&Strings>, index: usize) -> *const c_char {
    text_of(strings, |strings| {
        or_null(strings.0.get(index).map(CString::as_c_str))
    })
}

/// Frees a list, and makes the pointer NULL. NULL is ignored, there or behind it.
#[unsafe(no_mangle)]
pub extern "C" fn zre_strings_destroy(strings: Option<&mut Option<Box<Strings>>>) {
    value((), || drop(strings.and_then(Option::take)));
}
