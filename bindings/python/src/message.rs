//! Messages, and what becomes one.

use bytes::Bytes;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyString, PyTuple, PyType};

use crate::view::view;

/// From how many bytes on it is cheaper to keep Python's own object than to copy it.
const SHARED: usize = 16 << 10;

/// The frames of a message.
///
/// A sequence of ``bytes``: ``len(message)`` counts the frames, ``message[0]`` is a copy of
/// the first one, ``message.view(0)`` a ``memoryview`` of it without a copy. It is equal to
/// another message of the same frames, and to the text, bytes or list of frames that it
/// would be sent as.
///
/// >>> message = zre.Message("verb", b"object")
/// >>> len(message), message[1]
/// (2, b'object')
/// >>> zre.Message("hello").text
/// 'hello'
/// >>> zre.Message("hello") == b"hello"
/// True
#[pyclass(frozen, sequence, module = "zre")]
pub(crate) struct Message(pub(crate) zre::Message);

#[pymethods]
impl Message {
    #[new]
    #[pyo3(signature = (*frames))]
    fn new(frames: &Bound<'_, PyTuple>) -> PyResult<Self> {
        message(frames.as_any()).map(Self)
    }

    /// The text of a message of exactly one frame of UTF-8; ``None`` for any other.
    #[getter]
    fn text(&self) -> Option<&str> {
        self.0.to_str()
    }

    /// All frames, copied.
    #[getter]
    fn frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(
            py,
            self.0.frames().iter().map(|frame| PyBytes::new(py, frame)),
        )
    }

    /// The bytes of all frames together.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.len()
    }

    /// A read-only ``memoryview`` of a frame, without a copy. It stays valid for as long as
    /// it is kept.
    #[pyo3(signature = (index = 0))]
    fn view<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyMemoryView>> {
        view(py, self.frame(index)?.clone())
    }

    fn __len__(&self) -> usize {
        self.0.frame_count()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.frame(index)?))
    }

    #[pyo3(signature = (value, start = 0, stop = isize::MAX))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<Py<PyAny>> {
        let frames = self.frames(value.py())?;
        let found = frames.call_method1("index", (value, start, stop))?;
        Ok(found.unbind())
    }

    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let frames = self.frames(value.py())?;
        Ok(frames.call_method1("count", (value,))?.unbind())
    }

    /// All frames, one behind the other.
    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        match self.0.frames() {
            [frame] => Ok(PyBytes::new(py, frame)),
            frames => PyBytes::new_with(py, self.0.len(), |mut place| {
                for frame in frames {
                    let (start, rest) = std::mem::take(&mut place).split_at_mut(frame.len());
                    start.copy_from_slice(frame);
                    place = rest;
                }
                Ok(())
            }),
        }
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        match other.cast::<Self>() {
            Ok(other) => self.0 == other.get().0,
            Err(_) => message(other).is_ok_and(|other| self.0 == other),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        const FRAMES: usize = 4;
        const BYTES: usize = 40;
        let frames = self.0.frames();
        let mut parts = Vec::new();
        for frame in frames.iter().take(FRAMES) {
            let start = frame.get(..BYTES);
            let shown = PyBytes::new(py, start.unwrap_or(frame)).repr()?.to_string();
            parts.push(match start {
                Some(_) if frame.len() > BYTES => format!("{shown}... {} bytes", frame.len()),
                _ => shown,
            });
        }
        if frames.len() > FRAMES {
            parts.push(format!("... {} frames", frames.len()));
        }
        Ok(format!("Message({})", parts.join(", ")))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let frames = slf.get().frames(slf.py())?;
        Ok((slf.get_type(), frames.to_tuple()))
    }
}

impl Message {
    fn frame(&self, index: isize) -> PyResult<&Bytes> {
        let frames = self.0.frames();
        let place = match usize::try_from(index) {
            Ok(place) => Some(place),
            Err(_) => frames.len().checked_sub(index.unsigned_abs()),
        };
        place
            .and_then(|place| frames.get(place))
            .ok_or_else(|| PyIndexError::new_err("the message has no such frame"))
    }
}

/// What a program wants to send: bytes, text, or several of them.
pub(crate) fn message(object: &Bound<'_, PyAny>) -> PyResult<zre::Message> {
    if let Some(frame) = single(object)? {
        return Ok(frame.into());
    }
    if let Ok(message) = object.cast::<Message>() {
        return Ok(message.get().0.clone());
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let mut frames = zre::Message::new();
        for item in object.try_iter()? {
            let item = item?;
            match single(&item)? {
                Some(frame) => frames.push(frame),
                None => frames.push(buffer(&item)?),
            }
        }
        return Ok(frames);
    }
    buffer(object).map(Into::into)
}

/// A frame of bytes or text.
fn single(object: &Bound<'_, PyAny>) -> PyResult<Option<Bytes>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        let content = bytes.as_bytes();
        return Ok(Some(if content.len() < SHARED {
            Bytes::copy_from_slice(content)
        } else {
            Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
        }));
    }
    if let Ok(text) = object.cast::<PyString>() {
        let bytes = text.encode_utf8()?;
        return Ok(Some(Bytes::copy_from_slice(bytes.as_bytes())));
    }
    Ok(None)
}

/// A frame of whatever else lends its memory, as `bytearray` and arrays do: copied,
/// because it may change.
fn buffer(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let Ok(view) = PyMemoryView::from(object) else {
        return Err(PyTypeError::new_err(format!(
            "a message is bytes, str, or a list of them, not {}",
            object.get_type().name()?
        )));
    };
    let bytes = view.call_method0("tobytes")?.cast_into::<PyBytes>()?;
    Ok(single(bytes.as_any())?.unwrap_or_default())
}
