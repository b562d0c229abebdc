//! How the system asks a program to end.

use std::time::{Duration, Instant};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows;

/// A signal that comes so soon after another belongs to it: coreutils' `timeout` sends
/// two, and so do shells to a whole group. Impatience takes longer.
const TOGETHER: Duration = Duration::from_secs(1);

/// Wishes to end: signals, as far as they don't come together.
#[derive(Debug)]
pub(crate) struct Signals {
    system: System,
    /// When the last wish came.
    last: Option<Instant>,
}

impl Signals {
    /// Must be called inside the runtime.
    pub(crate) fn catch() -> std::io::Result<Self> {
        let (system, last) = (System::catch()?, None);
        Ok(Self { system, last })
    }

    /// Waits for a signal that doesn't come together with the last wish.
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

    /// Waits for one. Cancel-safe.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Ctrl-C, Ctrl-Break, the closed console and the end of the session, caught from the moment
/// this exists. After the latter two the system gives a program about five seconds.
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

    /// Waits for one. Cancel-safe.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
