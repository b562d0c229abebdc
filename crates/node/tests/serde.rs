//! Events and figures by serde, and messages that carry JSON.

mod common;

use common::{enter, free_port, settings, until};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zre::{Endpoint, Event, ExitReason, Link, Message, ParseError, Source, State, Stats};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Reading {
    sensor: String,
    value: f64,
}

#[tokio::test]
async fn a_peers_life_as_json() {
    let port = free_port();
    let (node, mut events) = settings("node", port).start().await.unwrap();
    let other = settings("other", port)
        .group("chat")
        .header("role", "camera");
    let (other, _o) = other.start().await.unwrap();
    let peer = enter(&mut events).await;
    let reading = Reading {
        sensor: "attic".into(),
        value: 21.5,
    };
    let message = Message::json(&reading).unwrap();
    other.wait_for_peers(1, common::PATIENCE).await.unwrap();
    other.whisper("node", message).await.unwrap();
    let event = until(&mut events, |event| {
        matches!(event, Event::Whisper { .. }).then_some(event)
    })
    .await;
    let said = serde_json::to_value(&event).unwrap();
    assert_eq!(said["event"], "whisper");
    assert_eq!(said["peer"], peer.uuid().simple().to_string());
    assert_eq!(said["name"], "other");
    let its = serde_json::to_value(&peer).unwrap();
    assert_eq!(its["peer"], said["peer"]);
    assert_eq!(its["name"], "other");
    assert_eq!(its["headers"], json!({"role": "camera"}));
    assert_eq!(its["groups"], json!(["chat"]));
    assert_eq!(
        (&its["state"], &its["link"]),
        (&json!("ready"), &json!("inproc"))
    );
    assert_eq!(its["endpoint"], peer.endpoint().to_string());
    let message: Message = serde_json::from_value(said["frames"].clone()).unwrap();
    assert_eq!(message.parse::<Reading>().unwrap(), reading);
    other.shutdown().await;
    let exit = until(&mut events, |event| {
        matches!(event, Event::Exit { .. }).then_some(event)
    })
    .await;
    let exit = serde_json::to_value(exit).unwrap();
    assert_eq!(
        (&exit["event"], &exit["reason"]),
        (&json!("exit"), &json!("goodbye"))
    );
    let stats = node.stats().await.unwrap();
    let written = serde_json::to_value(&stats).unwrap();
    assert_eq!(written["peers"], 0);
    assert!(written["beacons"]["sent"].as_u64() > Some(0), "{written}");
    assert_eq!(serde_json::from_value::<Stats>(written).unwrap(), stats);
}

#[test]
fn what_is_written_is_read() {
    fn check<T>(value: &T, text: &str)
    where
        T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug,
    {
        assert_eq!(serde_json::to_value(value).ok(), Some(json!(text)));
        assert_eq!(
            serde_json::from_value(json!(text)).ok().as_ref(),
            Some(value)
        );
    }
    check(&State::Busy, "busy");
    check(&State::Other(200), "200");
    check(&ExitReason::Disconnected, "disconnected");
    check(&Link::Inproc, "inproc");
    check(&Source::Multicast, "multicast");
    let endpoint: Endpoint = "tcp://10.0.0.1:5670".parse().unwrap();
    check(&endpoint, "tcp://10.0.0.1:5670");
    assert!(serde_json::from_value::<State>(json!("nonsense")).is_err());
    assert!(serde_json::from_value::<Endpoint>(json!("tcp://nowhere")).is_err());
    let frames = Message::from([&b"\xff"[..], b""]);
    let again: Message = serde_json::from_value(json!([[255], []])).unwrap();
    assert_eq!(frames, again);
}

#[test]
fn what_peers_send_may_be_anything() {
    let two = Message::from(["1", "2"]).parse::<u32>();
    assert!(matches!(two, Err(ParseError::Frames(2))));
    assert!(matches!(
        Message::new().parse::<u32>(),
        Err(ParseError::Frames(0))
    ));
    for text in ["", "{", "\"text\"", "-1", "1e99", "[[[["] {
        let parsed = Message::from(text).parse::<u32>();
        assert!(matches!(parsed, Err(ParseError::Json(_))), "{text}");
    }
}
