package dial_test

import (
	"strings"
	"testing"

	"penstock/audit/recording"
)

// oldOnly is how an old device is configured: nothing that DESIGN 5.1 has.
var oldOnly = []string{
	"KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1", "HostKeyAlgorithms ssh-rsa", "Ciphers aes128-cbc,3des-cbc",
	"MACs hmac-sha1", "PubkeyAcceptedAlgorithms +ssh-rsa,ssh-ed25519-cert-v01@openssh.com", "CASignatureAlgorithms ssh-ed25519",
}

const exception = "old_algorithms: {allow: [%s], why: the maker has no newer firmware, owner: security, review: 2030-01-01}"

// A real sshd that knows old algorithms only is reached by the asset's exception
// alone, and by exactly what it names; and that stands in the recording.
func TestOldAlgorithmsByExceptionOnly(t *testing.T) {
	ca := &authority{key: newKey(t)}
	device := startSSHD(t, "rsa", ca.key.PublicKey(), me()+"@plc.kiel", oldOnly...)
	for name, row := range map[string]struct{ allow, rule, spoken string }{
		"no exception":          {"", "target-old-ssh", ""},
		"all but the cipher":    {"diffie-hellman-group14-sha1, ssh-rsa, hmac-sha1", "target-old-ssh", ""},
		"all but the host key":  {"diffie-hellman-group14-sha1, aes128-cbc, hmac-sha1", "target-host-key", ""},
		"all that it speaks":    {"diffie-hellman-group1-sha1, ssh-rsa, 3des-cbc, hmac-sha1", "", "diffie-hellman-group1-sha1, ssh-rsa, 3des-cbc, hmac-sha1"},
		"the better of the old": {"diffie-hellman-group14-sha1, ssh-rsa, aes128-cbc, hmac-sha1", "", "diffie-hellman-group14-sha1, ssh-rsa, aes128-cbc, hmac-sha1"},
	} {
		t.Run(name, func(t *testing.T) {
			plc := machine{at: device.at, pins: device.pin}
			if row.allow != "" {
				plc.port = strings.Replace(exception, "%s", row.allow, 1)
			}
			s := stagedBy(t, ca, plc, machine{})
			conn, err := s.dialer.SSH(t.Context(), s.channel, myself())
			if row.rule != "" {
				if refusedBy(t, err).Rule != row.rule {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, device.said())
			}
			conn.Close()
			s.channel.Close("", nil)
			if notes := string(s.Recorded(t, s.session.ID(), 0, recording.Note)); !strings.Contains(notes, "plc is spoken to by exception: "+row.spoken) {
				t.Errorf("notes: %q", notes)
			}
		})
	}
}
