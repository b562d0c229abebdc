//! The native part of the Python package `zre`: nodes, peers, messages and events.
//!
//! `python/zre` has what users see: it gives these the shape that asyncio, and programs
//! without it, expect.

mod error;
mod event;
mod fork;
mod log;
mod message;
mod node;
mod operations;
mod peer;
mod responder;
mod settings;
mod view;

use pyo3::prelude::*;

/// The module `zre._native`.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<node::Node>()?;
    module.add_class::<peer::Peer>()?;
    module.add_class::<message::Message>()?;
    module.add_class::<responder::Responder>()?;
    event::add(module)?;
    settings::add(module)?;
    fork::add(module)?;
    log::add(module)?;
    // The names that users see are in `zre.__all__`.
    module.dict().del_item("__all__")
}
