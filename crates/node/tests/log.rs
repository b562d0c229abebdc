//! A peer's life can be read from a log.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use common::{enter, free_port, settings, until};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event as Record, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use zre::{Event, IpcDir, State};

/// The fields of a span or an event, as text.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }
}

/// Each line with the fields of the node in whose span it was.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<(Fields, Fields)>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, record: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        record.record(&mut fields);
        let node = context.event_scope(record).and_then(|scope| {
            let node = scope.into_iter().find(|span| span.name() == "node")?;
            node.extensions().get::<Fields>().cloned()
        });
        if let Ok(mut lines) = self.0.lock() {
            lines.push((node.unwrap_or_default(), fields));
        }
    }
}

impl Log {
    /// What the node of that name says of somebody, without the fields that
    /// differ from run to run.
    fn life(&self, node: &str, uuid: zre::Uuid) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let uuid = uuid.to_string();
        lines
            .iter()
            .filter(|(span, _)| span.0.get("name").is_some_and(|name| name == node))
            .filter(|(_, line)| line.0.get("uuid") == Some(&uuid))
            .map(|(_, line)| {
                let rest = line.0.iter().filter(|(key, _)| {
                    ["name", "group", "from", "to", "reason", "bytes"].contains(key)
                });
                let said = rest.map(|(key, value)| match *key {
                    // An address there, a state here.
                    "from" if line.0["message"] == "hello" => String::new(),
                    key => format!(" {key}={value}"),
                });
                format!("{}{}", line.0["message"], said.collect::<String>())
            })
            .collect()
    }
}

#[tokio::test]
async fn the_log_follows_a_peer_from_the_first_beacon_to_the_last() {
    let log = Log::default();
    let _on = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let port = free_port();
    let with = |name| settings(name, port).ipc(IpcDir::Off).inproc(false);
    let (alice, mut a) = with("alice").start().await.unwrap();
    let (bob, _b) = with("bob").group("chat").start().await.unwrap();
    let uuid = bob.uuid();
    enter(&mut a).await;
    bob.wait_for_peers(1, common::PATIENCE).await.unwrap();
    bob.whisper("alice", "hello").await.unwrap();
    bob.set_state(State::Busy).await.unwrap();
    bob.leave("chat").await.unwrap();
    bob.shutdown().await;
    until(&mut a, |event| {
        matches!(event, Event::Exit { .. }).then_some(())
    })
    .await;
    alice.shutdown().await;

    let life = log.life("alice", uuid);
    // Who greets first is left to chance.
    let met: Vec<&str> = life
        .iter()
        .map(String::as_str)
        .filter(|line| ["heard of", "dialling", "greeting", "hello name=bob"].contains(line))
        .collect();
    assert_eq!(met.len(), 4, "{life:#?}");
    assert_eq!(met[0], "heard of");
    // Whether EXIT or GOODBYE is heard first, too, and which end closes.
    let told: Vec<&str> = life
        .iter()
        .map(String::as_str)
        .skip_while(|line| *line != "enter name=bob")
        .filter(|line| !line.starts_with("leaving") && !line.starts_with("connection ended"))
        .collect();
    assert_eq!(
        told,
        [
            "enter name=bob",
            "join group=chat",
            "whisper bytes=5",
            "state from=ready to=busy",
            "leave group=chat",
            "state from=busy to=draining",
            "exit reason=goodbye",
        ],
        "{life:#?}"
    );

    // Which mailbox that was is in the lines, too, and what became of it.
    let lines = log.0.lock().unwrap();
    let of_alice = |(span, _): &&(Fields, Fields)| span.0.get("name").is_some_and(|n| n == "alice");
    let session = lines
        .iter()
        .filter(of_alice)
        .find(|(_, line)| line.0["message"] == "enter")
        .and_then(|(_, line)| line.0.get("session"))
        .unwrap();
    let opened = lines.iter().filter(of_alice).any(|(_, line)| {
        line.0["message"] == "a mailbox is open"
            && line.0.get("session") == Some(session)
            && line.0["link"] == "tcp"
    });
    assert!(opened, "no line says what carries {session}");
    // Both nodes are in one process; each line says whose it is.
    for (span, line) in lines.iter().filter(|(_, line)| line.0.contains_key("uuid")) {
        assert!(span.0.contains_key("id"), "{line:?} is of no node");
    }
}
