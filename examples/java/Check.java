import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Tests the wrapper: java Check SCENARIO URL FILE. The caller checks the server afterwards. */
public final class Check {
  private static String url, file;

  private static void must(boolean right, Object what) {
    if (!right) throw new AssertionError(what);
  }

  /** Runs what must fail. */
  private interface Attempt {
    Object run() throws Exception;
  }

  private static Bitsup.Failure fails(String status, Attempt attempt) throws Exception {
    try {
      throw new AssertionError(attempt.run());
    } catch (Bitsup.Failure failure) {
      must(failure.status.equals(status), failure.status + ": " + failure.getMessage());
      return failure;
    }
  }

  public static void main(String[] arguments) throws Exception {
    url = arguments[1];
    file = arguments[2];
    try (var client = new Bitsup()) {
      switch (arguments[0]) {
        case "upload" -> upload(client);
        case "progress" -> progress(client);
        case "refused" -> refused(client);
        case "lost" -> lost(client);
        case "cancel" -> cancel(client);
        case "packets" -> packets(client);
        case "many" -> many(client);
        default -> throw new AssertionError(arguments[0]);
      }
    }
  }

  private static void upload(Bitsup client) throws Exception {
    must(Bitsup.version().matches("\\d+\\.\\d+\\.\\d+.*"), Bitsup.version());
    must(Bitsup.features().contains("libcurl"), Bitsup.features());
    var receipt = client.upload(file, url, Map.of(), null);
    must(receipt.url().equals(url) && receipt.size() == 600_000 && receipt.closeConfirmed() && receipt.sessionId() != null, receipt);
  }

  private static void progress(Bitsup client) throws Exception {
    var seen = new ArrayList<Bitsup.Progress>();
    client.upload(file, url, Map.of("fragment_size", 65536), seen::add);
    for (int at = 1; at < seen.size(); at++) {
      var now = seen.get(at);
      must(now.acknowledged() >= seen.get(at - 1).acknowledged() && now.sent() >= now.acknowledged(), seen);
    }
    var last = seen.get(seen.size() - 1);
    must(seen.size() > 2 && last.acknowledged() == 600_000 && last.total() == 600_000 && last.state().equals("done"), seen);
  }

  private static void refused(Bitsup client) throws Exception {
    var failure = fails("REFUSED", () -> client.upload(file, url, Map.of(), null));
    must(failure.httpStatus == 403 && failure.hresult == 0x80070005, failure);
    must(!failure.getMessage().isEmpty() && !failure.advice.isEmpty() && !failure.resumable, failure);
    failure = fails("UNSUPPORTED", () -> client.upload(file, url, Map.of("fragment_sise", 1), null));
    must(failure.getMessage().endsWith("did you mean fragment_size?"), failure);
    fails("INVALID_ARGUMENT", () -> client.upload(file, url, Map.of("fragment_size", Duration.ofSeconds(1)), null));
  }

  private static void lost(Bitsup client) throws Exception {
    // That number of seconds is more than the library takes.
    var options = Map.of("fragment_size", 65536, "retry_delay", "10ms", "max_retry_delay", Duration.ofMillis(50),
        "give_up_after", 4_000_000_000L, "lenient", false, "resolve", List.of("a.example:80:127.0.0.1", "b.example:80:127.0.0.2"));
    var receipt = client.upload(file, url, options, null);
    must(receipt.retries() >= 3, receipt);
  }

  private static void cancel(Bitsup client) throws Exception {
    var options = Map.of("fragment_size", 65536);
    var begun = new java.util.concurrent.CountDownLatch(1);
    try (var upload = client.start(file, url, options, progress -> {
      if (progress.acknowledged() > 0) begun.countDown();
      return true;
    })) {
      begun.await();
      upload.cancel();
      fails("CANCELLED", upload::await);
    }
    // What a listener throws comes out of the upload.
    try {
      client.upload(file, url + ".thrown", options, progress -> {
        throw new IllegalStateException("enough");
      });
      throw new AssertionError("nothing was thrown");
    } catch (IllegalStateException expected) {
      must(expected.getMessage().equals("enough"), expected);
    }
  }

  private static void packets(Bitsup client) throws Exception {
    byte[] data = Files.readAllBytes(Path.of(file));
    try (var session = client.session(url, data.length, Map.of())) {
      must(!session.id().isEmpty(), session.id());
      for (int offset = 0; offset < data.length;) {
        int length = Math.min(250_000, data.length - offset);
        must(session.send(data, offset, length) == offset + length, offset);
        offset += length;
      }
      session.finish();
    }
    try (var session = client.session(url + ".cancelled", 1000, Map.of())) {
      session.send(data, 0, 500);
      fails("INVALID_ARGUMENT", () -> {
        session.finish();
        return null;
      });
      session.cancel();
    }
  }

  private static void many(Bitsup client) throws Exception {
    byte[] data = Arrays.copyOf(Files.readAllBytes(Path.of(file)), 32 * 1024);
    for (int number = 1; number <= 1000; number++) {
      try (var upload = client.start(data, url + "." + (number - 1), Map.of("reply_memory", 65536), progress -> true)) {
        upload.await();
      }
      if (number % 20 == 0) {
        System.gc();
        System.out.println(number);
      }
    }
  }
}
