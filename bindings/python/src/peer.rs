//! Peers.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use uuid::Uuid;

use crate::error::value;

/// Another node, from its Enter to its Exit.
///
/// It stays readable after its exit. If the same node enters again, it is another ``Peer``.
/// State and groups are those that it has now; name and headers are those that it had when
/// this object was given out: the event ``Update`` has one with the new ones.
///
/// A pickled peer becomes a description: a message to it fails with ``GoneError``, because
/// sessions belong to their process. Its ``uuid`` reaches the peer from there.
#[pyclass(frozen, module = "zre")]
pub(crate) struct Peer {
    pub(crate) peer: zre::Peer,
    uuid: PyOnceLock<Py<PyAny>>,
    name: PyOnceLock<Py<PyString>>,
}

impl Peer {
    pub(crate) fn new(peer: zre::Peer) -> Self {
        Self {
            peer,
            uuid: PyOnceLock::new(),
            name: PyOnceLock::new(),
        }
    }
}

#[pymethods]
impl Peer {
    /// Who it is, as ``uuid.UUID``.
    #[getter]
    fn uuid(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let made = self
            .uuid
            .get_or_try_init(py, || uuid(py, self.peer.uuid()))?;
        Ok(made.clone_ref(py))
    }

    /// Its name, which needn't be unique.
    #[getter]
    fn name(&self, py: Python<'_>) -> Py<PyString> {
        let name = || PyString::new(py, self.peer.name()).unbind();
        self.name.get_or_init(py, name).clone_ref(py)
    }

    /// Its headers.
    #[getter]
    fn headers(&self) -> BTreeMap<String, String> {
        self.peer.headers().clone()
    }

    /// One of its headers, or ``default``.
    #[pyo3(signature = (key, default = None))]
    fn header(&self, py: Python<'_>, key: &str, default: Option<Py<PyAny>>) -> Py<PyAny> {
        match self.peer.header(key) {
            Some(value) => PyString::new(py, value).into_any().unbind(),
            None => default.unwrap_or_else(|| py.None()),
        }
    }

    /// The address at which it was dialled, as ``tcp://10.0.0.2:49152``.
    #[getter]
    fn endpoint(&self) -> String {
        self.peer.endpoint().to_string()
    }

    /// The link that carries our messages to it: ``"inproc"``, ``"ipc"`` or ``"tcp"``.
    #[getter]
    fn link(&self) -> String {
        self.peer.link().to_string()
    }

    /// The public key that it has proved to hold; ``None`` without keys.
    #[getter]
    fn key(&self) -> Option<String> {
        self.peer.key().map(|key| key.to_string())
    }

    /// Whether it accepts requests: nodes of this library do.
    #[getter]
    fn takes_requests(&self) -> bool {
        self.peer.takes_requests()
    }

    /// The sources that made it known, as ``["multicast"]``.
    #[getter]
    fn via(&self) -> Vec<String> {
        self.peer.via().iter().map(ToString::to_string).collect()
    }

    /// Its state: ``"ready"``, ``"busy"``, ``"draining"``, ``"asleep"``, ``"init"``, or a
    /// number of an application's own, as ``"200"``.
    #[getter]
    fn state(&self) -> String {
        self.peer.state().to_string()
    }

    /// The groups that it is in.
    #[getter]
    fn groups(&self) -> Vec<String> {
        self.peer.groups().iter().map(Into::into).collect()
    }

    /// Whether it is in a group.
    fn is_in(&self, group: &str) -> bool {
        self.peer.is_in(group)
    }

    fn __str__(&self) -> &str {
        self.peer.name()
    }

    fn __repr__(&self) -> String {
        let peer = &self.peer;
        let id = peer.uuid().simple();
        format!("<zre.Peer {:?} {id} by {}>", peer.name(), peer.link())
    }

    /// The same session of the same peer.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        (other.cast::<Self>()).is_ok_and(|other| self.peer == other.get().peer)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.peer.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let this = slf.get();
        let parts = PyDict::new(py);
        parts.set_item("uuid", this.peer.uuid().to_string())?;
        parts.set_item("name", this.peer.name())?;
        parts.set_item("headers", this.headers())?;
        parts.set_item("groups", this.groups())?;
        parts.set_item("state", this.state())?;
        parts.set_item("endpoint", this.endpoint())?;
        parts.set_item("link", this.link())?;
        parts.set_item("key", this.key())?;
        let build = slf.get_type().getattr("_described")?;
        Ok((build, PyTuple::new(py, [parts])?))
    }

    /// A description of a peer, for tests of an application: it isn't on any network, and
    /// messages to it fail with ``GoneError``.
    #[classmethod]
    #[pyo3(signature = (name, *, uuid = None, headers = None, groups = None, state = None,
                        endpoint = None, link = None, key = None))]
    #[allow(clippy::too_many_arguments, reason = "they are named in Python")]
    fn detached(
        _class: &Bound<'_, PyType>,
        name: &str,
        uuid: Option<&Bound<'_, PyAny>>,
        headers: Option<BTreeMap<String, String>>,
        groups: Option<Vec<String>>,
        state: Option<&str>,
        endpoint: Option<&str>,
        link: Option<&str>,
        key: Option<&str>,
    ) -> PyResult<Self> {
        let mut peer = zre::Peer::detached(name);
        if let Some(uuid) = uuid {
            peer = peer.uuid(Uuid::try_parse(&uuid.str()?.to_cow()?).map_err(value)?);
        }
        for (key, text) in headers.unwrap_or_default() {
            peer = peer.header(key, text);
        }
        for group in groups.unwrap_or_default() {
            peer = peer.group(group);
        }
        if let Some(state) = state {
            peer = peer.state(state.parse().map_err(value)?);
        }
        if let Some(endpoint) = endpoint {
            peer = peer.endpoint(endpoint.parse().map_err(value)?);
        }
        if let Some(link) = link {
            let all = [zre::Link::Inproc, zre::Link::Ipc, zre::Link::Tcp];
            let link = all.into_iter().find(|known| known.to_string() == link);
            peer = peer.link(link.ok_or_else(|| value("a link is inproc, ipc or tcp"))?);
        }
        if let Some(key) = key {
            peer = peer.key(key.parse().map_err(value)?);
        }
        Ok(Self::new(peer.build()))
    }

    #[classmethod]
    fn _described<'py>(
        class: &Bound<'py, PyType>,
        parts: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.call_method("detached", (), Some(parts))
    }
}

/// As `uuid.UUID`.
pub(crate) fn uuid(py: Python<'_>, uuid: Uuid) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "uuid", "UUID")?;
    class.call1((uuid.simple().to_string(),)).map(Bound::unbind)
}

/// Whom a program means: a peer, a UUID, or a name.
pub(crate) fn whom(object: &Bound<'_, PyAny>) -> PyResult<zre::PeerRef> {
    if let Ok(peer) = object.cast::<Peer>() {
        return Ok((&peer.get().peer).into());
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(text.to_cow()?.as_ref().into());
    }
    match object
        .getattr("hex")
        .and_then(|hex| hex.extract::<String>())
    {
        Ok(hex) => Ok(Uuid::try_parse(&hex).map_err(value)?.into()),
        Err(_) => Err(pyo3::exceptions::PyTypeError::new_err(format!(
            "name a peer by a zre.Peer, a uuid.UUID or a str, not {}",
            object.get_type().name()?
        ))),
    }
}
