//! Nodes, for both kinds of programs: each call that takes time either waits on the
//! caller's thread, without the interpreter's lock, or is begun and gives a number under
//! which the event loop finds its outcome.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use zre::blocking::{self, Bell};
use zre::{RequestRef, SendError};

use crate::error::{Raise, elapsed, raise, stopped, value};
use crate::event::{Recent, event};
use crate::fork::{Origin, Running, may_start};
use crate::message::{Message, message};
use crate::operations::Operations;
use crate::peer::{Peer, uuid, whom};
use crate::responder::Responder;
use crate::settings::{seconds, settings};

/// How long a thread waits until it looks whether a signal came, as by Ctrl-C.
const SLICE: Duration = Duration::from_millis(50);

/// How many events or messages an async program takes or sends before others get their
/// turn.
const TURN: u32 = 64;

/// From how many bytes on a message is sent without the interpreter's lock: to write them
/// takes longer than to get it back.
const LARGE: usize = 64 << 10;

/// What a node needs, and the object of Python goes without.
struct Core {
    origin: Origin,
    settings: zre::Settings,
    bell: Arc<Bell>,
    operations: Arc<Operations>,
    started: OnceLock<Started>,
    /// The node with its thread, until it is closed.
    host: Mutex<Option<(blocking::Node, Running)>>,
    closed: AtomicBool,
}

struct Started {
    /// For calls that wait for nothing. It isn't the last handle until the thread has
    /// ended.
    node: zre::Node,
    events: Mutex<blocking::Events>,
}

/// What a look at the events finds.
enum Look {
    Event(zre::Event),
    Nothing,
    Ended,
}

impl Core {
    fn host(&self) -> MutexGuard<'_, Option<(blocking::Node, Running)>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<(), zre::StartError> {
        let (node, mut events) = self.settings.clone().builder().start_blocking()?;
        let bell = self.bell.clone();
        events.set_waker(move || bell.ring());
        let started = Started {
            node: node.as_async().clone(),
            events: Mutex::new(events),
        };
        // Only one thread starts it.
        let _ = self.started.set(started);
        *self.host() = Some((node, Running::begin()));
        if self.closed.load(Ordering::Acquire) {
            self.close(Duration::ZERO);
        }
        Ok(())
    }

    /// Leaves within that time, and ends the thread.
    fn close(&self, patience: Duration) {
        self.closed.store(true, Ordering::Release);
        let host = self.host().take();
        if let Some((node, running)) = host {
            node.close(patience);
            drop(running);
        }
        self.bell.ring();
    }

    /// Takes the next event if one is there. If there is none, the bell rings when there
    /// is one.
    fn look(&self) -> Look {
        let Some(started) = self.started.get() else {
            return Look::Ended;
        };
        let mut events = (started.events.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = events.try_recv() {
            return Look::Event(event);
        }
        match events.recv_timeout(Duration::ZERO) {
            Ok(event) => Look::Event(event),
            Err(RecvTimeoutError::Disconnected) => Look::Ended,
            Err(RecvTimeoutError::Timeout) => Look::Nothing,
        }
    }
}

/// A node, in the form that both ``zre.Node`` and ``zre.blocking.Node`` are made of.
#[pyclass(frozen, subclass, module = "zre._native")]
pub(crate) struct Node {
    /// `None` only while it is dropped.
    core: Option<Arc<Core>>,
    recent: Recent,
    /// How many events, or messages, were taken or sent in this turn.
    taken: AtomicU32,
    sent: AtomicU32,
    begun: AtomicBool,
}

impl Drop for Node {
    /// Python's own classes close it before. If they couldn't, it leaves here.
    fn drop(&mut self) {
        let Some(core) = self.core.take() else {
            return;
        };
        if !core.origin.is_here() {
            // Its threads aren't here. To drop it would wait for them.
            std::mem::forget(core);
            return;
        }
        Python::attach(|py| py.detach(|| core.close(Duration::ZERO)));
    }
}

impl Node {
    fn core(&self, py: Python<'_>) -> PyResult<&Arc<Core>> {
        let core = self.core.as_ref().ok_or_else(|| stopped(py))?;
        core.origin.check(py)?;
        Ok(core)
    }

    fn started(&self, py: Python<'_>) -> PyResult<&Started> {
        let core = self.core(py)?;
        core.started.get().ok_or_else(|| {
            let text = "the node isn't started: use `with` or `async with`, or call start()";
            raise(py, "not_started", text.to_owned(), &[])
        })
    }

    fn node(&self, py: Python<'_>) -> PyResult<&zre::Node> {
        Ok(&self.started(py)?.node)
    }

    /// Runs a call on this thread, or begins it for the event loop.
    fn run<T, E, F>(
        &self,
        py: Python<'_>,
        later: bool,
        call: F,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Py<PyAny>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Raise + Send + 'static,
    {
        let core = self.core(py)?;
        let node = core.host().as_ref().map(|(node, _)| node.clone());
        let node = node.ok_or_else(|| stopped(py))?;
        if later {
            let deliver = |py: Python<'_>, outcome: Result<T, E>| match outcome {
                Ok(value) => convert(py, value),
                Err(error) => Err(error.raise(py)),
            };
            return core.operations.begin(&node, call, deliver).into_py_any(py);
        }
        match wait(py, node, call)? {
            Ok(value) => convert(py, value),
            Err(error) => Err(error.raise(py)),
        }
    }

    /// Sends without waiting: 0 if it was accepted, 1 if there is no room, 2 if it was
    /// accepted and others should get their turn.
    fn send(
        &self,
        py: Python<'_>,
        bytes: usize,
        send: impl FnOnce() -> Result<(), SendError> + Send,
    ) -> PyResult<u8> {
        let sent = match bytes < LARGE {
            true => send(),
            false => py.detach(send),
        };
        match sent {
            Ok(()) => {
                let sent = self.sent.fetch_add(1, Ordering::Relaxed);
                if sent.wrapping_add(1).is_multiple_of(TURN) {
                    return Ok(2);
                }
                Ok(0)
            }
            Err(SendError::Full) => Ok(1),
            Err(error) => Err(error.raise(py)),
        }
    }
}

/// Waits for a future of the node, without the interpreter's lock and until a signal.
fn wait<F>(py: Python<'_>, node: blocking::Node, future: F) -> PyResult<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let mut future = pin!(future);
    loop {
        let slice = async { tokio::time::timeout(SLICE, future.as_mut()).await };
        match py.detach(|| node.wait(slice)) {
            Ok(output) => {
                // The last handle of a node waits for it to leave.
                py.detach(|| drop(node));
                return Ok(output);
            }
            Err(_) => py.check_signals()?,
        }
    }
}

fn peers(py: Python<'_>, peers: Vec<zre::Peer>) -> PyResult<Py<PyAny>> {
    let list = PyList::empty(py);
    for peer in peers {
        list.append(Peer::new(peer))?;
    }
    Ok(list.into_any().unbind())
}

fn shouted(py: Python<'_>, shouted: zre::Shouted) -> PyResult<Py<PyAny>> {
    let (full, gone) = (peers(py, shouted.full)?, peers(py, shouted.gone)?);
    (shouted.accepted, full, gone).into_py_any(py)
}

fn flag(py: Python<'_>, flag: bool) -> PyResult<Py<PyAny>> {
    flag.into_py_any(py)
}

fn nothing(py: Python<'_>, (): ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

fn parse<T: std::str::FromStr>(text: &str) -> PyResult<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(value)
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (**values))]
    fn new(values: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let settings = match values {
            Some(values) => settings(values)?,
            None => zre::Settings::default(),
        };
        let bell = Arc::new(Bell::default());
        Ok(Self {
            core: Some(Arc::new(Core {
                origin: Origin::here(),
                settings,
                operations: Arc::new(Operations::new(bell.clone())),
                bell,
                started: OnceLock::new(),
                host: Mutex::new(None),
                closed: AtomicBool::new(false),
            })),
            recent: Recent::default(),
            taken: AtomicU32::new(0),
            sent: AtomicU32::new(0),
            begun: AtomicBool::new(false),
        })
    }

    /// Starts it: at once, or on a thread, for the event loop.
    fn start(&self, py: Python<'_>, later: bool) -> PyResult<Option<u64>> {
        let core = self.core(py)?;
        may_start(py)?;
        if self.begun.swap(true, Ordering::AcqRel) {
            let text = "a node starts once: make another one";
            return Err(raise(py, "started", text.to_owned(), &[]));
        }
        if !later {
            let started = py.detach(|| core.start());
            return started.map(|()| None).map_err(|error| error.raise(py));
        }
        let number = core.operations.number();
        let core = core.clone();
        std::thread::Builder::new()
            .name("zre-start".into())
            .spawn(move || {
                let started = core.start();
                let deliver = move |py: Python<'_>| match started {
                    Ok(()) => Ok(py.None()),
                    Err(error) => Err(error.raise(py)),
                };
                core.operations.finish(number, Box::new(deliver));
            })?;
        Ok(Some(number))
    }

    /// Begins to leave, and tells when it is done.
    fn shutdown(&self, py: Python<'_>, patience: f64, later: bool) -> PyResult<Py<PyAny>> {
        let (node, patience) = (self.node(py)?.clone(), seconds(patience)?);
        let leave = async move {
            node.shutdown_within(patience).await;
            Ok::<_, std::convert::Infallible>(())
        };
        self.run(py, later, leave, nothing)
    }

    /// Leaves within that time, if it hasn't yet, and ends its thread.
    fn finish(&self, py: Python<'_>, patience: f64) -> PyResult<()> {
        let (core, patience) = (self.core(py)?, seconds(patience)?);
        py.detach(|| core.close(patience));
        Ok(())
    }

    /// Whether it has a thread.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.core(py)?.host().is_some())
    }

    /// Whether this is the process that it was made in.
    #[getter]
    fn is_here(&self) -> bool {
        (self.core.as_ref()).is_some_and(|core| core.origin.is_here())
    }

    /// The values of one of its settings, as text.
    fn setting(&self, py: Python<'_>, key: &str) -> PyResult<Vec<String>> {
        let values = self.core(py)?.settings.get(key);
        values.map_err(|error| error.raise(py))
    }

    // The event loop.

    /// The descriptor that is readable when there may be an event, or an outcome.
    fn descriptor(&self, py: Python<'_>) -> PyResult<i32> {
        let core = self.core(py)?;
        #[cfg(unix)]
        return Ok(core.bell.descriptor()?);
        #[cfg(not(unix))]
        {
            let _ = core;
            Err(pyo3::exceptions::PyNotImplementedError::new_err(
                "no descriptors",
            ))
        }
    }

    /// Makes the descriptor unreadable.
    fn clear_bell(&self, py: Python<'_>) -> PyResult<()> {
        self.core(py)?.bell.clear();
        Ok(())
    }

    /// Waits until the bell has rung once more than that, and gives its count; the same if
    /// the node was closed meanwhile.
    fn wait_for_bell(&self, py: Python<'_>, count: u64) -> PyResult<u64> {
        let core = self.core(py)?.clone();
        Ok(py.detach(move || {
            let _ = core.bell.wait(count, None);
            core.bell.count()
        }))
    }

    fn ring_bell(&self, py: Python<'_>) -> PyResult<()> {
        self.core(py)?.bell.ring();
        Ok(())
    }

    /// The calls that are done: number, value, exception.
    fn outcomes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let done = self.core(py)?.operations.take();
        let outcomes = done.into_iter().map(|(number, deliver)| {
            let (value, error) = match deliver(py) {
                Ok(value) => (value, py.None()),
                Err(error) => (py.None(), error.into_value(py).into_any()),
            };
            (number, value, error).into_pyobject(py)
        });
        outcomes.collect()
    }

    fn cancel(&self, py: Python<'_>, number: u64) -> PyResult<()> {
        self.core(py)?.operations.cancel(number);
        Ok(())
    }

    /// The next event if one is there, unless others should get their turn.
    fn next_in_turn(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if self.taken.fetch_add(1, Ordering::Relaxed) >= TURN {
            return Ok(None);
        }
        self.try_recv(py)
    }

    /// Begins another turn. True if the last one was used up.
    fn next_turn(&self) -> bool {
        self.taken.swap(0, Ordering::Relaxed) > TURN
    }

    // Events.

    /// The next event if one is there.
    fn try_recv(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self.core(py)?.look() {
            Look::Event(happened) => event(py, happened, &self.recent).map(Some),
            Look::Nothing | Look::Ended => Ok(None),
        }
    }

    /// The next event; ``None`` if none is there, and ``False`` once the node has stopped.
    fn poll(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.core(py)?.look() {
            Look::Event(happened) => event(py, happened, &self.recent),
            Look::Nothing => Ok(py.None()),
            Look::Ended => flag(py, false),
        }
    }

    /// Waits for the next event; ``None`` once the node has stopped.
    #[pyo3(signature = (timeout = None))]
    fn recv(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        self.started(py)?;
        let core = self.core(py)?;
        let deadline = match timeout {
            Some(timeout) => Instant::now().checked_add(seconds(timeout)?),
            None => None,
        };
        loop {
            let count = core.bell.count();
            match core.look() {
                Look::Event(happened) => return event(py, happened, &self.recent).map(Some),
                Look::Ended => return Ok(None),
                Look::Nothing => {}
            }
            let slice = Instant::now().checked_add(SLICE);
            let until = slice.min(deadline.or(slice));
            if !py.detach(|| core.bell.wait(count, until)) {
                py.check_signals()?;
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Err(elapsed(py, "no event came in time"));
                }
            }
        }
    }

    /// Waits for the next event, in the form that pyre gives it; ``None`` once the node has
    /// stopped.
    fn recv_frames<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let core = self.core(py)?;
        loop {
            let count = core.bell.count();
            match core.look() {
                Look::Event(happened) => match frames(py, &happened)? {
                    Some(frames) => return Ok(Some(frames)),
                    None => continue,
                },
                Look::Ended => return Ok(None),
                Look::Nothing => {}
            }
            let slice = Instant::now().checked_add(SLICE);
            if !py.detach(|| core.bell.wait(count, slice)) {
                py.check_signals()?;
            }
        }
    }

    /// The next event in that form if one is there.
    fn try_recv_frames<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        while let Look::Event(happened) = self.core(py)?.look() {
            if let Some(frames) = frames(py, &happened)? {
                return Ok(Some(frames));
            }
        }
        Ok(None)
    }

    // What is known.

    #[getter]
    fn uuid(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        uuid(py, self.node(py)?.uuid())
    }

    #[getter]
    fn name(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.node(py)?.name())
    }

    #[getter]
    fn headers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.node(py)?.headers().into_py_any(py)
    }

    #[getter]
    fn endpoint(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.node(py)?.endpoint().to_string())
    }

    #[getter]
    fn listening(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let all = self.node(py)?.listening();
        Ok(all.iter().map(ToString::to_string).collect())
    }

    fn peers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        peers(py, self.node(py)?.peers())
    }

    fn peers_in(&self, py: Python<'_>, group: &str) -> PyResult<Py<PyAny>> {
        peers(py, self.node(py)?.peers_in(group))
    }

    fn available(&self, py: Python<'_>, group: &str) -> PyResult<Py<PyAny>> {
        peers(py, self.node(py)?.available(group))
    }

    fn peer(&self, py: Python<'_>, to: &Bound<'_, PyAny>) -> PyResult<Peer> {
        let peer = self.node(py)?.peer(whom(to)?);
        peer.map(Peer::new).map_err(|error| error.raise(py))
    }

    fn own_groups(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let groups = self.node(py)?.own_groups();
        Ok(groups.iter().map(Into::into).collect())
    }

    fn peer_groups(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let groups = self.node(py)?.peer_groups();
        Ok(groups.iter().map(Into::into).collect())
    }

    // Sending.

    /// Sends without waiting.
    fn try_whisper(
        &self,
        py: Python<'_>,
        to: &Bound<'_, PyAny>,
        content: &Bound<'_, PyAny>,
    ) -> PyResult<u8> {
        let (node, to, message) = (self.node(py)?, whom(to)?, message(content)?);
        self.send(py, message.len(), move || node.try_whisper(to, message))
    }

    fn whisper(
        &self,
        py: Python<'_>,
        to: &Bound<'_, PyAny>,
        content: &Bound<'_, PyAny>,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, to, message) = (self.node(py)?.clone(), whom(to)?, message(content)?);
        let call = async move { node.whisper(to, message).await };
        self.run(py, later, call, nothing)
    }

    fn try_shout(
        &self,
        py: Python<'_>,
        group: &str,
        content: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let (node, message) = (self.node(py)?, message(content)?);
        let sent = match message.len() < LARGE {
            true => node.try_shout(group, message),
            false => py.detach(|| node.try_shout(group, message)),
        };
        shouted(py, sent.map_err(|error| error.raise(py))?)
    }

    fn shout(
        &self,
        py: Python<'_>,
        group: String,
        content: &Bound<'_, PyAny>,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, message) = (self.node(py)?.clone(), message(content)?);
        let call = async move { node.shout(group, message).await };
        self.run(py, later, call, shouted)
    }

    fn shout_to(
        &self,
        py: Python<'_>,
        to: &Bound<'_, PyAny>,
        group: String,
        content: &Bound<'_, PyAny>,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, to, message) = (self.node(py)?.clone(), whom(to)?, message(content)?);
        let call = async move { node.shout_to(to, group, message).await };
        self.run(py, later, call, nothing)
    }

    fn request(
        &self,
        py: Python<'_>,
        to: &Bound<'_, PyAny>,
        content: &Bound<'_, PyAny>,
        timeout: f64,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, to, message) = (self.node(py)?.clone(), whom(to)?, message(content)?);
        let timeout = seconds(timeout)?;
        let call = async move { node.request(to, message, timeout).await };
        self.run(py, later, call, |py, answer| {
            Ok(Py::new(py, Message(answer))?.into_any())
        })
    }

    fn reply(
        &self,
        py: Python<'_>,
        request: &Bound<'_, PyAny>,
        content: &Bound<'_, PyAny>,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, message) = (self.node(py)?.clone(), message(content)?);
        let request = match request.extract::<u64>() {
            Ok(number) => RequestRef::Id(number),
            Err(_) => {
                let responder = match request.cast::<Responder>() {
                    Ok(responder) => responder.clone(),
                    Err(_) => request.getattr("responder")?.cast_into::<Responder>()?,
                };
                responder.get().request()
            }
        };
        let call = async move { node.reply(request, message).await };
        self.run(py, later, call, nothing)
    }

    fn ping(
        &self,
        py: Python<'_>,
        to: &Bound<'_, PyAny>,
        timeout: f64,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, to, timeout) = (self.node(py)?.clone(), whom(to)?, seconds(timeout)?);
        let call = async move { node.ping(to, timeout).await };
        self.run(py, later, call, |py, time| {
            time.as_secs_f64().into_py_any(py)
        })
    }

    // Commands.

    fn join(&self, py: Python<'_>, group: String, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        self.run(py, later, async move { node.join(group).await }, flag)
    }

    fn leave(&self, py: Python<'_>, group: String, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        self.run(py, later, async move { node.leave(group).await }, flag)
    }

    fn contest(&self, py: Python<'_>, group: String, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        self.run(py, later, async move { node.contest(group).await }, flag)
    }

    fn leader(&self, py: Python<'_>, group: String, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let call = async move { node.leader(group).await };
        self.run(py, later, call, |py, leader| match leader {
            Some(leader) => uuid(py, leader),
            None => Ok(py.None()),
        })
    }

    fn set_state(&self, py: Python<'_>, state: &str, later: bool) -> PyResult<Py<PyAny>> {
        let (node, state) = (self.node(py)?.clone(), state.parse::<zre::State>());
        let state = state.map_err(|error| raise(py, "state", error.to_string(), &[]))?;
        self.run(
            py,
            later,
            async move { node.set_state(state).await },
            nothing,
        )
    }

    fn set_name(&self, py: Python<'_>, name: String, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        self.run(py, later, async move { node.set_name(name).await }, flag)
    }

    fn set_header(
        &self,
        py: Python<'_>,
        key: String,
        text: String,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let call = async move { node.set_header(key, text).await };
        self.run(py, later, call, flag)
    }

    fn remove_header(&self, py: Python<'_>, key: String, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let call = async move { node.remove_header(key).await };
        self.run(py, later, call, flag)
    }

    #[pyo3(signature = (endpoint, key, later))]
    fn add_peer(
        &self,
        py: Python<'_>,
        endpoint: &str,
        key: Option<&str>,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let endpoint = parse::<zre::Endpoint>(endpoint)?;
        let key = key.map(parse::<zre::PublicKey>).transpose()?;
        let call = async move {
            match key {
                Some(key) => node.add_peer_with_key(endpoint, None, key).await,
                None => node.add_peer(endpoint, None).await,
            }
        };
        self.run(py, later, call, nothing)
    }

    fn remove_peer(&self, py: Python<'_>, endpoint: &str, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let endpoint = parse::<zre::Endpoint>(endpoint)?;
        let call = async move { node.remove_peer(endpoint).await };
        self.run(py, later, call, nothing)
    }

    fn silences(&self, py: Python<'_>, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let call = async move { node.silences().await };
        self.run(py, later, call, |py, silences| {
            let all = PyDict::new(py);
            for (peer, silence) in silences {
                all.set_item(uuid(py, peer)?, silence.as_secs_f64())?;
            }
            all.into_py_any(py)
        })
    }

    fn stats(&self, py: Python<'_>, later: bool) -> PyResult<Py<PyAny>> {
        let node = self.node(py)?.clone();
        let call = async move { node.stats().await };
        self.run(py, later, call, |py, stats| {
            let text = serde_json::to_string(&stats).map_err(value)?;
            let json = py.import("json")?;
            Ok(json.call_method1("loads", (text,))?.unbind())
        })
    }

    #[pyo3(signature = (count, group, timeout, later))]
    fn wait_for_peers(
        &self,
        py: Python<'_>,
        count: usize,
        group: Option<String>,
        timeout: f64,
        later: bool,
    ) -> PyResult<Py<PyAny>> {
        let (node, timeout) = (self.node(py)?.clone(), seconds(timeout)?);
        let call = async move {
            match group {
                Some(group) => node.wait_for_peers_in(&group, count, timeout).await,
                None => node.wait_for_peers(count, timeout).await,
            }
        };
        self.run(py, later, call, peers)
    }
}

/// The frames of an event of pyre's; `None` for those that pyre doesn't have.
fn frames<'py>(py: Python<'py>, event: &zre::Event) -> PyResult<Option<Bound<'py, PyList>>> {
    use zre::Event as Happened;

    let (word, peer) = match event {
        Happened::Enter { peer } => ("ENTER", peer),
        Happened::Exit { peer, .. } => ("EXIT", peer),
        Happened::Join { peer, .. } => ("JOIN", peer),
        Happened::Leave { peer, .. } => ("LEAVE", peer),
        Happened::Whisper { peer, .. } => ("WHISPER", peer),
        Happened::Shout { peer, .. } => ("SHOUT", peer),
        _ => return Ok(None),
    };
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    let frames = PyList::new(
        py,
        [
            bytes(word.as_bytes()),
            bytes(peer.uuid().as_bytes()),
            bytes(peer.name().as_bytes()),
        ],
    )?;
    if let Happened::Enter { peer } = event {
        let headers = serde_json::to_vec(peer.headers()).map_err(value)?;
        frames.append(bytes(&headers))?;
        frames.append(bytes(peer.endpoint().to_string().as_bytes()))?;
    }
    if let Some(group) = event.group() {
        frames.append(bytes(group.as_bytes()))?;
    }
    for frame in event.message().into_iter().flat_map(zre::Message::frames) {
        frames.append(bytes(frame))?;
    }
    Ok(Some(frames))
}
