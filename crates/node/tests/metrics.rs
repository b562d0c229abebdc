//! What a node tells through the `metrics` crate.

#![allow(clippy::panic, reason = "helpers of tests are tests, too")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{PATIENCE, enter, free_port, settings, until};
use metrics::{SharedString, Unit};
use metrics_util::CompositeKey;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use zre::{Event, IpcDir};

type Figure = (CompositeKey, Option<Unit>, Option<SharedString>, DebugValue);
type Figures = BTreeMap<(String, String), DebugValue>;

/// All figures of the node of that name, by name and further labels.
fn figures(snapshotter: &Snapshotter, node: &str) -> Figures {
    of(snapshotter.snapshot().into_vec(), node)
}

fn both(snapshotter: &Snapshotter, one: &str, other: &str) -> (Figures, Figures) {
    let (its, rest) = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .partition(|(key, ..)| key.key().labels().any(|label| label.value() == one));
    (of(its, one), of(rest, other))
}

fn of(all: Vec<Figure>, node: &str) -> Figures {
    let all = all.into_iter();
    all.filter_map(|(key, _, _, value)| {
        let key = key.key();
        let mut labels = key.labels();
        let its = labels.any(|label| label.key() == "node" && label.value() == node);
        let further: Vec<String> = key
            .labels()
            .filter(|label| label.key() != "node")
            .map(|label| label.value().to_owned())
            .collect();
        its.then(|| ((key.name().to_owned(), further.join(" ")), value))
    })
    .collect()
}

fn counter(figures: &Figures, name: &str, label: &str) -> u64 {
    match figures.get(&(name.into(), label.into())) {
        Some(DebugValue::Counter(count)) => *count,
        other => panic!("{name} {label} is {other:?}"),
    }
}

fn gauge(figures: &Figures, name: &str) -> f64 {
    match figures.get(&(name.into(), String::new())) {
        Some(DebugValue::Gauge(value)) => value.0,
        other => panic!("{name} is {other:?}"),
    }
}

fn samples(figures: &Figures, name: &str) -> usize {
    match figures.get(&(name.into(), String::new())) {
        Some(DebugValue::Histogram(values)) => {
            assert!(values.iter().all(|value| value.0 > 0.0 && value.0 < 60.0));
            values.len()
        }
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn events_are_counted_under_the_documented_names() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _here = metrics::set_default_local_recorder(&recorder);

    let port = free_port();
    let with = |name| settings(name, port).ipc(IpcDir::Off).inproc(false);
    let (alice, mut a) = with("alice").start().await.unwrap();
    let (bob, mut b) = with("bob").start().await.unwrap();
    enter(&mut a).await;
    enter(&mut b).await;
    // Told within a second or so of being so. Looking sets counters back, so this
    // comes before there is anything to count.
    let told = async {
        while gauge(&figures(&snapshotter, "alice"), "zre_peers") != 1.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();

    for text in ["one", "two"] {
        alice.whisper("bob", text).await.unwrap();
    }
    bob.ping("alice", PATIENCE).await.unwrap();
    let asked = tokio::spawn({
        let alice = alice.clone();
        async move { alice.request("bob", "three", PATIENCE).await }
    });
    let responder = until(&mut b, |event| match event {
        Event::Request { responder, .. } => Some(responder),
        _ => None,
    })
    .await;
    responder.reply("four").await.unwrap();
    asked.await.unwrap().unwrap();

    bob.shutdown().await;
    until(&mut a, |event| {
        matches!(event, Event::Exit { .. }).then_some(())
    })
    .await;
    alice.shutdown().await;
    while a.recv().await.is_some() {}

    let (told, of_bob) = both(&snapshotter, "alice", "bob");
    assert_eq!(counter(&told, "zre_messages_sent_total", ""), 3);
    assert_eq!(counter(&told, "zre_message_bytes_sent_total", ""), 11);
    assert_eq!(counter(&told, "zre_messages_refused_total", ""), 0);
    assert_eq!(counter(&told, "zre_messages_received_total", ""), 0);
    assert_eq!(counter(&told, "zre_messages_unconfirmed_total", ""), 0);
    assert_eq!(counter(&told, "zre_links_opened_total", ""), 1);
    assert_eq!(counter(&told, "zre_dropped_total", "gaps"), 0);
    let beacons = told
        .iter()
        .filter(|((name, label), _)| {
            name == "zre_beacons_sent_total" && label.contains("127.0.0.1")
        })
        .map(|((name, label), _)| counter(&told, name, label));
    assert!(beacons.sum::<u64>() > 0, "{told:?}");
    assert_eq!(gauge(&told, "zre_peers"), 0.0);
    assert_eq!(gauge(&told, "zre_queued_bytes"), 0.0);

    assert_eq!(counter(&of_bob, "zre_messages_received_total", ""), 3);
    assert_eq!(counter(&of_bob, "zre_message_bytes_received_total", ""), 11);
    assert_eq!(counter(&of_bob, "zre_messages_sent_total", ""), 1);
    assert_eq!(samples(&of_bob, "zre_round_trip_seconds"), 1);

    // The table says all there is, and nothing else.
    let page = include_str!("../src/meters/table.md");
    let documented: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `zre_")?.split('`').next())
        .collect();
    let recorded: BTreeSet<&str> = told
        .keys()
        .map(|(name, _)| name.strip_prefix("zre_").unwrap())
        .collect();
    assert_eq!(documented, recorded);
}
