package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// NetBox reads what /api/dcim/devices/ answers: {"results": […]}, or a list of
// devices alone. Zone, level, firmware and stops come from custom fields of
// those names, the zone else from the location's name.
func NetBox(text []byte) ([]Row, []Problem, error) {
	return list(text, "results", func(d map[string]any) Row {
		address, _, _ := strings.Cut(at(d, "primary_ip4", "address"), "/")
		if address == "" {
			address, _, _ = strings.Cut(at(d, "primary_ip", "address"), "/")
		}
		r := Row{ID: at(d, "id"), Name: at(d, "name"), Tag: at(d, "asset_tag"), Title: at(d, "description"), Serial: at(d, "serial"), Address: address,
			Maker: at(d, "device_type", "manufacturer", "name"), Model: at(d, "device_type", "model"), Zone: at(d, "custom_fields", "zone"), Level: at(d, "custom_fields", "level"),
			Firmware: at(d, "custom_fields", "firmware"), Stops: at(d, "custom_fields", "stops"), Ports: at(d, "custom_fields", "ports"), Backup: at(d, "custom_fields", "last_backup")}
		if r.Zone == "" {
			r.Zone = at(d, "location", "name")
		}
		if r.Level == "" {
			r.Level = at(d, "custom_fields", "purdue_level")
		}
		return r
	})
}

// ServiceNow reads what the table API answers for OT devices: {"result": […]}.
// A value may be text, or a reference with a display_value.
func ServiceNow(text []byte) ([]Row, []Problem, error) {
	return list(text, "result", func(d map[string]any) Row {
		pick := func(names ...string) string {
			for _, n := range names {
				if s := at(d, n); s != "" {
					return s
				}
			}
			return ""
		}
		return Row{ID: pick("sys_id"), Name: pick("name"), Tag: pick("asset_tag"), Title: pick("ot_display_name", "short_description"), Serial: pick("serial_number"), Address: pick("ip_address"),
			Maker: pick("manufacturer"), Model: pick("model_id", "model_number"), Firmware: pick("firmware_version"), Zone: pick("zone", "cmdb_ot_entity.zone"),
			Level: pick("purdue_level", "cmdb_ot_entity.purdue_level"), Stops: pick("stops")}
	})
}

// list reads a list of objects, alone or below a key.
func list(text []byte, key string, row func(map[string]any) Row) (rows []Row, problems []Problem, err error) {
	if len(text) > MaxBytes {
		return nil, nil, fmt.Errorf("the file has %d bytes; at most %d are read", len(text), MaxBytes)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var devices []map[string]any
	var page map[string]json.RawMessage
	if err := json.Unmarshal(text, &page); err == nil {
		text = page[key]
		if next := strings.Trim(string(page["next"]), `"`); next != "" && next != "null" {
			return nil, nil, errors.New("this is one page of several: ask for all at once (limit=0), or put the lists together")
		}
	}
	if err := json.Unmarshal(text, &devices); err != nil {
		return nil, nil, fmt.Errorf("a list of devices is wanted, alone or as %q: %w", key, err)
	}
	if len(devices) > MaxRows {
		return nil, nil, fmt.Errorf("%d devices; at most %d are read", len(devices), MaxRows)
	}
	for i, d := range devices {
		r := row(d)
		r.Line = i + 1
		if p := cleaned(&r); p != "" {
			problems = append(problems, Problem{r.Line, p})
			continue
		}
		rows = append(rows, r)
	}
	return rows, problems, nil
}

func cleaned(r *Row) string {
	for column := range columns {
		field := r.field(column)
		text, problem := Clean(*field)
		if problem != "" {
			return column + ": " + problem
		}
		*field = text
	}
	return ""
}

// at is the text at the end of a path of keys; lists are joined, other things are "".
func at(v any, path ...string) string {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[key]
	}
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, at(one))
		}
		return strings.Join(all, " ")
	case map[string]any:
		for _, key := range []string{"display_value", "name", "label", "value"} {
			if s := at(v, key); s != "" {
				return s
			}
		}
	}
	return ""
}
