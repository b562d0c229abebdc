//! Requests that wait for an answer.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use zre::RequestRef;

/// Stands for a request of a peer that isn't answered: give it, or the event, to
/// ``node.reply()``.
///
/// When nothing refers to it any more, the peer learns at once that no answer will come.
/// The variable of a loop refers to the last event until the next one comes: ``decline()``
/// doesn't wait for that.
#[pyclass(frozen, module = "zre")]
pub(crate) struct Responder {
    id: u64,
    responder: Mutex<Option<zre::Responder>>,
}

impl Responder {
    pub(crate) fn new(responder: zre::Responder) -> Self {
        Self {
            id: responder.id(),
            responder: Mutex::new(Some(responder)),
        }
    }

    fn get(&self) -> Option<zre::Responder> {
        let responder = self.responder.lock();
        responder.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The request that it stands for. If it was declined, no request has its number.
    pub(crate) fn request(&self) -> RequestRef {
        self.get()
            .map_or(RequestRef::Id(self.id), RequestRef::Responder)
    }
}

#[pymethods]
impl Responder {
    /// The number under which ``node.reply()`` answers the request, too.
    #[getter]
    fn id(&self) -> u64 {
        self.id
    }

    /// Keeps the request open although nothing refers to this, until it is answered by its
    /// number or its peer exits. False if the node keeps too many already.
    fn keep(&self) -> bool {
        self.get().is_some_and(|responder| responder.keep())
    }

    /// Tells the peer that no answer will come, unless it has one already.
    fn decline(&self) {
        let responder = self.responder.lock();
        responder.unwrap_or_else(PoisonError::into_inner).take();
    }

    fn __repr__(&self) -> String {
        format!("<zre.Responder {}>", self.id)
    }
}
