//! The signals by which the system asks the program to end.

use std::time::{Duration, Instant};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows;

/// Signals within this time count as one: coreutils' `timeout` sends two, and so do
/// shells that signal a process group. A user who presses Ctrl-C again is slower.
const TOGETHER: Duration = Duration::from_secs(1);

/// Requests to end. Signals that arrive together count as one request.
#[derive(Debug)]
pub(crate) struct Signals {
    system: System,
    /// The time of the last request.
    last: Option<Instant>,
}

impl Signals {
    /// Must be called inside the runtime.
    pub(crate) fn catch() -> std::io::Result<Self> {
        let (system, last) = (System::catch()?, None);
        Ok(Self { system, last })
    }

    /// Waits for a signal that doesn't belong to the last request.
    /// Cancel-safe.
    pub(crate) async fn recv(&mut self) {
        loop {
            self.system.recv().await;
            let together = |last: Instant| last.elapsed() < TOGETHER;
            if !self.last.is_some_and(together) {
                self.last = Some(Instant::now());
                return;
            }
        }
    }
}

/// SIGINT, SIGTERM and SIGHUP, which a closing terminal sends, caught from the moment this
/// exists.
#[cfg(unix)]
#[derive(Debug)]
struct System {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

#[cfg(unix)]
impl System {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal. Cancel-safe.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Ctrl-C, Ctrl-Break, the closed console and the end of the session, caught from the moment
/// this exists. After the last two, the system ends the program within about five seconds.
#[cfg(windows)]
#[derive(Debug)]
struct System {
    interrupt: windows::CtrlC,
    terminate: windows::CtrlBreak,
    close: windows::CtrlClose,
    shutdown: windows::CtrlShutdown,
}

#[cfg(windows)]
impl System {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            terminate: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    /// Waits for a signal. Cancel-safe.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
