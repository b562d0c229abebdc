//! Questions and answers.

mod common;

use std::time::Duration;

use common::{PATIENCE, enter, free_port, settings, until};
use zre::{
    Event, Events, IpcDir, Link, Message, ReplyError, RequestError, Responder, SendError, State,
};

async fn request(events: &mut Events) -> (Message, Responder) {
    until(events, |event| match event {
        Event::Request {
            message, responder, ..
        } => Some((message, responder)),
        _ => None,
    })
    .await
}

/// Answers every request with its own frames, in reverse order of arrival.
async fn echo(mut events: Events) -> Result<(), ReplyError> {
    let mut waiting = Vec::new();
    while let Some(event) = events.recv().await {
        if let Event::Request {
            message, responder, ..
        } = event
        {
            waiting.push((message, responder));
        }
        if waiting.len() == 10 {
            while let Some((message, responder)) = waiting.pop() {
                responder.reply(message).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn over_each_link_and_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = dir.path().join("sockets");
    for (link, ipc, inproc) in [
        (Link::Tcp, IpcDir::Off, false),
        (Link::Ipc, IpcDir::Path(sockets), false),
        (Link::Inproc, IpcDir::Off, true),
    ] {
        if link == Link::Ipc && !cfg!(unix) {
            continue; // Only Unix has ipc.
        }
        let port = free_port();
        let with = |name| settings(name, port).ipc(ipc.clone()).inproc(inproc);
        let (left, mut l) = with("left").start().await.unwrap();
        let (right, r) = with("right").start().await.unwrap();
        let peer = enter(&mut l).await;
        assert_eq!(peer.link(), link);
        assert!(peer.takes_requests());
        // What is for the protocol isn't shown.
        assert!(peer.headers().is_empty());
        let echo = tokio::spawn(echo(r));
        let many = (0..100).map(|n| {
            let (left, peer) = (left.clone(), peer.clone());
            async move {
                let question = [vec![n; 1000], vec![], vec![n]];
                let answer = left.request(&peer, question.clone(), PATIENCE).await;
                assert_eq!(answer.unwrap(), Message::from(question));
            }
        });
        futures::future::join_all(many).await;
        let stats = left.stats().await.unwrap();
        assert_eq!((stats.requests, stats.late_replies), (0, 0));
        right.shutdown().await;
        left.shutdown().await;
        echo.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_dropped_request_is_an_error_at_once() {
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let (drops, mut d) = settings("drops", port).start().await.unwrap();
    let peer = enter(&mut a).await;
    let ask = |text: &'static str| {
        let (asks, peer) = (asks.clone(), peer.clone());
        tokio::spawn(async move { asks.request(&peer, text, PATIENCE).await })
    };
    let first = ask("dropped");
    let (_, responder) = request(&mut d).await;
    let clone = responder.clone();
    drop(responder);
    let second = ask("answered by a clone");
    let (_, other) = request(&mut d).await;
    other.clone().reply("once").await.unwrap();
    assert_eq!(other.reply("twice").await, Err(ReplyError::Answered));
    assert_eq!(second.await.unwrap(), Ok("once".into()));
    // One clone is left, so it isn't too late.
    assert!(!first.is_finished());
    drop(clone);
    assert_eq!(first.await.unwrap(), Err(RequestError::Unanswered));
    // Nobody reads events any more: whatever waits there is dropped.
    let third = ask("unread");
    let fourth = ask("unread, too");
    until(&mut d, |event| {
        matches!(event, Event::Request { .. }).then_some(())
    })
    .await;
    drop(d);
    for result in [third, fourth] {
        assert_eq!(result.await.unwrap(), Err(RequestError::Unanswered));
    }
    let fifth = ask("after that").await.unwrap();
    assert_eq!(fifth, Err(RequestError::Unanswered));
    // An answer that nobody will take is no answer.
    drops.shutdown().await;
}

#[tokio::test]
async fn an_absent_or_leaving_peer_is_an_error_at_once() {
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let (goes, mut g) = settings("goes", port).start().await.unwrap();
    let peer = enter(&mut a).await;
    let unknown = asks.request("nobody", "?", PATIENCE).await;
    assert_eq!(unknown, Err(SendError::Unknown("nobody".into()).into()));
    let asked = tokio::spawn({
        let (asks, peer) = (asks.clone(), peer.clone());
        async move { asks.request(&peer, "?", PATIENCE).await }
    });
    let (_, responder) = request(&mut g).await;
    goes.shutdown().await;
    let gone = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(gone.unwrap(), Err(SendError::Gone.into()));
    assert_eq!(responder.reply("late").await, Err(SendError::Gone.into()));
    let gone = asks.request(&peer, "?", PATIENCE).await;
    assert_eq!(gone, Err(SendError::Gone.into()));
    asks.shutdown().await;
    let stopped = asks.request(&peer, "?", PATIENCE).await;
    assert_eq!(stopped, Err(SendError::Stopped.into()));
}

#[tokio::test]
async fn a_node_that_stops_answers_its_own_waiters() {
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let (_other, mut o) = settings("other", port).start().await.unwrap();
    let peer = enter(&mut a).await;
    let asked = tokio::spawn({
        let asks = asks.clone();
        async move { asks.request(&peer, "?", PATIENCE).await }
    });
    let (_, responder) = request(&mut o).await;
    asks.shutdown().await;
    assert_eq!(asked.await.unwrap(), Err(SendError::Stopped.into()));
    drop(responder);
}

#[tokio::test]
async fn a_late_answer_is_counted_and_goes_to_nobody() {
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let (slow, mut s) = settings("slow", port).start().await.unwrap();
    let peer = enter(&mut a).await;
    let brief = Duration::from_millis(1);
    let elapsed = asks.request(&peer, "?", brief).await;
    assert_eq!(elapsed, Err(RequestError::Elapsed(brief)));
    // Another that nobody waits for any more, because its future is dropped.
    let mut asked = Box::pin(asks.request(&peer, "!", PATIENCE));
    assert!(futures::poll!(asked.as_mut()).is_pending());
    assert_eq!(asks.stats().await.unwrap().requests, 1);
    drop(asked);
    assert_eq!(asks.stats().await.unwrap().requests, 0);
    for text in ["?", "!"] {
        let (message, responder) = request(&mut s).await;
        assert_eq!(message.to_str(), Some(text));
        responder.reply("late").await.unwrap();
    }
    // Behind them on the same session.
    slow.whisper("asks", "done").await.unwrap();
    until(&mut a, |event| {
        matches!(event, Event::Whisper { .. }).then_some(())
    })
    .await;
    assert_eq!(asks.stats().await.unwrap().late_replies, 2);
}

#[tokio::test]
async fn requests_wait_for_a_reader_as_whispers_do() {
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let deaf = settings("deaf", port).event_queue_bytes(1).auto_busy(true);
    let (deaf, mut unread) = deaf.start().await.unwrap();
    let peer = until(&mut a, |event| match event {
        Event::State { peer, to, .. } => (to == State::Busy).then_some(peer),
        _ => None,
    })
    .await;
    let asked = tokio::spawn(async move { asks.request(&peer, "?", PATIENCE).await });
    let (_, responder) = request(&mut unread).await;
    responder.try_reply("read at last").unwrap();
    assert_eq!(asked.await.unwrap(), Ok("read at last".into()));
    drop(deaf);
}

#[tokio::test]
async fn a_request_is_answered_by_its_number_while_it_is_open() {
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let (answers, mut events) = settings("answers", port).start().await.unwrap();
    let peer = enter(&mut a).await;
    let ask = |text: &'static str| {
        let (asks, peer) = (asks.clone(), peer.clone());
        tokio::spawn(async move { asks.request(&peer, text, PATIENCE).await })
    };
    // As long as there is a responder.
    let first = ask("first");
    let (_, responder) = request(&mut events).await;
    answers.reply(responder.id(), "by number").await.unwrap();
    assert_eq!(first.await.unwrap(), Ok("by number".into()));
    let id = responder.id();
    assert_eq!(
        answers.reply(responder, "twice").await,
        Err(ReplyError::Answered)
    );
    let again = answers.reply(id, "twice").await;
    assert_eq!(again, Err(ReplyError::Unknown(id)));
    // And beyond, if it is kept. Numbers differ, whoever asks.
    let second = ask("second");
    let event = until(&mut events, |event| event.id().map(|id| (id, event))).await;
    let (other, Event::Request { responder, .. }) = event else {
        panic!("only requests have numbers");
    };
    assert_ne!(other, id);
    assert!(responder.keep() && responder.keep());
    drop(responder);
    assert!(!second.is_finished());
    assert_eq!(answers.stats().await.unwrap().unanswered_requests, 1);
    answers.reply(other, "late, but kept").await.unwrap();
    assert_eq!(second.await.unwrap(), Ok("late, but kept".into()));
    assert_eq!(answers.stats().await.unwrap().unanswered_requests, 0);
    // A node that stops keeps nothing.
    let third = ask("third");
    let (_, responder) = request(&mut events).await;
    answers.shutdown().await;
    assert!(!responder.keep());
    assert_eq!(third.await.unwrap(), Err(SendError::Gone.into()));
}

#[tokio::test]
async fn of_requests_that_are_kept_the_oldest_gives_way_and_none_outlives_its_peer() {
    const KEPT: usize = 1024;
    let port = free_port();
    let (asks, mut a) = settings("asks", port).start().await.unwrap();
    let (keeps, mut events) = settings("keeps", port).start().await.unwrap();
    let peer = enter(&mut a).await;
    let mut asked = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..=KEPT {
        let (asks, peer) = (asks.clone(), peer.clone());
        asked.push(tokio::spawn(async move {
            asks.request(&peer, "?", PATIENCE).await
        }));
        let (_, responder) = request(&mut events).await;
        ids.push(responder.id());
        assert!(responder.keep());
    }
    let oldest = asked.remove(0).await.unwrap();
    assert_eq!(oldest, Err(RequestError::Unanswered));
    let open = keeps.stats().await.unwrap().unanswered_requests;
    assert_eq!(open, KEPT);
    assert_eq!(
        keeps.reply(ids[0], "!").await,
        Err(ReplyError::Unknown(ids[0]))
    );
    keeps.reply(ids[1], "!").await.unwrap();
    assert_eq!(asked.remove(0).await.unwrap(), Ok("!".into()));
    let (_, responder) = {
        let (asks, peer) = (asks.clone(), peer.clone());
        tokio::spawn(async move { asks.request(&peer, "last", PATIENCE).await });
        request(&mut events).await
    };
    asks.shutdown().await;
    until(&mut events, |event| {
        matches!(event, Event::Exit { .. }).then_some(())
    })
    .await;
    assert!(!responder.keep(), "its peer has gone");
    drop(responder);
    assert_eq!(keeps.stats().await.unwrap().unanswered_requests, 0);
}
