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

use std::process::ExitCode;

use self::child::{TaskError, child};
use self::task::Task;

/// Does a task of this module, as a child.
pub(crate) fn perform(task: Task) -> ExitCode {
    child(async move |told| match task.role() {
        "receive" => whisper::receive(&task).await,
        "send" => whisper::send(&task).await,
        "send-to-self" => whisper::send_in_process(&task).await,
        "echo" => whisper::echo(&task).await,
        "ping" => whisper::ping(&task).await,
        "ping-self" => whisper::ping_in_process(&task).await,
        "watch" => meet::watch(&task).await,
        "visit" => meet::visit(&task, told).await,
        "visit-self" => meet::visit_in_process(&task).await,
        "hear" => shout::hear(&task).await,
        "shout" => shout::shout(&task).await,
        "shout-to-self" => shout::shout_in_process(&task).await,
        other => Err(TaskError::Words(format!("no task called {other}"))),
    })
}
