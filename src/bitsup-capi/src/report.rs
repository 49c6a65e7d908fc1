//! What stands between this machine and an upload.

use std::ffi::{CString, c_char};

use bitsup::DoctorReport;
use bitsup::explain::Reader;

use crate::client::bitsup_client;
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::bitsup_options;
use crate::status::bitsup_status;
use crate::text;

/// What bitsup_doctor found. It never changes.
pub struct bitsup_report {
    life: Life,
    report: DoctorReport,
    json: CString,
}

impl Handle for bitsup_report {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_report";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

/// Diagnoses the path to a server: proxy, name, connection, certificates,
/// login, and whether a session takes a byte; and waits for the answers. The
/// session is for a file of its own in the folder of url, and is cancelled
/// again: what url names is not touched.
/// BITSUP_STATUS_OK: there is a report, which may be of problems; else the URL
/// or an option cannot be used. options may be NULL.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_doctor(
    client: *mut bitsup_client,
    url: *const c_char,
    options: *const bitsup_options,
    report: *mut *mut bitsup_report,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives CLIENT, [client], or_null [options], out report, text [url], {
        let choice = client.choose(options)?;
        // The caller may free the client where it is asked for a login.
        let client = client.client.clone();
        let made = client.doctor(url, &choice.options)?;
        let json = text::for_c(&made.to_json(Reader::C));
        *report = handle::give(bitsup_report { life: Life::new(), report: made, json });
        Ok(bitsup_status::Ok)
    })
}

/// Gives the report as one line of JSON, which lives as long as the report: v,
/// which is 1, url, and findings in the order in which a connection comes
/// about, each with check, verdict (good, skipped, warning, unknown or
/// problem), detail and fix. "" for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_report_json(report: *const bitsup_report) -> *const c_char {
    boundary!(value: c"".as_ptr(), [report], { report.json.as_ptr() })
}

/// Gives the first problem, as the error that an upload would end with: its
/// message says what was seen, its advice what to do, and where.
/// BITSUP_STATUS_OK: there is none, and an upload should work, unless a finding
/// is unknown.
/// Statuses: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_report_problem(
    report: *const bitsup_report,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives END, [report], {
        report.report.problem().map_or(Ok(bitsup_status::Ok), |problem| Err(CallFailure::found(problem)))
    })
}

/// Frees the report and its text. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_report_free(report: *mut bitsup_report) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or a report that it owns, and this is its last use.
        drop(unsafe { handle::take(report) });
    });
}
