//! Stories of the state machine, in virtual time: what a node does when its
//! peers greet, talk, fall silent, lie, leave and come back.
//!
//! `bench` holds one machine against peers whose every frame is written by
//! hand, `net` several machines against each other.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the harness around the tests is test code, too"
)]

mod bench;
mod net;

mod bootstrap;
mod bounds;
mod c_election;
mod chaos;
mod conflict;
mod election;
mod floods;
mod greeting;
mod leaving;
mod pace;
mod pair;
mod ping;
mod plain;
mod presence;
mod request;
mod same_host;
mod state;
mod traffic;
mod update;
