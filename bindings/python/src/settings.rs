//! Settings, by the names and values of the library's own table.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PySet, PyTuple};

use crate::error::Raise;

/// Takes each keyword for the setting of that name. `None` leaves the default.
pub(crate) fn settings(values: &Bound<'_, PyDict>) -> PyResult<zre::Settings> {
    let mut settings = zre::Settings::default();
    for (key, value) in values {
        let key = key.extract::<String>()?;
        put(&mut settings, &key, &value)?;
    }
    Ok(settings)
}

fn put(settings: &mut zre::Settings, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = value.py();
    let mut set = |text: &str| settings.set(key, text).map_err(|error| error.raise(py));
    if value.is_none() {
        return Ok(());
    }
    if let Ok(pairs) = value.cast::<PyDict>() {
        for (name, part) in pairs {
            set(&format!("{name}={}", text(key, &part)?))?;
        }
        return Ok(());
    }
    let is_list = value.is_instance_of::<PyList>()
        || value.is_instance_of::<PyTuple>()
        || value.is_instance_of::<PySet>();
    if !is_list {
        return set(&text(key, value)?);
    }
    let listed = zre::Settings::keys()
        .iter()
        .find(|known| known.key() == key);
    if listed.is_some_and(|setting| !setting.is_list()) {
        return Err(PyTypeError::new_err(format!(
            "{key} takes one value, not a list of them"
        )));
    }
    for item in value.try_iter()? {
        set(&text(key, &item?)?)?;
    }
    Ok(())
}

/// The value as the table reads it.
fn text(key: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(on) = value.cast::<PyBool>() {
        return Ok(if on.is_true() { "on" } else { "off" }.to_owned());
    }
    let is_time = || {
        let mut known = zre::Settings::keys().iter();
        known.any(|setting| setting.key() == key && setting.value_name() == "TIME")
    };
    if value.is_instance_of::<PyFloat>() || (value.is_instance_of::<PyInt>() && is_time()) {
        // As everywhere in Python, a number that means a time is in seconds.
        return seconds(value.extract::<f64>()?).map(time);
    }
    if let Ok(time_span) = value.extract::<Duration>() {
        return Ok(time(time_span));
    }
    Ok(value.str()?.to_string())
}

fn time(span: Duration) -> String {
    format!("{}us", span.as_micros())
}

/// A number of seconds; the largest there is for infinity.
pub(crate) fn seconds(number: f64) -> PyResult<Duration> {
    /// Some hundred years: longer, and clocks overflow.
    const EVER: Duration = Duration::from_secs(1 << 32);
    if number.is_nan() || number < 0.0 {
        return Err(crate::error::value(format!(
            "{number} isn't a time: give seconds, 0 or more"
        )));
    }
    Ok(Duration::try_from_secs_f64(number).map_or(EVER, |time| time.min(EVER)))
}

/// The settings that a node takes, as dictionaries.
#[pyfunction]
fn settings_table(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let all = PyList::empty(py);
    for setting in zre::Settings::keys() {
        let one = PyDict::new(py);
        one.set_item("key", setting.key())?;
        one.set_item("topic", setting.topic())?;
        one.set_item("value", setting.value_name())?;
        one.set_item("help", setting.help())?;
        one.set_item("details", setting.details())?;
        one.set_item("default", setting.default_text())?;
        one.set_item("is_list", setting.is_list())?;
        all.append(one)?;
    }
    Ok(all)
}

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(settings_table, module)?)
}
