package sshd

import (
	"context"

	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/broker/sftp"
	"penstock/policy"
)

// transfer is a channel that carries files: sftp, scp, rsync or git.
type transfer struct {
	*sftp.Job
	carrier *sftp.Carrier
}

// transfer reads whether files are asked for; nil: something else is.
func (j *job) transfer(kind, command string) (*transfer, error) {
	asked, err := sftp.Parse(kind, command)
	if err != nil || asked == nil {
		return nil, err
	}
	if j.pty != nil {
		return nil, &policy.Refusal{Rule: "transfer-terminal", Say: "A transfer of files and a terminal do not go together. Leave out -t.", Why: "a terminal was asked for with " + asked.Kind}
	}
	return &transfer{Job: asked}, nil
}

func (t *transfer) kindOr(kind string) string {
	if t == nil {
		return kind
	}
	return t.Kind
}

// ask decides by the direction, before anything is dialled.
func (t *transfer) ask(ctx context.Context, gate *broker.Channel) error {
	d := gate.AskFor(ctx, t.Kind, t.Need, t.Record())
	if no := t.Held(d.Duties.Files); d.Allow && no != nil {
		if err := gate.Refuse(ctx, t.Kind, t.Record(), no); err != nil {
			return err
		}
		return no
	}
	return d.Refusal()
}

// payload is what the machine is asked to run: the words that were decided on.
func (t *transfer) payload(asked []byte) []byte {
	if t.Command == "" {
		return asked
	}
	return ssh.Marshal(struct{ Command string }{t.Command})
}
