package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// User is a person who may sign in.
type User struct {
	Name    string    `json:"name"` // in lower case
	Created time.Time `json:"created"`
	// HasPassword is false for users who sign in by links only.
	HasPassword bool `json:"hasPassword"`
}

// userRecord is a user as the table has it.
type userRecord struct {
	User
	// Generation is new with each password; sessions of older ones are void.
	Generation string `json:"generation"`
	hash       string
	version    int64
}

const (
	userPrefix = "USER#"
	userIndex  = "USERS"
	entityUser = "user"
)

func userItem(name string) table.Key { return table.Key{PK: userPrefix + name, SK: docSK} }

// userName is the form of a name in which it is compared: trimmed and in lower case.
func userName(name string) (string, error) {
	name, err := usableName(name)
	return strings.ToLower(name), err
}

// AddUser makes a user with a password, or gives one to a user who has none yet. ErrInvalid for names and passwords that
// cannot be used, ErrUserExists for a user with a password.
func (a *Auth) AddUser(ctx context.Context, name, password string) error {
	return a.putUser(ctx, name, password, func(u userRecord) error {
		if u.HasPassword {
			return fmt.Errorf("%q: %w", u.Name, ErrUserExists)
		}
		return nil
	})
}

// SetPassword gives a user a new password and ends all sessions. ErrNotFound for an unknown user, ErrInvalid as AddUser.
func (a *Auth) SetPassword(ctx context.Context, name, password string) error {
	return a.putUser(ctx, name, password, func(u userRecord) error {
		if u.version == 0 {
			return fmt.Errorf("user %q: %w", u.Name, ErrNotFound)
		}
		return nil
	})
}

// putUser stores a password for the user of a name, new or not, if allowed says so.
func (a *Auth) putUser(ctx context.Context, name, password string, allowed func(userRecord) error) error {
	name, err := userName(name)
	if err != nil {
		return err
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	u, err := a.readUser(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	u.Name = name
	if err := allowed(u); err != nil {
		return err
	}
	if u.hash, err = a.hashPassword(ctx, password); err != nil {
		return err
	}
	u.HasPassword = true
	return a.writeUser(ctx, u)
}

// writeUser stores a user as a new version and generation of what was read.
func (a *Auth) writeUser(ctx context.Context, u userRecord) error {
	u.Generation = newSecret()[:16]
	if u.version == 0 {
		u.Created = a.now().UTC().Truncate(time.Millisecond)
	}
	head, err := json.Marshal(u)
	if err != nil {
		return err
	}
	item := table.Item{
		Key: userItem(u.Name), Entity: entityUser, Version: u.version + 1,
		IndexPK: userIndex, IndexSK: u.Name, Head: head, Body: []byte(u.hash),
	}
	if err := a.table.Write(ctx, table.Put(item, table.IfVersion(u.version))); err != nil {
		return fmt.Errorf("store user %q: %w", u.Name, err)
	}
	a.users.forget(u.Name)
	return nil
}

// Users lists the users by name.
func (a *Auth) Users(ctx context.Context) ([]User, error) {
	items, err := table.All(ctx, a.table.QueryIndex, table.Range{PK: userIndex})
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	users := make([]User, len(items))
	for i, item := range items {
		if err := json.Unmarshal(item.Head, &users[i]); err != nil {
			return nil, fmt.Errorf("user %v: %w", item.Key, err)
		}
	}
	return users, nil
}

// RemoveUser removes a user and ends all sessions. ErrNotFound for an unknown one.
func (a *Auth) RemoveUser(ctx context.Context, name string) error {
	name, err := userName(name)
	if err != nil {
		return err
	}
	u, err := a.readUser(ctx, name)
	if err != nil {
		return err
	}
	if err := a.table.Write(ctx, table.Delete(userItem(name), table.IfVersion(u.version))); err != nil {
		return fmt.Errorf("remove user %q: %w", name, err)
	}
	a.users.forget(name)
	return nil
}

// readUser reads a user from the table. ErrNotFound if there is none.
func (a *Auth) readUser(ctx context.Context, name string) (userRecord, error) {
	item, err := a.table.Get(ctx, userItem(name))
	if err != nil {
		return userRecord{}, fmt.Errorf("user %q: %w", name, err)
	}
	u := userRecord{hash: string(item.Body), version: item.Version}
	if err := json.Unmarshal(item.Head, &u); err != nil {
		return userRecord{}, fmt.Errorf("user %q: %w", name, err)
	}
	return u, nil
}

// user finds a user through the cache.
func (a *Auth) user(ctx context.Context, name string) (u userRecord, found bool, err error) {
	now := a.now()
	if r, ok := a.users.get(name, now); ok {
		return r.value, r.found, nil
	}
	u, err = a.readUser(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return userRecord{}, false, err
	}
	found = err == nil
	a.users.put(name, u, found, now)
	return u, found, nil
}
