//! Reports a node's figures through the `metrics` crate; does nothing without the
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
