package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assetFiles embed.FS

// assets serves the embedded files under names that contain a hash of their contents, so that browsers may keep them
// for good.
type assets struct {
	hashed map[string]string // file name to served name
	files  map[string]asset  // by served name
}

type asset struct {
	body        []byte
	contentType string
	etag        string
}

func loadAssets() *assets {
	a := &assets{hashed: map[string]string{}, files: map[string]asset{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, e := range entries {
		body, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		hash, ext := hex.EncodeToString(sum[:6]), path.Ext(e.Name())
		served := strings.TrimSuffix(e.Name(), ext) + "-" + hash + ext
		a.hashed[e.Name()] = served
		a.files[served] = asset{body, mime.TypeByExtension(ext), `"` + hash + `"`}
	}
	return a
}

// url is the address of an embedded file, by its plain name.
func (a *assets) url(name string) string { return "/assets/" + a.hashed[name] }

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("name")]
	if !ok {
		http.Error(w, "404 not found", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
