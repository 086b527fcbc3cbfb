package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"
)

// private gives the broker a listener for its profiles.
func (p *plant) private(context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	p.profiles = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	f, err := os.OpenFile(p.demo.Broker.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open the broker's file: %w", err)
	}
	_, err = fmt.Fprintf(f, "private: {listen: %q}\n", p.profiles)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("give the broker a private listener: %w", err)
	}
	return nil
}

var usedBytes = regexp.MustCompile(`(?m)^# (HeapAlloc|Stack) = (\d+)`)

// used is what the broker's heap and stacks hold after a collection, KiB.
func (p *plant) used(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.profiles+"/debug/pprof/heap?gc=1&debug=1", nil)
	if err != nil {
		return 0, fmt.Errorf("ask for the broker's heap: %w", err)
	}
	got, err := http.DefaultClient.Do(ask)
	if err != nil {
		return 0, fmt.Errorf("ask for the broker's heap: %w", err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(io.LimitReader(got.Body, 16<<20))
	if err != nil {
		return 0, fmt.Errorf("read the broker's heap: %w", err)
	}
	found := usedBytes.FindAllSubmatch(text, -1)
	if len(found) != 2 {
		return 0, fmt.Errorf("the broker's heap profile (%s) tells no sizes", got.Status)
	}
	var sum float64
	for _, one := range found {
		n, err := strconv.ParseFloat(string(one[2]), 64)
		if err != nil {
			return 0, fmt.Errorf("read the broker's heap: %w", err)
		}
		sum += n / 1024
	}
	return sum, nil
}
