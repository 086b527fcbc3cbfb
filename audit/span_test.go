package audit_test

import (
	"testing"

	"penstock/audit"
)

func TestSpans(t *testing.T) {
	for text, want := range map[string]audit.Span{
		"holding 12":             {Of: "holding", From: 12, To: 12},
		"holding 12-14":          {Of: "holding", From: 12, To: 14},
		"file 3 record 0":        {Of: "file 3 record", From: 0, To: 0},
		"holding 14-12":          {Of: "holding 14-12", To: -1},
		"holding 12-12":          {Of: "holding 12-12", To: -1},
		"holding 012":            {Of: "holding 012", To: -1},
		"holding -1":             {Of: "holding -1", To: -1},
		"holding 99999999999":    {Of: "holding 99999999999", To: -1},
		"restart communications": {Of: "restart communications", To: -1},
		" 12":                    {Of: " 12", To: -1},
		"":                       {To: -1},
	} {
		if got := audit.ParseSpan(text); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
	if got := audit.ParseSpan("holding 12").Many(3).String(); got != "holding 12-14" {
		t.Error(got)
	}
	if got := audit.ParseSpan("restart").Many(3).String(); got != "restart" {
		t.Error(got)
	}
}

func FuzzSpan(f *testing.F) {
	for _, seed := range []string{"holding 12", "holding 12-14", "DB1.DBX0.0", "a 2147483648", "a 0-2147483647", "UMAS write"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := audit.ParseSpan(text).String(); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
