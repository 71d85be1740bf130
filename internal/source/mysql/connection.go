package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// connection ends statements in the server too. When a context ends, the driver closes its connection, but the server looks at
// that only when it next has something to send.
type connection struct {
	db      *sql.DB
	numbers *numbers
}

func connect(ctx context.Context, c sqldriver.Connector) (engine.Connection, error) {
	n := &numbers{Connector: c}
	db := sql.OpenDB(n)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the error that counts is the first
		return nil, err
	}
	return &connection{db, n}, nil
}

// Close implements [engine.Connection].
func (c *connection) Close() error { return c.db.Close() }

// Query implements [engine.Connection].
func (c *connection) Query(ctx context.Context, statement string, keep int) (*engine.Rows, error) {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // back into the pool
	rows, err := source.Query(ctx, conn, statement, keep, convert)
	if err != nil && ctx.Err() != nil {
		c.kill(ctx, conn)
		return nil, context.Cause(ctx)
	}
	return rows, err
}

// killWithin is how long ending a statement may take.
const killWithin = 10 * time.Second

// kill ends the statement of a connection, as far as the server can be reached. One that has ended is no error.
func (c *connection) kill(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWithin)
	defer cancel()
	_ = conn.Raw(func(d any) error {
		if number, ok := c.numbers.of.Load(d); ok {
			_, _ = c.db.ExecContext(ctx, "KILL QUERY "+number.(string))
		}
		return nil
	})
}

// numbers remembers by which number the server knows each connection.
type numbers struct {
	sqldriver.Connector
	of sync.Map // texts by sqldriver.Conn
}

// Connect implements [sqldriver.Connector].
func (n *numbers) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := n.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	number, err := numberOf(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	n.of.Store(conn, number)
	return conn, nil
}

func numberOf(ctx context.Context, conn sqldriver.Conn) (string, error) {
	q, ok := conn.(sqldriver.QueryerContext)
	if !ok {
		return "", fmt.Errorf("a connection of type %T takes no queries", conn)
	}
	rows, err := q.QueryContext(ctx, "SELECT CONNECTION_ID()", nil)
	if err != nil {
		return "", err
	}
	value := make([]sqldriver.Value, 1)
	if err := errors.Join(rows.Next(value), rows.Close()); err != nil {
		return "", err
	}
	if text, ok := value[0].([]byte); ok {
		return string(text), nil
	}
	return fmt.Sprint(value[0]), nil
}
