//! The limit of the process on address space.

use crate::LinkLimits;

/// The part of the free address space that each bound on the bytes of all connections or
/// mailboxes may take. There are three, a buffer that grows takes up to three times what
/// it holds, and the rest of the process needs memory, too.
const SHARE: usize = 8;

impl LinkLimits {
    /// The same with each bound on all connections, or on all mailboxes, at an eighth of
    /// that free memory at most.
    fn within(mut self, free: usize) -> Self {
        let share = free.checked_div(SHARE).unwrap_or_default().max(1);
        for bound in [&mut self.queue_bytes_total, &mut self.inbox_bytes_total] {
            *bound = share.min(*bound);
        }
        self
    }

    /// The same for a process whose address space is limited (`ulimit -v`): beyond that
    /// limit it would be aborted.
    pub(crate) fn within_memory_limit(self) -> Self {
        let Some(free) = free_memory() else {
            return self;
        };
        let fitting = self.clone().within(free);
        if fitting != self {
            let (inbox, queues) = (fitting.inbox_bytes_total, fitting.queue_bytes_total);
            tracing::info!(
                free,
                inbox,
                queues,
                "lower bounds within the limit on memory"
            );
        }
        fitting
    }
}

/// How much address space the process may still take, if there is a limit (RLIMIT_AS).
#[cfg(target_os = "linux")]
fn free_memory() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = usize::try_from(getrlimit(Resource::As).current?).ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(limit.saturating_sub(taken(&status)?))
}

/// Other systems have no such limit, or don't tell what is taken of it.
#[cfg(not(target_os = "linux"))]
fn free_memory() -> Option<usize> {
    None
}

/// The bytes of address space in the text of `/proc/self/status`.
#[cfg(target_os = "linux")]
fn taken(status: &str) -> Option<usize> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_what_is_free_and_never_rise() {
        let default = LinkLimits::default();
        assert_eq!(default.clone().within(usize::MAX), default);
        let small = default.clone().within(80 << 20);
        assert_eq!(small.inbox_bytes_total, 10 << 20);
        assert_eq!(small.queue_bytes_total, 10 << 20);
        assert_eq!(
            small.inbox_bytes_per_connection,
            default.inbox_bytes_per_connection
        );
        assert_eq!(
            default.within(0).inbox_bytes_total,
            1,
            "0 is no bound that works"
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_this_process_takes_is_known() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(taken(&status).unwrap() > 1 << 20);
        assert_eq!(
            taken("VmPeak:\t 7 kB\nVmSize:\t  303040 kB\nVmLck: 0 kB"),
            Some(303_040 << 10)
        );
    }
}
