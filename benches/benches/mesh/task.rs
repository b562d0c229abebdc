//! What a child with nodes of ours does, as words on its command line.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use zre::{Builder, Engine, IpcDir, Link, Node};

use crate::{meet, shout, whisper, wide};

#[derive(Clone, Debug)]
pub(crate) struct Task {
    role: String,
    values: BTreeMap<String, String>,
}

impl Task {
    pub(crate) fn new(role: &str, link: Link, dir: &str) -> Task {
        let task = Task {
            role: role.to_owned(),
            values: BTreeMap::new(),
        };
        task.with("link", link).with("dir", dir)
    }

    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Task {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    pub(crate) fn to_args(&self) -> Vec<String> {
        let values = self.values.iter().map(|(k, v)| format!("{k}={v}"));
        ["--nodes-of-ours".to_owned(), self.role.clone()]
            .into_iter()
            .chain(values)
            .collect()
    }

    pub(crate) fn from_args(args: &[String]) -> Option<Task> {
        let at = args.iter().position(|a| a == "--nodes-of-ours")?;
        let values = args[at + 2..]
            .iter()
            .filter_map(|a| a.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        Some(Task {
            role: args[at + 1].clone(),
            values: values.collect(),
        })
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    pub(crate) fn number(&self, key: &str) -> usize {
        self.text(key).parse().unwrap()
    }

    pub(crate) fn link(&self) -> Link {
        match self.text("link") {
            "tcp" => Link::Tcp,
            "ipc" => Link::Ipc,
            _ => Link::Inproc,
        }
    }

    /// A node on loopback that uses this link only, and meets those of the same
    /// port.
    pub(crate) fn builder(&self, name: &str) -> Builder {
        let builder = Node::builder()
            .name(name)
            .loopback()
            .beacon_port(self.text("port").parse().unwrap())
            .engine(match self.text("engine") {
                "zeromq" => Engine::ZeroMq,
                _ => Engine::Native,
            });
        match self.link() {
            Link::Tcp => builder.ipc(IpcDir::Off).inproc(false),
            Link::Ipc => builder
                .ipc(IpcDir::Path(PathBuf::from(self.text("dir")).join("ipc")))
                .inproc(false),
            _ => builder.ipc(IpcDir::Off),
        }
    }

    /// Does it, as a child.
    pub(crate) fn run(self) {
        // What `#[tokio::main]` gives to those who don't ask for anything else.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let task = async move {
            match self.role.as_str() {
                "receive" => whisper::receive(&self).await,
                "send" => whisper::send(&self).await,
                "send-to-self" => whisper::send_in_process(&self).await,
                "echo" => whisper::echo(&self).await,
                "ping" => whisper::ping(&self).await,
                "ping-self" => whisper::ping_in_process(&self).await,
                "watch" => meet::watch(&self).await,
                "visit" => meet::visit(&self).await,
                "hear" => shout::hear(&self).await,
                "shout" => shout::shout(&self).await,
                "shout-to-self" => shout::shout_in_process(&self).await,
                "mesh" => wide::mesh(&self).await,
                other => panic!("no task called {other}"),
            }
        };
        // On a worker, as a program's tasks are.
        runtime.block_on(runtime.spawn(task)).unwrap();
    }
}

/// A UDP port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Waits until the parent says something.
pub(crate) async fn told() {
    let read = || std::io::stdin().read_line(&mut String::new());
    tokio::task::spawn_blocking(read).await.unwrap().unwrap();
}

/// The clock that all processes of the host share, in nanoseconds.
pub(crate) fn wall_clock() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_nanos()
}
