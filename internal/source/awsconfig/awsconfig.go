// Package awsconfig makes the AWS configuration of data sources that are AWS services, of the settings that Soda Core has for
// them.
package awsconfig

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sodalite-dq/sodalite/internal/source"
)

// Names are the settings read: credentials (else those that every AWS tool finds), a profile, a role to assume with them, the
// region, and an endpoint in place of AWS's.
var Names = []string{"access_key_id", "secret_access_key", "session_token", "profile_name", "role_arn", "region", "region_name", "endpoint"}

// Find gives the AWS configuration that settings are laid over, of a profile if its name is not empty: see package awsenv.
type Find func(ctx context.Context, profile string) (aws.Config, error)

// Load makes the configuration. It makes no call, but for files of the profile.
func Load(ctx context.Context, s *source.Settings, find Find) (aws.Config, error) {
	key, secret := s.Text("access_key_id", ""), s.Text("secret_access_key", "")
	if (key == "") != (secret == "") {
		return aws.Config{}, s.Errorf("data source %s needs both access_key_id and secret_access_key, or neither", s.Name)
	}
	c, err := find(ctx, s.Text("profile_name", ""))
	if err != nil {
		return c, fmt.Errorf("data source %s: %w", s.Name, err)
	}
	if key != "" {
		c.Credentials = credentials.NewStaticCredentialsProvider(key, secret, s.Text("session_token", ""))
	}
	if endpoint := s.Text("endpoint", ""); endpoint != "" {
		c.BaseEndpoint = &endpoint
	}
	if c.Region = s.Text("region", s.Text("region_name", c.Region)); c.Region == "" {
		return c, s.Errorf("data source %s needs a region: set region, or AWS_REGION", s.Name)
	}
	if role := s.Text("role_arn", ""); role != "" {
		c.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), role, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "sodalite" }))
	}
	return c, nil
}
