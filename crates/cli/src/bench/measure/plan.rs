//! The sizes and amounts of the measurements.

use zre::Link;

pub(crate) const LINKS: [Link; 3] = [Link::Tcp, Link::Ipc, Link::Inproc];

/// The size of a whisper, in bytes.
pub(crate) const WHISPERS: [usize; 7] = [16, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20];

/// The number of frames of a whisper.
pub(crate) const FRAMES: [usize; 2] = [1, 2];

/// The size of a message for round trips, in bytes.
pub(crate) const TRIPS: [usize; 3] = [16, 1 << 10, 64 << 10];

/// The size of a shout, in bytes.
pub(crate) const SHOUTS: [usize; 3] = [16, 1 << 10, 64 << 10];

/// The number of receivers of a shout.
pub(crate) const RECEIVERS: [usize; 4] = [1, 4, 16, 64];

/// The size of a whisper from several tasks or nodes to one node, in bytes.
pub(crate) const CONVERGING: [usize; 3] = [16, 1 << 10, 64 << 10];

/// The number of tasks of one node that send.
pub(crate) const SENDERS: [usize; 4] = [1, 2, 4, 8];

/// The number of nodes that send.
pub(crate) const NODES: [usize; 4] = [1, 4, 16, 64];

/// The amount of work of a measurement.
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

    /// Messages from one node to another: they take some seconds on a small machine.
    pub(crate) fn whispers(self, link: Link, size: usize) -> usize {
        self.of(whispers(link, size))
    }

    /// Round trips.
    pub(crate) fn trips(self, size: usize) -> usize {
        self.of(match size {
            0..=0x1_0000 => 20_000,
            _ => 2_000,
        })
    }

    /// The total of messages that arrive at all receivers of shouts.
    pub(crate) fn deliveries(self, link: Link, size: usize) -> usize {
        self.of((4 * whispers(link, size)).min(2_000_000))
    }

    /// Nodes that come and go.
    pub(crate) fn visits(self) -> usize {
        match self.quick {
            true => 5,
            false => 20,
        }
    }

    /// The number of rounds; the result is their median.
    pub(crate) fn rounds(self) -> usize {
        match self.quick {
            true => 1,
            false => 5,
        }
    }
}

fn whispers(link: Link, size: usize) -> usize {
    match size {
        // Nothing is copied, therefore fewer would take only milliseconds.
        _ if link == Link::Inproc => 3_000_000,
        0..=16 => 1_500_000,
        17..=0x100 => 1_000_000,
        0x101..=0x400 => 500_000,
        0x401..=0x1000 => 200_000,
        0x1001..=0x4000 => 60_000,
        0x4001..=0x1_0000 => 20_000,
        0x1_0001..=0x10_0000 => 1_500,
        // The same number of bytes in total.
        _ => (1_500 << 20) / size,
    }
}
