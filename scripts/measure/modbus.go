package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// modbus runs broker's BenchmarkModbus, built as a test binary: what an
// inspected stream adds to a 12-byte request, beside a bare Go TCP proxy and
// HAProxy. It is a benchmark of its own because it puts a recorder that
// acknowledges at once in the place of the real one, which the product cannot.
func modbus(binary string) func(context.Context, *plant, int) ([]line, error) {
	return func(ctx context.Context, p *plant, rounds int) ([]line, error) {
		folder, err := os.MkdirTemp(p.dir, "modbus")
		if err != nil {
			return nil, fmt.Errorf("make a folder for the recordings: %w", err)
		}
		defer os.RemoveAll(folder)
		cmd := exec.CommandContext(ctx, binary, "-test.run", "XXX", "-test.bench", "^BenchmarkModbus$", "-test.benchtime", strconv.Itoa(3*rounds)+"x")
		cmd.Env = append(os.Environ(), "TMPDIR="+folder)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return modbusLines(string(out))
	}
}

// modbusLines reads the metrics of the benchmark's one line: value, unit, value, unit.
func modbusLines(out string) (lines []line, err error) {
	got := map[string]float64{}
	for text := range strings.Lines(out) {
		fields := strings.Fields(text)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "BenchmarkModbus") {
			continue
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if got[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, fmt.Errorf("read the benchmark's %q: %w", text, err)
			}
		}
	}
	for _, row := range []struct {
		unit, what string
		goal       *goal
	}{
		{"of-bare", "Modbus request, added p50 to a bare Go proxy's", &goal{Of: plain, Limit: 1}},
		{"of-haproxy", "Modbus request, added p50 to HAProxy's", &goal{Of: plain, Limit: 1.7}},
		{"disk-of-bare", "the same with the real recorder, to a bare Go proxy's", nil},
	} {
		if v, is := got[row.unit]; is {
			lines = append(lines, line{What: row.what, Unit: "×", Value: map[string]float64{penstock: v}, Goal: row.goal}.judged())
		}
	}
	if len(lines) == 0 {
		return nil, errors.New("the benchmark printed no ratio")
	}
	return lines, nil
}
