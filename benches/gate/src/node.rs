//! Whole nodes, of one process and in one thread.

use bytes::Bytes;
use zre::{Event, Events, Message, Node};

use crate::cases::Case;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "node: a whisper of 16 B in memory",
        turns: 20_000,
        run: |turns| run(whispers(turns)),
    },
    Case {
        name: "node: a shout of 16 B to 10 in memory",
        turns: 2_000,
        run: |turns| run(shouts(turns)),
    },
];

/// A full mesh of `turns` nodes, kept until the end of the run: its memory is counted.
pub(crate) const MESH: Case = Case {
    name: "node: what it holds for each neighbour, in bytes",
    turns: 40,
    run: |turns| run(mesh(turns)),
};

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(&error.to_string()),
    }
}

/// Whispers are sent, and shouts to each receiver, this many at a time.
const ROUND: usize = 100;

fn fail(what: &str) {
    println!("{what}");
    std::process::exit(1);
}

/// A sender and `receivers` nodes in one group, after they have met in memory.
async fn met(receivers: usize) -> Result<(Node, Events, Vec<(Node, Events)>), zre::StartError> {
    let (sender, mut events) = Node::builder().loopback().no_beacon().start().await?;
    let mut others = Vec::new();
    for _ in 0..receivers {
        let other = Node::builder()
            .loopback()
            .no_beacon()
            .group("group")
            .peer(sender.endpoint().clone())
            .start()
            .await?;
        others.push(other);
    }
    let mut joined = 0;
    while joined < receivers {
        match events.recv().await {
            Some(Event::Join { .. }) => joined += 1,
            Some(Event::Enter { peer }) if peer.link() != zre::Link::Inproc => {
                fail("the nodes didn't meet in memory");
            }
            Some(_) => {}
            None => fail("the sender has stopped"),
        }
    }
    Ok((sender, events, others))
}

/// Takes events until `count` peers have entered.
async fn enter(events: &mut Events, count: usize) {
    let mut seen = 0;
    while seen < count {
        match events.recv().await {
            Some(Event::Enter { .. }) => seen += 1,
            Some(_) => {}
            None => fail("a node has stopped"),
        }
    }
}

/// Takes events until `count` messages have come.
async fn take(events: &mut Events, count: usize) {
    let mut batch = Vec::with_capacity(ROUND);
    let mut seen = 0;
    while seen < count {
        batch.clear();
        if events.recv_many(&mut batch, ROUND).await == 0 {
            fail("a receiver has stopped");
        }
        seen += batch
            .iter()
            .filter(|event| matches!(event, Event::Whisper { .. } | Event::Shout { .. }))
            .count();
    }
}

async fn whispers(turns: usize) {
    let Ok((sender, _events, mut others)) = met(1).await else {
        return fail("the nodes didn't start");
    };
    let message = Message::from(Bytes::from_static(b"sixteen bytes in"));
    let Some((receiver, events)) = others.first_mut() else {
        return;
    };
    for _ in 0..turns / ROUND {
        for _ in 0..ROUND {
            if let Err(error) = sender.whisper(receiver.uuid(), message.clone()).await {
                fail(&error.to_string());
            }
        }
        take(events, ROUND).await;
    }
}

async fn shouts(turns: usize) {
    let Ok((sender, _events, mut others)) = met(10).await else {
        return fail("the nodes didn't start");
    };
    let message = Message::from(Bytes::from_static(b"sixteen bytes in"));
    for _ in 0..turns / ROUND {
        for _ in 0..ROUND {
            if let Err(error) = sender.shout("group", message.clone()).await {
                fail(&error.to_string());
            }
        }
        for (_, events) in &mut others {
            take(events, ROUND).await;
        }
    }
}

/// A full mesh of `nodes` nodes, over private beacons. One starts after the
/// other, so that the room that a crowd of meetings takes for a moment isn't counted.
async fn mesh(nodes: usize) {
    let port = 40_000 + u16::try_from(std::process::id() % 20_000).unwrap_or(0);
    let mut all: Vec<(Node, Events)> = Vec::new();
    for _ in 0..nodes {
        let (node, mut events) = match Node::builder().loopback().beacon_port(port).start().await {
            Ok(started) => started,
            Err(error) => return fail(&error.to_string()),
        };
        enter(&mut events, all.len()).await;
        for (_, events) in &mut all {
            enter(events, 1).await;
        }
        all.push((node, events));
    }
    // Without an end: what they hold is what is looked at.
    std::process::exit(0);
}
