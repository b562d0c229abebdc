//! Events.

use std::sync::{Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

use crate::message::Message;
use crate::peer::{Peer, uuid};
use crate::responder::Responder;

/// Something that happened on the network: the base of all events.
///
/// For each peer, ``Enter`` comes before all its other events and ``Exit`` after them, once
/// each. Later versions may add kinds of events, therefore a ``match`` needs a last
/// ``case _`` for those that it ignores.
#[pyclass(frozen, subclass, module = "zre")]
pub(crate) struct Event;

#[pymethods]
impl Event {
    /// The kind of event as a word.
    #[classattr]
    fn kind() -> &'static str {
        "unknown"
    }
}

/// Classes whose instances are the values of their fields.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $kind:literal { $($field:ident),+ })*) => {
        $(
            $(#[$doc])*
            #[pyclass(frozen, extends = Event, module = "zre")]
            pub(crate) struct $name {
                $(#[pyo3(get)] $field: Py<PyAny>),+
            }

            #[pymethods]
            impl $name {
                #[new]
                fn new($($field: Py<PyAny>),+) -> PyClassInitializer<Self> {
                    PyClassInitializer::from(Event).add_subclass(Self { $($field),+ })
                }

                /// The kind of event as a word.
                #[classattr]
                fn kind() -> &'static str {
                    $kind
                }

                #[classattr]
                fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                    PyTuple::new(py, [$(stringify!($field)),+])
                }

                fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
                    let py = other.py();
                    let Ok(other) = other.cast::<Self>() else {
                        return Ok(false);
                    };
                    let other = other.get();
                    $(
                        if !self.$field.bind(py).eq(&other.$field)? {
                            return Ok(false);
                        }
                    )+
                    Ok(true)
                }

                fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                    let fields = [
                        $(format!("{}={}", stringify!($field), self.$field.bind(py).repr()?)),+
                    ];
                    Ok(format!("{}({})", stringify!($name), fields.join(", ")))
                }

                fn __reduce__<'py>(
                    slf: &Bound<'py, Self>,
                ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
                    let this = slf.get();
                    let fields = [$(this.$field.bind(slf.py())),+];
                    Ok((slf.get_type(), PyTuple::new(slf.py(), fields)?))
                }
            }

            impl $name {
                fn make(py: Python<'_>, $($field: Py<PyAny>),+) -> PyResult<Py<PyAny>> {
                    let event = Py::new(py, Self::new($($field),+))?;
                    Ok(event.into_any())
                }
            }
        )*

        fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_class::<$name>()?;)*
            Ok(())
        }
    };
}

events! {
    /// A peer is here and can receive messages.
    Enter "enter" { peer }
    /// A peer has gone: why, and how many of the messages that were accepted for it may not
    /// have arrived.
    Exit "exit" { peer, reason, unconfirmed }
    /// A peer joined a group; this node needn't be in it.
    Join "join" { peer, group }
    /// A peer left a group.
    Leave "leave" { peer, group }
    /// A message to this node.
    Whisper "whisper" { peer, message }
    /// A message to a group that this node is in.
    Shout "shout" { peer, group, message }
    /// A message to this node whose sender waits for an answer: ``node.reply(event, ...)``.
    /// If nothing refers to the event and its responder any more, or by
    /// ``event.responder.decline()``, the sender learns at once that no answer will come.
    Request "request" { peer, message, responder }
    /// A peer was silent and didn't answer a PING either.
    Evasive "evasive" { peer }
    /// A peer has been evasive for seconds; the node will soon give it up.
    Silent "silent" { peer }
    /// An evasive or silent peer was heard again.
    Responsive "responsive" { peer }
    /// A peer's state changed.
    State "state" { peer, old, new }
    /// A peer has another name or other headers.
    Update "update" { peer, old_name }
    /// A group that this node is in has a leader, or another one than before. ``peer`` is
    /// ``None`` if this node leads.
    Leader "leader" { group, uuid, peer }
    /// An election doesn't end because these members of the group don't take part.
    Undecided "undecided" { group, missing }
    /// Two live nodes use the same UUID: give each its own.
    Conflict "conflict" { uuid }
    /// A node announces itself again and again and can't be dialled, as if a firewall blocks
    /// TCP.
    Unreachable "unreachable" { uuid, endpoint, reason }
    /// A node accepts this node's connection and doesn't greet back, as if a firewall kept
    /// its connections from this node.
    OneWay "one_way" { uuid, endpoint, reason }
    /// The queue to a peer is full (``on``), or has room again.
    Backpressure "backpressure" { peer, on }
    /// The node began to use an address of a network interface, or stopped using it.
    Discovery "discovery" { up, interface, address, reason }
    /// The node ends, because one of its tasks has failed: a bug. It is the last event.
    Failed "failed" { reason }
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Event>()?;
    add_classes(module)
}

/// The objects for peers and groups that events name again and again.
#[derive(Default)]
pub(crate) struct Recent {
    /// The last speaker, with its object. Whispers and shouts that follow each other have
    /// the same handle: what changes name or headers is an event in between.
    speaker: Mutex<Option<(zre::Peer, Py<PyAny>)>>,
    group: Mutex<Option<(zre::GroupName, Py<PyAny>)>>,
}

impl Recent {
    fn speaker(&self, py: Python<'_>, peer: zre::Peer) -> PyResult<Py<PyAny>> {
        Self::find(&self.speaker, py, peer, |peer| object(py, peer))
    }

    fn group(&self, py: Python<'_>, group: zre::GroupName) -> PyResult<Py<PyAny>> {
        Self::find(&self.group, py, group, |group| text(py, &group))
    }

    /// No Python code runs while the lock is held: it could come back here.
    fn find<T: Clone + PartialEq>(
        place: &Mutex<Option<(T, Py<PyAny>)>>,
        py: Python<'_>,
        value: T,
        make: impl FnOnce(T) -> PyResult<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        {
            let known = place.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((last, object)) = known.as_ref()
                && *last == value
            {
                return Ok(object.clone_ref(py));
            }
        }
        let object = make(value.clone())?;
        let next = Some((value, object.clone_ref(py)));
        let mut known = place.lock().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *known, next);
        drop(known);
        drop(former);
        Ok(object)
    }

    fn forget_speaker(&self) {
        let mut known = self.speaker.lock().unwrap_or_else(PoisonError::into_inner);
        let former = known.take();
        drop(known);
        drop(former);
    }
}

fn object(py: Python<'_>, peer: zre::Peer) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, Peer::new(peer))?.into_any())
}

fn text(py: Python<'_>, text: &str) -> PyResult<Py<PyAny>> {
    Ok(PyString::new(py, text).into_any().unbind())
}

fn content(py: Python<'_>, message: zre::Message) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, Message(message))?.into_any())
}

/// The event as an object.
pub(crate) fn event(py: Python<'_>, event: zre::Event, recent: &Recent) -> PyResult<Py<PyAny>> {
    use zre::Event as Happened;

    match event {
        Happened::Whisper { peer, message } => {
            return Whisper::make(py, recent.speaker(py, peer)?, content(py, message)?);
        }
        Happened::Shout {
            peer,
            group,
            message,
        } => {
            let (peer, group) = (recent.speaker(py, peer)?, recent.group(py, group)?);
            return Shout::make(py, peer, group, content(py, message)?);
        }
        _ => recent.forget_speaker(),
    }
    match event {
        Happened::Enter { peer } => Enter::make(py, object(py, peer)?),
        Happened::Exit {
            peer,
            reason,
            unconfirmed,
        } => {
            let (reason, count) = (text(py, reason.as_str())?, unconfirmed.into_py_any(py)?);
            Exit::make(py, object(py, peer)?, reason, count)
        }
        Happened::Join { peer, group } => {
            Join::make(py, object(py, peer)?, recent.group(py, group)?)
        }
        Happened::Leave { peer, group } => {
            Leave::make(py, object(py, peer)?, recent.group(py, group)?)
        }
        Happened::Request {
            peer,
            message,
            responder,
        } => {
            let responder = Py::new(py, Responder::new(responder))?.into_any();
            Request::make(py, object(py, peer)?, content(py, message)?, responder)
        }
        Happened::Evasive { peer } => Evasive::make(py, object(py, peer)?),
        Happened::Silent { peer } => Silent::make(py, object(py, peer)?),
        Happened::Responsive { peer } => Responsive::make(py, object(py, peer)?),
        Happened::State { peer, from, to } => {
            let (old, new) = (text(py, &from.to_string())?, text(py, &to.to_string())?);
            State::make(py, object(py, peer)?, old, new)
        }
        Happened::Update { peer, old_name } => {
            Update::make(py, object(py, peer)?, text(py, &old_name)?)
        }
        Happened::Leader {
            group,
            uuid: leader,
            peer,
        } => {
            let peer = match peer {
                Some(peer) => object(py, peer)?,
                None => py.None(),
            };
            Leader::make(py, recent.group(py, group)?, uuid(py, leader)?, peer)
        }
        Happened::Undecided { group, missing } => {
            let missing = missing.into_iter().map(|peer| object(py, peer));
            let missing = missing.collect::<PyResult<Vec<_>>>()?.into_py_any(py)?;
            Undecided::make(py, recent.group(py, group)?, missing)
        }
        Happened::Conflict { uuid: shared } => Conflict::make(py, uuid(py, shared)?),
        Happened::Unreachable {
            uuid: node,
            endpoint,
            reason,
        } => {
            let endpoint = text(py, &endpoint.to_string())?;
            Unreachable::make(py, uuid(py, node)?, endpoint, text(py, &reason)?)
        }
        Happened::OneWay {
            uuid: node,
            endpoint,
            reason,
        } => {
            let endpoint = text(py, &endpoint.to_string())?;
            OneWay::make(py, uuid(py, node)?, endpoint, text(py, &reason)?)
        }
        Happened::Backpressure { peer, on } => {
            Backpressure::make(py, object(py, peer)?, on.into_py_any(py)?)
        }
        Happened::Discovery {
            up,
            interface,
            reason,
        } => {
            let name = text(py, &interface.name)?;
            let address = text(py, &interface.addr.to_string())?;
            Discovery::make(py, up.into_py_any(py)?, name, address, text(py, &reason)?)
        }
        Happened::Failed { reason } => Failed::make(py, text(py, &reason)?),
        // A kind that this package doesn't know yet.
        _ => Ok(Py::new(py, Event)?.into_any()),
    }
}
