//! A peer that says what a test wants, in sessions of this project's own.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;
use zre_proto::{Command, Hello, MessageLimits};
use zre_session::{
    Arrival, Config, Engine, Identity, Inbox, IpcDir, Links, Mailbox, Notices, SameHost, Target,
    TrySendError,
};
use zre_tests::DEADLINE;

pub(crate) struct Stranger {
    pub(crate) uuid: Uuid,
    pub(crate) sequence: u16,
    links: Links,
    inbox: Inbox,
    _notices: Notices,
    mailbox: Mailbox,
}

impl Stranger {
    /// Calls itself by this UUID and opens a mailbox to the victim.
    pub(crate) async fn new(uuid: Uuid, victim: u16) -> Self {
        let identity = [&[1], &uuid.as_bytes()[..]].concat();
        let mut config = Config::new(Identity::new(identity).unwrap());
        config.engine = Engine::Native;
        config.ipc = IpcDir::Off;
        config.inproc = false;
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        let (links, inbox, notices) = Links::open(config).await.unwrap();
        let mailbox = links.connect(
            1,
            Target::default()
                .addr(SocketAddr::from(([127, 0, 0, 1], victim)))
                .same_host(SameHost::Never),
        );
        Self {
            uuid,
            sequence: 1,
            links,
            inbox,
            _notices: notices,
            mailbox,
        }
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello {
            endpoint: format!("tcp://{}", self.links.listening()[0]),
            name: "stranger".into(),
            ..Hello::default()
        }
    }

    /// Greets, and waits until the victim has greeted back.
    pub(crate) async fn greet(&mut self) {
        self.say(&Command::Hello(self.hello())).await;
        self.hear(|command| matches!(command, Command::Hello(_)))
            .await;
    }

    /// Sends a command under the next number.
    pub(crate) async fn say(&mut self, command: &Command) {
        let frames = command.encode(self.sequence);
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&frames).await;
    }

    /// Sends frames as they are. A mailbox that has closed takes them to
    /// nowhere: the victim has had enough.
    pub(crate) async fn send(&mut self, frames: &[Bytes]) {
        let (head, body) = frames.split_first().unwrap();
        loop {
            match self.mailbox.try_send(head, body) {
                Ok(()) | Err(TrySendError::Closed) => return,
                Err(TrySendError::Full) => {
                    let bytes = frames.iter().map(Bytes::len).sum();
                    let _ = timeout(DEADLINE, self.mailbox.writable(bytes))
                        .await
                        .unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until the victim says something of that kind.
    pub(crate) async fn hear(&mut self, fits: impl Fn(&Command) -> bool) {
        timeout(DEADLINE, async {
            loop {
                let Some(Arrival::Batch(mut batch)) = self.inbox.recv().await else {
                    continue;
                };
                for message in std::mem::take(&mut batch.messages) {
                    let (_, command) = Command::decode_split(
                        &message.head,
                        message.body,
                        &MessageLimits::default(),
                    )
                    .unwrap();
                    if fits(&command) {
                        return;
                    }
                }
            }
        })
        .await
        .expect("the victim says so in time");
    }
}
