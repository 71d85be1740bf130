package sodacloud

import (
	"github.com/sodalite-dq/sodalite/internal/dq"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
)

// inserted4 is the answer to an insert of Soda Core 4. The client exits with 4 if it has no scan id.
type inserted4 struct {
	inserted
	Checks []insertedCheck `json:"checks,omitempty"` // never null
}

type insertedCheck struct {
	ID         string            `json:"id"`
	Identities []string          `json:"identities"`
	Datasets   []insertedDataset `json:"datasets"`
}

type insertedDataset struct {
	ID  string `json:"id"`
	DQN string `json:"dqn"`
}

// insert4 stores results of Soda Core 4. A managed run says its scan's id: what is sent under it first gets that id, the same
// again changes nothing, and anything else (further contracts of one run, results after the scan was given up) gets an id of
// its own, so that nothing is lost.
func (s *server) insert4(c call) (any, error) {
	in, err := v4.Scan(c.members, c.UserAgent())
	if err != nil {
		return nil, err
	}
	content := in.ID
	if in.Given != "" {
		in.ID, in.Content = in.Given, content
	}
	accepted, err := s.accept(c, in.Scan)
	if err != nil {
		return nil, err
	}
	if accepted.Duplicate && in.Given != "" {
		head, err := s.Hub.ScanHead(c.Context(), in.Given)
		if err != nil {
			return nil, err
		}
		if head.Content != content {
			in.ID, in.Content = dq.OpaqueID(26, "further results", in.Given, content), ""
			if accepted, err = s.accept(c, in.Scan); err != nil {
				return nil, err
			}
		}
	}
	if in.Given != "" {
		s.tell(c, "the end of a scan", s.received(c, in))
	}
	return s.answer4(in, accepted.ID), nil
}

func (s *server) answer4(in v4.Inserted, id string) inserted4 {
	out := inserted4{inserted: inserted{ScanID: id}}
	if in.Given != "" {
		out.ScanID = in.Given
	}
	datasets := in.Datasets()
	if s.PublicURL != "" {
		out.CloudURL = s.PublicURL + "/scans/" + id
		if len(datasets) == 1 { // its page gives way to the scan's until the scan is digested
			out.CloudURL = s.PublicURL + "/datasets/" + datasets[0].ID() + "?scan=" + id
		}
	}
	for i := range in.Results {
		r := &in.Results[i]
		dataset := r.Dataset.ID()
		out.Checks = append(out.Checks, insertedCheck{
			ID: dq.CheckID(dataset, in.Definition, r.Identity), Identities: append([]string{}, r.Aliases...),
			Datasets: []insertedDataset{{ID: dataset, DQN: r.Dataset.QualifiedName()}},
		})
	}
	return out
}
