//! Counts nothing, at no cost.

use std::time::Duration;

use crate::{Event, Message, Stats};

#[derive(Clone, Debug)]
pub(crate) struct Meters;

#[derive(Debug)]
pub(crate) struct Publisher;

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Meters {
    pub(crate) fn new(_node: &str) -> Self {
        Self
    }

    pub(crate) fn sent(&self, _message: &Message) {}

    pub(crate) fn refused(&self) {}

    pub(crate) fn received(&self, _message: &Message) {}

    pub(crate) fn count(&self, _event: &Event) {}

    pub(crate) fn round_trip(&self, _time: Duration) {}

    pub(crate) fn answered(&self, _time: Duration) {}

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher
    }
}

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Publisher {
    pub(crate) fn is_due(&self) -> bool {
        false
    }

    pub(crate) fn publish(&mut self, _stats: &Stats) {}
}
