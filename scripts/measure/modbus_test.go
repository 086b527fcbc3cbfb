package main

import "testing"

func TestModbusLines(t *testing.T) {
	lines, err := modbusLines("goos: linux\nBenchmarkModbus-4   \t 10\t2365102263 ns/op\t 43.58 disk-of-bare\t 1.403 of-bare\t 0.5172 of-haproxy\n--- BENCH: BenchmarkModbus-4\nPASS\n")
	if err != nil || len(lines) != 3 {
		t.Fatalf("%v %+v", err, lines)
	}
	if lines[0].Value[penstock] != 1.403 || lines[0].Goal.Met || !lines[1].Goal.Met || lines[2].Goal != nil {
		t.Errorf("%+v", lines)
	}
	if _, err := modbusLines("PASS\n"); err == nil {
		t.Error("no ratio, and no error")
	}
}
