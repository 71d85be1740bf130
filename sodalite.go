// Package sodalite holds what the programs carry with them from the root of the repository.
package sodalite

import _ "embed"

// Template is the CloudFormation template that deploys Sodalite on AWS. The embedded server reads the event source
// mappings from it, so that one machine and AWS wake the same functions by the same filters.
//
//go:embed template.yaml
var Template []byte
