package engine

import (
	"context"
	"fmt"
	"time"
)

// Reached is what a data source said when it was tried.
type Reached struct {
	// Connected is how long connecting took.
	Connected time.Duration `json:"connected"`
	// Datasets are the first of Count that the data source has.
	Datasets []string `json:"datasets"`
	Count    int64    `json:"count"`
}

// patience is how long a data source has to answer when it is tried.
const patience = 20 * time.Second

// Test connects to a data source and lists its first datasets. Errors are the database's own.
func Test(ctx context.Context, s *Source) (Reached, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it did not answer within %s", patience))
	defer cancel()
	var found Reached
	start := time.Now()
	c, err := s.Open(ctx)
	if err != nil {
		return found, fmt.Errorf("cannot be reached: %w", because(ctx, err))
	}
	defer c.Close()
	found.Connected = time.Since(start)
	rows, err := c.Query(ctx, s.Dialect.Tables(s, []string{"%"}, nil), 20)
	if err != nil {
		return found, fmt.Errorf("its datasets cannot be listed: %w", because(ctx, err))
	}
	for _, row := range rows.Rows {
		found.Datasets = append(found.Datasets, fmt.Sprint(row[0]))
	}
	found.Count = rows.Count
	return found, nil
}

// because is the cause of a context's end, where there is one, else err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
