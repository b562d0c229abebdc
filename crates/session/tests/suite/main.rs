//! What a session promises, whatever engine carries it: every story runs on
//! each engine. All of it on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

mod admission;
mod bench;
mod ends;
mod flow;
mod limits;
mod listening;
#[cfg(unix)] // Only Unix has ipc.
mod same_host;

/// In CI the stories run on both engines: some member of the workspace turns the
/// feature on.
#[cfg(not(feature = "zeromq"))]
#[test]
fn ci_tests_both_engines() {
    let in_ci = std::env::var_os("CI").is_some();
    assert!(!in_ci, "run this with --features zeromq");
}

/// Runs stories on each engine, as tests of their own.
macro_rules! on_each_engine {
    ($($(#[$attribute:meta])* $story:ident),+ $(,)?) => {
        mod native {
            $(
                $(#[$attribute])*
                #[test]
                fn $story() {
                    crate::bench::run(super::$story(zre_session::Engine::Native));
                }
            )+
        }
        #[cfg(feature = "zeromq")]
        mod zeromq {
            $(
                $(#[$attribute])*
                #[test]
                fn $story() {
                    crate::bench::run(super::$story(zre_session::Engine::ZeroMq));
                }
            )+
        }
    };
}
pub(crate) use on_each_engine;
