package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// attributeTypes are the types that Soda Core 3 knows (protocol section 4.2), and whether they choose from allowed values.
var attributeTypes = map[string]bool{
	"text": false, "number": false, "datetime": false, "checkbox": true, "singleSelect": true, "multiSelect": true,
}

// maxAttributes bounds the schema.
const maxAttributes = 500

// AttributeMistake is what is wrong with one attribute of a schema.
type AttributeMistake struct {
	Index   int // in the schema, from 0
	Name    string
	Problem string
}

func (m AttributeMistake) Error() string {
	return fmt.Sprintf("attribute %d (%q) %s", m.Index+1, m.Name, m.Problem)
}

// ApplyAttributes replaces the check attribute schema. All mistakes are reported at once, as [ErrInvalid].
func (h *Hub) ApplyAttributes(ctx context.Context, schema []AttributeSchema) error {
	if len(schema) > maxAttributes {
		return fmt.Errorf("%w: %d attributes, at most %d", ErrInvalid, len(schema), maxAttributes)
	}
	schema, mistakes := CheckAttributes(schema)
	if len(mistakes) > 0 {
		all := make([]error, len(mistakes))
		for i, m := range mistakes {
			all[i] = m
		}
		return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(all...))
	}
	body, err := Pack(schema)
	if err != nil {
		return err
	}
	return h.update(ctx, attributesKey, func(item *table.Item) error {
		item.Entity, item.Body = entityAttributes, body
		item.Head = fmt.Appendf(nil, `{"attributes":%d,"version":%d}`, len(schema), item.Version+1)
		return nil
	})
}

// CheckAttributes finds every mistake in a schema, and fills in what is implied: a checkbox may be true or false.
func CheckAttributes(schema []AttributeSchema) ([]AttributeSchema, []AttributeMistake) {
	var mistakes []AttributeMistake
	schema = slices.Clone(schema)
	names := map[string]bool{}
	for i := range schema {
		if problem := schema[i].complete(names); problem != "" {
			mistakes = append(mistakes, AttributeMistake{i, schema[i].Name, problem})
		}
		names[schema[i].Name] = true
	}
	return schema, mistakes
}

// complete fills in what is implied and says what is wrong, "" for nothing.
func (a *AttributeSchema) complete(names map[string]bool) (problem string) {
	selects, known := attributeTypes[a.Type]
	if a.Type == "checkbox" {
		a.AllowedValues = []any{true, false}
	}
	switch {
	case strings.TrimSpace(a.Name) == "":
		return "needs a name"
	case names[a.Name]:
		return "is there twice"
	case !known:
		return fmt.Sprintf("has the type %q, want one of text, number, datetime, checkbox, singleSelect, multiSelect", a.Type)
	case selects && len(a.AllowedValues) == 0:
		return "is of type " + a.Type + " and needs allowedValues"
	case !selects && len(a.AllowedValues) > 0:
		return "is of type " + a.Type + ", which takes no allowedValues"
	}
	if a.AllowedValues == nil {
		a.AllowedValues = []any{}
	}
	return ""
}

// Attributes reads the check attribute schema; empty if none was applied.
func (h *Hub) Attributes(ctx context.Context) ([]AttributeSchema, error) {
	item, err := h.get(ctx, attributesKey)
	if errors.Is(err, ErrNotFound) {
		return []AttributeSchema{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("attribute schema: %w", err)
	}
	var schema []AttributeSchema
	return schema, Unpack(item.Body, &schema)
}
