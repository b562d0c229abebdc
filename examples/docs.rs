//! Nothing but the documents of this repository: `cargo test --doc` compiles the
//! Rust in them. `tests/docs` sees to it that none is missing here, and looks at
//! the shell commands.
#![cfg(doctest)]

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../docs/guide.md")]
struct Guide;

#[doc = include_str!("../docs/migrating.md")]
struct Migrating;

#[doc = include_str!("../docs/protocol.md")]
struct Protocol;

/// What the tables of `docs/migrating.md` name is there:
///
/// ```no_run
/// use futures::Stream;
/// use zre::{Builder, Endpoint, Event, Events, Interfaces, Listen, Node, Peer, SendPolicy};
///
/// async fn build(endpoint: Endpoint, listen: Listen) -> Result<(), zre::StartError> {
///     let second = std::time::Duration::from_secs(1);
///     let any = ([127, 0, 0, 1], 0).into();
///     let builder: Builder = Node::builder();
///     let builder = builder.name("a").header("k", "v").group("g").beacon_port(5670);
///     let builder = builder.listen(listen).listen_port(0).advertise(endpoint.clone());
///     let builder = builder.evasive(second).expired(second).interval(second);
///     let builder = builder.interfaces(Interfaces::Loopback).no_beacon().contest("g");
///     let builder = builder.gossip_bind(any).gossip_connect(endpoint.clone());
///     let builder = builder.multicast([any]).peer(endpoint);
///     builder.start().await.map(drop)
/// }
///
/// async fn tell(node: Node) -> Result<(), Box<dyn std::error::Error>> {
///     let policy = SendPolicy::Reject;
///     node.join("g").await?;
///     node.leave("g").await?;
///     node.contest("g").await?;
///     node.whisper("a", "m").await?;
///     node.whisper_with("a", "m", policy).await?;
///     node.try_whisper("a", "m")?;
///     let _ = node.shout("g", "m").await?;
///     let _ = node.shout_with("g", "m", policy).await?;
///     let _ = node.try_shout("g", "m")?;
///     let _ = (node.uuid(), node.name(), node.endpoint(), node.listening());
///     let _ = (node.peers(), node.peers_in("g"), node.available("g"));
///     let _ = (node.own_groups(), node.peer_groups(), node.stats().await?);
///     let peer: Peer = node.peer("a")?;
///     let _ = (peer.uuid(), peer.name(), peer.endpoint());
///     let _ = (peer.header("k"), peer.headers());
///     node.shutdown().await;
///     Ok(())
/// }
///
/// async fn hear(mut events: Events) -> impl Stream<Item = Event> {
///     let _ = events.try_recv();
///     match events.recv().await {
///         Some(Event::Enter { .. } | Event::Exit { reason: _, unconfirmed: _, .. }) => {}
///         Some(Event::Join { group: _, .. } | Event::Leave { group: _, .. }) => {}
///         Some(Event::Whisper { message: _, .. }) => {}
///         Some(Event::Shout { group: _, message: _, .. }) => {}
///         Some(Event::Evasive { .. } | Event::Silent { .. }) => {}
///         Some(Event::Responsive { .. } | Event::State { .. }) => {}
///         Some(Event::Backpressure { .. } | Event::Discovery { .. }) => {}
///         Some(Event::Leader { .. } | Event::Undecided { .. }) => {}
///         Some(Event::Conflict { .. }) => {}
///         Some(Event::Leader { .. } | Event::Undecided { .. }) => {}
///         _ => {}
///     }
///     events
/// }
/// # let _ = (build, tell, hear, zre::SendError::Gone);
/// # let _ = zre::SendError::Unknown;
/// ```
struct MigratingNames;

#[doc = include_str!("../crates/node/README.md")]
struct NodeReadme;

#[doc = include_str!("../crates/proto/README.md")]
struct ProtoReadme;

#[doc = include_str!("../crates/beacon/README.md")]
struct BeaconReadme;

#[doc = include_str!("../crates/zmtp/README.md")]
struct ZmtpReadme;

#[doc = include_str!("../crates/curve/README.md")]
struct CurveReadme;
