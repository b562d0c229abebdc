//! The texts of one message, which together have a bound.

use crate::header::PREFIX;
use crate::limits::MessageLimits;
use crate::wire::{FieldError, Reader, text};

/// Reads the texts of a HELLO or an UPDATE. Text that isn't UTF-8 grows by its replacement
/// characters; all texts together may not take more bytes than a HELLO may have.
pub(crate) struct Texts {
    most: usize,
    /// By how many bytes they may still grow.
    spare: usize,
}

impl Texts {
    pub(crate) fn of(fields: &Reader<'_>, limits: &MessageLimits) -> Self {
        let most = limits.hello_bytes;
        let spare = most.saturating_sub(fields.len()).saturating_sub(PREFIX);
        Self { most, spare }
    }

    pub(crate) fn take(&mut self, bytes: &[u8], most: usize) -> Result<String, FieldError> {
        let text = text(bytes, most).into_owned();
        let growth = text.len().saturating_sub(bytes.len());
        self.spare = self
            .spare
            .checked_sub(growth)
            .ok_or(FieldError::Limit("bytes as text", self.most))?;
        Ok(text)
    }
}
