package sodacloud

import (
	"context"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
)

// What clients of Soda Core 4 ask.

// whoAmI is how a client tests its key.
func (s *server) whoAmI(c call) (any, error) {
	return map[string]string{"keyId": c.who.KeyID, "name": c.who.Name}, nil
}

// datasetsConfiguration is asked before every verification, which an error would abort. There is nothing to configure.
func (s *server) datasetsConfiguration(call) (any, error) {
	return map[string]any{"results": []any{}}, nil
}

// datasourceConfiguration would give a data source's connection. Clients up to 4.1 abort on an error, and go on with nothing.
func (s *server) datasourceConfiguration(call) (any, error) { return struct{}{}, nil }

// contracts finds a dataset's contract by a filter on its qualified name.
func (s *server) contracts(c call) (any, error) {
	name, err := v4.ReadContractFilter(c.members)
	if err != nil {
		return nil, err
	}
	results := []map[string]string{}
	if d, ok := dq.ParseQualifiedName(name); ok {
		newest, err := s.Hub.ContractVersions(c.Context(), d.ID(), 1)
		if err != nil {
			return nil, err
		}
		for _, v := range newest {
			text, err := s.Hub.ContractText(c.Context(), v.File)
			if err != nil {
				return nil, err
			}
			results = append(results, map[string]string{"contents": text})
		}
	}
	return map[string]any{"results": results}, nil
}

// noRequests refuses contract requests, which are a conversation of people on Soda Cloud's pages.
func (s *server) noRequests(c call) (any, error) {
	return nil, &Failure{Status: http.StatusBadRequest, Code: "not_supported", Message: "Contract requests are not kept here. Publish the changed contract with soda contract publish; its versions are on the dataset's page."}
}

// historyAtOnce is how many histories are read side by side.
const historyAtOnce = 8

// historicMeasurements2 gives past measurements of several metrics.
func (s *server) historicMeasurements2(c call) (any, error) {
	q, err := v4.ReadHistoryQuery(c.members, "metricIdentities")
	if err != nil {
		return nil, err
	}
	lists, err := eachIdentity(c.Context(), q.Identities, func(ctx context.Context, identity string) ([]hub.Measured, error) {
		return s.Hub.Measurements(ctx, hub.MeasurementQuery{Identity: identity, From: q.From, To: q.To, Limit: q.Limit})
	})
	return s.found(c, v4.Measurements(lists), err)
}

// historicCheckResults2 gives past results of several checks.
func (s *server) historicCheckResults2(c call) (any, error) {
	q, err := v4.ReadHistoryQuery(c.members, "checkIdentities")
	if err != nil {
		return nil, err
	}
	lists, err := eachIdentity(c.Context(), q.Identities, func(ctx context.Context, identity string) ([]hub.CheckResult, error) {
		return s.Hub.CheckResults(ctx, hub.CheckResultQuery{Identity: identity, From: q.From, To: q.To, Limit: q.Limit})
	})
	return s.found(c, v4.CheckResults(q.Identities, lists), err)
}

// eachIdentity reads a list for each identity, in their order.
func eachIdentity[T any](ctx context.Context, identities []string, read func(context.Context, string) ([]T, error)) ([][]T, error) {
	lists := make([][]T, len(identities))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(historyAtOnce)
	for i, identity := range identities {
		g.Go(func() (err error) {
			lists[i], err = read(ctx, identity)
			return err
		})
	}
	return lists, g.Wait()
}
