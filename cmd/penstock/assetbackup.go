package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
	"penstock/policy"
)

// assetBackupCommand says when a machine was last backed up.
func assetBackupCommand() *cobra.Command {
	var c caller
	var at, where, tool string
	cmd := &cobra.Command{Use: "backup ASSET", Short: "Say that an asset is backed up: now, or since --at",
		Long: "The request page shows how old the last backup is, and a rule with backup: 30d lets nobody change a machine whose last\n" +
			"backup is older. By the machine's shift, its owner or OT security.",
		Example: `  penstock asset backup filler-plc --where vault://plc/fil-1 --as mia` + "\n" + `  penstock asset backup filler-plc --at "2026-11-21 14:00" --as mia`,
		Args:    exactly(1, "an asset, by its id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/assets/"+url.PathEscape(args[0])+"/backup", func() (any, error) {
				made := time.Now()
				if at != "" {
					var err error
					if made, err = policy.Moment(at, made, c.zone); err != nil {
						return nil, usage("--at: %v", err)
					}
				}
				return api.AssetBackup{Last: made, Where: where, Tool: tool}, nil
			}, func(w *tabwriter.Writer, b api.AssetBackup) {
				fmt.Fprintf(w, "%s: backed up %s\n", args[0], local(b.Last, c.zone))
			})
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&at, "at", "", `when it was made: "2026-11-21 14:00" by the plant's clock, or RFC 3339 (default: now)`)
	cmd.Flags().StringVar(&where, "where", "", "where the copy is")
	cmd.Flags().StringVar(&tool, "tool", "", "what made it")
	return cmd
}
