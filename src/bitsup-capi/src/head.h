/* bitsup.h: uploads files with the BITS Upload Protocol (BITS_POST).
 *
 * Generated from src/bitsup-capi; never edited.
 *
 * CONVENTIONS
 *
 * Ownership. A function that gives a pointer to bitsup_options, bitsup_client,
 *   bitsup_upload, bitsup_session, bitsup_journal, bitsup_token, bitsup_report
 *   or bitsup_error gives the object too, and the caller ends it with its
 *   _free function, once, as its last use on any thread; what a callback or
 *   bitsup_client_next_ended shows stays with its owner. Text in a const
 *   char * result belongs to the library: it lives as long as the object it
 *   comes from, or for ever where its function says that it is static.
 *   Objects may be freed in any order. A pointer to an object of another type
 *   gives BITSUP_STATUS_INVALID_ARGUMENT, and the error says which it is.
 *
 * Options. One bitsup_options holds any of the options, for a client or for
 *   uploads; a call that takes it takes a copy. An option is unset, set to
 *   none, or set. What an upload has set wins over what its client has set,
 *   and that over the default; lists are replaced as a whole. A setter refuses
 *   what can never work, and keeps the error until the option is set or reset:
 *   bitsup_client_new and the calls that start report the first one, so that
 *   a program may look there only.
 *
 * NULL. Every _free takes NULL and does nothing. Where NULL is allowed, the
 *   function says so; elsewhere it gives BITSUP_STATUS_INVALID_ARGUMENT, or
 *   the empty value named there.
 *
 * Text is UTF-8 and ends with a zero byte. It is copied during the call. The
 *   _bytes variants take a pointer and a length, for paths in any encoding.
 *
 * Units. Sizes are bytes, durations milliseconds (names end in _ms, or the
 *   option says so), points in time seconds since 1970.
 *
 * Errors. A function that can fail returns bitsup_status and takes a
 *   bitsup_error **, which may be NULL. What it points to need not be
 *   initialised: it is NULL after BITSUP_STATUS_OK and BITSUP_STATUS_PENDING,
 *   and otherwise an error that the caller frees.
 *
 * Statuses. Each function that returns one ends with a list of those that it
 *   can give, without BITSUP_STATUS_. Besides those, each can give PANIC and
 *   INTERNAL, which are faults of the library.
 *
 * What is written on failure. A pointer to a new object is set to NULL;
 *   other results are left as they were.
 *
 * Structures of the caller begin with struct_size: set it to the structure's
 *   sizeof before the call. Where header and library differ in age, the part
 *   that both know is read or written, and struct_size tells how much of a
 *   result was written.
 *
 * Enumerations come out as such. Where one goes in, the parameter is an int,
 *   and out-of-range values are rejected. Booleans are int, in and out: 0 is
 *   false, which every language reads alike.
 *
 * Threads. Every object can be used from any thread, and from several at a
 *   time. Only bitsup_upload_wait, bitsup_upload_file, bitsup_ping,
 *   bitsup_doctor, bitsup_journal_cancel and the bitsup_session functions
 *   wait for the network. The library's threads block the signals that are
 *   meant for a process, SIGPIPE included; a thread's own faults and the
 *   signals that language runtimes suspend threads with are left alone.
 *
 * Callbacks run on a thread of the client, one at a time, or inside
 *   bitsup_client_dispatch, if the client was made so. A read_at callback
 *   always runs on a thread of the client. A callback must return: it must
 *   not throw a C++ exception, longjmp or end its thread. It is shown its
 *   upload, and may use any function on it but bitsup_upload_wait, also
 *   bitsup_upload_free. A credential callback
 *   cannot wait for any upload of its client; in the calls that send packets
 *   themselves it runs on the thread that called. No callback runs after the
 *   _free of its upload, session or client returned, and userdata is not used
 *   then. What a callback is shown lives until it returns. A destroy callback
 *   runs once, in the call that frees the last object that has the userdata.
 *
 * To end an upload:
 *
 *               what is sent        session on the server       state
 *   _suspend    the request ends    stays, _resume goes on      suspended
 *   _stop       nothing more        stays, and can be resumed   cancelled
 *   _cancel     nothing more        is deleted                  cancelled
 *   _free       nothing more        stays if the client has a   none: the
 *                                   state directory, else is    handle is gone
 *                                   deleted
 *
 *   All four return at once. The server may be told after that, for a client's
 *   end at most two seconds.
 *
 * Fork. A child process cannot use objects made before the fork (errors
 *   excepted): it gets BITSUP_STATUS_INVALID_ARGUMENT, and _free does nothing
 *   there. It can make new ones.
 *
 * Faults of the library are caught, and give BITSUP_STATUS_PANIC. The object
 *   of that call is then refused and can only be freed.
 *
 * Language. The header is for C99 and C++11 and newer: C89 and C++98 have no
 *   <stdint.h> and no integers of 64 bits.
 *
 * ABI. What is declared here stays until the number in the library's file
 *   name (libbitsup.so.@ABI@) changes: see docs/abi.md.
 */
