package sodacloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// verifyContract starts a run of an uploaded contract whose result is kept, testContract one whose result is only told
// (Soda Core 4 protocol, remote verification). The client then asks the public API for the scan's state and log.
func (s *server) verifyContract(c call) (any, error) { return s.startVerification(c, true) }

func (s *server) testContract(c call) (any, error) { return s.startVerification(c, false) }

func (s *server) startVerification(c call, publish bool) (any, error) {
	source, text, err := s.contractOf(c)
	if err != nil {
		return nil, err
	}
	v := runs.Verification{File: source.FileID, Path: source.Metadata.Source.FilePath, Publish: publish}
	if err := readVerification(c.members, &v); err != nil {
		return nil, err
	}
	run, err := s.Runs.Verify(c.Context(), v, text, c.who.Name)
	var mistakes runs.Mistakes
	switch {
	case errors.As(err, &mistakes):
		return nil, &Failure{Status: http.StatusBadRequest, Code: "invalid_contract", Message: dq.Truncate(mistakes.Error(), 2000)}
	case errors.Is(err, runs.ErrInvalid):
		return nil, &Failure{Status: http.StatusBadRequest, Code: "datasource_not_found", Message: err.Error()}
	case errors.Is(err, runs.ErrTooMany):
		return nil, &Failure{Status: http.StatusTooManyRequests, Code: "too_many_requests", Message: err.Error()}
	case err != nil && run.ID == "":
		return nil, err
	case err != nil:
		s.tell(c, "the start of a run", err) // it is queued, and tried again by the next tick
	}
	*c.traceID = run.ID
	s.Log.InfoContext(c.Context(), "verification asked for", "run", run.ID, "dataset", run.Definition, "publish", publish, "by", c.who.KeyID)
	return map[string]string{"scanId": run.ID}, nil
}

// The limits of what is said about a run.
const (
	maxVariables = 200
	maxSelectors = 1000
)

// readVerification reads the variables, and which checks are to be run (from Soda Core 4.22).
func readVerification(members map[string]json.RawMessage, v *runs.Verification) error {
	var variables map[string]json.RawMessage
	var options struct {
		CheckPaths   []string `json:"checkPaths"`
		CheckFilters []struct {
			Field  string   `json:"field"`
			Values []string `json:"values"`
			Negate bool     `json:"negate"`
		} `json:"checkFilters"`
	}
	for name, to := range map[string]any{"variables": &variables, "executionOptions": &options, "verbose": &v.Verbose} {
		if raw, ok := members[name]; ok {
			if err := wire.Decode(name, raw, to); err != nil {
				return err
			}
		}
	}
	if len(variables) > maxVariables {
		return wire.Bad("variables", fmt.Sprintf("there are %d, at most %d are taken", len(variables), maxVariables))
	}
	v.Variables = make(map[string]string, len(variables))
	for name, raw := range variables {
		v.Variables[name] = scalar(raw)
	}
	for _, path := range options.CheckPaths {
		v.Select = append(v.Select, contract.CheckPath(path))
	}
	for _, f := range options.CheckFilters {
		for _, value := range f.Values {
			v.Select = append(v.Select, contract.Selector{Field: f.Field, Value: value, Not: f.Negate})
		}
	}
	if len(v.Select) > maxSelectors {
		return wire.Bad("executionOptions", fmt.Sprintf("there are %d filters, at most %d are taken", len(v.Select), maxSelectors))
	}
	for _, selector := range v.Select {
		if err := selector.Known(); err != nil {
			return wire.Bad("executionOptions.checkFilters", err.Error())
		}
	}
	return nil
}
