//! JSON lines; the types are those of [`zre::json`].

use serde::Serialize;

/// Appends an object as a line.
pub(crate) fn line(object: &impl Serialize, lines: &mut Vec<u8>) {
    let before = lines.len();
    // Nothing here can fail to serialize into memory; if it ever did, half
    // a line would be worse than none.
    match serde_json::to_writer(&mut *lines, object) {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(before),
    }
}
