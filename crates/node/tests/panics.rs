//! A panic in a task of a node ends the node, with a reason. The log is what panics here, as
//! one whose output can't be written may do.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use zre::{Event, Events, IpcDir};

use common::{PATIENCE, enter, free_port, settings};

/// The text of the log at which the thread panics that logs it.
static TRAP: Mutex<Option<&'static str>> = Mutex::new(None);

struct Trap;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Trap {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let trap = *TRAP.lock().unwrap();
        assert_ne!(trap, Some(&*text.0));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// The reason with which a node ends, and nothing after it.
async fn failure(events: &mut Events) -> String {
    let reading = async {
        let mut last = None;
        while let Some(event) = events.recv().await {
            last = Some(event);
        }
        match last {
            Some(Event::Failed { reason }) => reason.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let reason = tokio::time::timeout(PATIENCE, reading).await;
    *TRAP.lock().unwrap() = None;
    reason.unwrap()
}

fn trap(text: &'static str) {
    *TRAP.lock().unwrap() = Some(text);
}

#[tokio::test]
async fn a_node_ends_with_a_reason_when_a_task_panics() {
    tracing::subscriber::set_global_default(Trap).unwrap();

    // The driver of the one that is greeted first.
    let port = free_port();
    let lone = || settings("a", port).ipc(IpcDir::Off).inproc(false);
    trap("hello");
    let (_alice, mut of_alice) = lone().start().await.unwrap();
    let (_bob, mut of_bob) = lone().start().await.unwrap();
    let why = tokio::select! {
        why = failure(&mut of_alice) => why,
        why = failure(&mut of_bob) => why,
    };
    assert_eq!(why, "the task of running the protocol has panicked");

    // The thread of the beacons.
    let port = free_port();
    let (_alice, mut of_alice) = settings("a", port).start().await.unwrap();
    trap("datagram over 512 bytes");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_broadcast(true).unwrap();
    socket
        .send_to(&[0; 600], ("127.255.255.255", port))
        .unwrap();
    let why = failure(&mut of_alice).await;
    assert_eq!(why, "the task of sending and hearing beacons has panicked");

    // A task of gossip.
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = probe.local_addr().unwrap();
    drop(probe);
    let hub = settings("hub", free_port()).gossip_bind(addr);
    let (_hub, _of_hub) = hub.start().await.unwrap();
    trap("gossiping");
    let client = settings("client", free_port()).gossip_connect(addr.into());
    let (_client, mut of_client) = client.start().await.unwrap();
    let why = failure(&mut of_client).await;
    assert_eq!(why, "the task of dialling a gossip hub has panicked");

    // Other nodes of the process go on.
    let port = free_port();
    let (_alice, mut of_alice) = settings("a", port).start().await.unwrap();
    let (_bob, _of_bob) = settings("b", port).start().await.unwrap();
    enter(&mut of_alice).await;
}
