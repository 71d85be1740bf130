package files

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/awsconfig"
)

const s3Scheme = "s3://"

// maxListed is how many objects are looked at for a pattern.
const maxListed = 100_000

// bucket is S3. Paths are s3://BUCKET/KEY.
type bucket struct{ client *s3.Client }

func newS3(ctx context.Context, s *source.Settings) (place, error) {
	c, err := awsconfig.Load(ctx, s, machine.Profile)
	if err != nil {
		return nil, err
	}
	return bucket{s3.NewFromConfig(c, func(o *s3.Options) {
		o.UsePathStyle = s.Text("endpoint", "") != "" // what stands in for S3 has no name for each bucket
	})}, nil
}

func (b bucket) list(ctx context.Context, pattern string) ([]file, error) {
	name, key, _ := strings.Cut(strings.TrimPrefix(pattern, s3Scheme), "/")
	if name == "" {
		return nil, fmt.Errorf("%s names no bucket: write s3://BUCKET/KEY", pattern)
	}
	folder := key == "" || strings.HasSuffix(key, "/")
	prefix := key
	if i := strings.IndexAny(key, "*?["); i >= 0 {
		prefix = key[:i]
	}
	if _, err := path.Match(key, ""); err != nil {
		return nil, fmt.Errorf("the pattern %s: %w", pattern, err)
	}
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &name, Prefix: &prefix})
	var files []file
	for seen := 0; pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", pattern, err)
		}
		if seen += len(page.Contents); seen > maxListed {
			return nil, fmt.Errorf("there are more than %d objects at %s; write more before the first wildcard", maxListed, pattern)
		}
		for _, o := range page.Contents {
			found := aws.ToString(o.Key)
			if matched, _ := path.Match(key, found); matched || found == key || folder && path.Dir(found) == path.Clean("./"+key) && formatOf(found) != "" {
				files = append(files, file{s3Scheme + name + "/" + found, aws.ToInt64(o.Size)})
			}
		}
	}
	return files, nil
}

// object is a whole object in memory.
type object struct{ *bytes.Reader }

func (object) Close() error { return nil }

func (b bucket) open(ctx context.Context, f file) (content, error) {
	name, key, _ := strings.Cut(strings.TrimPrefix(f.path, s3Scheme), "/")
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &name, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close() // it was only read
	data, err := unpack("", out.Body, f.size, f.size)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != f.size {
		return nil, fmt.Errorf("it was replaced while it was read: %d bytes where %d were listed", len(data), f.size)
	}
	return object{bytes.NewReader(data)}, nil
}
