use bitsup_proto::session::{
    CancelMode, Exchange, Failure, FailureClass, Notice, Outcome, Sent, State,
};
use bitsup_proto::verify::Head;
use bitsup_proto::{Ack, ErrorKind};

use super::*;

const NOW: Moment = Moment { monotonic: Duration::ZERO, unix: 0, random: 0 };

fn after(time: Duration) -> Moment {
    Moment { monotonic: time, ..NOW }
}

fn client(limit: usize) -> ClientState {
    ClientState::new(Hosts::new(Parallelism::fixed(limit), usize::MAX))
}

fn config() -> Config {
    Config { size: 10, ..Config::default() }
}

fn upload(id: u64, client: &mut ClientState) -> UploadDriver {
    UploadDriver::new(TaskId(id), "h".into(), config(), Opening::New, client, NOW)
}

fn kept() -> Checkpoint {
    let kept = r#"{"session_id":"{kept}","created":0,"size":10,"offset":0}"#;
    serde_json::from_str(kept).expect("a checkpoint")
}

/// The request that the next step begins.
fn begun(driver: &mut UploadDriver) -> PendingRequest {
    match driver.poll(NOW) {
        Step::Begin(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Starts what the next step begins.
fn started(driver: &mut UploadDriver) -> ExchangeId {
    let request = begun(driver);
    driver.start(request, None, NOW).expect("few requests")
}

fn created(driver: &mut UploadDriver) {
    let id = started(driver);
    let headers = [("BITS-Packet-Type", "Ack"), ("BITS-Session-Id", "{one}")];
    let ack = Ack::parse(200, headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let post = driver.handle_ack(id, &ack, Exchange::default(), NOW).expect("under way");
    assert!(matches!(post, PostAck::Created(_)));
}

#[test]
fn a_pause_gives_the_slot_to_the_next_and_waits_for_another() {
    let mut client = client(1);
    let (mut one, mut next) = (upload(1, &mut client), upload(2, &mut client));
    assert!(one.has_slot() && next.stage() == Stage::Queued);
    assert!(one.suspend(&mut client, NOW));
    assert_eq!((one.has_slot(), client.hosts.next_admitted()), (false, Some(TaskId(2))));
    assert!(next.admit(&mut client, NOW) && next.has_slot());
    one.resume(&mut client, NOW);
    assert!(one.is_returning() && !one.has_slot());
    assert!(next.end(&mut client) && !next.end(&mut client));
    assert_eq!(client.hosts.next_admitted(), Some(TaskId(1)));
}

#[test]
fn a_pause_in_the_precheck_gives_the_slot_up() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client).with_precheck(true);
    assert_eq!(driver.stage(), Stage::Precheck);
    let id = started(&mut driver);
    driver.suspend(&mut client, NOW);
    assert!(!driver.has_slot() && client.hosts.acquire("h", TaskId(2)), "the slot is free");
    // The answer comes while it waits for another slot; then it is not asked again.
    driver.resume(&mut client, NOW);
    assert!(!driver.handle_precheck(id, Head { status: 404, ..Head::default() }, false));
    assert_eq!(driver.stage(), Stage::Queued);
    client.hosts.release("h");
    assert_eq!(client.hosts.next_admitted(), Some(TaskId(1)));
    assert!(driver.admit(&mut client, NOW));
    assert_eq!(driver.stage(), Stage::Running);
}

#[test]
fn a_source_that_fails_before_the_precheck_ends_the_upload_in_a_pause_too() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client).with_precheck(true);
    assert!(driver.fail_source(Error::new(ErrorKind::LocalFile, "gone"), NOW));
    driver.suspend(&mut client, NOW);
    while !matches!(driver.poll(NOW), Step::Finish(Ending::Session(Outcome::Failed(_)))) {
        assert!(!driver.is_deferring());
    }
}

#[test]
fn the_limit_on_an_uploads_time_ends_a_precheck() {
    let mut client = client(1);
    let config = Config { max_time: Some(Duration::from_secs(1)), ..config() };
    let driver = UploadDriver::new(TaskId(1), "h".into(), config, Opening::New, &mut client, NOW);
    let mut driver = driver.with_precheck(true);
    // Its time runs from the resumption on.
    driver.fail_source(Error::new(ErrorKind::LocalFile, "gone"), NOW);
    driver.resume(&mut client, NOW);
    started(&mut driver);
    assert!(matches!(driver.poll(NOW), Step::Wait(None)));
    let later = after(Duration::from_secs(1));
    assert_eq!(driver.deadline(), Some(later.monotonic));
    assert!(matches!(driver.poll(later), Step::Abort(Some(PendingRequest::Precheck))));
    let error = loop {
        match driver.poll(later) {
            Step::Finish(Ending::Session(Outcome::Failed(error))) => break error,
            Step::Store(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(error.kind(), ErrorKind::LimitReached);
}

#[test]
fn only_a_whole_file_of_the_same_size_exists_already() {
    let heads = [
        (Head { status: 200, content_length: Some(10), ..Head::default() }, true),
        (Head { status: 200, content_length: Some(9), ..Head::default() }, false),
        (Head { status: 200, content_length: Some(10), encoded: true, ..Head::default() }, false),
        (Head { status: 404, content_length: Some(10), ..Head::default() }, false),
    ];
    for (head, exists) in heads {
        let mut driver = upload(1, &mut client(1)).with_precheck(true);
        let id = started(&mut driver);
        assert_eq!(driver.handle_precheck(id, head, false), exists);
        assert_eq!(driver.stage(), Stage::Running);
    }
}

#[test]
fn a_pause_while_a_kept_session_is_cancelled_gives_the_slot_up_afterwards() {
    let mut client = client(1);
    let opening = Opening::CancelFirst(kept(), AfterCancel::Upload);
    let mut driver = UploadDriver::new(TaskId(1), "h".into(), config(), opening, &mut client, NOW);
    driver.suspend(&mut client, NOW);
    assert!(driver.has_slot() && !client.hosts.acquire("h", TaskId(2)));
    driver.start_upload(config(), &mut client, NOW);
    assert_eq!((driver.has_slot(), client.hosts.next_admitted()), (false, Some(TaskId(2))));
}

#[test]
fn an_upload_that_is_over_takes_no_slot_any_more() {
    let mut client = client(1);
    let (mut one, mut next) = (upload(1, &mut client), upload(2, &mut client));
    one.suspend(&mut client, NOW);
    assert!(next.admit(&mut client, NOW) && next.end(&mut client));
    assert!(one.end(&mut client));
    one.resume(&mut client, NOW);
    assert_eq!(one.stage(), Stage::Finishing);
    assert!(client.hosts.acquire("h", TaskId(3)), "the slot is free");
}

#[test]
fn all_is_told_and_stored_before_the_next_packet_goes_out() {
    let mut driver = upload(1, &mut client(1));
    created(&mut driver);
    assert!(matches!(driver.poll(NOW), Step::Tell(Notice::SessionCreated)));
    let PendingRequest::Packet(request) = begun(&mut driver) else { panic!("no packet") };
    assert_eq!(request.packet, PacketType::Fragment);
    assert!(matches!(driver.poll(NOW), Step::Wait(None)));
}

#[test]
fn what_is_deferred_is_offered_once_a_round_and_not_in_a_pause() {
    for prechecks in [false, true] {
        let mut client = client(1);
        let mut driver = upload(1, &mut client).with_precheck(prechecks);
        let request = begun(&mut driver);
        assert_eq!(request == PendingRequest::Precheck, prechecks);
        for _ in 0..2 {
            driver.defer(request.clone());
            assert!(matches!(driver.poll(NOW), Step::Wait(None)));
            assert_eq!(begun(&mut driver), request);
        }
        driver.defer(request.clone());
        driver.suspend(&mut client, NOW);
        for _ in 0..3 {
            assert!(matches!(driver.poll(NOW), Step::Wait(None)));
        }
        driver.resume(&mut client, NOW);
        assert_eq!(begun(&mut driver), request);
    }
}

#[test]
fn what_is_deferred_is_given_up_with_the_upload() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client);
    let request = begun(&mut driver);
    driver.defer(request);
    assert!(driver.is_deferring());
    assert!(driver.cancel(CancelMode::Keep, &mut client, NOW));
    assert!(matches!(driver.poll(NOW), Step::Abort(_)));
    assert!(!driver.is_deferring());
    let Step::Finish(Ending::Session(Outcome::Cancelled { .. })) = driver.poll(NOW) else {
        panic!("no end")
    };
}

#[test]
fn the_end_of_an_exchange_that_is_no_longer_current_is_dropped() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client);
    created(&mut driver);
    driver.poll(NOW);
    let late = started(&mut driver);
    driver.suspend(&mut client, NOW);
    driver.cancel(CancelMode::Delete, &mut client, NOW);
    while !matches!(driver.poll(NOW), Step::Abort(_)) {}
    assert!(!driver.is_current(late));
    let cancel = started(&mut driver);
    let before = driver.session().state();
    let lost = Failure::new(FailureClass::Transport, Sent::Nothing, "lost");
    assert_eq!(driver.handle_failure(late, &lost, NOW), Ok(()));
    let ack = Ack::parse(200, std::iter::empty());
    assert!(matches!(
        driver.handle_ack(late, &ack, Exchange::default(), NOW),
        Ok(PostAck::Nothing)
    ));
    assert_eq!((driver.session().state(), before), (State::Cancel, State::Cancel));
    assert!(driver.is_current(cancel));
}

#[test]
fn what_completes_the_file_waits_for_comparisons_and_close_for_its_intent() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client).with_intent();
    created(&mut driver);
    driver.poll(NOW);
    driver.comparison_started();
    let request = begun(&mut driver);
    assert!(matches!(driver.check(&request), Readiness::Wait), "it is the last Fragment");
    driver.comparison_ended();
    assert!(matches!(driver.check(&request), Readiness::Now));
    let id = driver.start(request, None, NOW).expect("few requests");
    let headers = [("BITS-Packet-Type", "Ack"), ("BITS-Received-Content-Range", "10")];
    let ack = Ack::parse(200, headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let exchange = Exchange { sent: Sent::Body(10), ..Exchange::default() };
    driver.handle_ack(id, &ack, exchange, NOW).expect("under way");
    assert!(matches!(driver.poll(NOW), Step::Store(_)));
    assert!(matches!(driver.poll(NOW), Step::Store(_)), "that it is about to be closed");
    let close = begun(&mut driver);
    let Readiness::StoreIntent(checkpoint) = driver.check(&close) else { panic!("not stored") };
    assert!(checkpoint.closing && matches!(driver.check(&close), Readiness::Wait));
    driver.intent_stored(checkpoint.session_id);
    assert!(matches!(driver.check(&close), Readiness::Now));
}

#[test]
fn a_server_that_answers_for_ever_is_not_hammered() {
    let mut driver = upload(1, &mut client(1));
    let request = begun(&mut driver);
    driver.count_requests(MAX_REQUESTS - MAX_LOGIN_REQUESTS + 1);
    assert!(driver.start(request, None, NOW).is_none());
    while let Step::Tell(_) = driver.poll(NOW) {}
    let Step::Wait(Some(until)) = driver.poll(NOW) else { panic!("it goes on at once") };
    assert!(until > Duration::ZERO);
    assert!(matches!(driver.poll(after(until)), Step::Begin(_)));
}

#[test]
fn an_upload_whose_handle_is_gone_ends_soon() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client);
    created(&mut driver);
    driver.abandon(false, &mut client, NOW);
    while !matches!(driver.poll(NOW), Step::Begin(_)) {}
    driver.start(PendingRequest::Head, None, NOW);
    assert_eq!(driver.deadline(), Some(ABANDON_LIMIT));
    let end = after(ABANDON_LIMIT);
    assert!(matches!(driver.poll(end), Step::Abort(_)));
    let Step::Finish(Ending::Error(error)) = driver.poll(end) else { panic!("no end") };
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn an_error_outlives_the_cancel_of_its_session() {
    let mut client = client(1);
    let error = Error::new(ErrorKind::SourceChanged, "other bytes");
    let opening = Opening::CancelFirst(kept(), AfterCancel::Fail(error.clone()));
    let mut driver = UploadDriver::new(TaskId(1), "h".into(), config(), opening, &mut client, NOW);
    let id = started(&mut driver);
    let ack = Ack { is_ack: true, ..Ack::parse(200, std::iter::empty()) };
    driver.handle_ack(id, &ack, Exchange::default(), NOW).expect("under way");
    let Step::Finish(Ending::Error(told)) = driver.poll(NOW) else { panic!("no end") };
    assert_eq!(told, error);
}

#[test]
fn what_is_not_certain_to_be_the_source_is_sent_anew() {
    let mut client = client(1);
    let opening = Opening::Resume(kept(), Proof::Pending);
    let mut driver = UploadDriver::new(TaskId(1), "h".into(), config(), opening, &mut client, NOW);
    let ping = started(&mut driver);
    let ack = Ack { is_ack: true, ..Ack::parse(200, std::iter::empty()) };
    driver.handle_ack(ping, &ack, Exchange::default(), NOW).expect("under way");
    let probe = started(&mut driver);
    let ack =
        Ack { offset: bitsup_proto::ack::Offset::At(7), ..Ack::parse(416, std::iter::empty()) };
    driver.handle_ack(probe, &ack, Exchange::default(), NOW).expect("under way");
    let mut told = false;
    loop {
        match driver.poll(NOW) {
            Step::TellUnproven => told = true,
            Step::Begin(PendingRequest::Packet(request)) => {
                assert_eq!(request.packet, PacketType::CancelSession);
                break;
            }
            Step::Tell(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(told && driver.restarts() == 1 && driver.cancels_first());
}

#[test]
fn a_precheck_that_was_deferred_is_not_made_beside_the_upload() {
    let mut client = client(1);
    let mut driver = upload(1, &mut client).with_precheck(true);
    let request = begun(&mut driver);
    driver.defer(request);
    driver.fail_source(Error::new(ErrorKind::LocalFile, "gone"), NOW);
    while !matches!(driver.poll(NOW), Step::Finish(_)) {}
    assert!(driver.resume(&mut client, NOW));
    started(&mut driver);
    assert!(matches!(driver.poll(NOW), Step::Wait(None)));
}

fn single(packet: PacketType) -> SinglePacket {
    let (session, name, range, host) = (None, None, None, None);
    SinglePacket { packet, session, name, range, host, answer_limit: Duration::from_secs(1) }
}

fn answered(driver: &mut UploadDriver, id: ExchangeId, status: u16) -> PostAck {
    let ack = Ack { is_ack: true, ..Ack::parse(status, std::iter::empty()) };
    driver.handle_ack(id, &ack, Exchange::default(), NOW).expect("under way")
}

#[test]
fn a_single_packet_goes_out_once_and_its_answer_is_told() {
    let mut driver = UploadDriver::for_packets(TaskId(1), "h".into(), (false, false));
    assert!(matches!(driver.poll(NOW), Step::Wait(None)));
    for (status, expected) in [
        (200, Meaning::Success),
        (401, Meaning::Challenge { proxy: false }),
        (407, Meaning::Challenge { proxy: true }),
    ] {
        driver.send_packet(single(PacketType::Ping));
        let id = started(&mut driver);
        assert!(matches!(driver.poll(NOW), Step::Wait(None)), "one exchange at a time");
        let PostAck::Answered(meaning) = answered(&mut driver, id, status) else { panic!() };
        assert_eq!(meaning, expected);
        assert!(matches!(driver.poll(NOW), Step::Wait(None)), "nothing is tried again");
    }
    driver.send_packet(single(PacketType::Ping));
    let id = started(&mut driver);
    let lost = Failure::new(FailureClass::Transport, Sent::Nothing, "lost");
    assert_eq!(driver.handle_failure(id, &lost, NOW), Ok(()));
    assert!(matches!(driver.poll(NOW), Step::Wait(None)), "nothing is tried again");
}

#[test]
fn a_challenge_to_a_single_packet_is_answered_once_and_the_next_one_shows_the_credentials() {
    let mut driver = UploadDriver::for_packets(TaskId(1), "h".into(), (true, false));
    driver.send_packet(single(PacketType::Ping));
    let id = started(&mut driver);
    assert!(matches!(answered(&mut driver, id, 401), PostAck::Nothing));
    for status in [200, 401] {
        let PendingRequest::Packet(request) = begun(&mut driver) else { panic!("no packet") };
        assert!(request.authorize);
        let id = driver.start(PendingRequest::Packet(request), None, NOW).expect("few");
        assert!(matches!(answered(&mut driver, id, status), PostAck::Answered(_)));
        driver.send_packet(single(PacketType::Ping));
    }
    let PendingRequest::Packet(request) = begun(&mut driver) else { panic!("no packet") };
    assert!(!request.authorize, "they were refused");
}

#[test]
fn a_single_packet_that_the_caller_gives_up_leaves_nothing() {
    let mut driver = UploadDriver::for_packets(TaskId(1), "h".into(), (true, true));
    driver.send_packet(single(PacketType::Ping));
    let id = started(&mut driver);
    driver.abort_packet();
    assert!(matches!(answered(&mut driver, id, 200), PostAck::Nothing), "it is dropped");
    driver.send_packet(single(PacketType::Ping));
    let next = started(&mut driver);
    assert!(next != id && driver.is_current(next));
}

/// An earlier process sent other bytes, which may arrive late: that the server has got as far as this process has sent
/// is no proof that it has this process's bytes.
#[test]
fn after_a_change_of_the_source_only_what_was_taken_as_sent_counts() {
    use bitsup_proto::ack::Offset;
    for (status, counts) in [(200, true), (416, false)] {
        let mut client = client(1);
        let opening = Opening::Resume(kept(), Proof::Pending);
        let mut driver =
            UploadDriver::new(TaskId(1), "h".into(), config(), opening, &mut client, NOW);
        for (status, offset) in
            [(200, Offset::Absent), (416, Offset::At(0)), (status, Offset::At(10))]
        {
            let id = loop {
                match driver.poll(NOW) {
                    Step::Begin(request) => break driver.start(request, None, NOW),
                    Step::Tell(_) | Step::Store(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            let ack = Ack { is_ack: true, offset, ..Ack::parse(status, std::iter::empty()) };
            let whole = Exchange { sent: Sent::Body(u64::MAX), ..Exchange::default() };
            driver.handle_ack(id.expect("few requests"), &ack, whole, NOW).expect("under way");
        }
        let unproven = loop {
            match driver.poll(NOW) {
                Step::TellUnproven => break true,
                Step::Tell(_) | Step::Store(_) => {}
                Step::Begin(_) => break false,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(unproven, !counts, "{status}");
    }
}
