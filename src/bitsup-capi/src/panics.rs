//! Faults of ours, injected: the status, the refused handle, and the process that goes on.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use bitsup::ReadAt;

use crate::boundary::tests::ask_for_panic;
use crate::client::{bitsup_client, bitsup_client_event_fd};
use crate::client::{bitsup_client_dispatch, bitsup_client_free, bitsup_client_new};
use crate::config::{bitsup_config_free, bitsup_config_new, bitsup_config_set_dispatch};
use crate::error::{bitsup_error, bitsup_error_free, bitsup_error_message, bitsup_error_status};
use crate::options::callbacks::bitsup_upload_options_set_on_progress;
use crate::options::{bitsup_upload_options_free, bitsup_upload_options_new};
use crate::progress::bitsup_progress;
use crate::source::bitsup_source;
use crate::status::bitsup_status as Status;
use crate::upload::{
    bitsup_upload, bitsup_upload_free, bitsup_upload_progress, bitsup_upload_start_memory,
    bitsup_upload_suspend, bitsup_upload_wait,
};

/// A client that dispatches, so that callbacks run on the test's thread, and a server.
struct Stage {
    client: *mut bitsup_client,
    server: bitsup_server::Server,
    _root: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("root");
        let config = bitsup_server::Config {
            root: root.path().to_owned(),
            overwrite: true,
            ..bitsup_server::Config::default()
        };
        let server = bitsup_server::Server::start(config).expect("server");
        let mut client = ptr::null_mut();
        // SAFETY: as the header asks.
        unsafe {
            let config = bitsup_config_new();
            bitsup_config_set_dispatch(config, 1, ptr::null_mut());
            assert_eq!(bitsup_client_new(config, &raw mut client, ptr::null_mut()), Status::Ok);
            bitsup_config_free(config);
        }
        Self { client, server, _root: root }
    }

    fn upload(&self, callback: bool) -> *mut bitsup_upload {
        let url = std::ffi::CString::new(self.server.url("/x.bin")).expect("no zero byte");
        let mut upload = ptr::null_mut();
        // SAFETY: as the header asks; the memory is static.
        unsafe {
            let options = bitsup_upload_options_new();
            if callback {
                let none = ptr::null_mut();
                bitsup_upload_options_set_on_progress(options, Some(go_on), none, none.cast());
            }
            let (client, data) = (self.client, ptr::from_ref(b"data").cast());
            let status = bitsup_upload_start_memory(
                client,
                data,
                4,
                url.as_ptr(),
                options,
                &raw mut upload,
                ptr::null_mut(),
            );
            assert_eq!(status, Status::Ok);
            bitsup_upload_options_free(options);
        }
        upload
    }

    /// The client and another upload work as before.
    fn goes_on(&self) {
        let upload = self.upload(false);
        // SAFETY: as the header asks.
        unsafe {
            assert_eq!(bitsup_upload_wait(upload, -1, ptr::null_mut()), Status::Ok);
            bitsup_upload_free(upload);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: the last use.
        unsafe { bitsup_client_free(self.client) };
    }
}

unsafe extern "C" fn go_on(_: *mut c_void, _: *const bitsup_progress) -> c_int {
    0
}

/// The call gives PANIC and an error whose text has `words`.
fn panics(words: &str, call: impl FnOnce(*mut *mut bitsup_error) -> Status) {
    let mut error = ptr::null_mut();
    assert_eq!(call(&raw mut error), Status::Panic);
    // SAFETY: the call gave an error.
    unsafe {
        assert_eq!(bitsup_error_status(error), Status::Panic);
        let message = CStr::from_ptr(bitsup_error_message(error)).to_string_lossy().into_owned();
        assert!(message.contains(words), "{message}");
        bitsup_error_free(error);
    }
}

#[test]
fn a_fault_in_an_entry_point_is_a_status_and_spoils_its_handle() {
    let stage = Stage::new();
    let upload = stage.upload(false);
    // SAFETY: as the header asks.
    unsafe {
        ask_for_panic("entry");
        panics("injected at entry", |error| bitsup_upload_suspend(upload, error));
        panics("cannot be used", |error| bitsup_upload_suspend(upload, error));
        panics("cannot be used", |error| bitsup_upload_wait(upload, -1, error));
        stage.goes_on();
        bitsup_upload_free(upload);

        ask_for_panic("entry");
        panics("injected at entry", |error| bitsup_client_dispatch(stage.client, 0, error));
        panics("cannot be used", |error| bitsup_client_dispatch(stage.client, 0, error));
        assert_eq!(bitsup_client_event_fd(stage.client), -1);
    }
}

#[test]
fn a_fault_in_a_function_without_a_status_gives_its_empty_value() {
    let stage = Stage::new();
    // SAFETY: as the header asks.
    unsafe {
        ask_for_panic("entry");
        assert_eq!(bitsup_client_event_fd(stage.client), -1);
        panics("cannot be used", |error| bitsup_client_dispatch(stage.client, 0, error));
        ask_for_panic("entry");
        assert!(bitsup_config_new().is_null());
        ask_for_panic("entry");
        let upload: *mut bitsup_upload = ptr::null_mut();
        assert_eq!(bitsup_upload_progress(upload, ptr::null_mut()), Status::Panic);
    }
}

#[test]
fn a_fault_around_a_callback_ends_the_upload_and_spoils_its_handle() {
    for point in ["before callback", "after callback"] {
        let stage = Stage::new();
        let upload = stage.upload(true);
        // SAFETY: as the header asks.
        unsafe {
            ask_for_panic(point);
            loop {
                assert_ne!(bitsup_client_dispatch(stage.client, 0, ptr::null_mut()), Status::Panic);
                let status = bitsup_upload_wait(upload, 1, ptr::null_mut());
                if status == Status::Panic {
                    break;
                }
                assert!([Status::Pending, Status::Ok].contains(&status), "{status:?}");
            }
            panics("cannot be used", |error| bitsup_upload_wait(upload, -1, error));
            stage.goes_on();
            bitsup_upload_free(upload);
        }
    }
}

unsafe extern "C" fn read_nothing(_: *mut c_void, _: *mut c_void, _: usize, _: u64) -> i64 {
    -5
}

#[test]
fn a_fault_around_read_at_spoils_the_upload() {
    for point in ["before read_at", "after read_at"] {
        let life = std::sync::Arc::new(crate::life::Life::new());
        let source = bitsup_source {
            struct_size: size_of::<bitsup_source>(),
            size: 4,
            read_at: Some(read_nothing),
            userdata: ptr::null_mut(),
            name: ptr::null(),
        };
        let reader = crate::source::reader(&source, &life, &life).ok().expect("a source");
        ask_for_panic(point);
        let failed = reader.read_at(&mut [0; 4], 0).expect_err("it panicked");
        assert!(failed.to_string().contains("a fault inside bitsup"));
        assert!(life.is_spoiled());
    }
}
