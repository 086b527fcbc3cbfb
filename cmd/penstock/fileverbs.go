package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// fileCommands are for files that wait at the plant.
func fileCommands() []*cobra.Command {
	file := &cobra.Command{Use: "file", Short: "Let a file that waits go on, to its machine or out of it, or refuse it"}
	file.AddCommand(fileStep("release", "Let a file through, by the hash that you saw: what comes in is delivered at once, what is taken out is given to the vendor when they ask again", withCode), fileStep("refuse", "Refuse a file for good; its bytes are deleted", withoutCode))
	return []*cobra.Command{filesCommand(), file}
}

func filesCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "files W-1", Short: "List the files of a window that wait at the plant, or have", Args: exactly(1, "a window, such as W-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var list []api.HeldFile
			if err := client.Get(cmd.Context(), "/windows/"+url.PathEscape(args[0])+"/files", &list); err != nil {
				return apiError(err)
			}
			return c.show(cmd, list, func(t *tabwriter.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(t, "No file of it waits, or has.")
				}
				for _, f := range list {
					fileLine(t, f, c.zone)
				}
			})
		}}
	c.flags(cmd)
	return cmd
}

func fileStep(name, short string, need proof) *cobra.Command {
	var c caller
	var step api.HeldStep
	cmd := &cobra.Command{Use: name + " F-1", Short: short, Args: exactly(1, "a file, such as F-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, need, "/files/"+url.PathEscape(args[0])+"/"+name, itself(&step), func(t *tabwriter.Writer, f api.HeldFile) { fileLine(t, f, c.zone) })
		}}
	c.doing(cmd)
	if name == "release" {
		cmd.Flags().StringVar(&step.SHA256, "sha256", "", "its hash as files shows it: sha256:…")
		_ = cmd.MarkFlagRequired("sha256") // only fails for a flag that is not there
	} else {
		cmd.Flags().StringVar(&step.Why, "why", "", "what the vendor will read")
	}
	return cmd
}

func fileLine(t *tabwriter.Writer, f api.HeldFile, l *time.Location) {
	looked := ""
	if f.Scan != "" {
		looked = ", " + f.Kind + ", scan: " + f.Scan
	}
	way := "to"
	if f.Out {
		way = "from"
	}
	fmt.Fprintf(t, "%s\t%s %s %s\t%d bytes%s\t%s%s\t%s\t%s\n", f.ID, f.Path, way, f.Asset, f.Bytes, looked, f.State, suffix(f.Why), local(f.Moved, l), f.SHA256)
}
