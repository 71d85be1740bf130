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

// ApplyAttributes replaces the check attribute schema. All mistakes are reported at once, as [ErrInvalid].
func (h *Hub) ApplyAttributes(ctx context.Context, schema []AttributeSchema) error {
	schema, err := checkAttributes(schema)
	if err != nil {
		return err
	}
	body, err := pack(schema)
	if err != nil {
		return err
	}
	return h.update(ctx, attributesKey, func(item *table.Item) error {
		item.Entity, item.Body = entityAttributes, body
		item.Head = fmt.Appendf(nil, `{"attributes":%d,"version":%d}`, len(schema), item.Version+1)
		return nil
	})
}

// checkAttributes validates a schema and fills in what is implied: a checkbox may be true or false.
func checkAttributes(schema []AttributeSchema) ([]AttributeSchema, error) {
	if len(schema) > maxAttributes {
		return nil, fmt.Errorf("%w: %d attributes, at most %d", ErrInvalid, len(schema), maxAttributes)
	}
	var mistakes []error
	wrong := func(i int, format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("attribute %d (%q): "+format, append([]any{i + 1, schema[i].Name}, args...)...))
	}
	schema = slices.Clone(schema)
	names := map[string]bool{}
	for i := range schema {
		a := &schema[i]
		selects, known := attributeTypes[a.Type]
		switch {
		case strings.TrimSpace(a.Name) == "":
			wrong(i, "needs a name")
		case names[a.Name]:
			wrong(i, "is there twice")
		case !known:
			wrong(i, "type %q is none of text, number, datetime, checkbox, singleSelect, multiSelect", a.Type)
		case a.Type == "checkbox":
			a.AllowedValues = []any{true, false}
		case selects && len(a.AllowedValues) == 0:
			wrong(i, "%s needs allowedValues", a.Type)
		case !selects && len(a.AllowedValues) > 0:
			wrong(i, "%s takes no allowedValues", a.Type)
		}
		if a.AllowedValues == nil {
			a.AllowedValues = []any{}
		}
		names[a.Name] = true
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, errors.Join(mistakes...))
	}
	return schema, nil
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
	return schema, unpack(item.Body, &schema)
}
