package notify

import (
	"context"

	"penstock/audit"
)

// ofMachines tells OT security of what only it decides: machines' keys and secrets, and the scanner.
func (s *story) ofMachines(ctx context.Context, leaf audit.Leaf, n *Notice) (to []string) {
	n.Path = "/targets"
	switch b := leaf.Body.(type) {
	case audit.HostKeyChanged:
		n.Type = "hostkey.changed"
		n.Text = "A machine shows another key than the plant pinned. Nothing was sent to it, and nothing new is opened on it until somebody decides."
	case audit.HostKeyAccepted:
		n.Type = "hostkey.accepted"
		n.Text = "A machine's new key was accepted for " + b.Window + " alone. OT security confirms it, or it is not good after that."
	case audit.SecretKept:
		if !b.Lost {
			return nil
		}
		n.Type = "secret.kept"
		n.Text = "It is not known which of two secrets of a machine logs in. Both are kept and tried."
	case audit.ScannerChanged:
		n.Type, n.Path = "scanner.changed", "/"
		n.Text = "The scanner looks into files that wait again."
		if b.Alarm != "" {
			n.Text = "The scanner has not looked into files for minutes. What vendors send or take out waits until it does."
		}
	default:
		return nil
	}
	return s.security(ctx)
}
