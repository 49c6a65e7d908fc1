using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Bitsup;

/// <summary>Tests the wrapper: check SCENARIO URL FILE. The caller checks the server afterwards.</summary>
static class Check
{
    static string url, file;

    sealed class Listener : IProgress<UploadProgress>
    {
        internal Action<UploadProgress> Action;

        public void Report(UploadProgress progress) => Action(progress);
    }

    static void Must(bool right, object what)
    {
        if (!right)
            throw new InvalidOperationException($"wrong: {what}");
    }

    static async Task<T> Fails<T>(Func<Task> attempt) where T : Exception
    {
        try
        {
            await attempt();
        }
        catch (T failure)
        {
            return failure;
        }
        throw new InvalidOperationException("it did not fail");
    }

    static int Main(string[] arguments)
    {
        url = arguments[1];
        file = arguments[2];
        var scenarios = new Dictionary<string, Func<Client, Task>>
        {
            ["upload"] = Upload, ["progress"] = Progress, ["refused"] = Refused, ["lost"] = Lost, ["cancel"] = Cancel,
            ["packets"] = Packets, ["many"] = Many,
        };
        using (var client = new Client())
            scenarios[arguments[0]](client).GetAwaiter().GetResult();
        return 0;
    }

    static async Task Upload(Client client)
    {
        Must(Client.Version.Split('.').Length == 3, Client.Version);
        Must(Client.Features.Contains("libcurl"), Client.Features);
        var receipt = await client.UploadAsync(file, url);
        Must(receipt.Url == url && receipt.Size == 600000 && receipt.CloseConfirmed && receipt.SessionId != null, receipt.Url);
    }

    static async Task Progress(Client client)
    {
        var seen = new List<UploadProgress>();
        var options = new Dictionary<string, object> { ["fragment_size"] = 65536, ["lenient"] = false };
        await client.UploadAsync(file, url, options, new Listener { Action = seen.Add });
        foreach (var pair in seen.Zip(seen.Skip(1), (before, now) => new { before, now }))
            Must(pair.now.Acknowledged >= pair.before.Acknowledged && pair.now.Sent >= pair.now.Acknowledged, pair.now.Sent);
        var last = seen.Last();
        Must(seen.Count > 2 && last.Acknowledged == 600000 && last.Total == 600000 && last.State == "done", last.State);
    }

    static async Task Refused(Client client)
    {
        var failure = await Fails<BitsupException>(() => client.UploadAsync(file, url));
        Must(failure.Status == "REFUSED" && failure.HttpStatus == 403 && failure.HResult == unchecked((int)0x80070005), failure);
        Must(failure.Message != "" && failure.Advice != "" && !failure.Resumable, failure);
        var options = new Dictionary<string, object> { ["fragment_sise"] = 1 };
        failure = await Fails<BitsupException>(() => client.UploadAsync(file, url, options));
        Must(failure.Status == "UNSUPPORTED" && failure.Message.EndsWith("did you mean fragment_size?"), failure);
        options = new Dictionary<string, object> { ["fragment_size"] = TimeSpan.FromSeconds(1) };
        failure = await Fails<BitsupException>(() => client.UploadAsync(file, url, options));
        Must(failure.Status == "INVALID_ARGUMENT", failure);
    }

    static async Task Lost(Client client)
    {
        var options = new Dictionary<string, object>
        {
            ["fragment_size"] = 65536, ["retry_delay"] = "10ms", ["max_retry_delay"] = TimeSpan.FromMilliseconds(50),
            // That number of seconds is more than the library takes.
            ["give_up_after"] = 4000000000, ["resolve"] = new[] { "a.example:80:127.0.0.1", "b.example:80:127.0.0.2" },
        };
        var receipt = await client.UploadAsync(file, url, options);
        Must(receipt.Retries >= 3, receipt.Retries);
    }

    static async Task Cancel(Client client)
    {
        var options = new Dictionary<string, object> { ["fragment_size"] = 65536 };
        var source = new CancellationTokenSource();
        var canceller = new Listener
        {
            Action = progress =>
            {
                if (progress.Acknowledged > 0)
                    source.Cancel();
            },
        };
        var failure = await Fails<BitsupException>(() => client.UploadAsync(file, url, options, canceller, source.Token));
        Must(failure.Status == "CANCELLED", failure);
        // What a listener throws comes out of the upload.
        var thrower = new Listener { Action = progress => throw new FormatException("enough") };
        await Fails<FormatException>(() => client.UploadAsync(file, url + ".thrown", options, thrower));
        // So does a fault, which the runtime learns of by a signal.
        Listener none = options.Count == 0 ? canceller : null;
        var nothing = new Listener { Action = progress => none.Action(progress) };
        await Fails<NullReferenceException>(() => client.UploadAsync(file, url + ".null", options, nothing));
    }

    static Task Packets(Client client)
    {
        var data = File.ReadAllBytes(file);
        using (var session = client.CreateSession(url, (ulong)data.Length))
        {
            Must(session.Id != "", session.Id);
            for (var offset = 0; offset < data.Length;)
            {
                var part = data.Skip(offset).Take(250000).ToArray();
                Must(session.Send(part) == (ulong)(offset + part.Length), offset);
                offset += part.Length;
            }
            session.Close();
        }
        using (var session = client.CreateSession(url + ".cancelled", 1000))
        {
            session.Send(data.Take(500).ToArray());
            var failure = Fails<BitsupException>(() => { session.Close(); return Task.CompletedTask; }).Result;
            Must(failure.Status == "INVALID_ARGUMENT", failure);
            session.Cancel();
        }
        return Task.CompletedTask;
    }

    static async Task Many(Client client)
    {
        var data = File.ReadAllBytes(file).Take(32 * 1024).ToArray();
        var options = new Dictionary<string, object> { ["reply_memory"] = 65536 };
        for (var number = 1; number <= 1000; number++)
        {
            await client.UploadAsync(data, $"{url}.{number - 1}", options, new Listener { Action = progress => { } });
            if (number % 20 == 0)
            {
                GC.Collect();
                Console.WriteLine(number);
            }
        }
    }
}
