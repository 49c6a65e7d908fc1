// Package bitsup uploads files with the BITS Upload Protocol, through libbitsup.
package bitsup

/*
#cgo pkg-config: bitsup
#include <bitsup.h>
#include <stdlib.h>

int bitsupProgress(uintptr_t, bitsup_upload *, bitsup_progress *);
int64_t bitsupRead(uintptr_t, void *, size_t, uint64_t);

static inline void bitsup_listen(bitsup_options *options, uintptr_t handle)
{
	bitsup_options_set_on_progress(options, (bitsup_progress_callback)bitsupProgress, (void *)handle, NULL, NULL);
}

static inline bitsup_status bitsup_start(bitsup_client *client, uintptr_t handle, uint64_t size, const char *name,
	const char *url, bitsup_options *options, bitsup_upload **upload, bitsup_error **error)
{
	bitsup_source source = {sizeof source, size, (bitsup_read_callback)bitsupRead, (void *)handle, name, NULL};
	return bitsup_upload_start_callbacks(client, &source, url, options, upload, error);
}
*/
import "C"

import (
	"context"
	"fmt"
	"io"
	"runtime/cgo"
	"time"
	"unsafe"
)

// Options by name: "fragment_size" is BITSUP_OPTION_FRAGMENT_SIZE. A value is a text as the tool takes it, a number in
// the unit of bitsup.h, a bool, a time.Duration, or a []string for a list.
type Options map[string]any

// Error tells why there is no such file on the server.
type Error struct {
	Status              string // such as "REFUSED": the kind of failure
	Message, Advice     string // what happened, and the likely next step
	HTTPStatus, HResult uint32 // what the server said; 0 if nothing
	Resumable           bool   // the server still holds what was sent
	cause               error
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives the context's error where the context ended the upload.
func (e *Error) Unwrap() error { return e.cause }

// Progress of an upload; Acknowledged bytes are safe on the server.
type Progress struct {
	Total, Acknowledged, Sent, Rate uint64
	ETA                             time.Duration // negative if it cannot be told
	State                           string
	Attempt                         int
}

// Receipt of a complete upload.
type Receipt struct {
	URL, SessionID            string
	Size, Fragments, Retries  uint64
	Duration                  time.Duration
	CloseConfirmed, Verified  bool
	SHA256, ReplyURL, Warning string
}

// Version of the library.
func Version() string { return C.GoString(C.bitsup_version()) }

// Features in words, with the versions of libcurl and the TLS library.
func Features() string { return C.GoString(C.bitsup_features_text()) }

// Takes the error that belongs to a status.
func check(status C.bitsup_status, err *C.bitsup_error) error {
	if status == C.BITSUP_STATUS_OK {
		return nil
	}
	defer C.bitsup_error_free(err)
	return &Error{
		Status:     C.GoString(C.bitsup_status_name(C.uint32_t(status))),
		Message:    C.GoString(C.bitsup_error_message(err)),
		Advice:     C.GoString(C.bitsup_error_advice(err)),
		HTTPStatus: uint32(C.bitsup_error_http_status(err)),
		HResult:    uint32(C.bitsup_error_hresult(err)),
		Resumable:  C.bitsup_error_resumable(err) != 0,
	}
}

// Calls with C options, which keep what is wrong until then.
func with(url string, o Options, call func(*C.char, *C.bitsup_options, **C.bitsup_error) C.bitsup_status) error {
	options := C.bitsup_options_new()
	defer C.bitsup_options_free(options)
	for name, value := range o {
		cName := C.CString(name)
		facts := C.bitsup_option_facts{struct_size: C.sizeof_bitsup_option_facts}
		C.bitsup_option_info(C.bitsup_option_by_name(cName), &facts, nil)
		texts := []string{fmt.Sprint(value)}
		switch value := value.(type) {
		case string:
		case []string:
			texts = value
		case time.Duration:
			texts[0] = fmt.Sprint(value.Milliseconds(), "ms")
		default:
			if facts.kind == C.BITSUP_OPTION_KIND_DURATION {
				texts[0] += "ms"
			}
		}
		for _, text := range texts {
			cText := C.CString(text)
			C.bitsup_options_set_by_name(options, cName, cText, nil)
			C.free(unsafe.Pointer(cText))
		}
		C.free(unsafe.Pointer(cName))
	}
	cURL := C.CString(url)
	defer C.free(unsafe.Pointer(cURL))
	var err *C.bitsup_error
	return check(call(cURL, options, &err), err)
}

// Client uploads any number of files at a time. Its methods can be called from any goroutine.
type Client struct {
	c      *C.bitsup_client
	closed chan struct{}
}

// NewClient starts a client.
func NewClient() (*Client, error) {
	client := &Client{closed: make(chan struct{})}
	var err *C.bitsup_error
	return client, check(C.bitsup_client_new(nil, &client.c, &err), err)
}

// Close ends the client and the uploads that still run. Nothing but an Upload's Wait and Close may follow.
func (c *Client) Close() {
	C.bitsup_client_free(c.c)
	close(c.closed)
}

// Upload of one file.
type Upload struct {
	c          *C.bitsup_upload
	client     *Client
	handle     cgo.Handle
	done       chan struct{}
	source     io.ReaderAt
	onProgress func(Progress) bool
}

// Upload uploads a file and waits for the end. If the context ends first, the server is told to delete what it
// has. onProgress may be nil; false from it stops the upload.
func (c *Client) Upload(ctx context.Context, path, url string, options Options, onProgress func(Progress) bool) (Receipt, error) {
	upload, err := c.Start(path, url, options, onProgress)
	if err != nil {
		return Receipt{}, err
	}
	defer upload.Close()
	return upload.Wait(ctx)
}

// Start begins to upload a file.
func (c *Client) Start(path, url string, options Options, onProgress func(Progress) bool) (*Upload, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	upload := &Upload{onProgress: onProgress}
	return c.start(upload, url, options, func(url *C.char, options *C.bitsup_options, err **C.bitsup_error) C.bitsup_status {
		return C.bitsup_upload_start(c.c, cPath, url, options, &upload.c, err)
	})
}

// StartReader begins to upload size bytes of a source, which is read until Close.
func (c *Client) StartReader(source io.ReaderAt, size uint64, name, url string, options Options, onProgress func(Progress) bool) (*Upload, error) {
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	upload := &Upload{onProgress: onProgress, source: source}
	return c.start(upload, url, options, func(url *C.char, options *C.bitsup_options, err **C.bitsup_error) C.bitsup_status {
		return C.bitsup_start(c.c, C.uintptr_t(upload.handle), C.uint64_t(size), cName, url, options, &upload.c, err)
	})
}

func (c *Client) start(upload *Upload, url string, options Options,
	start func(*C.char, *C.bitsup_options, **C.bitsup_error) C.bitsup_status) (*Upload, error) {
	upload.client, upload.done = c, make(chan struct{})
	upload.handle = cgo.NewHandle(upload)
	err := with(url, options, func(url *C.char, options *C.bitsup_options, err **C.bitsup_error) C.bitsup_status {
		C.bitsup_listen(options, C.uintptr_t(upload.handle))
		return start(url, options, err)
	})
	if err != nil {
		upload.handle.Delete()
		return nil, err
	}
	return upload, nil
}

//export bitsupProgress
func bitsupProgress(handle C.uintptr_t, _ *C.bitsup_upload, p *C.bitsup_progress) C.int {
	upload := cgo.Handle(handle).Value().(*Upload)
	stop := upload.onProgress != nil && !upload.onProgress(Progress{
		uint64(p.total), uint64(p.acknowledged), uint64(p.sent), uint64(p.rate), time.Duration(p.eta_ms) * time.Millisecond,
		C.GoString(C.bitsup_state_name(C.uint32_t(p.state))), int(p.attempt),
	})
	if p.state >= C.BITSUP_STATE_DONE {
		close(upload.done)
	}
	if stop {
		return 1
	}
	return 0
}

//export bitsupRead
func bitsupRead(handle C.uintptr_t, buffer unsafe.Pointer, length C.size_t, offset C.uint64_t) C.int64_t {
	upload := cgo.Handle(handle).Value().(*Upload)
	n, err := upload.source.ReadAt(unsafe.Slice((*byte)(buffer), int(length)), int64(offset))
	if n == 0 && err != nil && err != io.EOF {
		return -5 // EIO
	}
	return C.int64_t(n)
}

// Wait waits for the end. If the context ends first, the server is told to delete what it has.
func (u *Upload) Wait(ctx context.Context) (Receipt, error) {
	var cause error
	select {
	case <-u.done:
	case <-u.client.closed:
	case <-ctx.Done():
		cause = ctx.Err()
		u.Cancel()
		select {
		case <-u.done:
		case <-u.client.closed:
		}
	}
	var cErr *C.bitsup_error
	if err := check(C.bitsup_upload_wait(u.c, -1, &cErr), cErr); err != nil {
		err.(*Error).cause = cause
		return Receipt{}, err
	}
	r := C.bitsup_receipt{struct_size: C.sizeof_bitsup_receipt}
	if err := check(C.bitsup_upload_receipt(u.c, &r, &cErr), cErr); err != nil {
		return Receipt{}, err
	}
	return Receipt{
		C.GoString(r.url), C.GoString(r.session_id), uint64(r.size), uint64(r.fragments), uint64(r.retries),
		time.Duration(r.duration_ms) * time.Millisecond, r.close_confirmed != 0, r.verified != 0,
		C.GoString(r.sha256), C.GoString(r.reply_url), C.GoString(r.warnings),
	}, nil
}

// Suspend pauses, Resume goes on; Cancel stops and tells the server to delete what it has. All return at once.
func (u *Upload) Suspend() { C.bitsup_upload_suspend(u.c, nil) }

// Resume goes on after Suspend.
func (u *Upload) Resume() { C.bitsup_upload_resume(u.c, nil) }

// Cancel stops, and tells the server to delete what it has.
func (u *Upload) Cancel() { C.bitsup_upload_cancel(u.c, nil) }

// Close frees the upload, and stops it if it still runs.
func (u *Upload) Close() {
	C.bitsup_upload_free(u.c)
	u.handle.Delete()
}

// Session sends the packets of an upload one by one; nothing is tried again.
type Session struct{ c *C.bitsup_session }

// NewSession sends Create-Session for a file of size bytes.
func (c *Client) NewSession(url string, size uint64, options Options) (*Session, error) {
	session := &Session{}
	return session, with(url, options, func(url *C.char, options *C.bitsup_options, err **C.bitsup_error) C.bitsup_status {
		return C.bitsup_session_create(c.c, url, C.uint64_t(size), nil, options, &session.c, err)
	})
}

// ID of the session.
func (s *Session) ID() string { return C.GoString(C.bitsup_session_id(s.c)) }

// Send sends a Fragment; the server wants to continue at the offset that is returned.
func (s *Session) Send(data []byte) (uint64, error) {
	var next C.uint64_t
	var err *C.bitsup_error
	var first unsafe.Pointer
	if len(data) > 0 {
		first = unsafe.Pointer(&data[0])
	}
	status := C.bitsup_session_send(s.c, first, C.size_t(len(data)), &next, &err)
	return uint64(next), check(status, err)
}

// Close sends Close-Session: without an error, the server has confirmed the file.
func (s *Session) Close() error {
	var err *C.bitsup_error
	return check(C.bitsup_session_close(s.c, &err), err)
}

// Cancel sends Cancel-Session: the server deletes what it has.
func (s *Session) Cancel() error {
	var err *C.bitsup_error
	return check(C.bitsup_session_cancel(s.c, &err), err)
}

// Free frees the session and sends nothing.
func (s *Session) Free() { C.bitsup_session_free(s.c) }
