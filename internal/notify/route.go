package notify

import (
	"context"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// ToAll routes all checks of every alert to every destination. It is the router of an installation without rules.
func ToAll(destinations []Destination) Router {
	ids := make([]string, len(destinations))
	for i, d := range destinations {
		ids[i] = d.ID
	}
	return toAll(ids)
}

type toAll []string

func (ids toAll) Route(_ context.Context, alert dq.Alert) ([]Routed, error) {
	routes := make([]Routed, len(ids))
	for i, id := range ids {
		routes[i] = Routed{Destination: id, Checks: alert.Checks, Omitted: alert.Omitted}
	}
	return routes, nil
}
