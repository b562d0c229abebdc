//! Bytes of a frame as an object that lends its memory: what a `memoryview` of a large
//! frame is of.
//!
//! PyO3 makes such types for the stable ABI of Python 3.11 and later. Python 3.9 and 3.10
//! have the same function and the same slot; they weren't promised yet. Hence a type of
//! our own.

#![allow(
    unsafe_code,
    reason = "a type is made, and its memory lent, by Python's C interface; each block says \
              why it is sound"
)]

use std::ffi::{c_int, c_void};
use std::mem::size_of;
use std::ptr;

use bytes::Bytes;
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyMemoryView, PyType};

/// `Py_bf_getbuffer` of `typeslots.h`.
const GET_BUFFER: c_int = 1;

#[allow(non_snake_case, reason = "a function of Python")]
unsafe extern "C" {
    fn PyBuffer_FillInfo(
        view: *mut c_void,
        owner: *mut ffi::PyObject,
        data: *mut c_void,
        size: ffi::Py_ssize_t,
        read_only: c_int,
        flags: c_int,
    ) -> c_int;
}

/// An object of the type.
#[repr(C)]
struct Lender {
    head: ffi::PyObject,
    /// Owned, and never NULL in an object that others see.
    bytes: *mut Bytes,
}

/// A read-only view of these bytes, which keeps them.
pub(crate) fn view(py: Python<'_>, bytes: Bytes) -> PyResult<Bound<'_, PyMemoryView>> {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = TYPE.get_or_try_init(py, || make_type(py))?.as_ptr();
    // SAFETY: the type is a heap type that PyType_GenericAlloc can make objects of; the
    // result is a new reference or NULL with an exception set.
    let lender = unsafe {
        let object = ffi::PyType_GenericAlloc(class.cast(), 0);
        if !object.is_null() {
            (*object.cast::<Lender>()).bytes = Box::into_raw(Box::new(bytes));
        }
        Bound::from_owned_ptr_or_err(py, object)?
    };
    PyMemoryView::from(&lender)
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    let mut slots = [
        ffi::PyType_Slot {
            slot: GET_BUFFER,
            pfunc: lend as *mut c_void,
        },
        ffi::PyType_Slot {
            slot: ffi::Py_tp_dealloc,
            pfunc: free as *mut c_void,
        },
        ffi::PyType_Slot {
            slot: 0,
            pfunc: ptr::null_mut(),
        },
    ];
    let basicsize = c_int::try_from(size_of::<Lender>());
    let mut spec = ffi::PyType_Spec {
        name: c"zre._native.Frame".as_ptr(),
        basicsize: basicsize.map_err(|_| PySystemError::new_err("the type is too large"))?,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification is complete, and Python copies what it keeps, but for the
    // name, which is static. The result is a new reference or NULL with an exception set.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// `getbufferproc`
unsafe extern "C" fn lend(object: *mut ffi::PyObject, view: *mut c_void, flags: c_int) -> c_int {
    // SAFETY: Python calls this with an object of the type, whose bytes live as long as
    // it does and never change, and a view to fill, which then holds a reference to it.
    unsafe {
        let bytes = &*(*object.cast::<Lender>()).bytes;
        // No object is larger than an isize.
        let size = bytes.len() as ffi::Py_ssize_t;
        PyBuffer_FillInfo(
            view,
            object,
            bytes.as_ptr().cast_mut().cast(),
            size,
            1,
            flags,
        )
    }
}

/// `destructor`
unsafe extern "C" fn free(object: *mut ffi::PyObject) {
    // SAFETY: Python calls this once with an object that nobody refers to. An object of a
    // heap type holds a reference to its type.
    unsafe {
        let class = ffi::Py_TYPE(object);
        let bytes = (*object.cast::<Lender>()).bytes;
        if !bytes.is_null() {
            drop(Box::from_raw(bytes));
        }
        ffi::PyObject_Free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}
