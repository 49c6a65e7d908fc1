import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** Uploads any number of files at a time with the BITS Upload Protocol, through libbitsup. Any thread may use it. */
public final class Bitsup implements AutoCloseable {
  /** Progress of an upload; acknowledged bytes are safe on the server. etaMillis is -1 if it cannot be told. */
  public record Progress(long total, long acknowledged, long sent, long rate, long etaMillis, String state, int attempt) {}

  /** What is known about a complete upload; texts that there are not are null. */
  public record Receipt(String url, long size, String sessionId, long millis, long fragments, long retries,
      boolean closeConfirmed, boolean verified, String sha256, String replyUrl, String warnings) {}

  /** Why there is no such file on the server. */
  @SuppressWarnings("serial")
  public static final class Failure extends IOException {
    /** The kind of failure, such as "REFUSED", and the likely next step. */
    public final String status, advice;
    /** What the server said; 0 if nothing. */
    public final int httpStatus, hresult;
    /** Whether the server still holds what was sent. */
    public final boolean resumable;

    private Failure(int status, Pointer error) {
      super(C.bitsup_error_message(error));
      this.status = C.bitsup_status_name(status);
      advice = C.bitsup_error_advice(error);
      httpStatus = C.bitsup_error_http_status(error);
      hresult = C.bitsup_error_hresult(error);
      resumable = C.bitsup_error_resumable(error) != 0;
      C.bitsup_error_free(error);
    }
  }

  /** The functions of bitsup.h, for 64-bit systems: a size_t is a long. */
  private interface Functions extends Library {
    String bitsup_version();
    String bitsup_features_text();
    String bitsup_status_name(int status);
    String bitsup_state_name(int state);
    int bitsup_client_new(Pointer config, PointerByReference client, PointerByReference error);
    void bitsup_client_free(Pointer client);
    Pointer bitsup_options_new();
    int bitsup_option_by_name(String name);
    int bitsup_option_info(int option, CFacts facts, PointerByReference error);
    int bitsup_options_set_by_name(Pointer options, String name, String value, PointerByReference error);
    int bitsup_options_set_on_progress(Pointer options, OnProgress callback, Pointer userdata, Pointer destroy, PointerByReference error);
    void bitsup_options_free(Pointer options);
    int bitsup_upload_start(Pointer client, String path, String url, Pointer options, PointerByReference upload, PointerByReference error);
    int bitsup_upload_start_memory(Pointer client, Pointer data, long length, String url, Pointer options, PointerByReference upload, PointerByReference error);
    int bitsup_upload_wait(Pointer upload, long timeoutMs, PointerByReference error);
    int bitsup_upload_suspend(Pointer upload, PointerByReference error);
    int bitsup_upload_resume(Pointer upload, PointerByReference error);
    int bitsup_upload_cancel(Pointer upload, PointerByReference error);
    int bitsup_upload_receipt(Pointer upload, CReceipt receipt, PointerByReference error);
    void bitsup_upload_free(Pointer upload);
    int bitsup_session_create(Pointer client, String url, long size, String name, Pointer options, PointerByReference session, PointerByReference error);
    String bitsup_session_id(Pointer session);
    int bitsup_session_send(Pointer session, Pointer data, long length, LongByReference nextOffset, PointerByReference error);
    int bitsup_session_close(Pointer session, PointerByReference error);
    int bitsup_session_cancel(Pointer session, PointerByReference error);
    void bitsup_session_free(Pointer session);
    String bitsup_error_message(Pointer error);
    String bitsup_error_advice(Pointer error);
    int bitsup_error_http_status(Pointer error);
    int bitsup_error_hresult(Pointer error);
    int bitsup_error_resumable(Pointer error);
    void bitsup_error_free(Pointer error);
  }

  private interface OnProgress extends Callback {
    int invoke(Pointer userdata, Pointer upload, CProgress progress);
  }

  @Structure.FieldOrder({"struct_size", "total", "acknowledged", "sent", "rate", "eta_ms", "retry_ms", "state", "attempt"})
  public static final class CProgress extends Structure implements Structure.ByReference {
    public long struct_size, total, acknowledged, sent, rate, eta_ms, retry_ms;
    public int state, attempt;
  }

  @Structure.FieldOrder({"struct_size", "url", "size", "session_id", "duration_ms", "fragments", "retries", "restarts",
      "unconfirmed_resends", "close_confirmed", "verified", "skipped", "sha256", "reply_path", "reply", "reply_size", "reply_url", "warnings"})
  public static final class CReceipt extends Structure {
    public long struct_size = size(), size, duration_ms, fragments, retries, reply_size;
    public int restarts, unconfirmed_resends, close_confirmed, verified, skipped;
    public String url, session_id, sha256, reply_path, reply_url, warnings;
    public Pointer reply;
  }

  /** The part that is used here. */
  @Structure.FieldOrder({"struct_size", "id", "kind"})
  public static final class CFacts extends Structure {
    public long struct_size = size();
    public int id, kind;
  }

  private static final Functions C = Native.load("libbitsup.so.0", Functions.class, Map.of(Library.OPTION_STRING_ENCODING, "UTF-8"));
  private static final int PENDING = 1;
  /** A kind of options. */
  private static final int DURATION = 5;
  /** The first of the states at the end. */
  private static final int DONE = 10;

  /** A call whose last argument is the place for an error. */
  private interface Call {
    int run(PointerByReference error);
  }

  /** Whether the call is done, instead of pending. */
  private static boolean check(Call call) throws Failure {
    var error = new PointerByReference();
    int status = call.run(error);
    if (status > PENDING) throw new Failure(status, error.getValue());
    return status != PENDING;
  }

  /** What takes options and gives an object. */
  private interface Maker {
    int run(Pointer options, PointerByReference made, PointerByReference error);
  }

  /**
   * Makes an object with options by name: fragment_size is BITSUP_OPTION_FRAGMENT_SIZE. A value is a text as the tool takes
   * it, a number in the unit of bitsup.h, a Boolean, a Duration, or an Iterable of texts for a list.
   */
  private static Pointer make(Map<String, ?> values, OnProgress callback, Maker maker) throws Failure {
    Pointer options = C.bitsup_options_new();
    try {
      values.forEach((name, value) -> {
        var facts = new CFacts();
        C.bitsup_option_info(C.bitsup_option_by_name(name), facts, null);
        String unit = value instanceof Duration || value instanceof Number && facts.kind == DURATION ? "ms" : "";
        for (Object each : value instanceof Iterable<?> list ? list : List.of(value))
          C.bitsup_options_set_by_name(options, name, (each instanceof Duration time ? time.toMillis() : each) + unit, null);
      });
      C.bitsup_options_set_on_progress(options, callback, null, null, null);
      var place = new PointerByReference();
      check(error -> maker.run(options, place, error));
      return place.getValue();
    } finally {
      C.bitsup_options_free(options);
    }
  }

  private final Pointer client;

  public Bitsup() throws Failure {
    client = make(Map.of(), null, C::bitsup_client_new);
  }

  public static String version() {
    return C.bitsup_version();
  }

  /** What this build has, with the versions of libcurl and the TLS library. */
  public static String features() {
    return C.bitsup_features_text();
  }

  /** Uploads a file and waits for the end; interrupting the thread tells the server to delete what it has. */
  public Receipt upload(String path, String url, Map<String, ?> options, Predicate<Progress> listener) throws Failure, InterruptedException {
    try (var upload = start(path, url, options, listener)) {
      return upload.await();
    }
  }

  /** Starts to upload a file. The listener, if any, is called on a thread of the client; false from it stops the upload. */
  public Upload start(String path, String url, Map<String, ?> options, Predicate<Progress> listener) throws Failure {
    return new Upload(null, listener, options, (o, place, error) -> C.bitsup_upload_start(client, path, url, o, place, error));
  }

  /** Starts to upload bytes. */
  public Upload start(byte[] data, String url, Map<String, ?> options, Predicate<Progress> listener) throws Failure {
    var memory = new Memory(Math.max(data.length, 1));
    memory.write(0, data, 0, data.length);
    return new Upload(memory, listener, options,
        (o, place, error) -> C.bitsup_upload_start_memory(client, memory, data.length, url, o, place, error));
  }

  /** Sends Create-Session; the packets that follow are sent one by one, and nothing is tried again. */
  public Session session(String url, long size, Map<String, ?> values) throws Failure {
    return new Session(make(values, null, (o, place, error) -> C.bitsup_session_create(client, url, size, null, o, place, error)));
  }

  /** Ends the client and all that still runs. */
  @Override
  public void close() {
    C.bitsup_client_free(client);
  }

  /** An upload under way, or one that has ended. */
  public static final class Upload implements AutoCloseable {
    private final Pointer upload;
    private final Memory memory;
    /** Kept here, since the library calls it until close. */
    private final OnProgress callback;
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile RuntimeException thrown;

    private Upload(Memory memory, Predicate<Progress> listener, Map<String, ?> values, Maker maker) throws Failure {
      this.memory = memory;
      callback = (userdata, upload, p) -> {
        try {
          boolean goOn = listener == null || listener.test(new Progress(p.total, p.acknowledged, p.sent, p.rate,
              p.eta_ms, C.bitsup_state_name(p.state), p.attempt));
          return goOn ? 0 : 1;
        } catch (RuntimeException exception) {
          thrown = exception;
          return 1;
        } finally {
          if (p.state >= DONE) ended.countDown();
        }
      };
      upload = make(values, callback, maker);
    }

    /** Waits for the end. */
    public Receipt await() throws Failure, InterruptedException {
      try {
        // The listener's last call is the end; there is none if the client was closed before.
        while (!ended.await(1, TimeUnit.SECONDS) && !check(error -> C.bitsup_upload_wait(upload, 0, error))) {}
        check(error -> C.bitsup_upload_wait(upload, 0, error));
      } catch (InterruptedException interrupt) {
        cancel();
        throw interrupt;
      } catch (Failure failure) {
        if (thrown != null) throw thrown;
        throw failure;
      }
      var r = new CReceipt();
      check(error -> C.bitsup_upload_receipt(upload, r, error));
      return new Receipt(r.url, r.size, r.session_id, r.duration_ms, r.fragments, r.retries, r.close_confirmed != 0,
          r.verified != 0, r.sha256, r.reply_url, r.warnings);
    }

    public void suspend() {
      C.bitsup_upload_suspend(upload, null);
    }

    public void resume() {
      C.bitsup_upload_resume(upload, null);
    }

    /** Stops, and tells the server to delete what it has. */
    public void cancel() {
      C.bitsup_upload_cancel(upload, null);
    }

    /** Frees the upload, and stops it if it still runs. */
    @Override
    public void close() {
      C.bitsup_upload_free(upload);
      if (memory != null) memory.close();
    }
  }

  /** Sends the packets of one upload. */
  public static final class Session implements AutoCloseable {
    private final Pointer session;

    private Session(Pointer session) {
      this.session = session;
    }

    public String id() {
      return C.bitsup_session_id(session);
    }

    /** Sends a Fragment; gives where the server wants to continue. */
    public long send(byte[] data, int offset, int length) throws Failure {
      try (var memory = new Memory(length)) {
        memory.write(0, data, offset, length);
        var next = new LongByReference();
        check(error -> C.bitsup_session_send(session, memory, length, next, error));
        return next.getValue();
      }
    }

    /** Sends Close-Session: afterwards the server has confirmed the file. */
    public void finish() throws Failure {
      check(error -> C.bitsup_session_close(session, error));
    }

    /** Sends Cancel-Session: the server deletes what it has. */
    public void cancel() throws Failure {
      check(error -> C.bitsup_session_cancel(session, error));
    }

    /** Frees the session and sends nothing. */
    @Override
    public void close() {
      C.bitsup_session_free(session);
    }
  }
}
