package evidence_test

import (
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// What a window is for is held to at its opening, at each certificate and in each
// channel, by its claim: here another one than was agreed.
func TestWalkHoldsToTheClaim(t *testing.T) {
	claims := func(do func(*evidence.WindowClaim)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			do(&s.Claim)
			change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(s.Claim) })
		}
	}
	// opens has it opened by somebody, where it says another way to open.
	opens := func(how, who string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			claims(func(w *evidence.WindowClaim) { w.Open = how })(s)
			moved(s, "opened").Event.Actor = who
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.By = who })
		}
	}
	onSite := func(w *evidence.WindowClaim) { w.Laptop, w.Assets = "07", []evidence.Target{{Asset: "filler-plc"}} }
	machine := claims(func(w *evidence.WindowClaim) {
		w.Machine = evidence.Bound{Frame: "monitor", Key: "SHA256:other", Keeper: "olaf", Networks: []string{"192.0.2.0/24"}}
	})
	findsEach(t, []alteration{
		{"by itself, and the vendor opens it", opens("auto", "ann"), "opened by ann, and it opens by itself"},
		{"by the vendor, and a stranger opens it", opens("vendor", "ines"), "opened by ines, who neither works in it nor may open it"},
		{"on site, and she connects", claims(onSite), "(channel.opened S-1): W-1 is on site: nobody connects by it"},
		{"on site, and she has a certificate", claims(onSite), "(cert.issued ann): W-1 is on site: nobody connects by it"},
		{"to try the way, and bytes pass", claims(func(w *evidence.WindowClaim) { w.Probe = true }), "W-1 tries the way alone, and 12 bytes went in and 40 out"},
		{"for a machine's key, and the certificate is for another", machine, "W-1 stands for the key SHA256:other"},
		{"for a machine's networks, and it came from elsewhere", machine, "W-1 stands for the networks"},
		{"for a machine whose keeper is of another firm", machine, "its keeper olaf is nobody of krall who is here"},
		{"a channel in a window that its session does not name", func(s *evidencetest.Story) {
			change(s.Step("session.started", 0), func(b *audit.SessionStarted) { b.Windows = []string{"W-9"} })
		}, "(channel.opened S-1): session S-1 does not name window W-1"},
		{"a roster of the vendor's", after(by("ann", "shift", audit.RosterWritten{Team: "shift", By: "ann", At: at(15300)})), "written by ann, who is nobody of the plant"},
	})
}
