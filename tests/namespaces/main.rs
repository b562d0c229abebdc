//! Discovery where hosts have several interfaces, where these change, and where
//! datagrams don't get through. Each test makes hosts of its own.

mod interfaces;
mod segments;
