//! Where bytes come from: a file, immutable bytes, other memory, or a Python object that reads.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bitsup::{ReadAt, Source, Wake};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyMemoryView, PySlice, PyTuple};

use crate::{errors, gate};

/// The source for what Python hands over. Bytes and memory are taken as they are; an object with
/// a size is asked for `read_at(offset, size)`; everything else is a path.
pub(crate) fn source(
    object: &Bound<'_, PyAny>,
    size: Option<u64>,
    name: Option<String>,
) -> PyResult<Source> {
    let py = object.py();
    let source = if let Ok(bytes) = object.cast::<PyBytes>() {
        let bytes = PyBackedBytes::from(bytes.clone());
        let size = bytes.len() as u64;
        Source::read_at(Immutable(bytes), size)
    } else if let Ok(view) = object.cast::<PyMemoryView>() {
        let size = view.len()?;
        Source::read_at(Memory(view.clone().unbind(), size), size as u64)
    } else if let Some(size) = size {
        Source::read_at(Reader(object.clone().unbind()), size)
    } else {
        let path: PathBuf = object.extract()?;
        py.detach(|| Source::path(path)).map_err(|error| errors::raised(py, &error))?
    };
    Ok(match name {
        Some(name) => source.named(name),
        None => source,
    })
}

/// `bytes` never change, so that the client's thread reads them without the interpreter.
struct Immutable(PyBackedBytes);

impl ReadAt for Immutable {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..));
        io::Read::read(&mut rest.unwrap_or_default(), buffer)
    }

    fn may_block(&self) -> bool {
        false
    }
}

/// Memory that Python code may write to (a `memoryview` of bytes), so that it is read under the interpreter's lock.
struct Memory(Py<PyMemoryView>, usize);

impl ReadAt for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.1);
        let count = buffer.len().min(self.1 - start);
        let target = buffer.get_mut(..count).unwrap_or_default();
        let copied = gate::enter(|py| {
            let range = PySlice::new(py, start.cast_signed(), (start + count).cast_signed(), 1);
            let part = self.0.bind(py).get_item(range)?;
            PyBuffer::<u8>::get(&part)?.copy_to_slice(py, target)
        });
        copied
            .ok_or_else(interpreter_ends)?
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(count)
    }
}

/// An object with methods `read_at(offset, size) -> bytes | None`, where `None` is "not yet", and
/// `when_ready(offset, wake)`, which calls `wake()` when it is worth to ask again.
struct Reader(Py<PyAny>);

impl ReadAt for Reader {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = gate::enter(|py| {
            let answer = self.0.bind(py).call_method1("read_at", (offset, buffer.len()))?;
            let bytes: Option<PyBackedBytes> = answer.extract()?;
            bytes
                .map(|bytes| io::Read::read(&mut &bytes[..], buffer))
                .transpose()
                .map_err(PyErr::from)
        });
        // The reader keeps its exception for those who wait for the upload.
        let read = read.ok_or_else(interpreter_ends)?;
        read.map_err(|error| io::Error::other(error.to_string()))?
            .ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn when_ready(&self, offset: u64, wake: Wake) {
        let wake = Mutex::new(Some(wake));
        // If this fails the wake is dropped, which ends the upload.
        let _asked = gate::enter(|py| {
            let call = move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
                let wake = wake.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(wake) = wake {
                    wake();
                }
            };
            let call = PyCFunction::new_closure(py, None, None, call)?;
            self.0.bind(py).call_method1("when_ready", (offset, call))?;
            Ok::<(), PyErr>(())
        });
    }
}

fn interpreter_ends() -> io::Error {
    io::Error::other("the Python interpreter ends")
}
