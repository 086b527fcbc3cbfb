package approvals

import (
	"strings"

	"penstock/approvals/evidence"
)

// onSite refuses what does not fit to work with a laptop at the machine itself:
// it has a laptop that people can find by its name, and nothing that only a
// connection has.
func onSite(doc evidence.Request) error {
	is := doc.Kind == evidence.OnSite
	switch {
	case !is && (doc.Laptop != "" || doc.Jack != ""):
		return refuse("on-site", "A laptop is named for work on site. Ask with the kind on-site, or leave the laptop out.")
	case !is:
		return nil
	case doc.Laptop == "":
		return refuse("on-site-laptop", "Say which laptop comes on site: its name or the tag on it, so that people find it.")
	case doc.Called:
		return refuse("on-site", "Nobody is called in to work on site: no code opens it. Ask for it, and open it when they stand there.")
	case doc.Outage != "" || len(doc.FileHashes) > 0:
		return refuse("on-site", "Work on site stands on no outage's list and names no files. Ask for it by itself.")
	}
	if doc.Jack != "" {
		return nil // it goes by a way in, like access from outside
	}
	for _, t := range doc.Assets {
		if strings.TrimSpace(t.Port+t.Account) != "" {
			return refuse("on-site", "Work on site names the machine alone: %s, without a way in.", t.Asset)
		}
	}
	return nil
}
