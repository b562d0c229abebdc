//! Tests in which the test chooses how threads interleave.
//!
//! A crate's own unit tests use the locks, counters and notifications of this crate instead
//! of those of std and tokio. Inside of [`explore`], another thread may go on before and after
//! each operation on one of them; elsewhere they are those of std and tokio, and nothing
//! else. Which thread goes on is decided by [shuttle].
//!
//! All threads of a schedule share one thread of the system. Therefore what is wrapped here
//! is the real thing; what isn't wrapped happens at once, as seen by the other threads; and a
//! lost wake-up is a deadlock, which is reported. Nobody sees operations in another order
//! than they were made in: the orderings of atomics aren't tested. There are no timers.

mod sync;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::AtomicBool as Point;
use shuttle::{Config, MaxSteps, Runner};

pub use shuttle::future::{block_on, yield_now};
pub use shuttle::thread;
pub use sync::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Condvar, Mutex, MutexGuard, Notify};

/// How many changes of thread the second half of the schedules aims at: most faults need
/// fewer.
const CHANGES: usize = 3;

/// Threads that haven't come to an end after so many steps never will.
const STEPS: usize = 100_000;

/// Runs `model` on so many schedules, the same each time: in one half, each thread that can
/// go on is as likely as the others to be next; in the other, one goes on until it waits, or
/// is stopped at one of a few places.
///
/// In the environment, `ZRE_SCHEDULES` is another number of schedules, and `ZRE_SEED`
/// chooses others.
///
/// # Panics
/// If `model` panics, in any of its threads, if all threads wait, or if they don't come to an
/// end.
#[track_caller]
pub fn explore(schedules: usize, model: impl Fn() + Send + Sync + 'static) {
    let schedules = from_env("ZRE_SCHEDULES").unwrap_or(schedules);
    let seed = from_env("ZRE_SEED").unwrap_or(1);
    let model = Arc::new(model);
    let half = schedules.div_ceil(2);
    run(RandomScheduler::new_from_seed(seed, half), &model);
    // Its depth counts the beginning, too.
    run(PctScheduler::new_from_seed(seed, CHANGES + 1, half), &model);
}

#[track_caller]
fn run(scheduler: impl Scheduler + 'static, model: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    let model = model.clone();
    Runner::new(scheduler, config).run(move || model());
}

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok()?;
    let parsed = value.parse().ok();
    assert!(parsed.is_some(), "{name} must be a number: {value}");
    parsed
}

/// Whether a schedule is running.
pub(crate) fn exploring() -> bool {
    shuttle::current::try_get_current_task().is_some()
}

/// Another thread may go on here.
pub fn point() {
    if exploring() && !std::thread::panicking() {
        // Not a static: tests that run side by side would share it.
        Point::new(false).load(Ordering::SeqCst);
    }
}

/// Any number below `end`, as the schedule chooses.
///
/// # Panics
/// Outside of [`explore`], and if there is no such number.
#[must_use]
pub fn any(end: usize) -> usize {
    shuttle::rand::thread_rng().gen_range(0..end)
}

/// See [`std::time::Instant`]. While schedules are explored, any time passes between two
/// looks at it: a little, or long.
#[derive(Debug)]
pub struct Instant {
    real: std::time::Instant,
    passed: std::sync::atomic::AtomicU64,
}

impl Instant {
    /// See [`std::time::Instant::now`].
    #[must_use]
    pub fn now() -> Self {
        Self {
            real: std::time::Instant::now(),
            passed: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// See [`std::time::Instant::elapsed`].
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        if !exploring() {
            return self.real.elapsed();
        }
        let more = if any(2) == 0 { 1 } else { 1_000_000 };
        let before = self.passed.fetch_add(more, Ordering::Relaxed);
        Duration::from_nanos(before.saturating_add(more))
    }
}
