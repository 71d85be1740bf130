package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/hub"
)

// Bounds of what is read from an address.
const (
	maxText  = 300
	maxTerms = 10
	maxPages = 1_000_000
	maxRows  = 200 // rows of a list on one page
)

// address is a page's path and query, from which links to its neighbours are made: the same page with one thing changed.
type address struct {
	path   string
	values url.Values
}

// newAddress keeps the parameters that a page knows, without empty values.
func newAddress(path string, q url.Values, known ...string) address {
	a := address{path, url.Values{}}
	for _, name := range known {
		for _, v := range q[name] {
			if v = strings.TrimSpace(v); v != "" && len(a.values[name]) < maxTerms {
				a.values.Add(name, clip(strings.ToValidUTF8(v, "�"), maxText))
			}
		}
	}
	return a
}

func (a address) get(name string) string { return a.values.Get(name) }

func (a address) String() string {
	if len(a.values) == 0 {
		return a.path
	}
	return a.path + "?" + a.values.Encode()
}

// with is the address with parameters set, given as name and value in turn; an empty value removes.
func (a address) with(pairs ...string) address {
	b := address{a.path, url.Values{}}
	for name, v := range a.values {
		b.values[name] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			delete(b.values, pairs[i])
		} else {
			b.values[pairs[i]] = []string{pairs[i+1]}
		}
	}
	return b
}

// without is the address with one value of a repeatable parameter removed.
func (a address) without(name, value string) address {
	b := a.with()
	b.values[name] = slices.DeleteFunc(slices.Clone(a.values[name]), func(v string) bool { return v == value })
	if len(b.values[name]) == 0 {
		delete(b.values, name)
	}
	return b
}

// field is one hidden input of a form.
type field struct{ Name, Value string }

// fields are the parameters as hidden inputs, but for those that the form has inputs for.
func (a address) fields(except ...string) []field {
	var list []field
	for name, values := range a.values {
		if slices.Contains(except, name) {
			continue
		}
		for _, v := range values {
			list = append(list, field{name, v})
		}
	}
	slices.SortFunc(list, func(x, y field) int { return strings.Compare(x.Name+x.Value, y.Name+y.Value) })
	return list
}

// number reads a parameter from 1 to limit, else 1.
func (a address) number(name string, limit int) int {
	n, err := strconv.Atoi(a.get(name))
	if err != nil || n < 1 {
		return 1
	}
	return min(n, limit)
}

// size reads how many rows a page has.
func (a address) size() int {
	n, err := strconv.Atoi(a.get("size"))
	if err != nil || n < 1 {
		return hub.DefaultPageSize
	}
	return min(n, maxRows)
}

// order is a column that a list can be sorted by. Natural is the order that the hub gives without Desc.
type order struct {
	name       string
	descending bool // the natural order is descending, such as newest first
}

// sorting is the chosen order of a list. In addresses dir is asc or desc and means the direction of the values.
type sorting struct {
	address address
	orders  []order
	sort    string
	desc    bool
}

func newSorting(a address, orders ...order) sorting {
	s := sorting{address: a, orders: orders, sort: orders[0].name, desc: orders[0].descending}
	for _, o := range orders {
		if a.get("sort") == o.name {
			s.sort, s.desc = o.name, o.descending
		}
	}
	switch a.get("dir") {
	case "asc":
		s.desc = false
	case "desc":
		s.desc = true
	}
	return s
}

// flipped tells whether the chosen direction is the reverse of the natural one.
func (s sorting) flipped() bool {
	for _, o := range s.orders {
		if o.name == s.sort {
			return s.desc != o.descending
		}
	}
	return false
}

// header is the head of a sortable column.
type header struct {
	Text string
	Href string // "" if the column can't be sorted by
	Aria string // ascending, descending, or "" for a column that is not sorted by
	Icon string
}

func (s sorting) header(name, text string) header {
	h := header{Text: text, Icon: "both"}
	desc := false
	for _, o := range s.orders {
		if o.name == name {
			desc = o.descending
		}
	}
	if name == s.sort {
		h.Aria, h.Icon = "ascending", "up"
		if s.desc {
			h.Aria, h.Icon = "descending", "down"
		}
		desc = !s.desc
	}
	dir := "asc"
	if desc {
		dir = "desc"
	}
	h.Href = s.address.with("sort", name, "dir", dir, "page", "").String()
	return h
}

// pager leads through the pages of a list.
type pager struct {
	From, To, Total int
	Noun            string
	Page, Pages     int
	Prev, Next      string
}

func newPager(a address, name, noun string, page, size, total int) pager {
	p := pager{Noun: noun, Total: total, Page: page, Pages: max(1, (total+size-1)/size)}
	if page <= p.Pages && total > 0 {
		p.From, p.To = (page-1)*size+1, min(page*size, total)
	}
	if page > 1 {
		p.Prev = a.with(name, pageNumber(min(page-1, p.Pages))).String()
	}
	if page < p.Pages {
		p.Next = a.with(name, pageNumber(page+1)).String()
	}
	return p
}

func pageNumber(n int) string {
	if n <= 1 {
		return ""
	}
	return strconv.Itoa(n)
}

// slicePage is the part of rows that a page shows, and its pager. The page is the last one if it lies beyond.
func slicePage[T any](a address, name, noun string, size int, rows []T) ([]T, pager) {
	pages := max(1, (len(rows)+size-1)/size)
	page := min(a.number(name, maxPages), pages)
	from := (page - 1) * size
	return rows[from:min(from+size, len(rows))], newPager(a, name, noun, page, size, len(rows))
}
