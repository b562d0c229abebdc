//! The zeromq crate's own DEALER and ROUTER.

use std::time::Instant;

use bytes::Bytes;
use zeromq::{DealerSocket, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use crate::case::{Job, Role, Transport};
use crate::{say, say_trips};

pub(crate) fn work(job: &Job) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job.clone();
    runtime
        .block_on(runtime.spawn(async move {
            match job.role {
                Role::Receive => receive(&job).await,
                Role::Send => send(&job).await,
                Role::Echo => echo(&job).await,
                Role::Ping => ping(&job).await,
                Role::Many => {}
            }
        }))
        .unwrap();
}

async fn bind(job: &Job) -> (RouterSocket, String) {
    let mut router = RouterSocket::new();
    let endpoint = match job.case.transport {
        Transport::Tcp => "tcp://127.0.0.1:0".to_owned(),
        Transport::Ipc => format!("ipc://{}", job.socket("zeromq")),
    };
    let endpoint = router.bind(&endpoint).await.unwrap().to_string();
    (router, endpoint)
}

async fn dial(to: &str) -> DealerSocket {
    let mut dealer = DealerSocket::new();
    dealer.connect(to).await.unwrap();
    dealer
}

fn message(job: &Job) -> ZmqMessage {
    let (head, body) = job.case.head_and_body();
    let mut message = ZmqMessage::from(head);
    for frame in body {
        message.push_back(frame);
    }
    message
}

async fn receive(job: &Job) {
    let (mut router, endpoint) = bind(job).await;
    say("ready", endpoint);
    let mut start = None;
    for _ in 0..job.case.count {
        let got = router.recv().await.unwrap();
        start.get_or_insert_with(Instant::now);
        let size: usize = got.iter().skip(1).map(Bytes::len).sum();
        assert_eq!((size, got.len() - 1), (job.case.size, job.case.frames));
    }
    say("seconds", start.unwrap().elapsed().as_secs_f64());
}

async fn send(job: &Job) {
    let mut dealer = dial(&job.to).await;
    let message = message(job);
    for _ in 0..job.case.count {
        dealer.send(message.clone()).await.unwrap();
    }
    // Ends when the receiver does.
    let _ = dealer.recv().await;
}

async fn echo(job: &Job) {
    let (mut router, endpoint) = bind(job).await;
    say("ready", endpoint);
    let first = router.recv().await.unwrap();
    let back = String::from_utf8(first.get(1).unwrap().to_vec()).unwrap();
    let mut dealer = dial(&back).await;
    dealer.send(ZmqMessage::from("connected")).await.unwrap();
    while let Ok(got) = router.recv().await {
        let mut frames = got.into_vec();
        frames.remove(0);
        let Ok(message) = ZmqMessage::try_from(frames) else {
            return;
        };
        if dealer.send(message).await.is_err() {
            return;
        }
    }
}

async fn ping(job: &Job) {
    let (mut router, endpoint) = bind(job).await;
    let mut dealer = dial(&job.to).await;
    dealer.send(ZmqMessage::from(endpoint)).await.unwrap();
    router.recv().await.unwrap();
    let message = message(job);
    let mut samples = Vec::with_capacity(job.case.count);
    for _ in 0..job.case.count {
        let start = Instant::now();
        dealer.send(message.clone()).await.unwrap();
        router.recv().await.unwrap();
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}
