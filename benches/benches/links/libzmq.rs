//! libzmq's own DEALER and ROUTER, with CURVE or without.

use std::time::Instant;

use crate::case::{Contestant, Job, Role, Transport};
use crate::{say, say_trips};

pub(crate) fn work(job: &Job) {
    let context = zmq::Context::new();
    match job.role {
        Role::Receive => receive(&context, job),
        Role::Send => send(&context, job),
        Role::Echo => echo(&context, job),
        Role::Ping => ping(&context, job),
        Role::Many => {}
    }
}

/// A queue of 16 MiB, the same that the native engine has, and at least the
/// library's default of 1,000 messages.
fn hwm(job: &Job) -> i32 {
    i32::try_from((16 << 20) / job.case.size.max(1))
        .unwrap()
        .max(1000)
}

/// The secret keys of all servers and of all clients; the measurement needs no others.
const SERVER: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

fn encrypts(job: &Job) -> bool {
    job.case.contestant == Contestant::LibZmqCurve
}

/// The public and the secret key.
fn pair(secret: &str) -> ([u8; 32], [u8; 32]) {
    let decoded = |text: &str| zmq::z85_decode(text).unwrap().try_into().unwrap();
    let public = match secret {
        SERVER => "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
        _ => "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
    };
    (decoded(public), decoded(secret))
}

fn bind(context: &zmq::Context, job: &Job) -> (zmq::Socket, String) {
    let router = context.socket(zmq::ROUTER).unwrap();
    router.set_rcvhwm(hwm(job)).unwrap();
    if encrypts(job) {
        router.set_curve_server(true).unwrap();
        router.set_curve_secretkey(&pair(SERVER).1).unwrap();
    }
    let endpoint = match job.case.transport {
        Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
        Transport::Ipc => format!("ipc://{}", job.socket("libzmq")),
    };
    router.bind(&endpoint).unwrap();
    let endpoint = router.get_last_endpoint().unwrap().unwrap();
    (router, endpoint)
}

fn dial(context: &zmq::Context, job: &Job, to: &str) -> zmq::Socket {
    let dealer = context.socket(zmq::DEALER).unwrap();
    dealer.set_sndhwm(hwm(job)).unwrap();
    if encrypts(job) {
        let (public, secret) = pair(CLIENT);
        dealer.set_curve_serverkey(&pair(SERVER).0).unwrap();
        dealer.set_curve_publickey(&public).unwrap();
        dealer.set_curve_secretkey(&secret).unwrap();
    }
    dealer.connect(to).unwrap();
    dealer
}

fn push(dealer: &zmq::Socket, head: &[u8], body: &[bytes::Bytes]) {
    let more = if body.is_empty() { 0 } else { zmq::SNDMORE };
    dealer.send(head, more).unwrap();
    for (i, frame) in body.iter().enumerate() {
        let more = if i + 1 < body.len() { zmq::SNDMORE } else { 0 };
        dealer.send(&frame[..], more).unwrap();
    }
}

fn pull(router: &zmq::Socket, message: &mut zmq::Message) -> (usize, usize) {
    router.recv(message, 0).unwrap(); // the identity
    let (mut size, mut frames) = (0, 0);
    while message.get_more() {
        router.recv(message, 0).unwrap();
        size += message.len();
        frames += 1;
    }
    (size, frames)
}

fn receive(context: &zmq::Context, job: &Job) {
    let (router, endpoint) = bind(context, job);
    say("ready", endpoint);
    let mut message = zmq::Message::new();
    let mut start = None;
    for _ in 0..job.case.count {
        let got = pull(&router, &mut message);
        start.get_or_insert_with(Instant::now);
        assert_eq!(got, (job.case.size, job.case.frames));
    }
    say("seconds", start.unwrap().elapsed().as_secs_f64());
}

fn send(context: &zmq::Context, job: &Job) {
    let dealer = dial(context, job, &job.to);
    let (head, body) = job.case.head_and_body();
    for _ in 0..job.case.count {
        push(&dealer, &head, &body);
    }
    // The context flushes when it goes.
}

fn echo(context: &zmq::Context, job: &Job) {
    let (router, endpoint) = bind(context, job);
    say("ready", endpoint);
    let mut message = zmq::Message::new();
    pull(&router, &mut message);
    let dealer = dial(context, job, message.as_str().unwrap());
    push(&dealer, b"connected", &[]);
    loop {
        router.recv(&mut message, 0).unwrap();
        while message.get_more() {
            router.recv(&mut message, 0).unwrap();
            let more = if message.get_more() { zmq::SNDMORE } else { 0 };
            dealer.send(&message[..], more).unwrap();
        }
    }
}

fn ping(context: &zmq::Context, job: &Job) {
    let (router, endpoint) = bind(context, job);
    let dealer = dial(context, job, &job.to);
    push(&dealer, endpoint.as_bytes(), &[]);
    let mut message = zmq::Message::new();
    pull(&router, &mut message);
    let (head, body) = job.case.head_and_body();
    let mut samples = Vec::with_capacity(job.case.count);
    for _ in 0..job.case.count {
        let start = Instant::now();
        push(&dealer, &head, &body);
        pull(&router, &mut message);
        samples.push(start.elapsed().as_nanos() as u64);
    }
    say_trips(samples);
}
