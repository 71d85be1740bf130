package files

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// file is a data file and how many bytes it has.
type file struct {
	path string
	size int64
}

// place is where files are.
type place interface {
	// list gives the files that a path, a folder or a pattern means, those of a folder only if they are data files.
	list(ctx context.Context, pattern string) ([]file, error)
	// open gives a file's content, to be closed.
	open(ctx context.Context, f file) (content, error)
}

type content interface {
	io.ReaderAt
	io.Closer
}

// placeOf is S3 if the first path is there, and this machine otherwise.
func placeOf(ctx context.Context, o options) (place, error) {
	in, out := 0, 0
	for _, p := range o.patterns() {
		if strings.HasPrefix(p, s3Scheme) {
			in++
		} else {
			out++
		}
	}
	switch {
	case in > 0 && out > 0:
		return nil, fmt.Errorf("some files are in S3 and some are not: make two data sources of them")
	case in > 0:
		return newS3(ctx, o.settings)
	}
	return disk{}, nil
}

// patterns are all paths of the settings.
func (o *options) patterns() []string {
	var all []string
	if o.path != "" {
		all = append(all, o.path)
	}
	for _, p := range o.tables {
		all = append(all, p)
	}
	return all
}

// extensions of data files, perhaps with .gz or .zst behind them.
var extensions = map[string]string{".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json"}

// formatOf is csv, parquet or json, empty for others, by the file's name.
func formatOf(name string) string {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	return extensions[path.Ext(name)]
}

// Reads tells whether a path is that of data files.
func Reads(path string) bool { return formatOf(path) != "" }

// tableName is the file's name without folder and extensions.
func tableName(name string) string {
	name, _, _ = strings.Cut(path.Base(filepath.ToSlash(name)), ".")
	return name
}

// locate finds the datasets.
func locate(ctx context.Context, p place, o options) ([]*dataset, error) {
	var all []*dataset
	add := func(name string, files []file) error {
		for _, d := range all {
			if strings.EqualFold(d.name, name) {
				return fmt.Errorf("the dataset %s is both %s and %s; name them with \"tables\"", name, d.files[0].path, files[0].path)
			}
		}
		for _, f := range files {
			if formatOf(f.path) == "" {
				return fmt.Errorf("%s is no data file: its name must end with .csv, .tsv, .parquet, .json, .jsonl or .ndjson, perhaps with .gz or .zst behind", f.path)
			}
		}
		all = append(all, &dataset{name: name, files: files})
		return nil
	}
	for name, pattern := range o.tables {
		files, err := found(ctx, p, pattern)
		if err == nil {
			err = add(name, files)
		}
		if err != nil {
			return nil, err
		}
	}
	if o.path == "" {
		return all, nil
	}
	files, err := found(ctx, p, o.path)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := add(tableName(f.path), []file{f}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func found(ctx context.Context, p place, pattern string) ([]file, error) {
	files, err := p.list(ctx, pattern)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there are no data files at %s", pattern)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return files, err
}

// disk is this machine.
type disk struct{}

func (disk) list(_ context.Context, pattern string) ([]file, error) {
	paths := []string{pattern}
	info, err := os.Stat(pattern)
	folder := err == nil && info.IsDir()
	if folder {
		entries, err := os.ReadDir(pattern)
		if err != nil {
			return nil, fmt.Errorf("the folder cannot be read: %w", err)
		}
		paths = nil
		for _, e := range entries {
			paths = append(paths, filepath.Join(pattern, e.Name()))
		}
	} else if err != nil && strings.ContainsAny(pattern, "*?[") {
		if paths, err = filepath.Glob(pattern); err != nil {
			return nil, fmt.Errorf("the pattern %s: %w", pattern, err)
		}
	}
	var files []file
	for _, p := range paths {
		if folder && formatOf(p) == "" {
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("the file %s cannot be read: %w", p, err)
		}
		if info.Mode().IsRegular() {
			files = append(files, file{p, info.Size()})
		}
	}
	return files, nil
}

func (disk) open(_ context.Context, f file) (content, error) { return os.Open(f.path) }

// load reads a dataset, once. If that is cancelled, the next who asks reads it again.
func (c *connection) load(ctx context.Context, d *dataset) (*column.Table, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.table == nil && d.err == nil {
		t, err := c.readAll(ctx, d)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if d.table, d.err = t, err; err == nil {
			d.indexes = newIndexes(t)
		}
	}
	return d.table, d.err
}

func (c *connection) readAll(ctx context.Context, d *dataset) (*column.Table, error) {
	size := int64(0)
	for _, f := range d.files {
		size += f.size
	}
	if size > c.maxSize {
		return nil, fmt.Errorf("the dataset %s has %s, at most %s are read (setting max_size)", d.name, humanize.IBytes(uint64(size)), humanize.IBytes(uint64(c.maxSize)))
	}
	var tables []*column.Table
	for _, f := range d.files {
		t, err := c.read(ctx, d, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
		tables = append(tables, t)
	}
	return column.Union(tables), nil
}

// smallSize is how many bytes of a file are kept rather than read again, so that many small files are not open at a time.
const smallSize = 2 << 20

// read reads one file. CSV and Parquet stay open, for their columns to be read when they are needed.
func (c *connection) read(ctx context.Context, d *dataset, f file) (*column.Table, error) {
	from, err := c.place.open(ctx, f)
	if err != nil {
		return nil, err
	}
	format, size := formatOf(f.path), f.size
	var data io.ReaderAt = from
	switch {
	case format == "parquet" || format == "csv" && size > smallSize && !packed(f.path):
		d.close = append(d.close, from.Close)
	case format == "json" && !packed(f.path):
		defer from.Close() // it was only read
	default:
		defer from.Close() // as above
		text, err := unpack(f.path, io.NewSectionReader(from, 0, size), size, c.maxSize)
		if err != nil {
			return nil, err
		}
		data, size = bytes.NewReader(text), int64(len(text))
	}
	switch format {
	case "parquet":
		return column.OpenParquet(data, size)
	case "json":
		return column.ReadJSON(ctx, data, size)
	}
	return column.OpenCSV(ctx, data, size, c.csv)
}

// packed tells whether a file is compressed.
func packed(name string) bool {
	return slices.Contains([]string{".gz", ".zst"}, path.Ext(strings.ToLower(name)))
}

// unpack reads a text file, which may be compressed, up to a limit.
func unpack(name string, r io.Reader, size, limit int64) ([]byte, error) {
	switch path.Ext(strings.ToLower(name)) {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(uint64(limit)))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	}
	var b bytes.Buffer
	if !packed(name) {
		b.Grow(int(size) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > limit {
		return nil, fmt.Errorf("it has more than %s uncompressed, which is what is read at most (setting max_size)", humanize.IBytes(uint64(limit)))
	}
	return b.Bytes(), nil
}
