package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

// liftCommand lifts a block, or says one of the two words that lift an island.
func liftCommand() *cobra.Command {
	var c caller
	var step api.Step
	var key string
	cmd := &cobra.Command{Use: "lift B-1", Short: "Lift a block; an island is lifted by two people, each with this", Args: exactly(1, "a block, such as B-1"),
		Example: `  penstock lift B-1 --as mia
  penstock lift B-2 --as mia --zone line-1
  penstock lift B-2 --as lena --zone line-1 --sign-with ~/.ssh/id_ed25519`,
		RunE: func(cmd *cobra.Command, args []string) error {
			need, path := withCode, "/blocks/"+url.PathEscape(args[0])+"/lift"
			if key != "" {
				if err := keyFile(key); err != nil {
					return err
				}
				need = withoutCode
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			if key != "" {
				step.Signed, err = signs(cmd, client, key, path, step, meant{by: c.as, says: evidence.Yes}, evidence.ParseLift, func(a evidence.Answer, l evidence.Lift) ([]string, error) {
					if l.Block != args[0] || l.Zone != step.Zone {
						return nil, errNotMeant
					}
					return []string{fmt.Sprintf("You sign: %s, as %s: island %s may be lifted%s.", a.Says, a.Role, l.Block, ofZone(l.Zone))}, nil
				})
				if err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, path, step, func(t *tabwriter.Writer, l api.Lifting) {
				if l.Lifted {
					fmt.Fprintf(t, "%s is lifted%s.\n", l.Block, ofZone(l.Zone))
					return
				}
				fmt.Fprintf(t, "%s is not lifted yet%s: somebody else has to say so too, by %s: penstock lift %s\n", l.Block, ofZone(l.Zone), local(l.Until, c.zone), l.Block)
			})
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why")
	cmd.Flags().StringVar(&step.Zone, "zone", "", "of an island of the whole plant: lift it for this zone only")
	cmd.Flags().StringVar(&key, "sign-with", "", signFlag)
	return cmd
}

func ofZone(zone string) string {
	if zone == "" {
		return ""
	}
	return " for zone " + zone
}
