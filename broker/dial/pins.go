package dial

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// parsePins reads the decision's pinned keys; none refuses.
func parsePins(lines []string) ([]ssh.PublicKey, error) {
	if len(lines) == 0 || len(lines) > maxPins {
		return nil, &policy.Refusal{Rule: "host-key-not-pinned",
			Say: "the plant has not pinned this machine's key yet; call OT security", Why: fmt.Sprintf("%d pinned keys", len(lines))}
	}
	var pins []ssh.PublicKey
	for _, line := range lines {
		k, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err == nil && (len(options) > 0 || len(rest) > 0) {
			err = errors.New("more than one key on the line")
		}
		if err == nil && pinAlgorithms([]ssh.PublicKey{k}, nil) == nil {
			err = fmt.Errorf("keys of type %s are not used", k.Type())
		}
		if err != nil {
			return nil, &policy.Refusal{Rule: "host-key-not-pinned",
				Say: "the key that the plant pinned for this machine cannot be read; call OT security", Why: "pinned key: " + err.Error()}
		}
		pins = append(pins, k)
	}
	return pins, nil
}

// pinAlgorithms are the host key algorithms that can show a pinned key, and no
// others: a target cannot choose a key that nobody has pinned. ssh-rsa signs
// with SHA-1, and is there only for an asset whose exception says so, last.
func pinAlgorithms(pins []ssh.PublicKey, old []string) []string {
	var all, last []string
	for _, k := range pins {
		switch t := k.Type(); t {
		case ssh.KeyAlgoRSA:
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			if slices.Contains(old, ssh.KeyAlgoRSA) {
				last = []string{ssh.KeyAlgoRSA}
			}
		case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
			all = append(all, t)
		}
	}
	slices.Sort(all)
	return append(slices.Compact(all), last...)
}

func isPinned(pins []ssh.PublicKey, k ssh.PublicKey) bool {
	return slices.ContainsFunc(pins, func(pin ssh.PublicKey) bool {
		return pin.Type() == k.Type() && string(pin.Marshal()) == string(k.Marshal())
	})
}

func keyChanged(l leg, pins []ssh.PublicKey, k ssh.PublicKey) *policy.Refusal {
	var want []string
	for _, p := range pins {
		want = append(want, p.Type()+" "+ssh.FingerprintSHA256(p))
	}
	say := "The machine shows another key than the plant pinned. Nothing was sent to it. Do not go on; call OT security"
	if l.host {
		say = "The host " + string(l.asset) + " on the way shows another key than the plant pinned. Nothing was sent to it. Do not go on; call OT security"
	}
	return &policy.Refusal{Rule: "target-host-key", Say: say,
		Why: fmt.Sprintf("%starget shows %s %s, pinned is %s", l.named(), k.Type(), ssh.FingerprintSHA256(k), strings.Join(want, " or "))}
}

// algorithms are DESIGN 5.1's, and after them those of an asset's exception.
func algorithms(old []string) ssh.Config {
	pick := func(ours, insecure []string) []string {
		all := slices.Clone(ours)
		for _, o := range old {
			if slices.Contains(insecure, o) {
				all = append(all, o)
			}
		}
		return all
	}
	return ssh.Config{
		KeyExchanges: pick(keyExchanges, []string{ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDHGEXSHA1, ssh.KeyExchangeDH14SHA256, ssh.KeyExchangeDHGEXSHA256}),
		Ciphers:      pick(ciphers, []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC}),
		MACs:         pick(macs, []string{ssh.HMACSHA1, ssh.InsecureHMACSHA196}),
	}
}
