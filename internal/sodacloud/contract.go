package sodacloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// Contracts is what the protocol needs of the store of contracts.
type Contracts interface {
	SaveContract(ctx context.Context, text string) (fileID string, err error)
	ContractText(ctx context.Context, fileID string) (string, error)
	PublishContract(ctx context.Context, d dq.DatasetRef, v hub.ContractVersion) (hub.ContractVersion, error)
	ContractVersions(ctx context.Context, datasetID string, limit int) ([]hub.ContractVersion, error)
	Known(ctx context.Context, datasetID string) (bool, error)
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

// publishContract makes an uploaded contract the newest version of its dataset's. The file itself says which dataset.
func (s *server) publishContract(c call) (any, error) {
	source, text, err := s.contractOf(c)
	if err != nil {
		return nil, err
	}
	dataset, err := v4.ContractDataset(text)
	if err != nil {
		return nil, s.badContract(source, err)
	}
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

func (s *server) badContract(source contractSource, err error) error {
	message := err.Error()
	if path := source.Metadata.Source.FilePath; path != "" {
		message = path + ": " + message
	}
	if s.PublicURL != "" {
		message += " (the file as it was uploaded: " + s.PublicURL + "/contracts/" + source.FileID + ")"
	}
	return &Failure{Status: http.StatusBadRequest, Code: "invalid_contract", Message: message}
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

// noContract tells what exactly is not there.
func (s *server) noContract(c call, d dq.DatasetRef) error {
	known, err := s.Hub.Known(c.Context(), d.ID())
	if err != nil {
		return err
	}
	f := &Failure{Status: http.StatusBadRequest, Code: "dataset_not_found", Message: fmt.Sprintf("there is no dataset %s", dq.Truncate(d.QualifiedName(), 300))}
	if known {
		f.Code, f.Message = "contract_not_found", fmt.Sprintf("no contract of %s was published", dq.Truncate(d.QualifiedName(), 300))
	}
	f.Message += "; soda contract publish makes one known"
	return f
}
