//! Errors of the library as exceptions.
//!
//! The classes are in Python (`zre._errors`), found by the word that each error has for
//! other languages.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// The exception for the error of that code, with further attributes.
pub(crate) fn raise(
    py: Python<'_>,
    code: &str,
    text: String,
    details: &[(&str, Py<PyAny>)],
) -> PyErr {
    let made = || -> PyResult<PyErr> {
        static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        let classes = CLASSES.get_or_try_init(py, || {
            let module = py.import("zre._errors")?;
            let classes = module.getattr("BY_CODE")?.cast_into::<PyDict>()?;
            PyResult::Ok(classes.unbind())
        })?;
        let attributes = PyDict::new(py);
        for (name, value) in details {
            attributes.set_item(name, value)?;
        }
        attributes.set_item("code", code)?;
        let class = match classes.bind(py).get_item(code)? {
            Some(class) => class.cast_into::<PyType>()?,
            None => return Ok(PyRuntimeError::new_err(format!("{text} ({code})"))),
        };
        let error = class.call((&text,), Some(&attributes))?;
        Ok(PyErr::from_value(error))
    };
    made().unwrap_or_else(|error| error)
}

/// An error of the library that has an exception.
pub(crate) trait Raise {
    fn raise(self, py: Python<'_>) -> PyErr;
}

impl Raise for std::convert::Infallible {
    fn raise(self, _: Python<'_>) -> PyErr {
        match self {}
    }
}

macro_rules! coded {
    ($($error:ident),*) => {$(
        impl Raise for zre::$error {
            fn raise(self, py: Python<'_>) -> PyErr {
                raise(py, self.code(), self.to_string(), &[])
            }
        }
    )*};
}

coded!(PingError, RequestError, ReplyError, CommandError);

impl Raise for zre::SendError {
    fn raise(self, py: Python<'_>) -> PyErr {
        let text = self.to_string();
        let number = |value: usize| value.into_pyobject(py).map(|n| n.into_any().unbind());
        let details = match &self {
            Self::Ambiguous { count, .. } => number(*count).map(|count| vec![("count", count)]),
            Self::TooLarge { size, limit, .. } => {
                number(*size).and_then(|size| Ok(vec![("size", size), ("limit", number(*limit)?)]))
            }
            _ => Ok(Vec::new()),
        };
        match details {
            Ok(details) => raise(py, self.code(), text, &details),
            Err(never) => match never {},
        }
    }
}

impl Raise for zre::WaitError {
    fn raise(self, py: Python<'_>) -> PyErr {
        raise(py, self.code(), self.to_string(), &[])
    }
}

/// All of its codes are of one class.
impl Raise for zre::StartError {
    fn raise(self, py: Python<'_>) -> PyErr {
        let reason = self.code().into_pyobject(py);
        let reason = match reason {
            Ok(reason) => reason.into_any().unbind(),
            Err(never) => match never {},
        };
        raise(py, "start", self.to_string(), &[("reason", reason)])
    }
}

impl Raise for zre::SettingError {
    fn raise(self, py: Python<'_>) -> PyErr {
        raise(py, "setting", self.to_string(), &[])
    }
}

pub(crate) fn stopped(py: Python<'_>) -> PyErr {
    zre::CommandError::Stopped.raise(py)
}

pub(crate) fn elapsed(py: Python<'_>, text: &str) -> PyErr {
    raise(py, "elapsed", text.to_owned(), &[])
}

/// A value that the program gave and that can't be.
pub(crate) fn value(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
