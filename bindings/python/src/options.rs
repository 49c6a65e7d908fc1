//! From keywords to options, by the table of `bitsup`.

use bitsup::explain::Reader;
use bitsup::{
    Header, OPTIONS, OptionKind, OptionRow, OptionSet, OptionValue, UploadOptions, option_by_name,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use crate::credentials::CredentialCallback;
use crate::errors;

/// Fragments of what can be read once are not larger: they are kept in memory.
const STREAM_FRAGMENT: u64 = 4 * 1024 * 1024;

/// The options of an upload: its keywords, then those of its client. Files are read meanwhile.
pub(crate) fn read(client: &OptionSet, keywords: &Bound<'_, PyDict>) -> PyResult<UploadOptions> {
    let py = keywords.py();
    let callback = match keywords.get_item("on_credentials")? {
        Some(given) => Some(given.cast_into::<CredentialCallback>()?.get().callback()),
        None => None,
    };
    let options = OptionSet::for_upload(client, &set(keywords)?);
    let read = py.detach(|| options.upload_options(callback));
    let mut options = read.map_err(|error| errors::raised(py, &error))?;
    // Where the entries go is the package's matter.
    options.transcript = keywords.contains("transcript")?;
    Ok(options)
}

/// Bounds what must be kept of a stream: its `window`, in memory.
pub(crate) fn bound(options: &mut UploadOptions, source: &Bound<'_, PyAny>) -> PyResult<()> {
    if source.hasattr("window")? {
        source.setattr("window", options.bound_fragments(STREAM_FRAGMENT))?;
    }
    Ok(())
}

/// The keywords that are options; `None` means the default.
pub(crate) fn set(keywords: &Bound<'_, PyDict>) -> PyResult<OptionSet> {
    let mut options = OptionSet::new();
    for (name, value) in keywords {
        let name: String = name.extract()?;
        let Some(option) = option_by_name(&name).filter(|_| !value.is_none()) else { continue };
        put(&mut options, option, &value)?;
    }
    Ok(options)
}

/// A row of the table: name, kind, scope, whether it is a list, the default, the words with what they do, the text.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    bool,
    Option<&'static str>,
    Vec<(&'static str, String)>,
    String,
);

/// The table, for signatures, types and pages. Options of other languages only are left out.
#[pyfunction]
pub(crate) fn options() -> Vec<Row> {
    let shown = OPTIONS.iter().filter(|option| option.name != "dispatch");
    shown
        .map(|option| {
            let words = option.choices.map(|set| set.choices).unwrap_or_default();
            let told = |text| bitsup::options_named(text, Reader::Python);
            (
                option.name,
                option.kind.name(),
                option.scope.name(),
                option.list,
                option.default,
                words.iter().map(|choice| (choice.word, told(choice.doc))).collect(),
                option.doc_for(Reader::Python),
            )
        })
        .collect()
}

fn put(options: &mut OptionSet, option: &OptionRow, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = value.py();
    let raised = |error: bitsup::Error| errors::raised(py, &error);
    if option.kind == OptionKind::Header {
        for (name, text) in headers(option, value)? {
            let header = Header::new(&name, &text).map_err(raised)?;
            options.add(option, OptionValue::Header(header)).map_err(raised)?;
        }
    } else if option.list {
        for text in texts(option, value)? {
            options.add(option, OptionValue::Text(text)).map_err(raised)?;
        }
    } else {
        let value = single(option, value)?;
        options.set(option, value).map_err(raised)?;
    }
    Ok(())
}

fn single(option: &OptionRow, value: &Bound<'_, PyAny>) -> PyResult<OptionValue> {
    let wrong = || wrong(option, value);
    if let Ok(text) = value.cast::<PyString>() {
        let Ok(text) = text.to_str() else {
            return Err(refused(option, value, "has characters that are no text"));
        };
        return match option.kind {
            OptionKind::Flag => Err(wrong()),
            _ => option.parse(text).map_err(|error| errors::raised(value.py(), &error)),
        };
    }
    let is_number = value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>();
    match option.kind {
        OptionKind::Flag if value.is_instance_of::<PyBool>() => {
            Ok(OptionValue::Number(value.extract::<bool>()?.into()))
        }
        _ if value.is_instance_of::<PyBool>() => Err(wrong()),
        OptionKind::Path => value.extract().map(OptionValue::Path).map_err(|_| wrong()),
        OptionKind::Size | OptionKind::Rate | OptionKind::Count => {
            let number = value.call_method0("__index__").map_err(|_| wrong())?;
            let number = number.extract();
            number
                .map(OptionValue::Number)
                .map_err(|_| refused(option, value, "is more, or less, than there can be"))
        }
        OptionKind::Duration => {
            let seconds = match value.call_method0("total_seconds") {
                Ok(seconds) => seconds.extract(),
                Err(_) if is_number => value.extract(),
                Err(_) => return Err(wrong()),
            };
            match seconds.unwrap_or(f64::NAN) {
                #[expect(clippy::cast_possible_truncation, reason = "the table has the bounds")]
                seconds if seconds >= 0.0 => {
                    Ok(OptionValue::Number((seconds * 1000.0).ceil() as i64))
                }
                _ => Err(refused(option, value, "must be a number of seconds, 0 or more")),
            }
        }
        // Several hosts, as one text.
        OptionKind::Text => Ok(OptionValue::Text(texts(option, value)?.join(","))),
        _ => Err(wrong()),
    }
}

/// Several strings; a single one is a mistake that would be taken apart into letters.
fn texts(option: &OptionRow, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    value.extract().map_err(|_| wrong(option, value))
}

/// A mapping, or pairs.
fn headers(option: &OptionRow, value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let pairs = value.call_method0("items").unwrap_or_else(|_| value.clone());
    let pairs = pairs.try_iter().map_err(|_| wrong(option, value))?;
    pairs.map(|pair| pair?.extract().map_err(|_| wrong(option, value))).collect()
}

fn refused(option: &OptionRow, value: &Bound<'_, PyAny>, what: &str) -> PyErr {
    errors::raised(value.py(), &option.refusal(what))
}

/// Says what is wanted and what came; never the value, which may be a secret.
fn wrong(option: &OptionRow, value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
    let name = option.name;
    let words = option.choices.map(|set| set.choices).unwrap_or_default();
    let wanted = match option.kind {
        OptionKind::Header => "a mapping of names to values, or pairs of them".into(),
        _ if option.list => "a list of str".into(),
        OptionKind::Path => "a path".into(),
        OptionKind::Size | OptionKind::Rate => "a number of bytes, or a text such as \"5M\"".into(),
        OptionKind::Duration => "seconds, a timedelta, or a text such as \"10m\"".into(),
        OptionKind::Count => "an int".into(),
        OptionKind::Flag => "True or False".into(),
        OptionKind::Choice => {
            let words: Vec<_> = words.iter().map(|choice| format!("{:?}", choice.word)).collect();
            format!("one of {}", words.join(", "))
        }
        _ => "a str".into(),
    };
    let hint = match name {
        "verify" => "; it is about the file, and insecure=True about certificates",
        "cert" => "; the private key is another keyword: key",
        "auth" => "; user and password are keywords of their own",
        _ => "",
    };
    PyTypeError::new_err(format!("{name} must be {wanted}, not {kind}{hint}"))
}
