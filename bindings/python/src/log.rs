//! What nodes log, on its way to Python's `logging`.
//!
//! A node's thread never waits for the interpreter: it puts lines into a queue, which a
//! thread of Python's empties while nodes run. The queue has a bound; lines that find no
//! room are counted.
//!
//! An exception by a signal can come anywhere in Python, therefore whether there is such a
//! thread is decided here: who wants to be it asks, and it ends when no node runs.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::prelude::*;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;

use crate::fork::nodes_run;

/// The most lines that wait.
const ROOM: usize = 4096;

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    lines: VecDeque::new(),
    lost: 0,
    reader: None,
});
static CHANGED: Condvar = Condvar::new();
static FILTER: OnceLock<Box<dyn Fn(LevelFilter) + Send + Sync>> = OnceLock::new();

struct Queue {
    lines: VecDeque<Entry>,
    lost: u64,
    /// The thread that reads.
    reader: Option<ThreadId>,
}

/// A level of `logging`, the place in the library, and the text.
type Entry = (u8, &'static str, String);

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A level as `logging` numbers it, which has none below DEBUG.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

struct Lines;

/// One line while it is written.
struct Line {
    level: u8,
    target: &'static str,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            level: number(Level::INFO),
            target: "zre",
            text: Vec::new(),
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line {
            level: number(*metadata.level()),
            target: static_name(metadata.target()),
            text: Vec::new(),
        }
    }
}

/// The crate that a line is from, as its part of the logger's name.
fn static_name(target: &str) -> &'static str {
    match target.split("::").next() {
        Some("zre_session") => "zre.session",
        Some("zre_beacon") => "zre.beacon",
        Some("zre_proto") => "zre.proto",
        Some("zre_curve") => "zre.curve",
        Some("zre_zmtp") => "zre.zmtp",
        _ => "zre.node",
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text).trim_end().to_owned();
        let mut queue = lock();
        if queue.lines.len() >= ROOM {
            queue.lost = queue.lost.saturating_add(1);
            return;
        }
        queue.lines.push_back((self.level, self.target, text));
        drop(queue);
        CHANGED.notify_all();
    }
}

/// Logs lines of this level of `logging` and above from now on.
#[pyfunction]
fn set_log_level(level: u32) {
    let filter = match level {
        0..=5 => LevelFilter::TRACE,
        6..=10 => LevelFilter::DEBUG,
        11..=20 => LevelFilter::INFO,
        21..=30 => LevelFilter::WARN,
        31..=40 => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    };
    let apply = FILTER.get_or_init(|| {
        let (layer, handle) = reload::Layer::new(LevelFilter::OFF);
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .with_max_level(LevelFilter::TRACE)
            .with_writer(Lines)
            .finish();
        let subscriber = tracing_subscriber::layer::SubscriberExt::with(subscriber, layer);
        // Nothing else in this library sets one.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Box::new(move |filter| {
            let _ = handle.reload(filter);
        })
    });
    apply(filter);
}

/// Whether no thread reads, and one should be started.
#[pyfunction]
fn log_is_unread() -> bool {
    lock().reader.is_none()
}

/// Waits for lines, and takes them with the number of those that are lost. ``None`` if
/// another thread reads, or no node runs any more.
#[pyfunction]
fn take_log(py: Python<'_>) -> Option<(Vec<Entry>, u64)> {
    py.detach(|| {
        let me = thread::current().id();
        let mut queue = lock();
        if *queue.reader.get_or_insert(me) != me {
            return None;
        }
        loop {
            if !queue.lines.is_empty() {
                let lines = std::mem::take(&mut queue.lines);
                return Some((lines.into(), std::mem::take(&mut queue.lost)));
            }
            if nodes_run() {
                queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.reader = None;
            drop(queue);
            CHANGED.notify_all();
            return None;
        }
    })
}

/// If no node runs any more, waits until the thread that reads has written everything,
/// unless this is that thread. Its handlers may be slow: only for a second.
#[pyfunction]
fn wait_for_log(py: Python<'_>) {
    py.detach(|| {
        let me = thread::current().id();
        let _ = CHANGED.wait_timeout_while(lock(), Duration::from_secs(1), |queue| {
            queue.reader.is_some_and(|reader| reader != me) && !nodes_run()
        });
    });
}

/// A node has stopped: perhaps the thread has nothing more to do.
pub(crate) fn node_stopped() {
    // Who is about to wait has seen that the node ran, and holds the lock until it waits.
    drop(lock());
    CHANGED.notify_all();
}

/// In a process that was forked the thread isn't there.
pub(crate) fn forget_reader() {
    if let Ok(mut queue) = QUEUE.try_lock() {
        queue.reader = None;
    }
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(set_log_level, module)?)?;
    module.add_function(wrap_pyfunction!(log_is_unread, module)?)?;
    module.add_function(wrap_pyfunction!(take_log, module)?)?;
    module.add_function(wrap_pyfunction!(wait_for_log, module)?)
}
