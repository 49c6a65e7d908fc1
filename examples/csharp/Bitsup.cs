using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Bitsup
{
    /// <summary>Why there is no such file on the server.</summary>
    public sealed class BitsupException : IOException
    {
        /// <summary>The kind of failure, such as "REFUSED".</summary>
        public string Status { get; }
        /// <summary>The likely next step.</summary>
        public string Advice { get; }
        /// <summary>What the server said; 0 if nothing. HResult is the server's too.</summary>
        public uint HttpStatus { get; }
        /// <summary>Whether the server still holds what was sent.</summary>
        public bool Resumable { get; }

        internal BitsupException(int status, IntPtr error) : base(C.Text(C.bitsup_error_message(error)))
        {
            Status = C.Text(C.bitsup_status_name((uint)status));
            Advice = C.Text(C.bitsup_error_advice(error));
            HttpStatus = C.bitsup_error_http_status(error);
            HResult = unchecked((int)C.bitsup_error_hresult(error));
            Resumable = C.bitsup_error_resumable(error) != 0;
            C.bitsup_error_free(error);
        }
    }

    /// <summary>Progress of an upload; acknowledged bytes are safe on the server. EtaMilliseconds is -1 if it cannot be told.</summary>
    public sealed class UploadProgress
    {
        public ulong Total, Acknowledged, Sent, Rate;
        public long EtaMilliseconds;
        public string State;
        public uint Attempt;
    }

    /// <summary>What is known about a complete upload; texts that there are not are null.</summary>
    public sealed class Receipt
    {
        public string Url, SessionId, Sha256, ReplyUrl, Warnings;
        public ulong Size, Fragments, Retries;
        public TimeSpan Duration;
        public bool CloseConfirmed, Verified;
    }

    /// <summary>Uploads any number of files at a time with the BITS Upload Protocol, through libbitsup. Any thread may use it.</summary>
    public sealed class Client : IDisposable
    {
        readonly IntPtr client;

        public Client() => client = Make(null, IntPtr.Zero, C.bitsup_client_new);

        public static string Version => C.Text(C.bitsup_version());

        /// <summary>What this build has, with the versions of libcurl and the TLS library.</summary>
        public static string Features => C.Text(C.bitsup_features_text());

        /// <summary>
        /// Uploads a file. Cancelling tells the server to delete what it has. Progress is reported on a thread of the client.
        /// Options are named as in bitsup.h: fragment_size for BITSUP_OPTION_FRAGMENT_SIZE. A value is a text as the tool takes
        /// it, a number in the unit of bitsup.h, a bool, a TimeSpan, or a collection of texts for a list.
        /// </summary>
        public Task<Receipt> UploadAsync(string path, string url, IDictionary<string, object> options = null,
            IProgress<UploadProgress> progress = null, CancellationToken cancel = default(CancellationToken))
        {
            return RunAsync(options, progress, cancel, (IntPtr o, out IntPtr upload, out IntPtr error) =>
                C.bitsup_upload_start(client, C.Bytes(path), C.Bytes(url), o, out upload, out error));
        }

        /// <summary>Uploads bytes, which must not change meanwhile.</summary>
        public async Task<Receipt> UploadAsync(byte[] data, string url, IDictionary<string, object> options = null,
            IProgress<UploadProgress> progress = null, CancellationToken cancel = default(CancellationToken))
        {
            var pinned = GCHandle.Alloc(data, GCHandleType.Pinned);
            try
            {
                return await RunAsync(options, progress, cancel, (IntPtr o, out IntPtr upload, out IntPtr error) =>
                    C.bitsup_upload_start_memory(client, pinned.AddrOfPinnedObject(), (UIntPtr)data.Length, C.Bytes(url), o, out upload, out error))
                    .ConfigureAwait(false);
            }
            finally
            {
                pinned.Free();
            }
        }

        delegate int Maker(IntPtr options, out IntPtr made, out IntPtr error);

        static async Task<Receipt> RunAsync(IDictionary<string, object> values, IProgress<UploadProgress> progress,
            CancellationToken cancel, Maker maker)
        {
            var listener = new Listener(progress);
            var userdata = GCHandle.Alloc(listener);
            var upload = IntPtr.Zero;
            try
            {
                upload = Make(values, GCHandle.ToIntPtr(userdata), maker);
                using (cancel.Register(() => C.bitsup_upload_cancel(upload, IntPtr.Zero)))
                    await listener.Ended.Task.ConfigureAwait(false);
                return End(upload, listener.Thrown);
            }
            finally
            {
                C.bitsup_upload_free(upload);
                userdata.Free();
            }
        }

        static IntPtr Make(IDictionary<string, object> values, IntPtr userdata, Maker maker)
        {
            var options = C.Options(values);
            try
            {
                var callback = userdata == IntPtr.Zero ? null : Listener.OnProgress;
                C.bitsup_options_set_on_progress(options, callback, userdata, IntPtr.Zero, IntPtr.Zero);
                C.Check(maker(options, out var made, out var error), error);
                return made;
            }
            finally
            {
                C.bitsup_options_free(options);
            }
        }

        static Receipt End(IntPtr upload, Exception thrown)
        {
            var status = C.bitsup_upload_wait(upload, 0, out var error);
            if (thrown != null)
            {
                C.bitsup_error_free(error);
                throw thrown;
            }
            C.Check(status, error);
            var r = new C.Receipt { StructSize = (UIntPtr)Marshal.SizeOf(typeof(C.Receipt)) };
            C.Check(C.bitsup_upload_receipt(upload, ref r, out error), error);
            return new Receipt
            {
                Url = C.Text(r.Url), SessionId = C.Text(r.SessionId), Sha256 = C.Text(r.Sha256), ReplyUrl = C.Text(r.ReplyUrl),
                Warnings = C.Text(r.Warnings), Size = r.Size, Fragments = r.Fragments, Retries = r.Retries,
                Duration = TimeSpan.FromMilliseconds(r.DurationMs), CloseConfirmed = r.CloseConfirmed != 0, Verified = r.Verified != 0,
            };
        }

        /// <summary>Sends Create-Session; the packets that follow are sent one by one, and nothing is tried again.</summary>
        public Session CreateSession(string url, ulong size, IDictionary<string, object> values = null)
        {
            return new Session(Make(values, IntPtr.Zero, (IntPtr o, out IntPtr session, out IntPtr error) =>
                C.bitsup_session_create(client, C.Bytes(url), size, null, o, out session, out error)));
        }

        /// <summary>Ends the client. All uploads must have ended.</summary>
        public void Dispose() => C.bitsup_client_free(client);
    }

    /// <summary>What the library calls back for one upload.</summary>
    sealed class Listener
    {
        const int Done = 10;
        internal static readonly C.OnProgress OnProgress = Call;
        internal readonly TaskCompletionSource<bool> Ended = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        internal Exception Thrown;
        readonly IProgress<UploadProgress> progress;

        internal Listener(IProgress<UploadProgress> progress)
        {
            this.progress = progress;
        }

        static int Call(IntPtr userdata, IntPtr upload, ref C.Progress p)
        {
            var listener = (Listener)GCHandle.FromIntPtr(userdata).Target;
            try
            {
                listener.progress?.Report(new UploadProgress
                {
                    Total = p.Total, Acknowledged = p.Acknowledged, Sent = p.Sent, Rate = p.Rate, EtaMilliseconds = p.EtaMs,
                    State = C.Text(C.bitsup_state_name((uint)p.State)), Attempt = p.Attempt,
                });
            }
            catch (Exception exception)
            {
                listener.Thrown = listener.Thrown ?? exception;
            }
            if (p.State >= Done)
                listener.Ended.SetResult(true);
            return listener.Thrown == null ? 0 : 1;
        }
    }

    /// <summary>Sends the packets of one upload.</summary>
    public sealed class Session : IDisposable
    {
        readonly IntPtr session;

        internal Session(IntPtr session)
        {
            this.session = session;
        }

        public string Id => C.Text(C.bitsup_session_id(session));

        /// <summary>Sends a Fragment; gives where the server wants to continue.</summary>
        public ulong Send(byte[] data)
        {
            C.Check(C.bitsup_session_send(session, data, (UIntPtr)data.Length, out var next, out var error), error);
            return next;
        }

        /// <summary>Sends Close-Session: afterwards the server has confirmed the file.</summary>
        public void Close() => C.Check(C.bitsup_session_close(session, out var error), error);

        /// <summary>Sends Cancel-Session: the server deletes what it has.</summary>
        public void Cancel() => C.Check(C.bitsup_session_cancel(session, out var error), error);

        /// <summary>Frees the session and sends nothing.</summary>
        public void Dispose() => C.bitsup_session_free(session);
    }

    /// <summary>The functions of bitsup.h; text goes in as bytes, since runtimes disagree about the encoding of strings.</summary>
    static class C
    {
        const string Library = "libbitsup.so.0";
        const int Duration = 5;

        [StructLayout(LayoutKind.Sequential)]
        internal struct Progress
        {
            internal UIntPtr StructSize;
            internal ulong Total, Acknowledged, Sent, Rate;
            internal long EtaMs, RetryMs;
            internal int State;
            internal uint Attempt;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Receipt
        {
            internal UIntPtr StructSize;
            internal IntPtr Url;
            internal ulong Size;
            internal IntPtr SessionId;
            internal ulong DurationMs, Fragments, Retries;
            internal uint Restarts, UnconfirmedResends;
            internal int CloseConfirmed, Verified, Skipped;
            internal IntPtr Sha256, ReplyPath, Reply;
            internal UIntPtr ReplySize;
            internal IntPtr ReplyUrl, Warnings;
        }

        /// <summary>The part that is used here.</summary>
        [StructLayout(LayoutKind.Sequential)]
        internal struct Facts
        {
            internal UIntPtr StructSize;
            internal int Id, Kind;
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int OnProgress(IntPtr userdata, IntPtr upload, ref Progress progress);

        [DllImport(Library)] internal static extern IntPtr bitsup_version();
        [DllImport(Library)] internal static extern IntPtr bitsup_features_text();
        [DllImport(Library)] internal static extern IntPtr bitsup_status_name(uint status);
        [DllImport(Library)] internal static extern IntPtr bitsup_state_name(uint state);
        [DllImport(Library)] internal static extern int bitsup_client_new(IntPtr config, out IntPtr client, out IntPtr error);
        [DllImport(Library)] internal static extern void bitsup_client_free(IntPtr client);
        [DllImport(Library)] internal static extern IntPtr bitsup_options_new();
        [DllImport(Library)] internal static extern int bitsup_option_by_name(byte[] name);
        [DllImport(Library)] internal static extern int bitsup_option_info(int option, ref Facts facts, IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_options_set_by_name(IntPtr options, byte[] name, byte[] value, IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_options_set_on_progress(IntPtr options, OnProgress callback, IntPtr userdata, IntPtr destroy, IntPtr error);
        [DllImport(Library)] internal static extern void bitsup_options_free(IntPtr options);
        [DllImport(Library)] internal static extern int bitsup_upload_start(IntPtr client, byte[] path, byte[] url, IntPtr options, out IntPtr upload, out IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_upload_start_memory(IntPtr client, IntPtr data, UIntPtr length, byte[] url, IntPtr options, out IntPtr upload, out IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_upload_wait(IntPtr upload, long timeoutMs, out IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_upload_cancel(IntPtr upload, IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_upload_receipt(IntPtr upload, ref Receipt receipt, out IntPtr error);
        [DllImport(Library)] internal static extern void bitsup_upload_free(IntPtr upload);
        [DllImport(Library)] internal static extern int bitsup_session_create(IntPtr client, byte[] url, ulong size, byte[] name, IntPtr options, out IntPtr session, out IntPtr error);
        [DllImport(Library)] internal static extern IntPtr bitsup_session_id(IntPtr session);
        [DllImport(Library)] internal static extern int bitsup_session_send(IntPtr session, byte[] data, UIntPtr length, out ulong nextOffset, out IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_session_close(IntPtr session, out IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_session_cancel(IntPtr session, out IntPtr error);
        [DllImport(Library)] internal static extern void bitsup_session_free(IntPtr session);
        [DllImport(Library)] internal static extern IntPtr bitsup_error_message(IntPtr error);
        [DllImport(Library)] internal static extern IntPtr bitsup_error_advice(IntPtr error);
        [DllImport(Library)] internal static extern uint bitsup_error_http_status(IntPtr error);
        [DllImport(Library)] internal static extern uint bitsup_error_hresult(IntPtr error);
        [DllImport(Library)] internal static extern int bitsup_error_resumable(IntPtr error);
        [DllImport(Library)] internal static extern void bitsup_error_free(IntPtr error);

        internal static void Check(int status, IntPtr error)
        {
            if (status != 0)
                throw new BitsupException(status, error);
        }

        internal static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text + "\0");

        internal static string Text(IntPtr text) => Marshal.PtrToStringUTF8(text);

        /// <summary>Options by name, which keep what is wrong until the start.</summary>
        internal static IntPtr Options(IDictionary<string, object> values)
        {
            var options = bitsup_options_new();
            foreach (var pair in values ?? new Dictionary<string, object>())
            {
                var name = Bytes(pair.Key);
                var facts = new Facts { StructSize = (UIntPtr)Marshal.SizeOf(typeof(Facts)) };
                bitsup_option_info(bitsup_option_by_name(name), ref facts, IntPtr.Zero);
                var unit = pair.Value is TimeSpan || facts.Kind == Duration && !(pair.Value is string) ? "ms" : "";
                foreach (var each in pair.Value as IEnumerable<object> ?? new[] { pair.Value })
                {
                    var value = Convert.ToString(each is TimeSpan time ? time.TotalMilliseconds : each, CultureInfo.InvariantCulture);
                    // True and False are true and false in C.
                    value = each is bool ? value.ToLowerInvariant() : value;
                    bitsup_options_set_by_name(options, name, Bytes(value + unit), IntPtr.Zero);
                }
            }
            return options;
        }
    }
}
