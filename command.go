package plexus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "plexus",
		Usage: "targets|limits|clear",
		Short: "Shows the targets and limits of a running LLM gateway, and clears cooldowns",
		Long: `
Asks a running Caddy, through its admin API, for the targets of its gateways
and for their limits.
The address of the API is taken from --address, else from the configuration
file given with --config, else it is the default one.
`,
		CobraFunc: addCommands,
	})
}

func addCommands(root *cobra.Command) {
	root.PersistentFlags().String("address", "", "The address of the admin API")
	root.PersistentFlags().StringP("config", "c", "", "The configuration file that says where the admin API is")
	root.PersistentFlags().StringP("adapter", "a", "", "The config adapter of that file")
	targets := &cobra.Command{
		Use:   "targets [--json]",
		Short: "Lists the targets: whether they are up, how fast, and what is held against them",
		Args:  cobra.NoArgs,
		RunE:  listTargets,
	}
	limits := &cobra.Command{
		Use:   "limits [--json]",
		Short: "Tells how far the limits of providers, models and credentials are used up",
		Args:  cobra.NoArgs,
		RunE:  listLimits,
	}
	for _, c := range []*cobra.Command{targets, limits} {
		c.Flags().Bool("json", false, "Print the admin API's own answer")
	}
	root.AddCommand(targets, limits, &cobra.Command{
		Use:   "clear [<provider>[/<model>]]",
		Short: "Forgets what is held against all targets, those of a provider, or one",
		Args:  cobra.MaximumNArgs(1),
		RunE:  clearTargets,
	})
}

func listTargets(cmd *cobra.Command, _ []string) error { return list(cmd, pathTargets, printTargets) }

func listLimits(cmd *cobra.Command, _ []string) error { return list(cmd, pathLimits, printLimits) }

// list asks for a list, and prints it as a table unless its JSON is wanted.
func list[T any](cmd *cobra.Command, path string, table func(to io.Writer, list []T, now time.Time) error) error {
	body, err := askAdmin(cmd, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if raw, _ := cmd.Flags().GetBool("json"); raw {
		_, err = cmd.OutOrStdout().Write(body)
		return err
	}
	var list []T
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return table(cmd.OutOrStdout(), list, time.Now())
}

// printTargets writes a table, a line a target.
func printTargets(to io.Writer, list []targetStatus, now time.Time) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TARGET\tSTATE\tFOR\tFAILURES\tFIRST CONTENT\tTOKENS/S\tREASON")
	for _, t := range list {
		wait, first, rate, reason := "-", "-", "-", "-"
		if t.Until != nil && t.Until.After(now) {
			wait = t.Until.Sub(now).Round(time.Second).String()
		}
		if t.FirstContent != nil {
			first = fmt.Sprintf("%.2fs", *t.FirstContent)
		}
		if t.OutputRate != nil {
			rate = fmt.Sprintf("%.0f", *t.OutputRate)
		}
		if text := t.reasons(); text != "" {
			reason = text
		}
		fmt.Fprintf(table, "%s/%s\t%s\t%s\t%d\t%s\t%s\t%s\n", t.Provider, t.Model, t.State, wait, t.Failures, first, rate, reason)
	}
	return table.Flush()
}

// reasons are what the table says is held against a target, which may be up while
// one of its credentials is not.
func (t *targetStatus) reasons() string {
	if t.Reason != "" {
		return t.Reason
	}
	var said []string
	for _, c := range t.Credentials {
		if c.Reason != "" {
			said = append(said, fmt.Sprintf("credential %d %s: %s", c.Number, c.State, c.Reason))
		}
	}
	return strings.Join(said, ", ")
}

// printLimits writes a table, a line for each provider, model and credential of
// which there is anything to tell.
func printLimits(to io.Writer, list []limitStatus, _ time.Time) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tIN FLIGHT\tWAITING\tREQUESTS LEFT\tTOKENS LEFT\tTHE PROVIDER SAYS")
	for _, p := range list {
		if p.InFlight != nil || p.Waiting > 0 {
			fmt.Fprintf(table, "%s\t%s\t%d\t-\t-\t-\n", p.Provider, share(p.InFlight, p.MaxConcurrency), p.Waiting)
		}
		for _, c := range p.Credentials {
			fmt.Fprintf(table, "%s, credential %d\t-\t-\t%s\t%s\t-\n", p.Provider, c.Number, share(c.RequestsLeft, c.RPM), share(c.TokensLeft, c.TPM))
		}
		for _, m := range p.Models {
			if m.InFlight == nil && len(m.Learned) == 0 {
				continue
			}
			said := make([]string, len(m.Learned))
			for i, l := range m.Learned {
				said[i] = fmt.Sprintf("%d %s left (credential %d)", l.Left, strings.ReplaceAll(l.Of, "_", " "), l.Credential)
			}
			fmt.Fprintf(table, "%s/%s\t%s\t-\t-\t-\t%s\n", p.Provider, m.Model, share(m.InFlight, m.MaxConcurrency), cmp.Or(strings.Join(said, ", "), "-"))
		}
	}
	return table.Flush()
}

// share is a part of a whole, as far as either is known.
func share[N int | int64](part *N, whole N) string {
	switch {
	case part == nil:
		return "-"
	case whole == 0:
		return fmt.Sprint(*part)
	}
	return fmt.Sprintf("%d/%d", *part, whole)
}

func clearTargets(cmd *cobra.Command, args []string) error {
	var what clearing
	if len(args) == 1 {
		what.Provider, what.Model, _ = strings.Cut(args[0], "/")
		if what.Provider == "" {
			return fmt.Errorf("expected <provider> or <provider>/<model>, got %q", args[0])
		}
	}
	request, err := json.Marshal(what)
	if err != nil {
		return err
	}
	body, err := askAdmin(cmd, http.MethodPost, pathClear, request)
	if err != nil {
		return err
	}
	var done cleared
	if err := json.Unmarshal(body, &done); err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "cleared: %d\n", done.Cleared)
	return err
}

// askAdmin sends a request to the admin API of the running Caddy.
func askAdmin(cmd *cobra.Command, method, path string, body []byte) ([]byte, error) {
	flag := func(name string) string { value, _ := cmd.Flags().GetString(name); return value }
	address, err := caddycmd.DetermineAdminAPIAddress(flag("address"), nil, flag("config"), flag("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin API: %w", err)
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	res, err := caddycmd.AdminAPIRequest(address, method, path, nil, reader)
	if err != nil {
		return nil, adminProblem(err)
	}
	defer res.Body.Close()
	return io.ReadAll(io.LimitReader(res.Body, 64<<20))
}

// adminProblem is what the admin API says is wrong, without its JSON.
func adminProblem(err error) error {
	_, said, found := strings.Cut(err.Error(), "{")
	var problem caddy.APIError
	if !found || json.Unmarshal([]byte("{"+said), &problem) != nil || problem.Message == "" {
		return err
	}
	return errors.New(problem.Message)
}
