package verify_test

import (
	"reflect"
	"slices"
	"testing"

	"penstock/audit"
	"penstock/audit/verify"
)

// Every hash of every event is of a document that the verifier reads, or of
// something that is known not to be one: a new field must be put to one of the two.
func TestEveryDocumentIsNamed(t *testing.T) {
	documents := []string{"Answer", "Bootstrap", "Claim", "Document", "From", "Plant", "Sealed", "Terms", "Text", "To"}
	others := map[string]string{
		"Certificate": "of a kiosk's certificate", "Close": "of close.json", "Code": "of a code that was read out or sent", "Header": "of session.json",
		"Key": "of a recording's key", "Keys": "of keys.age", "Pins": "of the keys that a plant file pins", "Root": "of a tree",
		"SHA256": "of a file's bytes", "Head": "of a frame",
	}
	for name, empty := range audit.Bodies() {
		body := reflect.New(reflect.TypeOf(empty)).Elem()
		for i := range body.NumField() {
			field := body.Type().Field(i).Name
			if body.Field(i).Type() != reflect.TypeFor[audit.Hash]() {
				continue
			}
			want := audit.HashOf([]byte(name + field))
			body.Field(i).Set(reflect.ValueOf(want))
			named := slices.Contains(verify.Named(body.Interface().(audit.Body)), want)
			_, other := others[field]
			switch isDocument := slices.Contains(documents, field); {
			case !isDocument && !other:
				t.Errorf("%s.%s is a hash of what?", name, field)
			case isDocument != named:
				t.Errorf("%s.%s: a document: %v; read by the verifier: %v", name, field, isDocument, named)
			}
		}
	}
}
