//! Pauses, stops and dropped handles at moments when no packet is under way.

use std::path::Path;
use std::time::Duration;

use crate::common::payload;
use crate::common::peer::{
    PATIENCE, Peer, Turn, created, ended, options, range, received, start, taken, wait_for_state,
    wait_until,
};
use bitsup::{
    CancelMode, Client, ErrorKind, IfExists, OptionSet, Source, Upload, UploadOptions, UploadState,
};
use bitsup_server::scripted::{Latch, Reply};

const SIZE: usize = 2500;
/// So long nothing may arrive where nothing is to be sent.
const SILENCE: Duration = Duration::from_millis(200);

/// Options of an upload that asks first whether the file exists.
fn asking() -> UploadOptions {
    let mut options = options();
    options.if_exists = IfExists::Fail;
    options
}

/// Nothing more arrives.
fn is_silent(peer: &Peer) {
    let before = peer.packets();
    std::thread::sleep(SILENCE);
    assert_eq!(peer.packets(), before);
}

#[test]
fn a_queued_upload_that_is_paused_sends_nothing_when_its_turn_comes() {
    let _rule = bitsup_server::rule!("FSM-11");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Create-Session", 1) => Turn::After(created("{session-1}").held(&held)),
        _ => Turn::Serve,
    });
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(10), options());
    peer.wait_for("Create-Session", 1);
    let second = start(&client, &peer.url(), &payload(SIZE), options());
    wait_for_state(&second, UploadState::Queued);
    second.suspend();
    wait_for_state(&second, UploadState::Suspended);
    latch.open();
    ended(&first).expect("uploaded");
    is_silent(&peer);
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0", "Close-Session"]);
    second.resume();
    ended(&second).expect("uploaded");
    assert_eq!(peer.files(), [payload(10), payload(SIZE)]);
}

#[test]
fn a_queued_upload_says_why_it_waits() {
    let _rule = bitsup_server::rule!("TMR-11");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call {
        call if call.is("Create-Session", 1) => Turn::After(created("{session-1}").held(&held)),
        _ => Turn::Serve,
    });
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(10), options());
    peer.wait_for("Create-Session", 1);
    let second = start(&client, &peer.url(), &payload(SIZE), options());
    wait_for_state(&second, UploadState::Queued);
    wait_until("the reason", || second.progress().waiting.is_some());
    let waiting = second.progress().waiting.expect("a reason");
    assert!(waiting.reason.contains("go first"), "{}", waiting.reason);
    assert_eq!(waiting.remaining, Duration::ZERO);
    latch.open();
    ended(&first).expect("uploaded");
    ended(&second).expect("uploaded");
    assert!(second.progress().waiting.is_none());
}

/// A first upload that pauses in its second Fragment, and a second one that is done meanwhile. The
/// latch lets a third one begin.
fn overtaken() -> (Client, Peer, Upload, Latch) {
    let (latch, third) = (Latch::new(), Latch::new());
    let (held, third_held) = (latch.clone(), third.clone());
    let peer = Peer::start(move |call| match call.packet {
        "Fragment" if call.nth == 2 => Turn::After(received(2000).held(&held)),
        "Create-Session" if call.nth == 3 => Turn::After(created("{session-3}").held(&third_held)),
        _ => Turn::Serve,
    });
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(SIZE), options());
    peer.wait_for("Fragment", 2);
    let second = start(&client, &peer.url(), &payload(10), options());
    wait_for_state(&second, UploadState::Queued);
    first.suspend();
    latch.open();
    ended(&second).expect("the turn of the paused one is free");
    wait_for_state(&first, UploadState::Suspended);
    assert_eq!(peer.files(), [payload(10)]);
    (client, peer, first, third)
}

#[test]
fn a_paused_upload_gives_its_turn_to_the_next_and_queues_again() {
    let (client, peer, first, begin) = overtaken();
    // The third has the turn until it pauses as well.
    let third = start(&client, &peer.url(), &payload(20), options());
    third.suspend();
    begin.open();
    wait_for_state(&third, UploadState::Suspended);
    first.resume();
    ended(&first).expect("continued");
    third.resume();
    ended(&third).expect("continued");
    let mut sizes: Vec<usize> = peer.files().iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!((sizes, peer.open_sessions()), (vec![10, 20, SIZE], 0));
    // No turn was lost or counted twice.
    for _ in 0..3 {
        ended(&start(&client, &peer.url(), &payload(10), options())).expect("uploaded");
    }
}

/// An upload is paused while it waits for the answer to that packet, which comes when `slow` opens.
/// When it is to go on, another one has the turn until `other` opens.
fn back_from_the_queue(
    peer: &Peer,
    asked: UploadOptions,
    packet: &str,
    [slow, other]: [&Latch; 2],
) {
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(SIZE), asked);
    peer.wait_for(packet, 1);
    let second = start(&client, &peer.url(), &payload(10), options());
    wait_for_state(&second, UploadState::Queued);
    first.suspend();
    peer.wait_for("Create-Session", 2);
    first.resume();
    wait_for_state(&first, UploadState::Queued);
    other.open();
    ended(&second).expect("uploaded");
    wait_until("its turn", || first.progress().state != UploadState::Queued);
    slow.open();
    ended(&first).expect("uploaded");
}

/// Between pause and turn no more than one Fragment passes, so that its Ack finds the upload running.
#[test]
fn a_turn_that_comes_back_before_the_fragment_is_answered_ends_the_pause() {
    let _rule = bitsup_server::rule!("FSM-11");
    let (slow, other) = (Latch::new(), Latch::new());
    let (held, second_held) = (slow.clone(), other.clone());
    let peer = Peer::start(move |call| match call {
        call if call.is("Fragment", 1) => Turn::After(received(1000).held(&held)),
        call if call.is("Create-Session", 2) => {
            Turn::After(created("{session-2}").held(&second_held))
        }
        _ => Turn::Serve,
    });
    back_from_the_queue(&peer, options(), "Fragment", [&slow, &other]);
    assert_eq!(peer.open_sessions(), 0);
}

#[test]
fn a_paused_upload_without_a_turn_can_be_cancelled() {
    for mode in [CancelMode::Delete, CancelMode::Keep] {
        let (client, peer, first, begin) = overtaken();
        begin.open();
        first.cancel(mode);
        assert_eq!(ended(&first).expect_err("cancelled").kind(), ErrorKind::Cancelled);
        assert_eq!(peer.open_sessions(), usize::from(mode == CancelMode::Keep));
        ended(&start(&client, &peer.url(), &payload(10), options())).expect("uploaded");
    }
}

#[test]
fn a_resumed_upload_that_queues_again_can_be_cancelled() {
    for mode in [CancelMode::Delete, CancelMode::Keep] {
        let (latch, pause) = (Latch::new(), Latch::new());
        let (held, pausing) = (latch.clone(), pause.clone());
        let peer = Peer::start(move |call| match call.packet {
            "Fragment" if call.nth == 2 => Turn::After(received(2000).held(&pausing)),
            "Create-Session" if call.nth == 2 => Turn::After(created("{session-2}").held(&held)),
            _ => Turn::Serve,
        });
        let client = Client::builder()
            .options(&OptionSet::new().uploads_per_host(1))
            .build()
            .expect("client");
        let first = start(&client, &peer.url(), &payload(SIZE), options());
        peer.wait_for("Fragment", 2);
        first.suspend();
        pause.open();
        wait_for_state(&first, UploadState::Suspended);
        let second = start(&client, &peer.url(), &payload(10), options());
        peer.wait_for("Create-Session", 2);
        first.resume();
        wait_for_state(&first, UploadState::Queued);
        first.cancel(mode);
        assert_eq!(ended(&first).expect_err("cancelled").kind(), ErrorKind::Cancelled);
        latch.open();
        ended(&second).expect("uploaded");
        assert_eq!(peer.open_sessions(), usize::from(mode == CancelMode::Keep));
        ended(&start(&client, &peer.url(), &payload(10), options())).expect("uploaded");
    }
}

#[test]
fn a_pause_during_the_question_whether_the_file_exists_holds() {
    let _rule = bitsup_server::rule!("FSM-11");
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call.packet {
        "HEAD" => Turn::Answer(Reply::status(404, "Not Found").held(&held)),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(10), asking());
    peer.wait_for("HEAD", 1);
    upload.suspend();
    wait_for_state(&upload, UploadState::Suspended);
    latch.open();
    is_silent(&peer);
    assert_eq!(peer.packets(), ["HEAD"]);
    upload.resume();
    ended(&upload).expect("uploaded");
    assert_eq!(peer.packets(), ["HEAD", "Create-Session", "Fragment 0", "Close-Session"]);
}

#[test]
fn a_pause_during_the_question_whether_the_file_exists_gives_the_turn_to_the_next() {
    let latch = Latch::new();
    let held = latch.clone();
    let peer = Peer::start(move |call| match call.packet {
        "HEAD" => Turn::Answer(Reply::status(404, "Not Found").held(&held)),
        _ => Turn::Serve,
    });
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(1)).build().expect("client");
    let first = start(&client, &peer.url(), &payload(SIZE), asking());
    peer.wait_for("HEAD", 1);
    let second = start(&client, &peer.url(), &payload(10), options());
    wait_for_state(&second, UploadState::Queued);
    first.suspend();
    ended(&second).expect("the turn of the paused one is free");
    first.resume();
    latch.open();
    ended(&first).expect("uploaded");
    assert_eq!((peer.count("HEAD"), peer.files()), (1, vec![payload(10), payload(SIZE)]));
}

/// The pause begins when the question has its answer and there is no session yet, and another
/// upload has the turn when the caller goes on.
#[test]
fn who_comes_back_from_the_queue_does_not_ask_again_whether_the_file_exists() {
    for first_answer in [Reply::status(503, "Later"), Reply::close()] {
        let (slow, other) = (Latch::new(), Latch::new());
        let (held, second_held) = (slow.clone(), other.clone());
        let mut first_answer = Some(first_answer.held(&held));
        let peer = Peer::start(move |call| match call {
            call if call.is("Create-Session", 1) => {
                Turn::Answer(first_answer.take().expect("asked for once"))
            }
            call if call.is("Create-Session", 2) => {
                Turn::After(created("{session-1}").held(&second_held))
            }
            _ => Turn::Serve,
        });
        back_from_the_queue(&peer, asking(), "Create-Session", [&slow, &other]);
        assert_eq!(peer.count("HEAD"), 1, "{:?}", peer.packets());
        assert_eq!(peer.files(), [payload(10), payload(SIZE)]);
    }
}

#[test]
fn a_pause_while_a_retry_is_waited_for_holds() {
    let _rule = bitsup_server::rule!("FSM-11");
    let peer = Peer::start(|call| match call {
        call if call.is("Fragment", 1) => {
            Turn::Answer(Reply::status(503, "Later").header("Retry-After", "3"))
        }
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(10), options());
    wait_for_state(&upload, UploadState::WaitingRetry);
    upload.suspend();
    wait_for_state(&upload, UploadState::Suspended);
    std::thread::sleep(Duration::from_millis(3200));
    assert_eq!(peer.packets(), ["Create-Session", "Fragment 0"]);
    upload.resume();
    ended(&upload).expect("uploaded");
    assert_eq!(peer.packets()[2..], ["Ping", "Fragment 1", "Fragment 0", "Close-Session"]);
}

/// A client with a kept session for the file, on a peer that holds Cancel-Session back.
struct Kept {
    folder: tempfile::TempDir,
    client: Client,
    peer: Peer,
    latch: Latch,
}

impl Kept {
    fn new(uploads: i64) -> Self {
        let latch = Latch::new();
        let held = latch.clone();
        let peer = Peer::start(move |call| match call {
            call if call.is("Fragment", 2) => Turn::Answer(Reply::hang()),
            call if call.packet == "Cancel-Session" => Turn::After(Reply::ack().held(&held)),
            call if call.request.target.contains("slow") && range(call.request).is_some() => {
                Turn::After(received(10).held(&held))
            }
            _ => Turn::Serve,
        });
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("x.bin"), payload(SIZE)).expect("written");
        let client = Client::builder()
            .options(
                &OptionSet::new().state_dir(folder.path().join("state")).uploads_per_host(uploads),
            )
            .build()
            .expect("client");
        let kept = Self { folder, client, peer, latch };
        let upload = kept.start(false);
        kept.peer.wait_for("Fragment", 2);
        upload.cancel(CancelMode::Keep);
        assert!(ended(&upload).expect_err("stopped").is_resumable());
        kept
    }

    fn file(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self, fresh: bool) -> Upload {
        let source = Source::path(self.file().join("x.bin")).expect("source");
        let mut options = options();
        options.fresh = fresh;
        self.client.upload(source, &self.peer.url()).options(options).start().expect("started")
    }
}

#[test]
fn what_comes_while_the_kept_session_is_cancelled_counts_for_the_new_upload() {
    let _rule = bitsup_server::rule!("FSM-10", "FSM-11");
    // A pause.
    let kept = Kept::new(16);
    let upload = kept.start(true);
    kept.peer.wait_for("Cancel-Session", 1);
    upload.suspend();
    taken(&kept.client);
    kept.latch.open();
    wait_for_state(&upload, UploadState::Suspended);
    is_silent(&kept.peer);
    upload.resume();
    ended(&upload).expect("uploaded");
    assert_eq!(kept.peer.files(), [payload(SIZE)]);

    // A pause that lasts: others have the turn meanwhile.
    let kept = Kept::new(1);
    let upload = kept.start(true);
    kept.peer.wait_for("Cancel-Session", 1);
    let other = start(&kept.client, &kept.peer.raw.url("/up/y"), &payload(10), options());
    upload.suspend();
    taken(&kept.client);
    kept.latch.open();
    ended(&other).expect("the turn of the paused one is free");
    assert_eq!(upload.progress().state, UploadState::Suspended);
    upload.resume();
    ended(&upload).expect("uploaded");
    assert_eq!(kept.peer.files(), [payload(10), payload(SIZE)]);

    // A cancel, and a stop.
    for mode in [CancelMode::Delete, CancelMode::Keep] {
        let kept = Kept::new(16);
        let upload = kept.start(true);
        kept.peer.wait_for("Cancel-Session", 1);
        upload.cancel(mode);
        if mode == CancelMode::Delete {
            taken(&kept.client);
            kept.latch.open();
        }
        let error = ended(&upload).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        kept.latch.open();
        is_silent(&kept.peer);
        assert_eq!(kept.peer.count("Create-Session"), 1, "{:?}", kept.peer.packets());
    }

    // A handle that is dropped.
    let kept = Kept::new(16);
    let upload = kept.start(true);
    kept.peer.wait_for("Cancel-Session", 1);
    drop(upload);
    taken(&kept.client);
    kept.latch.open();
    is_silent(&kept.peer);
    assert_eq!(kept.peer.count("Create-Session"), 1, "{:?}", kept.peer.packets());
}

#[test]
fn a_queued_continuation_that_is_cancelled_deletes_its_session() {
    let _rule = bitsup_server::rule!("CAN-01");
    let kept = Kept::new(1);
    let slow = start(&kept.client, &kept.peer.raw.url("/slow"), &payload(10), options());
    kept.peer.wait_for("Fragment", 3);
    let upload = kept.start(false);
    wait_for_state(&upload, UploadState::Queued);
    upload.cancel(CancelMode::Delete);
    kept.peer.wait_for("Cancel-Session", 1);
    kept.latch.open();
    assert_eq!(ended(&upload).expect_err("cancelled").kind(), ErrorKind::Cancelled);
    ended(&slow).expect("uploaded");
    assert_eq!(kept.peer.open_sessions(), 0);
    assert!(kept.client.sessions().expect("listed").is_empty());
    // The turns are counted right: others still get theirs.
    let url = |number| kept.peer.raw.url(&format!("/up/{number}.bin"));
    let more: Vec<_> =
        (0..3).map(|number| start(&kept.client, &url(number), &payload(10), options())).collect();
    for upload in &more {
        ended(upload).expect("uploaded");
    }
}

#[test]
fn a_dropped_handle_cancels_what_nobody_could_find_again() {
    let _rule = bitsup_server::rule!("CAN-01");
    let peer = Peer::start(|call| match call.packet {
        "Fragment" => Turn::Answer(Reply::hang()),
        _ => Turn::Serve,
    });
    let client = Client::new().expect("client");
    let upload = start(&client, &peer.url(), &payload(10), options());
    peer.wait_for("Fragment", 1);
    drop(upload);
    peer.wait_for("Cancel-Session", 1);
    assert!(peer.raw.wait_until(PATIENCE, |_| peer.open_sessions() == 0));
}
