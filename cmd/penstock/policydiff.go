package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"penstock/policy"
)

func policyDiffCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say in words who gains and who loses what by a new plant file",
		Long: "Compares what vendors can do by each way into each asset, and then every part of the file.\n" +
			"Exits 0 if no vendor gains anything, 3 if somebody does: a machine that runs this stops there and asks people.",
		Args: policyArgs(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			from, to, err := readBoth(c, args[0], args[1])
			if err != nil {
				return err
			}
			all := policy.Diff(from, to)
			if asJSON {
				err = printPolicyJSON(c.OutOrStdout(), map[string]any{"differences": emptyNotNull(all), "must_agree": policy.MustAgree(from, to)})
			} else {
				printDifferences(c.OutOrStdout(), all, policy.MustAgree(from, to))
			}
			if err != nil {
				return err
			}
			if slices.ContainsFunc(all, func(d policy.Difference) bool { return d.Means == policy.Gains }) {
				return exit{exitNo, errors.New("vendors would gain something: let its owners look")}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

func readBoth(c *cobra.Command, old, new string) (from, to *policy.Plant, err error) {
	for _, one := range []struct {
		path string
		into **policy.Plant
	}{{old, &from}, {new, &to}} {
		plant, problems, err := readPolicy(one.path)
		if err != nil {
			return nil, nil, err
		}
		if problems != nil {
			return nil, nil, refusePlant(c.ErrOrStderr(), one.path, problems, false)
		}
		*one.into = plant
	}
	return from, to, nil
}

func emptyNotNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

var diffHeads = map[string]string{policy.Gains: "Vendors gain:", policy.Loses: "Vendors lose:", policy.Alters: "In the file:"}

// printDifferences groups what changes by what it means.
func printDifferences(out io.Writer, all []policy.Difference, needs []policy.Need) {
	if len(all) == 0 {
		fmt.Fprintln(out, "nothing changes")
		return
	}
	last := ""
	for _, d := range all {
		if d.Means != last {
			fmt.Fprintln(out, diffHeads[d.Means])
			last = d.Means
		}
		text := d.Text
		if d.What != "vendors" {
			text = d.What + " " + d.Text
		}
		fmt.Fprintln(out, "  "+text)
	}
	var roles []string
	for _, n := range needs {
		roles = append(roles, fmt.Sprintf("%d × %s", n.Count, n.Role))
	}
	fmt.Fprintln(out, "To agree: "+strings.Join(roles, " and "))
}
