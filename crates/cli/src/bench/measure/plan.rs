//! What is measured, and how much of it.

use zre::Link;

pub(crate) const LINKS: [Link; 3] = [Link::Tcp, Link::Ipc, Link::Inproc];

/// Bytes of a whisper.
pub(crate) const WHISPERS: [usize; 6] = [16, 256, 1 << 10, 16 << 10, 64 << 10, 1 << 20];

/// Frames of a whisper.
pub(crate) const FRAMES: [usize; 2] = [1, 2];

/// Bytes of a message that goes there and back.
pub(crate) const TRIPS: [usize; 3] = [16, 1 << 10, 64 << 10];

/// Bytes of a shout.
pub(crate) const SHOUTS: [usize; 2] = [16, 1 << 10];

/// How many hear it.
pub(crate) const RECEIVERS: [usize; 4] = [1, 4, 16, 64];

/// How much of everything is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// A fifth of the messages, and a quarter of the visits, for a rough look.
    pub(crate) quick: bool,
}

impl Amount {
    fn of(self, messages: usize) -> usize {
        match self.quick {
            true => messages / 5,
            false => messages,
        }
    }

    /// Messages from one node to another: some seconds' worth on a small machine.
    pub(crate) fn whispers(self, size: usize) -> usize {
        self.of(whispers(size))
    }

    /// Messages there and back.
    pub(crate) fn trips(self) -> usize {
        self.of(20_000)
    }

    /// What arrives at all receivers of shouts together.
    pub(crate) fn deliveries(self, size: usize) -> usize {
        self.of((4 * whispers(size)).min(2_000_000))
    }

    /// Nodes that come, and go again.
    pub(crate) fn visits(self) -> usize {
        match self.quick {
            true => 5,
            false => 20,
        }
    }

    /// Times that each is measured; the median counts.
    pub(crate) fn rounds(self) -> usize {
        match self.quick {
            true => 1,
            false => 5,
        }
    }
}

fn whispers(size: usize) -> usize {
    match size {
        0..=16 => 1_500_000,
        17..=0x100 => 1_000_000,
        0x101..=0x400 => 500_000,
        0x401..=0x4000 => 60_000,
        0x4001..=0x1_0000 => 20_000,
        0x1_0001..=0x10_0000 => 1_500,
        // As many bytes as of those.
        _ => (1_500 << 20) / size,
    }
}
