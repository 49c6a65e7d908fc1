using System;
using System.Threading;
using Bitsup;

/// <summary>Uploads a file: upload FILE URL</summary>
static class Upload
{
    sealed class Line : IProgress<UploadProgress>
    {
        public void Report(UploadProgress p) => Console.Write($"\r{p.Acknowledged} of {p.Total} bytes, {p.State}   ");
    }

    static int Main(string[] arguments)
    {
        if (arguments.Length != 2)
        {
            Console.Error.WriteLine("usage: upload FILE URL");
            return 2;
        }
        var interrupt = new CancellationTokenSource();
        Console.CancelKeyPress += (sender, press) =>
        {
            press.Cancel = true;
            interrupt.Cancel(); // cancels, also on the server
        };
        try
        {
            using (var client = new Client())
            {
                var receipt = client.UploadAsync(arguments[0], arguments[1], null, new Line(), interrupt.Token).GetAwaiter().GetResult();
                Console.WriteLine($"\n{receipt.Url} has {receipt.Size} bytes");
                return 0;
            }
        }
        catch (BitsupException failure)
        {
            Console.Error.WriteLine($"upload: {failure.Message}\n{failure.Status}, 0x{failure.HResult:X8}\n{failure.Advice}");
            return 1;
        }
    }
}
