package main

import (
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

// answerFlags are what an answer says beside yes or no.
type answerFlags struct {
	targets                       []string
	rights, until, notBefore, key string
}

func (a *answerFlags) bind(cmd *cobra.Command, to *api.Answer) {
	f := cmd.Flags()
	f.StringVar(&to.Role, "role", "", "role in which you answer, if you hold several that are needed")
	f.StringVar(&to.Why, "why", "", "why")
	f.StringVar(&to.Document, "document", "", "hash of the request text that you read; default: the newest revision")
	f.StringVar(&a.rights, "rights", "", "limit: only these rights")
	f.StringSliceVar(&a.targets, "target", nil, "limit: only these targets")
	f.IntVar(&to.Limits.Minutes, "minutes", 0, "limit: at most so many minutes")
	f.StringVar(&a.until, "until", "", "limit: ends at the latest then")
	f.StringVar(&a.key, "sign-with", "", signFlag)
	f.StringVar(&to.Spoken, "spoken", "", "whose yes you heard on the telephone: you sign that you did, and they sign within 12 hours")
	f.StringVar(&a.notBefore, "not-before", "", "with not-before: when it may be asked again")
}

func (a *answerFlags) fill(to *api.Answer, l *time.Location) (err error) {
	if to.Limits.Targets, err = parseTargets(a.targets); err != nil {
		return err
	}
	if a.rights != "" {
		to.Limits.Rights = strings.Split(a.rights, ",")
	}
	now := time.Now()
	if a.until != "" {
		if to.Limits.Until, err = parseTime(a.until, now, l); err != nil {
			return err
		}
	}
	if a.notBefore != "" {
		to.NotBefore, err = parseTime(a.notBefore, now, l)
	}
	return err
}

func answerCommand() *cobra.Command {
	var c caller
	var a api.Answer
	var said answerFlags
	cmd := &cobra.Command{
		Use:   "answer R-1 yes|no|not-before|question",
		Short: "Answer a request, a pattern or a change of the plant file; a yes to a request may be limited",
		Example: `  penstock answer R-1 yes --as olaf
  penstock answer R-1 yes --as mia --rights look --minutes 30
  penstock answer R-1 yes --as mia --sign-with ~/.ssh/id_ed25519
  penstock answer R-1 no --as mia --why "CIP is running"
  penstock answer C-1 yes --as olaf        # a change of the plant file
  penstock answer R-1 yes --as mia --spoken jan   # jan said it on the telephone
  penstock answer P-1 yes --as olaf        # a pattern: what is agreed by day for the night`,
		Args: exactly(2, "a request and what you say: yes, no, not-before or question"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Says = args[1]
			need := withoutCode
			if a.Says == "yes" && said.key == "" {
				need = withCode
			}
			if err := keyFile(said.key); said.key != "" && err != nil {
				return err
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			if err := said.fill(&a, c.zone); err != nil { // also where it cannot be limited: the broker says so
				return err
			}
			switch {
			case strings.HasPrefix(args[0], "C-"):
				return answerChange(&c, cmd, client, args[0], said.key, a)
			case strings.HasPrefix(args[0], "P-"):
				return answerPattern(&c, cmd, client, args[0], said.key, a)
			}
			return answerRequest(&c, cmd, client, args[0], said.key, a)
		},
	}
	c.doing(cmd)
	said.bind(cmd, &a)
	return cmd
}

func answerRequest(c *caller, cmd *cobra.Command, client *api.Client, id, key string, a api.Answer) error {
	path := "/requests/" + url.PathEscape(id)
	var q api.Request
	if err := client.Get(cmd.Context(), path, &q); err != nil {
		return apiError(err)
	}
	// The answer is to exactly what is shown here, and to nothing that replaced it meanwhile.
	if a.Document == "" {
		a.Document = q.Document
	}
	if key != "" {
		var err error
		m := meant{by: c.as, says: a.Says, text: a.Document, heard: a.Spoken, limits: a.Limits}
		if a.Signed, err = signs(cmd, client, key, path, a, m, evidence.ParseRequest, readsRequest(id, c.zone)); err != nil {
			return err
		}
	}
	return sends(c, cmd, client, path+"/answer", a, requestLines(c.zone))
}
