//! Times that no clock can tell mean for ever.

mod common;

use std::time::Duration;

use common::{enter, free_port, settings};
use zre::SendPolicy;

#[tokio::test]
async fn a_timeout_out_of_range_is_for_ever() {
    let port = free_port();
    let patient = || settings("patient", port).evasive(Duration::MAX / 2);
    let (alice, mut a) = patient().expired(Duration::MAX).start().await.unwrap();
    let (bob, mut b) = patient().expired(Duration::MAX).start().await.unwrap();
    let peer = enter(&mut a).await;
    enter(&mut b).await;
    let found = alice.wait_for_peers(1, Duration::MAX).await.unwrap();
    assert_eq!(found.len(), 1);
    let for_ever = SendPolicy::Wait(Duration::MAX);
    alice.whisper_with(&peer, "hi", for_ever).await.unwrap();
    let nobody = alice.wait_for_peers(2, Duration::MAX);
    let waited = tokio::time::timeout(Duration::from_millis(50), nobody).await;
    assert!(waited.is_err(), "nobody else comes");
    bob.shutdown_within(Duration::MAX).await;
    alice.shutdown_within(Duration::MAX).await;
}
