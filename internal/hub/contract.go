package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// ContractVersion is one published version of a dataset's contract.
type ContractVersion struct {
	// Number counts the dataset's versions from 1.
	Number int `json:"number"`
	// File is the id of its text, see [Hub.ContractText]. Equal texts have equal ids.
	File string `json:"file"`
	// Path is where the publisher had the file, By the name of the API key that published it.
	Path string    `json:"path,omitempty"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at"`
}

// MaxContract is the largest text of a contract, in bytes.
const MaxContract = 1 << 20

// contractFile is the head of a FILE item.
type contractFile struct {
	Size  int `json:"size"`
	Parts int `json:"parts"`
}

// SaveContract stores the text of a contract, whether it is one or not, and gives the id of its contents. The same text again
// costs a read. A text that is not published expires like results, counted from when it was last saved, give or take half
// of the retention. ErrTooLarge if it is larger than [MaxContract].
func (h *Hub) SaveContract(ctx context.Context, text string) (id string, err error) {
	if len(text) > MaxContract {
		return "", fmt.Errorf("%w: the contract has %d bytes, at most %d", ErrTooLarge, len(text), MaxContract)
	}
	id = dq.OpaqueID(26, "contract", text)
	stored, err := h.get(ctx, fileKey(id))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("contract file: %w", err)
	}
	now := h.now().UTC()
	if err == nil && (stored.Expires.IsZero() || stored.Expires.After(now.Add(h.keep.Results/2))) {
		return id, nil
	}
	ops, err := fileOps(id, text, stored.Version, now.Add(h.keep.Results))
	if err != nil {
		return "", err
	}
	err = h.table.Write(ctx, ops...)
	if errors.Is(err, table.ErrCondition) { // the same text from somebody else
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("store contract file: %w", err)
	}
	return id, nil
}

// fileOps put a contract's text over the version stored (0 for none). A zero expires keeps it for good.
func fileOps(id, text string, version int64, expires time.Time) ([]table.Op, error) {
	items := split(table.Item{Key: fileKey(id), Entity: entityFile, Version: version + 1, Expires: expires}, compress([]byte(text)))
	head, err := json.Marshal(contractFile{Size: len(text), Parts: len(items)})
	if err != nil {
		return nil, err
	}
	items[0].Head = head
	ops := []table.Op{table.Put(items[0], table.IfVersion(version))}
	for _, it := range items[1:] {
		ops = append(ops, table.Put(it, table.Always()))
	}
	return ops, nil
}

// ContractText reads the text of a contract. ErrNotFound if it was never saved, or has expired.
func (h *Hub) ContractText(ctx context.Context, file string) (string, error) {
	text, _, err := h.contractText(ctx, file)
	return text, err
}

func (h *Hub) contractText(ctx context.Context, file string) (text string, version int64, err error) {
	first, body, err := h.document(ctx, fileKey(file))
	if err != nil {
		return "", 0, fmt.Errorf("contract file %q: %w", file, err)
	}
	data, err := decompress(body)
	return string(data), first.Version, err
}

// PublishContract makes a saved text the newest version of a dataset's contract, and keeps it for good. The text that is the
// newest version already stays that version. Of v only File, Path and By count. ErrNotFound if the text was never saved.
func (h *Hub) PublishContract(ctx context.Context, d dq.DatasetRef, v ContractVersion) (ContractVersion, error) {
	if err := errors.Join(validName("data source", d.DataSource), validName("dataset", d.QualifiedName())); err != nil {
		return v, err
	}
	for attempt := 1; ; attempt++ {
		newest, err := h.ContractVersions(ctx, d.ID(), 1)
		if err != nil {
			return v, err
		}
		v.Number, v.At, v.Path = 1, h.now().UTC(), dq.Truncate(v.Path, 500)
		if len(newest) > 0 {
			if newest[0].File == v.File {
				return newest[0], nil
			}
			v.Number = newest[0].Number + 1
		}
		err = h.putContractVersion(ctx, d, v)
		if err == nil || !(errors.Is(err, table.ErrCondition) || errors.Is(err, table.ErrConflict)) || attempt == maxAttempts {
			return v, err
		}
		if err := pause(ctx, attempt); err != nil {
			return v, err
		}
	}
}

// putContractVersion stores the version and, without an expiry, its text.
func (h *Hub) putContractVersion(ctx context.Context, d dq.DatasetRef, v ContractVersion) error {
	text, version, err := h.contractText(ctx, v.File)
	if err != nil {
		return err
	}
	ops, err := fileOps(v.File, text, version, time.Time{})
	if err != nil {
		return err
	}
	head, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body, err := Pack(d)
	if err != nil {
		return err
	}
	item := table.Item{Key: contractKey(d.ID(), v.Number), Entity: entityContract, Version: 1, Head: head, Body: body}
	return h.table.Write(ctx, append(ops, table.Put(item, table.IfAbsent()))...)
}

// DigestContract makes the dataset of a published contract known, if no scan has yet.
func (h *Hub) DigestContract(ctx context.Context, datasetID string) error {
	item, err := h.get(ctx, contractKey(datasetID, 1))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("contract of dataset %q: %w", datasetID, err)
	}
	var d dq.DatasetRef
	if err := Unpack(item.Body, &d); err != nil {
		return err
	}
	return h.ensureDataset(ctx, d, h.now().UTC())
}

// ContractVersions lists the newest versions of a dataset's contract, newest first, at most limit. None is no error.
func (h *Hub) ContractVersions(ctx context.Context, datasetID string, limit int) ([]ContractVersion, error) {
	if datasetID == "" {
		return nil, nil
	}
	items, err := table.All(ctx, h.table.Query, table.Range{PK: contractKey(datasetID, 0).PK, Prefix: versionPrefix, Desc: true, Limit: limit})
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("contract of dataset %q: %w", datasetID, err)
	}
	versions := make([]ContractVersion, len(items))
	for i, it := range items {
		if err := json.Unmarshal(it.Head, &versions[i]); err != nil {
			return nil, fmt.Errorf("head of %v: %w", it.Key, err)
		}
	}
	return versions, nil
}
