// Package machine finds out how AWS is reached from a person's or a server's machine, as every AWS tool does.
package machine

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Load is the AWS configuration of the environment and, named by it, of files.
func Load(ctx context.Context) (aws.Config, error) { return Profile(ctx, "") }

// Profile is that of a profile in the files; "" for the one that the environment names.
func Profile(ctx context.Context, name string) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if name != "" {
		options = append(options, config.WithSharedConfigProfile(name))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return c, fmt.Errorf("AWS configuration: %w", err)
	}
	return c, nil
}
