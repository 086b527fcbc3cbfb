package verify

import "penstock/audit"

// Named are the documents that an event of this type names by hash, and that
// must be there. Other hashes of a body are of codes and of recordings' files.
func Named(body audit.Body) []audit.Hash {
	switch b := body.(type) {
	case audit.LogCreated:
		return []audit.Hash{b.Bootstrap}
	case audit.ConfigChanged:
		return []audit.Hash{b.Document}
	case audit.PlantProposed:
		return []audit.Hash{b.Document, b.From, b.To}
	case audit.OutageWritten:
		return []audit.Hash{b.Document}
	case audit.IslandAnswered:
		return []audit.Hash{b.Text, b.Document}
	case audit.PlantAnswered:
		return []audit.Hash{b.Document}
	case audit.PatternProposed:
		return []audit.Hash{b.Document, b.Plant}
	case audit.PatternAnswered:
		return []audit.Hash{b.Document}
	case audit.SpokenSigned:
		return []audit.Hash{b.Document}
	case audit.RequestSubmitted:
		return []audit.Hash{b.Document, b.Plant}
	case audit.RequestRevised:
		return []audit.Hash{b.Document, b.Plant}
	case audit.AnswerGiven:
		return []audit.Hash{b.Document}
	case audit.WindowAgreed:
		return []audit.Hash{b.Claim}
	case audit.WindowMoved:
		return []audit.Hash{b.Answer}
	case audit.HandoverOffered:
		return []audit.Hash{b.Text}
	case audit.HandoverAccepted:
		return []audit.Hash{b.Text, b.Answer}
	case audit.HandbackGiven:
		return []audit.Hash{b.Text}
	case audit.LeftNoted:
		return []audit.Hash{b.Text}
	case audit.EnvelopeSealed:
		return []audit.Hash{b.Document}
	case audit.RosterWritten:
		return []audit.Hash{b.Document}
	case audit.QuestionAnswered:
		return []audit.Hash{b.Text}
	case audit.KeyEnrolled:
		return []audit.Hash{b.Sealed}
	case audit.KeyVouched:
		return []audit.Hash{b.Document}
	case audit.FirmChanged:
		return []audit.Hash{b.Terms}
	case audit.TermsAccepted:
		return []audit.Hash{b.Terms}
	case audit.AccessListed:
		return []audit.Hash{b.Document}
	case audit.AccessSigned:
		return []audit.Hash{b.Document}
	case audit.SecretSealed:
		return []audit.Hash{b.Document}
	case audit.SecretRotating:
		return []audit.Hash{b.From, b.To}
	case audit.SecretRotated:
		return []audit.Hash{b.Document}
	case audit.SecretKept:
		return []audit.Hash{b.Document}
	case audit.RecordingExpired:
		return []audit.Hash{b.Plant}
	}
	return nil
}
