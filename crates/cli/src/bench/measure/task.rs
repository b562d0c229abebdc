//! The task of a child with zre nodes, as words on its command line.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::PathBuf;

use zre::{Builder, Engine, IpcDir, Keys, Link, Node, Peer};

use super::child::TaskError;
use super::process::MeasureError;

/// The first word on the command line of a child. It is handled before the options of
/// the program, so that neither settings nor variables change the child.
const MARK: &str = "--nodes-of-ours";

/// A role in a measurement, and its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    role: String,
    values: BTreeMap<String, String>,
}

impl Task {
    /// `dir` is the directory for unix sockets.
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

    /// The same between nodes with keys, or without.
    pub(crate) fn encrypted(self, encrypted: bool) -> Task {
        self.with("encrypted", encrypted)
    }

    pub(crate) fn to_args(&self) -> Vec<String> {
        let values = self.values.iter().map(|(k, v)| format!("{k}={v}"));
        [MARK.to_owned(), self.role.clone()]
            .into_iter()
            .chain(values)
            .collect()
    }

    /// The task of this process, if it is a child.
    pub(crate) fn of_this_process() -> Option<Task> {
        let mut args = std::env::args_os().skip(1);
        if args.next()? != MARK {
            return None;
        }
        let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
        let role = args.next()?;
        let values = args.filter_map(|arg| {
            let (key, value) = arg.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Some(Task {
            role,
            values: values.collect(),
        })
    }

    pub(crate) fn role(&self) -> &str {
        &self.role
    }

    fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// # Errors
    /// The parent didn't pass it.
    pub(crate) fn number(&self, key: &str) -> Result<usize, TaskError> {
        let number = self.text(key).parse();
        number.map_err(|_| TaskError::Words(format!("{}: {key} is no number", self.role)))
    }

    pub(crate) fn link(&self) -> Link {
        match self.text("link") {
            "tcp" => Link::Tcp,
            "ipc" => Link::Ipc,
            _ => Link::Inproc,
        }
    }

    /// # Errors
    /// The peer wasn't met over the measured link.
    pub(crate) fn check_link(&self, peer: &Peer) -> Result<(), TaskError> {
        let (met, wanted) = (peer.link(), self.link());
        match met == wanted {
            true => Ok(()),
            false => Err(TaskError::Link { met, wanted }),
        }
    }

    /// A node on loopback that uses only this link, and meets the nodes with the same
    /// port.
    ///
    /// # Errors
    /// The parent didn't pass a port, or there are no keys to be had.
    pub(crate) fn builder(&self, name: &str) -> Result<Builder, TaskError> {
        let port = u16::try_from(self.number("port")?).unwrap_or_default();
        let builder = Node::builder()
            .name(name)
            .loopback()
            .beacon_port(port)
            .engine(match self.text("engine") {
                "zeromq" => Engine::ZeroMq,
                _ => Engine::Native,
            });
        let builder = match self.text("encrypted") {
            "true" => builder.keys(Keys::generate()?),
            _ => builder,
        };
        Ok(match self.link() {
            Link::Tcp => builder.ipc(IpcDir::Off).inproc(false),
            Link::Ipc => builder
                .ipc(IpcDir::Path(PathBuf::from(self.text("dir")).join("ipc")))
                .inproc(false),
            _ => builder.ipc(IpcDir::Off),
        })
    }
}

/// A free UDP port for beacons: other nodes and measurements on the host neither
/// disturb the measurement nor are disturbed by it.
///
/// # Errors
/// There is no loopback interface.
pub(crate) fn free_port() -> Result<u16, MeasureError> {
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    port.map(|addr| addr.port()).map_err(MeasureError::Port)
}
