package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// Sixty vendors with three engineers each and four hundred assets come in by two
// sheets, in a moment of the ten minutes that a person may need for it.
func TestSixtyVendorsAndFourHundredAssets(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	fourHundredAssets(t)

	h := newHouse(t)
	h.enrol(t, "sec")
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h.web}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	client := api.Unix(socket)
	client.Token = h.signIn(t, "sec", true)

	var sheet strings.Builder
	sheet.WriteString("firm_id;firm_name;sponsor;until;networks;person_id;person_name;phone\r\n")
	for i := range 60 {
		for j := range 3 {
			fmt.Fprintf(&sheet, "%d;Vendor %d;olaf;31.12.2099;203.0.113.%d;%d-%d;Engineer %d of %d;+49 431 555 %04d\r\n", i, i, i, i, j, j, i, i*3+j)
		}
	}
	path, codes := filepath.Join(t.TempDir(), "vendors.csv"), filepath.Join(t.TempDir(), "codes.txt")
	if err := os.WriteFile(path, []byte(sheet.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	in := api.FirmImport{Format: "csv", System: "sap"}
	if in.Sheet, err = readList(path); err != nil {
		t.Fatal(err)
	}
	run := func() (string, error) {
		t.Helper()
		var plan api.FirmsImported
		if err := client.Post(t.Context(), "/firms/import/plan", in, &plan); err != nil {
			t.Fatal(err)
		}
		in.Plan = plan.Plan
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		cmd.SetOut(&out)
		err := (&caller{zone: time.UTC}).importPeople(cmd, client, in, codes)
		return out.String(), err
	}
	out, err := run()
	if err != nil || !strings.Contains(out, "60 new, 0 changed, 180 to be invited") {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(codes)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of codes: %v %v", info.Mode(), err)
	}
	text, err := os.ReadFile(codes)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`(?m)^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}\tvendor-\d+/engineer-\d-of-\d+\t`)
	if n := len(form.FindAll(text, -1)); n != 180 || !bytes.Contains(text, []byte("@cert-authority ")) || form.MatchString(out) {
		t.Errorf("%d codes in the file:\n%.600s\n%.600s", n, text, out)
	}
	if out, err = run(); err == nil {
		t.Errorf("codes that are there are written over:\n%s", out)
	}
	if err := os.Remove(codes); err != nil {
		t.Fatal(err)
	}
	if out, err = run(); err != nil || !strings.Contains(out, "0 new, 0 changed, 0 to be invited") {
		t.Errorf("the same sheet again: %v\n%s", err, out)
	}
	if _, err := os.Stat(codes); err == nil {
		t.Error("a file of no codes is left")
	}
	took := time.Since(begin)
	t.Logf("60 vendors, 180 engineers and 400 assets in %s", took.Round(time.Millisecond))
	if took > 5*time.Minute {
		t.Errorf("it took %s", took)
	}
}

func fourHundredAssets(t *testing.T) {
	t.Helper()
	dir := plantFolder(t)
	plant, sheet := filepath.Join(dir, "plant.yaml"), filepath.Join(dir, "machines.csv")
	text, err := os.ReadFile(plant)
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	rows.WriteString("id;asset;tag;zone;level;ip;ports\r\n")
	for i := range 400 {
		fmt.Fprintf(&rows, "%d;machine %d;M-%d;line-1;1;10.20.%d.%d;ssh/viewer=look~device\r\n", i, i, i, 100+i/200, i%200+1)
	}
	for path, text := range map[string]string{plant: string(text) + "\nimported: [imported.yaml]\n", sheet: rows.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := runAsset(t, "import", sheet, "--plant", plant, "--apply"); code != 0 || !strings.Contains(out, "400 new") {
		t.Fatalf("exit %d\n%s", code, out[max(0, len(out)-600):])
	}
	if code, out := runPolicy(t, "check", plant); code != 0 {
		t.Errorf("exit %d\n%s", code, out)
	}
}
