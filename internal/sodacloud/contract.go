package sodacloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// Contracts is what the protocol needs of the store of contracts.
type Contracts interface {
	SaveContract(ctx context.Context, text string) (fileID string, err error)
	ContractText(ctx context.Context, fileID string) (string, error)
	PublishContract(ctx context.Context, d dq.DatasetRef, v hub.ContractVersion) (hub.ContractVersion, error)
	ContractVersions(ctx context.Context, datasetID string, limit int) ([]hub.ContractVersion, error)
	Known(ctx context.Context, datasetID string) (bool, error)
	KnownSource(ctx context.Context, name string) (bool, error)
}

// uploadContract takes any text, contract or not: a client whose upload fails drops its results without a word (Soda Core 4
// protocol, quirks). What is wrong with it is told when it is published, and on its page.
func (s *server) uploadContract(c call) (any, error) {
	var text string
	if err := member(c.members, "contents", &text); err != nil {
		return nil, err
	}
	id, err := s.Hub.SaveContract(c.Context(), text)
	if err != nil {
		return nil, err
	}
	return map[string]string{"fileId": id}, nil
}

// contractSource is the member "contract" of commands: an uploaded file, and where the sender had it.
type contractSource struct {
	FileID   string `json:"fileId"`
	Metadata struct {
		Source struct {
			Type     string `json:"type"`
			FilePath string `json:"filePath,omitempty"`
		} `json:"source"`
	} `json:"metadata"`
}

// contractOf reads the member contract and the text it refers to.
func (s *server) contractOf(c call) (source contractSource, text string, err error) {
	raw, ok := c.members["contract"]
	if !ok {
		return source, "", wire.Bad("contract", "is missing")
	}
	if err := wire.Decode("contract", raw, &source); err != nil {
		return source, "", err
	}
	text, err = s.Hub.ContractText(c.Context(), source.FileID)
	if errors.Is(err, hub.ErrNotFound) {
		err = &Failure{
			Status: http.StatusBadRequest, Code: "contract_file_not_found",
			Message: fmt.Sprintf("contract.fileId: no contract was uploaded under %q; send sodaCoreUploadContractFile first", dq.Truncate(source.FileID, 100)),
		}
	}
	return source, text, err
}

// publishContract makes an uploaded contract the newest version of its dataset's. The file itself says which dataset. One that
// nobody could run is refused, though clients that found the same mistakes send it.
func (s *server) publishContract(c call) (any, error) {
	source, text, err := s.contractOf(c)
	if err != nil {
		return nil, err
	}
	read := contract.Review(sodacl.File{Name: cmp.Or(source.Metadata.Source.FilePath, "contract"), Text: []byte(text)})
	if read.Failed() {
		return nil, s.badContract(source, read)
	}
	dataset := read.Dataset
	version, err := s.Hub.PublishContract(c.Context(), dataset, hub.ContractVersion{File: source.FileID, Path: source.Metadata.Source.FilePath, By: c.who.Name})
	if err != nil {
		return nil, err
	}
	s.Log.InfoContext(c.Context(), "contract published", "dataset", dataset.QualifiedName(), "version", version.Number, "by", c.who.KeyID)
	return map[string]any{
		"publishedContract": map[string]string{"datasetId": dataset.ID(), "fileId": version.File, "checksum": version.File},
		"fileId":            version.File, "metadata": source.Metadata,
	}, nil
}

// mistakesTold is how many mistakes of a contract an answer lists.
const mistakesTold = 10

func (s *server) badContract(source contractSource, c *contract.Contract) error {
	var lines []string
	more := 0
	for _, m := range c.Mistakes {
		switch {
		case m.Warning:
		case len(lines) == mistakesTold:
			more++
		default:
			lines = append(lines, m.Error())
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	if s.PublicURL != "" {
		lines = append(lines, "The file as it was uploaded: "+s.PublicURL+"/contracts/"+source.FileID)
	}
	return &Failure{Status: http.StatusBadRequest, Code: "invalid_contract", Message: strings.Join(lines, "\n")}
}

// canManageContracts lets everybody who has a key: keys have no rights apart.
func (s *server) canManageContracts(call) (any, error) {
	return map[string]bool{"allowed": true}, nil
}

// wireDataset names a dataset in queries.
type wireDataset struct {
	DataSource string   `json:"datasource"`
	Prefixes   []string `json:"prefixes"`
	Name       string   `json:"name"`
}

func (w wireDataset) ref() dq.DatasetRef {
	d := dq.DatasetRef{DataSource: w.DataSource, Name: w.Name}
	if len(w.Prefixes) > 0 {
		d.Prefix = w.Prefixes
	}
	return d
}

// getContract gives the newest published version. The client knows "not found" by codes with status 400.
func (s *server) getContract(c call) (any, error) {
	raw, ok := c.members["dataset"]
	if !ok {
		return nil, wire.Bad("dataset", "is missing")
	}
	var w wireDataset
	if err := wire.Decode("dataset", raw, &w); err != nil {
		return nil, err
	}
	newest, err := s.Hub.ContractVersions(c.Context(), w.ref().ID(), 1)
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, s.noContract(c, w.ref())
	}
	text, err := s.Hub.ContractText(c.Context(), newest[0].File)
	if err != nil {
		return nil, err
	}
	return map[string]string{"contents": text}, nil
}

// noContract tells what exactly is not there, in the codes that the client knows.
func (s *server) noContract(c call, d dq.DatasetRef) error {
	f := &Failure{Status: http.StatusBadRequest, Code: "contract_not_found", Message: "no contract of %s was published"}
	name := d.QualifiedName()
	known, err := s.Hub.Known(c.Context(), d.ID())
	if err == nil && !known {
		f.Code, f.Message = "dataset_not_found", "there is no dataset %s"
		if known, err = s.knownSource(c, d.DataSource); err == nil && !known {
			f.Code, f.Message, name = "datasource_not_found", "there is no data source %s", d.DataSource
		}
	}
	if err != nil {
		return err
	}
	f.Message = fmt.Sprintf(f.Message, dq.Truncate(name, 300)) + "; soda contract publish makes it known"
	return f
}

// knownSource tells whether a data source is configured here, or any dataset of it was scanned.
func (s *server) knownSource(c call, name string) (bool, error) {
	_, err := s.Runs.Source(c.Context(), name)
	if errors.Is(err, runs.ErrNotFound) {
		return s.Hub.KnownSource(c.Context(), name)
	}
	return err == nil, err
}
