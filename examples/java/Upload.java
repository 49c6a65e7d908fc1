import java.util.Map;

/** Uploads a file: java Upload FILE URL */
public final class Upload {
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length != 2) {
      System.err.println("usage: java Upload FILE URL");
      System.exit(2);
    }
    try (var client = new Bitsup()) {
      var receipt = client.upload(arguments[0], arguments[1], Map.of(), progress -> {
        System.out.printf("\r%d of %d bytes, %s   ", progress.acknowledged(), progress.total(), progress.state());
        return true;
      });
      System.out.printf("%n%s has %d bytes%n", receipt.url(), receipt.size());
    } catch (Bitsup.Failure failure) {
      System.err.printf("upload: %s%n%s, 0x%08X%n%s%n", failure.getMessage(), failure.status, failure.hresult, failure.advice);
      System.exit(1);
    }
  }
}
