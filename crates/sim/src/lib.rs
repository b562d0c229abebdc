//! N ZRE nodes in virtual time.
//!
//! The state machine of `zre-proto` reads no clock and opens no socket, so a
//! network of it can be simulated: hours in seconds, with every fault there is,
//! and the same seed gives the same course of things. Beacons are datagrams that
//! get lost, doubled and delayed; links keep their order and lose nothing until
//! they stall or break; processes stop, sleep, die and come back. Each message is
//! encoded, carried as bytes, and decoded.
//!
//! Read in this order:
//!
//! 1. [`Action`] and [`Script`]: what can be done to a network.
//! 2. [`World`]: the network, which does it. After every step it checks what the
//!    application was told, what went over the wire and how large the tables are.
//! 3. [`World::settle`]: what must be true when the faults are over.
//! 4. [`Report`]: what happened; [`Violation`]: what should not have.

mod act;
mod action;
mod brain;
mod carry;
mod checker;
mod claim;
mod drain;
mod host;
mod justify;
mod legacy;
mod link;
mod network;
mod queue;
mod report;
mod reunion;
mod script;
mod settle;
mod shrink;
mod wire;
mod world;

pub use action::{Action, ActionError, Start};
pub use network::Weather;
pub use report::Report;
pub use script::Script;
pub use settle::{REUNION, SETTLING};
pub use world::{Options, Violation, World};
