//! What is counted.

use crate::{codec, machine, node};

/// Something to be done that many times.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Enough of them for the odd growing table not to matter.
    pub(crate) turns: usize,
    pub(crate) run: fn(usize),
}

pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    codec::CASES.iter().chain(machine::CASES).chain(node::CASES)
}

impl Case {
    pub(crate) fn find(name: &str) -> Option<&'static Case> {
        all().chain([&node::MESH]).find(|case| case.name == name)
    }
}
