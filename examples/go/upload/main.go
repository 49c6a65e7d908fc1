// Uploads a file: upload FILE URL
package main

import (
	"bitsup"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: upload FILE URL")
		os.Exit(2)
	}
	if err := upload(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "upload:", err)
		var failure *bitsup.Error
		if errors.As(err, &failure) {
			fmt.Fprintf(os.Stderr, "%s, 0x%08X\n%s\n", failure.Status, failure.HResult, failure.Advice)
		}
		os.Exit(1)
	}
}

func upload(file, url string) error {
	client, err := bitsup.NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	// Ctrl-C cancels, also on the server.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	receipt, err := client.Upload(ctx, file, url, nil, func(p bitsup.Progress) bool {
		fmt.Printf("\r%d of %d bytes, %s   ", p.Acknowledged, p.Total, p.State)
		return true
	})
	if err == nil {
		fmt.Printf("\n%s has %d bytes\n", receipt.URL, receipt.Size)
	}
	return err
}
