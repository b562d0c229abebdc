use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Label, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};
use tokio::time::Instant;

use super::table::{COUNTERS, Figure, GAUGES, Row};
use crate::{Event, Message, Stats};

/// How often the figures that are taken from a node's state are reported.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts events. One for a node; clones count together.
#[derive(Clone)]
pub(crate) struct Meters(Arc<Handles>);

struct Handles {
    node: Arc<str>,
    sent: Counter,
    sent_bytes: Counter,
    refused: Counter,
    received: Counter,
    received_bytes: Counter,
    unconfirmed: Counter,
    round_trip: Histogram,
    answered: Histogram,
}

/// Reports the figures of a node's state from time to time.
pub(crate) struct Publisher {
    meters: Meters,
    gauges: Vec<(Gauge, Figure)>,
    counters: Vec<(Counter, Figure)>,
    last: Option<Instant>,
}

impl Meters {
    pub(crate) fn new(node: &str) -> Self {
        describe();
        let node: Arc<str> = node.into();
        let counter = |name: &'static str| counter!(name, "node" => node.clone());
        let histogram = |name: &'static str| histogram!(name, "node" => node.clone());
        Self(Arc::new(Handles {
            sent: counter("zre_messages_sent_total"),
            sent_bytes: counter("zre_message_bytes_sent_total"),
            refused: counter("zre_messages_refused_total"),
            received: counter("zre_messages_received_total"),
            received_bytes: counter("zre_message_bytes_received_total"),
            unconfirmed: counter("zre_messages_unconfirmed_total"),
            round_trip: histogram("zre_round_trip_seconds"),
            answered: histogram("zre_request_seconds"),
            node,
        }))
    }

    /// A message was accepted for a peer.
    pub(crate) fn sent(&self, message: &Message) {
        self.0.sent.increment(1);
        self.0.sent_bytes.increment(message.len() as u64);
    }

    /// A message found no room in the queue to a peer.
    pub(crate) fn refused(&self) {
        self.0.refused.increment(1);
    }

    /// The application is about to get a message.
    pub(crate) fn received(&self, message: &Message) {
        self.0.received.increment(1);
        self.0.received_bytes.increment(message.len() as u64);
    }

    /// The application is about to get an event.
    pub(crate) fn count(&self, event: &Event) {
        match event {
            Event::Whisper { message, .. }
            | Event::Shout { message, .. }
            | Event::Request { message, .. } => self.received(message),
            Event::Exit { unconfirmed, .. } => self.0.unconfirmed.increment(*unconfirmed),
            _ => {}
        }
    }

    pub(crate) fn round_trip(&self, time: Duration) {
        self.0.round_trip.record(time);
    }

    /// A request was answered after that time.
    pub(crate) fn answered(&self, time: Duration) {
        self.0.answered.record(time);
    }

    pub(crate) fn publisher(&self) -> Publisher {
        let labels = |row: &Row| {
            let mut labels = vec![Label::new("node", self.0.node.clone())];
            if let Some((key, value)) = row.2 {
                labels.push(Label::new(key, value));
            }
            labels
        };
        let gauges = GAUGES.iter().map(|row| (gauge!(row.0, labels(row)), row.3));
        let counters = COUNTERS
            .iter()
            .map(|row| (counter!(row.0, labels(row)), row.3));
        Publisher {
            meters: self.clone(),
            gauges: gauges.collect(),
            counters: counters.collect(),
            last: None,
        }
    }
}

impl Publisher {
    pub(crate) fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= INTERVAL)
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "gauges are floating point; beyond 2^53 a count needn't be exact"
    )]
    pub(crate) fn publish(&mut self, stats: &Stats) {
        self.last = Some(Instant::now());
        for (gauge, figure) in &self.gauges {
            gauge.set(figure(stats) as f64);
        }
        for (counter, figure) in &self.counters {
            counter.absolute(figure(stats));
        }
        let node = &self.meters.0.node;
        for lane in stats.beacons.iter().flat_map(|beacons| &beacons.interfaces) {
            let labels = || {
                vec![
                    Label::new("node", node.clone()),
                    Label::new("interface", lane.interface.name.clone()),
                    Label::new("address", lane.interface.addr.to_string()),
                ]
            };
            counter!("zre_beacons_sent_total", labels()).absolute(lane.sent);
            counter!("zre_beacons_received_total", labels()).absolute(lane.received);
            counter!("zre_beacons_failed_total", labels()).absolute(lane.failed);
        }
    }
}

/// The meaning of each figure, for recorders that show it.
fn describe() {
    for (name, what, ..) in GAUGES {
        describe_gauge!(*name, *what);
    }
    for (name, what, ..) in COUNTERS {
        describe_counter!(*name, *what);
    }
    for (name, what) in [
        ("zre_messages_sent_total", "messages accepted for a peer"),
        ("zre_message_bytes_sent_total", "bytes of their content"),
        (
            "zre_messages_refused_total",
            "messages that found no room in a queue, each time they were tried",
        ),
        (
            "zre_messages_received_total",
            "whispers, shouts and requests handed to the application",
        ),
        ("zre_message_bytes_received_total", "bytes of their content"),
        (
            "zre_messages_unconfirmed_total",
            "messages accepted for peers that exited before they confirmed them",
        ),
        (
            "zre_beacons_sent_total",
            "beacons that left over an interface",
        ),
        (
            "zre_beacons_received_total",
            "beacons heard over an interface",
        ),
        (
            "zre_beacons_failed_total",
            "beacons that the system refused to send over an interface",
        ),
    ] {
        describe_counter!(name, what);
    }
    describe_histogram!("zre_round_trip_seconds", "pings of the application");
    describe_histogram!(
        "zre_request_seconds",
        "time until requests of this node were answered"
    );
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
