//! What a node tells of itself through the `metrics` crate; nothing without the
//! feature of that name.

#[cfg(feature = "metrics")]
mod on;
#[cfg(feature = "metrics")]
mod table;
#[cfg(feature = "metrics")]
pub(crate) use on::{Meters, Publisher};

#[cfg(not(feature = "metrics"))]
mod off;
#[cfg(not(feature = "metrics"))]
pub(crate) use off::{Meters, Publisher};
