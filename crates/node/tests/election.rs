//! Nodes that elect a leader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use zre::{Builder, CommandError, Event, Events, IpcDir, Node, Uuid};

const DEADLINE: Duration = Duration::from_secs(30);

fn node(number: u128, port: u16) -> Builder {
    Node::builder()
        .name(format!("n{number}"))
        .uuid(Uuid::from_u128(number))
        .loopback()
        .beacon_port(port)
        .ipc(IpcDir::Off)
        .group("crew")
        .contest("crew")
}

/// A port that nobody beacons on.
fn port() -> u16 {
    let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

/// Waits until that one leads.
async fn leads(events: &mut Events, wanted: &Node) {
    tokio::time::timeout(DEADLINE, async {
        loop {
            match events.recv().await.expect("the node runs") {
                Event::Leader { group, uuid, peer } if uuid == wanted.uuid() => {
                    assert_eq!(&*group, "crew");
                    if let Some(peer) = peer {
                        assert_eq!(peer.name(), wanted.name());
                    }
                    return;
                }
                Event::Undecided { missing, .. } => panic!("{missing:?}"),
                _ => {}
            }
        }
    })
    .await
    .expect("somebody leads in time");
}

#[tokio::test]
async fn the_lowest_leads_until_it_goes() {
    let port = port();
    let first = Uuid::new_v4().as_u128() >> 8;
    let (high, mut of_high) = node(first + 2, port).start().await.unwrap();
    let (mid, mut of_mid) = node(first + 1, port).inproc(false).start().await.unwrap();
    leads(&mut of_high, &mid).await;
    leads(&mut of_mid, &mid).await;
    let (low, mut of_low) = node(first, port).start().await.unwrap();
    for events in [&mut of_high, &mut of_mid, &mut of_low] {
        leads(events, &low).await;
    }
    assert_eq!(high.leader("crew").await, Ok(Some(low.uuid())));
    assert_eq!(high.leader("other").await, Ok(None));
    low.shutdown().await;
    for events in [&mut of_high, &mut of_mid] {
        leads(events, &mid).await;
    }
    assert_eq!(mid.contest("crew").await, Ok(false));
    assert_eq!(low.contest("crew").await, Err(CommandError::Stopped));
}
