package broker

// What tests of the gate put in place of the recorder.
type (
	TestArchive = archive
	TestWriter  = writer
	TestStream  = stream
	TestOverdue = overdue
)

// NewWith is New with another recorder.
var NewWith = newBroker

// CauseWord is the word of session.ended for an error.
var CauseWord = causeWord

// Forecast is what the metric shows.
func (b *Broker) Forecast() float64 { return b.forecast() }
