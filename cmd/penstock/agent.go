package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/agent"
	"penstock/broker/api"
	"penstock/broker/connect"
	"penstock/broker/web"
	"penstock/policy"
)

// agentLines is how the pages see and drop the agents' lines.
func (h *plantHouse) agentLines() web.AgentLines {
	return web.AgentLines{Drop: h.dialer.Agents.Drop, State: func(z policy.ZoneName) web.AgentState {
		s := h.dialer.Agents.State(z)
		out := web.AgentState{Up: s.Up, Since: s.Since, Streams: s.Streams}
		if s.Source.IsValid() {
			out.Source = s.Source.String()
		}
		return out
	}}
}

func agentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "agent", Short: "The way into a zone that lets no connection in: its agent dials the broker",
		Long: `In the zone: join brings the agent's key with a code, run is the way in. At the
broker: invite, confirm, remove, list. The plant file says which zones are reached
so: reached_by: agent.`}
	cmd.AddCommand(agentRunCommand(), agentJoinCommand(), agentInviteCommand(), agentConfirmCommand(), agentRemoveCommand(),
		listCommand("list", "List the agents of zones", "/agents", "No zone is reached through an agent.", agentLine))
	return cmd
}

func agentRunCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{Use: "run --config agent.yaml", Short: "In the zone: dial the broker and stay", Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := agent.ReadConfig(config)
			if err != nil {
				return err
			}
			if err := keepMemoryPrivate(); err != nil {
				return err
			}
			return agent.Run(cmd.Context(), c, slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil)))
		}}
	cmd.Flags().StringVar(&config, "config", "agent.yaml", "the agent's file")
	return cmd
}

func agentJoinCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{Use: "join --config agent.yaml", Short: "In the zone: make the agent's key and bring it with an invitation's code", Args: exactly(0, "flags only; the code is asked for"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := agent.ReadConfig(config)
			if err != nil {
				return err
			}
			return agent.Join(cmd.Context(), c, connect.Screen(cmd.OutOrStdout(), cmd.ErrOrStderr()).Ask, cmd.OutOrStdout())
		}}
	cmd.Flags().StringVar(&config, "config", "agent.yaml", "the agent's file")
	return cmd
}

func agentPath(zone, step string) string { return "/agents/" + url.PathEscape(zone) + "/" + step }

func agentInviteCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "invite ZONE", Short: "Invite the agent of a zone; prints the code once, and the agent's file", Args: exactly(1, "a zone"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			var made api.Agent
			if err := client.Post(cmd.Context(), agentPath(args[0], "invite"), api.Step{}, &made); err != nil {
				return apiError(err)
			}
			var a api.Authorities
			if err := client.Get(cmd.Context(), "/authorities", &a); err != nil {
				return apiError(err)
			}
			return c.show(cmd, made, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "The code of the agent of %s. It works once, until %s:\n\n    %s\n\n", printable(made.Zone), local(made.Invited, c.zone), made.Code)
				fmt.Fprintf(w, "On the machine in the zone, agent.yaml; strike out what it shall not reach:\n\n%s\n", made.File)
				fmt.Fprintf(w, "Beside it known_hosts, which says who the broker is:\n\n%s\n\n", knownHostsLine(a))
				fmt.Fprintf(w, "Then, there:\n\n    penstock agent join --config agent.yaml\n    penstock agent run --config agent.yaml\n\nSomebody else than you compares the fingerprint and runs:\n\n    penstock agent confirm %s SHA256:…\n", made.Zone)
			})
		}}
	c.flags(cmd)
	return cmd
}

func agentConfirmCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "confirm ZONE FINGERPRINT", Short: "Vouch for an agent's key, as somebody else than who invited it", Args: exactly(2, "a zone and the fingerprint that you have compared"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, agentPath(args[0], "confirm"), itself(&api.Step{Key: args[1]}), func(w *tabwriter.Writer, a api.Agent) { agentLine(w, a, c.zone) })
		}}
	c.flags(cmd)
	return cmd
}

func agentRemoveCommand() *cobra.Command {
	var c caller
	var step api.Step
	cmd := &cobra.Command{Use: "remove ZONE", Short: "Close the way into a zone, at once", Args: exactly(1, "a zone"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withoutCode, agentPath(args[0], "remove"), itself(&step), func(w *tabwriter.Writer, a api.Agent) { agentLine(w, a, c.zone) })
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "for the log")
	return cmd
}

func agentLine(w *tabwriter.Writer, a api.Agent, l *time.Location) {
	state := "down"
	if a.Up {
		state = fmt.Sprintf("up since %s from %s, %d streams", local(a.Since, l), a.Source, a.Streams)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\n", printable(a.Zone), printable(a.Key), state)
	if a.Pending != "" {
		fmt.Fprintf(w, "  waits to be confirmed\t%s\tinvited by %s\n", printable(a.Pending), printable(a.By))
	}
	if !a.Invited.IsZero() {
		fmt.Fprintf(w, "  invited by %s\tuntil %s\t\n", printable(a.By), local(a.Invited, l))
	}
}
