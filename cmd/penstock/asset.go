package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/audit/durable"
	"penstock/policy"
	"penstock/policy/inventory"
)

// assetCommand is `penstock asset`: what the plant has, and where that comes from.
func assetCommand() *cobra.Command {
	c := &cobra.Command{Use: "asset", Short: "Import assets from other systems, and ask about them"}
	c.AddCommand(assetImportCommand(), assetHistoryCommand(), assetBackupCommand())
	c.AddCommand(assetQuestions()...)
	return c
}

// importCall are the flags of asset import.
type importCall struct {
	plant, into, format, system      string
	apply, dryRun, leaveOut, jsonOut bool
}

func assetImportCommand() *cobra.Command {
	var call importCall
	c := &cobra.Command{Use: "import FILE", Short: "Say what a list of machines would change, and with --apply write it to the plant file's imported file",
		Long: "Reads a sheet (CSV as Excel or others write it), or what NetBox or ServiceNow answer, and compares it with the plant file.\n" +
			"The sheet's first line names the columns: id, asset, tag, title, zone, level, address, maker, model, firmware, serial,\n" +
			"stops, backup, ports, host_key. Ports are written ssh/viewer=look~device ssh/maint=look+set modbus=look~device.\n\n" +
			"Only the file of --into is written, which the plant file names by imported: [imported.yaml]; what people wrote\n" +
			"stays. Nothing is taken out: what the source does not have any more is marked stale. A machine without a zone, a level or an\n" +
			"address is no asset: nobody reaches it, and penstock policy debt names it. Then propose the plant file.",
		Example: "  penstock asset import machines.csv --plant plant.yaml\n  penstock asset import devices.json --format netbox --plant plant.yaml --apply",
		Args:    exactly(1, "a file"),
		RunE:    func(c *cobra.Command, args []string) error { return importAssets(c, args[0], call) }}
	f := c.Flags()
	f.StringVar(&call.plant, "plant", "plant.yaml", "the plant file")
	f.StringVar(&call.into, "into", "imported.yaml", "the imported file, as the plant file names it")
	f.StringVar(&call.format, "format", "csv", "csv, netbox or servicenow")
	f.StringVar(&call.system, "system", "", "name of the system that it comes from: its ids are this system's (default: the format)")
	f.BoolVar(&call.apply, "apply", false, "write it")
	f.BoolVar(&call.dryRun, "dry-run", true, "only say what it would change; what is done unless --apply")
	f.BoolVar(&call.leaveOut, "leave-out", false, "with --apply: write the rest where lines cannot be read")
	f.BoolVar(&call.jsonOut, "json", false, "print one JSON document")
	return c
}

func importAssets(c *cobra.Command, path string, call importCall) error {
	if call.apply && c.Flags().Changed("dry-run") && call.dryRun {
		return usage("--apply and --dry-run are two things: leave one out")
	}
	sheet, err := readRows(path, call.format)
	if err != nil {
		return err
	}
	plant, err := plantBeforeImport(call)
	if err != nil {
		return err
	}
	system := call.system
	if system == "" {
		system = call.format
	}
	result := inventory.Merge(plant, system, sheet.Rows, time.Now())
	problems := append(sheet.Problems, result.Problems...)
	to, wrong, err := readPolicyWith(call.plant, call.into, result.File)
	if err != nil {
		return err
	}
	if call.jsonOut {
		list := []string{}
		for _, p := range problems {
			list = append(list, p.String())
		}
		err = printPolicyJSON(c.OutOrStdout(), map[string]any{"changes": emptyNotNull(result.Changes), "left_out": list, "ignored_columns": emptyNotNull(sheet.Ignored), "note": sheet.Note, "problems": checkView(nil, wrong)})
	} else {
		printImport(c.OutOrStdout(), result.Changes, sheet, problems)
	}
	if err != nil {
		return err
	}
	if wrong != nil {
		fmt.Fprintln(c.ErrOrStderr(), wrong.Error())
		return exit{exitError, errors.New("with this import the plant file would not be sound, so nothing is written")}
	}
	return writeImport(c.OutOrStdout(), plant, to, call, result.File, len(problems))
}

// plantBeforeImport reads the plant file as it is; an imported file that is not
// there yet has nothing in it.
func plantBeforeImport(call importCall) (*policy.Plant, error) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(call.plant), call.into))
	if errors.Is(err, os.ErrNotExist) {
		text, err = []byte("{}\n"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was imported before: %w", err)
	}
	plant, problems, err := readPolicyWith(call.plant, call.into, text)
	if err != nil {
		return nil, err
	}
	if problems != nil {
		return nil, fmt.Errorf("the plant file is not sound as it is:\n%w", problems)
	}
	return plant, nil
}

func readRows(path, format string) (sheet inventory.Sheet, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sheet, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, inventory.MaxBytes+1))
	if err != nil {
		return sheet, fmt.Errorf("read %s: %w", path, err)
	}
	switch format {
	case "csv":
		sheet, err = inventory.CSV(text)
	case "netbox":
		sheet.Rows, sheet.Problems, err = inventory.NetBox(text)
	case "servicenow":
		sheet.Rows, sheet.Problems, err = inventory.ServiceNow(text)
	default:
		return sheet, usage("--format is csv, netbox or servicenow")
	}
	if err != nil {
		return sheet, fmt.Errorf("%s: %w", path, err)
	}
	return sheet, nil
}

func printImport(out io.Writer, changes []inventory.Change, sheet inventory.Sheet, problems []inventory.Problem) {
	if sheet.Note != "" {
		fmt.Fprintln(out, sheet.Note)
	}
	counts := map[string]int{}
	for _, c := range changes {
		counts[c.Does]++
		if c.Does != "same" {
			fmt.Fprintf(out, "%-10s %s  %s\n", c.Does, c.Asset, c.Text)
		}
	}
	for _, p := range problems {
		fmt.Fprintf(out, "%-10s %s\n", "left out", p)
	}
	if len(sheet.Ignored) > 0 {
		fmt.Fprintf(out, "columns that mean nothing here: %s\n", strings.Join(sheet.Ignored, ", "))
	}
	fmt.Fprintf(out, "%d new, %d changed, %d back, %d without a place, %d stale, %d left alone, %d the same; %d lines left out\n", counts["new"], counts["changed"],
		counts["back"], counts["unplaced"], counts["stale"], counts["left-alone"], counts["same"], len(problems))
}

// writeImport says who gains what, and writes where that was asked for.
func writeImport(out io.Writer, from, to *policy.Plant, call importCall, text []byte, leftOut int) error {
	if !call.apply {
		if !call.jsonOut {
			fmt.Fprintln(out, "Nothing is written; --apply writes it.")
		}
		return nil
	}
	if leftOut > 0 && !call.leaveOut {
		return exit{exitError, fmt.Errorf("%d lines cannot be read, so nothing is written: mend them, or say --leave-out", leftOut)}
	}
	path := filepath.Join(filepath.Dir(call.plant), call.into)
	if err := durable.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if !call.jsonOut {
		gains := 0
		for _, d := range policy.Diff(from, to) {
			if d.Means == policy.Gains {
				gains++
			}
		}
		fmt.Fprintf(out, "Written: %s. By it vendors gain %d ways in, once it is in force: penstock policy propose %s\n", path, gains, call.plant)
	}
	return nil
}
