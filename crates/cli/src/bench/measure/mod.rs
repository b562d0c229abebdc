//! The measurements: the tasks of a child process, and the evaluation of its reports
//! by the parent.
//!
//! Two programs are compiled with these files, `zre bench` and `cargo bench --bench
//! mesh` (which compares other implementations), so that both define a figure in the same
//! way. They are here and not in a shared crate because a published crate can depend
//! on published crates only, and the files are of no use to others.

pub(crate) mod child;
pub(crate) mod fan_in;
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

/// Runs a task of this module in a child process.
pub(crate) fn perform(task: Task) -> ExitCode {
    child(async move |parent| match task.role() {
        "receive" => whisper::receive(&task).await,
        "send" => whisper::send(&task).await,
        "send-to-self" => whisper::send_in_process(&task).await,
        "gather" => fan_in::gather(&task).await,
        "send-from-many" => fan_in::send_from_many(&task).await,
        "gather-from-self" => fan_in::gather_in_process(&task).await,
        "echo" => whisper::echo(&task).await,
        "ping" => whisper::ping(&task).await,
        "ping-self" => whisper::ping_in_process(&task).await,
        "watch" => meet::watch(&task).await,
        "visit" => meet::visit(&task, parent).await,
        "visit-self" => meet::visit_in_process(&task).await,
        "hear" => shout::hear(&task).await,
        "shout" => shout::shout(&task).await,
        "shout-to-self" => shout::shout_in_process(&task).await,
        other => Err(TaskError::Words(format!("no task called {other}"))),
    })
}
