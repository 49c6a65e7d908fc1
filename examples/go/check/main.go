// Tests the wrapper: check SCENARIO URL FILE. The caller checks the server afterwards.
package main

import (
	"bitsup"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

var (
	url, file = os.Args[2], os.Args[3]
	ctx       = context.Background()
)

func must(right bool, what ...any) {
	if !right {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintln(os.Stderr, append([]any{"line", line, "is wrong:"}, what...)...)
		os.Exit(1)
	}
}

func main() {
	client, err := bitsup.NewClient()
	must(err == nil, err)
	map[string]func(*bitsup.Client){
		"upload": upload, "progress": progress, "refused": refused, "lost": lost,
		"cancel": cancel, "packets": packets, "many": many,
	}[os.Args[1]](client)
	client.Close()
}

func upload(client *bitsup.Client) {
	must(strings.Count(bitsup.Version(), ".") == 2, bitsup.Version())
	must(strings.Contains(bitsup.Features(), "libcurl"), bitsup.Features())
	receipt, err := client.Upload(ctx, file, url, nil, nil)
	must(err == nil, err)
	must(receipt.URL == url && receipt.Size == 600_000 && receipt.CloseConfirmed && receipt.SessionID != "", receipt)
}

func progress(client *bitsup.Client) {
	var last bitsup.Progress
	calls := 0
	_, err := client.Upload(ctx, file, url, bitsup.Options{"fragment_size": 65536}, func(p bitsup.Progress) bool {
		must(p.Total == 600_000 && p.Acknowledged >= last.Acknowledged && p.Sent >= p.Acknowledged, p)
		last = p
		calls++
		return true
	})
	must(err == nil, err)
	must(last.State == "done" && last.Acknowledged == last.Total && calls > 2, last, calls)
}

func refused(client *bitsup.Client) {
	_, err := client.Upload(ctx, file, url, nil, nil)
	var failure *bitsup.Error
	must(errors.As(err, &failure), err)
	must(failure.Status == "REFUSED" && failure.HTTPStatus == 403 && failure.HResult == 0x80070005, *failure)
	must(failure.Message != "" && failure.Advice != "" && !failure.Resumable, *failure)
	_, err = client.Upload(ctx, file, url, bitsup.Options{"fragment_sise": 1}, nil)
	must(errors.As(err, &failure) && failure.Status == "UNSUPPORTED", err)
	must(strings.HasSuffix(failure.Message, "did you mean fragment_size?"), err)
	_, err = client.Upload(ctx, file, url, bitsup.Options{"fragment_size": time.Second}, nil)
	must(errors.As(err, &failure) && failure.Status == "INVALID_ARGUMENT", err)
}

func lost(client *bitsup.Client) {
	options := bitsup.Options{
		"fragment_size": 65536, "retry_delay": "10ms", "max_retry_delay": 50 * time.Millisecond,
		"give_up_after": 4_000_000_000, // that number of seconds is more than the library takes
		"resolve":       []string{"a.example:80:127.0.0.1", "b.example:80:127.0.0.2"}, "lenient": false,
	}
	receipt, err := client.Upload(ctx, file, url, options, nil)
	must(err == nil, err)
	must(receipt.Retries >= 3, receipt)
}

func cancel(client *bitsup.Client) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := client.Upload(ctx, file, url, bitsup.Options{"fragment_size": 65536}, func(p bitsup.Progress) bool {
		if p.Acknowledged > 0 {
			cancel()
		}
		return true
	})
	var failure *bitsup.Error
	must(errors.As(err, &failure) && failure.Status == "CANCELLED" && errors.Is(err, context.Canceled), err)
}

func packets(client *bitsup.Client) {
	data, err := os.ReadFile(file)
	must(err == nil, err)
	session, err := client.NewSession(url, uint64(len(data)), nil)
	must(err == nil && session.ID() != "", err)
	defer session.Free()
	for offset := uint64(0); offset < uint64(len(data)); {
		end := offset + 250_000
		if end > uint64(len(data)) {
			end = uint64(len(data))
		}
		next, err := session.Send(data[offset:end])
		must(err == nil && next == end, next, err)
		offset = next
	}
	must(session.Close() == nil)

	second, err := client.NewSession(url+".cancelled", 1000, nil)
	must(err == nil, err)
	defer second.Free()
	_, err = second.Send(data[:500])
	must(err == nil, err)
	var failure *bitsup.Error
	must(errors.As(second.Close(), &failure) && failure.Status == "INVALID_ARGUMENT", failure)
	must(second.Cancel() == nil)
}

func many(client *bitsup.Client) {
	data, err := os.ReadFile(file)
	must(err == nil, err)
	options := bitsup.Options{"reply_memory": 65536}
	for number := 0; number < 1000; number++ {
		part := bytes.NewReader(append([]byte{}, data[:32*1024]...))
		upload, err := client.StartReader(part, 32*1024, "part", fmt.Sprintf("%s.%d", url, number), options,
			func(bitsup.Progress) bool { return true })
		must(err == nil, err)
		_, err = upload.Wait(ctx)
		must(err == nil, err)
		upload.Close()
		if (number+1)%20 == 0 {
			runtime.GC()
			fmt.Println(number + 1)
		}
	}
}
