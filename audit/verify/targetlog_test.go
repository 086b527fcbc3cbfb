package verify_test

import (
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/verify"
)

var (
	targetCA  = "SHA256:" + strings.Repeat("C", 43)
	targetKey = "SHA256:" + strings.Repeat("K", 43)
	issued    = time.Date(2026, 12, 31, 23, 59, 30, 0, time.UTC)
)

// targets know one certificate, whose channel brought bytes, and one whose did not.
func targets() *verify.Targets {
	t := &verify.Targets{}
	leaf := func(i audit.Index, b audit.Body) {
		t.Leaf(audit.Leaf{Event: audit.Event{Body: b}, Index: i, Wall: issued.Add(time.Duration(i) * time.Second)})
	}
	leaf(0, audit.CertIssued{CA: "in", Serial: "6", Key: targetKey, Names: []string{"ann"}})
	for i, serial := range []string{"7", "8"} {
		leaf(audit.Index(i+1), audit.CertIssued{CA: "out", Serial: serial, Key: targetKey, KeyID: "broker=a;w=W-1", Names: []string{"maint@filler-plc.kiel"},
			After: issued.Add(-time.Minute), Before: issued.Add(5 * time.Minute), Session: "S-1", Channel: i})
	}
	leaf(3, audit.ChannelClosed{Session: "S-1", Channel: 0, Out: 12})
	leaf(4, audit.ChannelClosed{Session: "S-1", Channel: 1})
	return t
}

// said is a line as sshd says it.
func accepted(user, id, serial, ca string) string {
	return "Accepted publickey for " + user + " from 10.0.0.5 port 40112 ssh2: ED25519-CERT " + targetKey + " ID " + id + " (serial " + serial + ") CA ED25519 " + ca
}

func TestTargetLog(t *testing.T) {
	good := accepted("maint", "broker=a;w=W-1", "7", targetCA)
	kiel, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		story string
		text  string
		wrong string // in the first finding of weight wrong; empty: there is none
		note  string
	}{
		{"sshd's own file, without times", good, "", "without a time"},
		{"auth.log, over the year's end, in the plant's zone", "Jan  1 00:59:40 filler sshd[812]: " + good, "", "1 logins with our certificates"},
		{"auth.log with RFC 3339", "2027-01-01T00:59:40.123456+01:00 filler sshd-session[812]: " + good, "", ""},
		{"a journal export", `{"__REALTIME_TIMESTAMP":"1798761580000000","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"` + good + `"}`, "", ""},
		{"a journal line that somebody wrote with logger -t sshd", good + "\n" + `{"__REALTIME_TIMESTAMP":"1798761580000000","SYSLOG_IDENTIFIER":"sshd","_COMM":"logger","_UID":"1000","MESSAGE":"` +
			accepted("root", "broker=a;w=W-1", "99", targetCA) + `"}`, "", "1 logins with our certificates"},
		{"a journal line that sshd wrote", good + "\n" + `{"__REALTIME_TIMESTAMP":"1798761580000000","SYSLOG_IDENTIFIER":"sshd-session","_COMM":"sshd-session","MESSAGE":"` +
			accepted("root", "broker=a;w=W-1", "99", targetCA) + `"}`, "or somebody on the machine wrote the line", ""},
		{"a login that no leaf knows", good + "\n" + accepted("root", "broker=a;w=W-1", "99", targetCA), "that no leaf knows", ""},
		{"the same serial with another ID", good + "\n" + accepted("maint", "broker=a;w=W-9", "8", targetCA), "that no leaf knows", ""},
		{"another account", accepted("root", "broker=a;w=W-1", "7", targetCA), "which is for maint@filler-plc.kiel", ""},
		{"one certificate, two logins", good + "\n" + good, "a second login", ""},
		{"a day late", "2027-01-02T00:59:40+01:00 filler sshd[812]: " + good, "a clock is off", ""},
		{"an hour off: the zone", "Dec 31 23:59:40 filler sshd[812]: " + good, "a clock is off", ""},
		{"the line of a machine that answered is gone", accepted("maint", "broker=a;w=W-1", "8", targetCA), "has no login with its certificate (serial 7)", ""},
		{"a certificate that never got there", good, "", "(serial 8)"},
		{"emptied", "", "holds no login with a certificate of this broker", ""},
		{"somebody else's CA and a password", good + "\n" + accepted("maint", "x", "1", "SHA256:"+strings.Repeat("D", 43)) +
			"\nAccepted password for root from 10.0.0.9 port 22 ssh2", "", "2 logins by other ways"},
		{"a name that looks like a login", good + "\nJan  1 00:59:41 filler sshd[9]: Invalid user sshd[9]: " + accepted("root", "x", "99", targetCA) + " from 10.0.0.9 port 1", "", ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			found, err := targets().Compare("auth.log", strings.NewReader(row.text+"\n"), kiel)
			if err != nil {
				t.Fatal(err)
			}
			wrong, notes := "", ""
			for _, f := range found {
				if f.Weight == verify.Wrong && wrong == "" {
					wrong = f.What
				} else if f.Weight == verify.Note {
					notes += f.What + "\n"
				}
			}
			if row.wrong == "" && wrong != "" || !strings.Contains(wrong, row.wrong) {
				t.Errorf("wrong is %q, not %q", wrong, row.wrong)
			}
			if !strings.Contains(notes, row.note) {
				t.Errorf("it does not say %q: %s", row.note, notes)
			}
		})
	}
}

// TestTargetCA: with the CA given, a login with a stolen CA key is found though
// no login of ours is in the file.
func TestTargetCA(t *testing.T) {
	k := targets()
	k.CAs = []string{targetCA}
	found, err := k.Compare("auth.log", strings.NewReader(accepted("root", "x", "99", targetCA)), time.UTC)
	if err != nil || len(found) == 0 || !strings.Contains(found[0].What, "that no leaf knows") {
		t.Errorf("%v, %v", found, err)
	}
}

func FuzzTargetLog(f *testing.F) {
	good := accepted("maint", "broker=a;w=W-1", "7", targetCA)
	f.Add(good)
	f.Add("Jan  1 00:59:40 filler sshd[812]: " + good)
	f.Add(`{"__REALTIME_TIMESTAMP":"-1","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"` + good + `"}`)
	f.Add("2027-13-41T99:99:99Z x sshd: " + good)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := verify.ParseLogins(strings.NewReader(text))
		if err == nil && len(list) > strings.Count(text, "\n")+1 {
			t.Errorf("%d logins", len(list))
		}
		if _, err := targets().Compare("f", strings.NewReader(text), time.UTC); err != nil && !strings.Contains(err.Error(), "longer than") {
			t.Error(err)
		}
	})
}
