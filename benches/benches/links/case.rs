//! What is measured, as words that a child process understands.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// zre-session's own engine.
    Native,
    /// The zeromq crate behind zre-session's seam.
    Engine,
    /// The zeromq crate's bare sockets.
    ZeroMq,
    /// libzmq's bare sockets.
    LibZmq,
    /// The same with CURVE.
    LibZmqCurve,
    /// A bare stream written in 64 KiB pieces, blocking.
    Raw,
    /// A bare stream in tokio; round trips only.
    Tokio,
    /// A publisher and a subscriber of zenoh.
    Zenoh,
    /// The same, in zenoh's express mode: each message leaves at once.
    ZenohExpress,
}

impl Contestant {
    pub(crate) const ALL: [Contestant; 9] = [
        Contestant::Native,
        Contestant::Engine,
        Contestant::ZeroMq,
        Contestant::LibZmq,
        Contestant::LibZmqCurve,
        Contestant::Raw,
        Contestant::Tokio,
        Contestant::Zenoh,
        Contestant::ZenohExpress,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Native => "native",
            Contestant::Engine => "zeromq-engine",
            Contestant::ZeroMq => "zeromq",
            Contestant::LibZmq => "libzmq",
            Contestant::LibZmqCurve => "libzmq-curve",
            Contestant::Raw => "raw",
            Contestant::Tokio => "raw-tokio",
            Contestant::Zenoh => "zenoh",
            Contestant::ZenohExpress => "zenoh-express",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Ipc,
}

impl Transport {
    pub(crate) const ALL: [Transport; 2] = [Transport::Tcp, Transport::Ipc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Ipc => "ipc",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) contestant: Contestant,
    pub(crate) transport: Transport,
    /// Bytes of a message, all frames together.
    pub(crate) size: usize,
    pub(crate) frames: usize,
    pub(crate) count: usize,
}

impl Case {
    /// The message: with two frames, the first has 8 bytes, as a header would.
    pub(crate) fn head_and_body(&self) -> (Vec<u8>, Vec<bytes::Bytes>) {
        match self.frames {
            1 => (vec![7; self.size], vec![]),
            _ => (
                vec![7; 8],
                vec![bytes::Bytes::from(vec![8; self.size.saturating_sub(8)])],
            ),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Receive,
    Send,
    Echo,
    Ping,
    /// Many mailboxes in one process, for memory and fan-out.
    Many,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) role: Role,
    pub(crate) case: Case,
    /// Where the other child listens.
    pub(crate) to: String,
    /// A directory for sockets.
    pub(crate) dir: String,
}

impl Job {
    pub(crate) fn to_args(&self) -> Vec<String> {
        let role = match self.role {
            Role::Receive => "receive",
            Role::Send => "send",
            Role::Echo => "echo",
            Role::Ping => "ping",
            Role::Many => "many",
        };
        let c = &self.case;
        vec![
            "--child".into(),
            role.into(),
            c.contestant.name().into(),
            c.transport.name().into(),
            c.size.to_string(),
            c.frames.to_string(),
            c.count.to_string(),
            self.to.clone(),
            self.dir.clone(),
        ]
    }

    pub(crate) fn from_args(args: &[String]) -> Option<Job> {
        let at = args.iter().position(|a| a == "--child")?;
        let a = &args[at + 1..];
        let role = match a[0].as_str() {
            "receive" => Role::Receive,
            "send" => Role::Send,
            "echo" => Role::Echo,
            "ping" => Role::Ping,
            _ => Role::Many,
        };
        Some(Job {
            role,
            case: Case {
                contestant: *Contestant::ALL.iter().find(|c| c.name() == a[1]).unwrap(),
                transport: *Transport::ALL.iter().find(|t| t.name() == a[2]).unwrap(),
                size: a[3].parse().unwrap(),
                frames: a[4].parse().unwrap(),
                count: a[5].parse().unwrap(),
            },
            to: a[6].clone(),
            dir: a[7].clone(),
        })
    }

    /// A path for a socket of ours.
    pub(crate) fn socket(&self, name: &str) -> String {
        format!("{}/{}-{name}", self.dir, std::process::id())
    }
}
