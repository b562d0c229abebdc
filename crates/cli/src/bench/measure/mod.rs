//! How nodes are measured: what a child process does, and what its parent makes of
//! what the child says.
//!
//! Two programs are compiled with these files, `zre bench` and `cargo bench --bench
//! mesh` (which puts rivals beside the nodes), so that both mean the same by a
//! figure. They stand here and not in a crate between the two because a published
//! crate may depend on published ones only, and nobody else has a use for them.

pub(crate) mod child;
pub(crate) mod figures;
pub(crate) mod meet;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod shout;
pub(crate) mod task;
pub(crate) mod whisper;
