//! Bare streams: the limit of the sockets.
//!
//! Round trips go over one stream, the cheapest there is: the answer carries
//! the acknowledgement. Everyone else here uses two, one for each direction, as
//! a mesh of one-way sessions does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::case::{Job, Role, Transport};
use crate::{say, say_trips};

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

const PIECE: usize = 64 << 10;

pub(crate) fn work(job: &Job) {
    match job.role {
        Role::Receive => receive(job),
        Role::Send => send(job),
        Role::Echo => echo(job),
        Role::Ping => ping(job),
        Role::Many => {}
    }
}

fn accept(job: &Job) -> Box<dyn Stream> {
    match job.case.transport {
        Transport::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            say("ready", listener.local_addr().unwrap());
            let stream = listener.accept().unwrap().0;
            stream.set_nodelay(true).unwrap();
            Box::new(stream)
        }
        Transport::Ipc => {
            let path = job.socket("raw");
            let listener = UnixListener::bind(&path).unwrap();
            say("ready", path);
            Box::new(listener.accept().unwrap().0)
        }
    }
}

fn dial(job: &Job) -> Box<dyn Stream> {
    match job.case.transport {
        Transport::Tcp => {
            let stream = TcpStream::connect(&job.to).unwrap();
            stream.set_nodelay(true).unwrap();
            Box::new(stream)
        }
        Transport::Ipc => Box::new(UnixStream::connect(&job.to).unwrap()),
    }
}

fn receive(job: &Job) {
    let total = job.case.size * job.case.count;
    let mut stream = accept(job);
    let mut buf = vec![0; PIECE];
    let mut start = None;
    let mut seen = 0;
    while seen < total {
        let n = stream.read(&mut buf).unwrap();
        start.get_or_insert_with(Instant::now);
        assert_ne!(n, 0);
        seen += n;
    }
    say("seconds", start.unwrap().elapsed().as_secs_f64());
}

fn send(job: &Job) {
    let mut left = job.case.size * job.case.count;
    let mut stream = dial(job);
    let buf = vec![7; PIECE];
    while left > 0 {
        let n = left.min(PIECE);
        stream.write_all(&buf[..n]).unwrap();
        left -= n;
    }
}

fn echo(job: &Job) {
    let mut stream = accept(job);
    let mut buf = vec![0; job.case.size];
    while stream.read_exact(&mut buf).is_ok() {
        stream.write_all(&buf).unwrap();
    }
}

fn ping(job: &Job) {
    let mut stream = dial(job);
    let mut buf = vec![7; job.case.size];
    let mut samples = Vec::with_capacity(job.case.count);
    for _ in 0..job.case.count {
        let start = Instant::now();
        stream.write_all(&buf).unwrap();
        stream.read_exact(&mut buf).unwrap();
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}

/// Round trips over tokio's streams, without anything on top.
pub(crate) fn work_tokio(job: &Job) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let job = job.clone();
    let task = async move {
        match (job.role, job.case.transport) {
            (Role::Echo, Transport::Tcp) => {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                say("ready", listener.local_addr().unwrap());
                let stream = listener.accept().await.unwrap().0;
                stream.set_nodelay(true).unwrap();
                echo_tokio(stream, job.case.size).await;
            }
            (Role::Echo, Transport::Ipc) => {
                let path = job.socket("raw-tokio");
                let listener = tokio::net::UnixListener::bind(&path).unwrap();
                say("ready", path);
                echo_tokio(listener.accept().await.unwrap().0, job.case.size).await;
            }
            (_, Transport::Tcp) => {
                let stream = tokio::net::TcpStream::connect(&job.to).await.unwrap();
                stream.set_nodelay(true).unwrap();
                ping_tokio(stream, &job).await;
            }
            (_, Transport::Ipc) => {
                let stream = tokio::net::UnixStream::connect(&job.to).await.unwrap();
                ping_tokio(stream, &job).await;
            }
        }
    };
    runtime.block_on(runtime.spawn(task)).unwrap();
}

async fn echo_tokio(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, size: usize) {
    let mut buf = vec![0; size];
    while stream.read_exact(&mut buf).await.is_ok() {
        stream.write_all(&buf).await.unwrap();
    }
}

async fn ping_tokio(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, job: &Job) {
    let mut buf = vec![7; job.case.size];
    let mut samples = Vec::with_capacity(job.case.count);
    for _ in 0..job.case.count {
        let start = Instant::now();
        stream.write_all(&buf).await.unwrap();
        stream.read_exact(&mut buf).await.unwrap();
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}
