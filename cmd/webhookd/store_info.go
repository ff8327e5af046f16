package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/bolt"
)

type storeInfoCommand struct{ storeFlags }

// keptInfo is what info says of a store.
type keptInfo struct {
	Dir         string         `json:"dir"`
	Format      uint32         `json:"format"`
	FileBytes   int64          `json:"file_bytes"`
	FreeBytes   int64          `json:"free_bytes"`
	Events      int            `json:"events"`
	DeadLetters keptVolume     `json:"dead_letters"`
	Damaged     int            `json:"damaged"`
	Endpoints   []keptEndpoint `json:"endpoints"`
}

type keptVolume struct {
	Events int   `json:"events"`
	Bytes  int64 `json:"bytes"`
}

type keptEndpoint struct {
	Name   string     `json:"name"`
	Absent bool       `json:"absent,omitempty"` // the configuration lacks it
	Held   keptVolume `json:"held"`
	Since  *time.Time `json:"since,omitempty"`
	store.Account
}

// Run says what is there.
func (i *storeInfoCommand) Run(c console) error {
	dir, cfg, err := i.find(c)
	if err != nil {
		return usageError{err}
	}
	found, err := bolt.ReadInfo(dir)
	if err != nil {
		return fmt.Errorf("look at the store: %w", err)
	}
	info := infoOf(dir, found, cfg)
	if i.JSON {
		return json.NewEncoder(c.out).Encode(info)
	}
	return info.print(c)
}

func infoOf(dir string, found bolt.Info, cfg *config.Config) keptInfo {
	info := keptInfo{
		Dir: dir, Format: found.FormatVersion, FileBytes: found.FileBytes, FreeBytes: found.FreeBytes,
		Events: found.Events, DeadLetters: keptVolume(found.Letters), Damaged: found.Damaged, Endpoints: []keptEndpoint{},
	}
	for _, name := range slices.Sorted(maps.Keys(found.Endpoints)) {
		of := found.Endpoints[name]
		endpoint := keptEndpoint{Name: name, Absent: cfg != nil && !has(cfg, name), Held: keptVolume(of.Held), Account: of.Account}
		if !of.Since.IsZero() {
			since := of.Since.UTC()
			endpoint.Since = &since
		}
		info.Endpoints = append(info.Endpoints, endpoint)
	}
	return info
}

func has(cfg *config.Config, name string) bool {
	return slices.ContainsFunc(cfg.Webhook.Endpoints, func(e config.Endpoint) bool { return e.Name == name })
}

func (i *keptInfo) print(c console) error {
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "store\t%s, format %d\n", terminal.Shown(i.Dir, maxErrorColumn), i.Format)
	fmt.Fprintf(table, "file\t%s, of which %s are free\n", shownBytes(i.FileBytes), shownBytes(i.FreeBytes))
	fmt.Fprintf(table, "events\t%d, each kept once, however many endpoints hold it\n", i.Events)
	fmt.Fprintf(table, "dead letters\t%d of %s\n", i.DeadLetters.Events, shownBytes(i.DeadLetters.Bytes))
	if i.Damaged > 0 {
		fmt.Fprintf(table, "damaged\t%d events could not be read, and are set aside\n", i.Damaged)
	}
	if len(i.Endpoints) > 0 {
		fmt.Fprintln(table, "\t")
	}
	if err := table.Flush(); err != nil || len(i.Endpoints) == 0 {
		return err
	}
	fmt.Fprintln(table, "ENDPOINT\tHELD\tBYTES\tSINCE\tACCEPTED\tDELIVERED\tDROPPED\tDEAD-LETTERED")
	for _, e := range i.Endpoints {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\t%d\t%s\t%s\n", e.title(), e.Held.Events, shownBytes(e.Held.Bytes), e.since(),
			e.Accepted, e.Delivered, counted(e.Dropped), counted(e.DeadLettered))
	}
	return table.Flush()
}

func (e *keptEndpoint) title() string {
	title := terminal.Shown(e.Name, maxErrorColumn)
	if e.Absent {
		title += " (absent)"
	}
	return title
}

func (e *keptEndpoint) since() string {
	if e.Since == nil {
		return "-"
	}
	return e.Since.Format(time.RFC3339)
}

// counted is a sum with what it is made of: "7 (evicted 5, refused 2)".
func counted(byReason map[string]uint64) string {
	var sum uint64
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		if n := byReason[reason]; n > 0 {
			sum += n
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if sum == 0 {
		return "0"
	}
	return terminal.Shown(fmt.Sprintf("%d (%s)", sum, strings.Join(parts, ", ")), maxErrorColumn)
}
