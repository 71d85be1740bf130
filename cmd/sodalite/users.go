//go:build !scanner

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

func (p *program) usersCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "users", Short: "People who may sign in", Args: noArguments, RunE: help}
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(p.usersAddCommand(), p.usersLinkCommand(), p.usersListCommand(&asJSON), p.usersRemoveCommand())
	return c
}

func (p *program) usersAddCommand() *cobra.Command {
	var passwordFromInput bool
	c := &cobra.Command{
		Use: "add NAME", Short: "Let a person sign in, by a link or a password", Args: oneArgument("user's name"),
		Long:    "Let a person sign in. Without a password it prints a link that signs in once; make more with users link.",
		Example: "  sodalite users add ada@example.com\n  pass show sodalite/ada | sodalite users add ada --password-stdin",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if !passwordFromInput {
				return p.printLink(ctx, s, args[0])
			}
			password, err := bufio.NewReader(io.LimitReader(p.in, 4096)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read password: %w", err)
			}
			if err := s.Auth.AddUser(ctx, args[0], strings.TrimRight(password, "\r\n")); err != nil {
				return err
			}
			fmt.Fprintf(p.out, "User %s may sign in with the password.\n", args[0])
			return nil
		}),
	}
	c.Flags().BoolVar(&passwordFromInput, "password-stdin", false, "read a password from the first line of standard input")
	return c
}

func (p *program) usersLinkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "link NAME", Short: "Print a link that signs a user in once", Args: oneArgument("user's name"),
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error { return p.printLink(ctx, s, args[0]) }),
	}
}

func (p *program) usersListCommand(asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the users", Args: noArguments,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			all, err := s.Auth.Users(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return p.printJSON(nonNil(all))
			}
			var rows [][]string
			for _, u := range all {
				by := "link"
				if u.HasPassword {
					by = "password"
				}
				rows = append(rows, []string{u.Name, by, date(u.Created)})
			}
			return p.printTable("No users. Add one: sodalite users add NAME", rows, "NAME", "SIGNS IN BY", "CREATED")
		}),
	}
}

func (p *program) usersRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a user and end their sessions", Args: oneArgument("user's name"),
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if err := s.Auth.RemoveUser(ctx, args[0]); err != nil {
				return unknown(err, "there is no user %q, see sodalite users list", args[0])
			}
			fmt.Fprintf(p.out, "User %s is removed.\n", args[0])
			return nil
		}),
	}
}

func (p *program) printLink(ctx context.Context, s *wiring.System, name string) error {
	token, err := s.Auth.NewSignInLink(ctx, name)
	if err != nil {
		return err
	}
	address := s.Config.PublicURL
	if address == "" {
		fmt.Fprintf(p.errs, "Put the address of your pages before this path, or set %s.\n", config.PublicURL)
	}
	fmt.Fprintf(p.out, "%s/sign-in/link?token=%s\n", address, token)
	return nil
}
