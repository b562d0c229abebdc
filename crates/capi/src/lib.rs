//! `libzre`: the nodes of the `zre` crate for C, and for every language that calls C.
//!
//! The interface is `include/zre.h`, which is made from this crate: what stands there
//! about ownership, threads and errors holds for all functions. [`input`] is the only
//! module that reads a caller's memory, and [`output`] the only one that frees what a
//! caller gives back by its address; everything else is safe Rust:
//!
//! - nodes and settings are numbers in the shape of pointers ([`handles`]): one that was
//!   destroyed, or never was one, isn't found, and nobody reads through it;
//! - what a caller holds by its address ([`event::Event`], [`peer::Peer`], ...) comes back as
//!   an `Option` of a reference or of a `Box`, which is NULL or valid by the contract in
//!   the header;
//! - each function runs in [`error::call`] or [`error::value`], which no panic leaves.

mod error;
mod handles;
mod input;
mod open;
mod output;

// In the order that they have in the header.
pub mod general;

pub mod settings;

pub mod node;

pub mod sending;

pub mod events;

pub mod event;

pub mod peer;

pub mod message;

pub mod strings;

pub use error::Error;
pub use input::{FrameList, Text};
pub use message::Frame;
