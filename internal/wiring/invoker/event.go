package invoker

import (
	"cmp"
	"time"

	"github.com/sodalite-dq/sodalite/internal/runs"
)

// Event is what function scan is invoked with. It asks for one thing.
type Event struct {
	// Tick comes every minute by the schedule; Schedules is false where scan definitions do not run by their schedules.
	Tick      bool  `json:"tick,omitempty"`
	Schedules *bool `json:"schedules,omitempty"`
	// Run is a waiting run to execute.
	Run string `json:"run,omitempty"`
	// Definition is a scan definition to run now. A second event with the same ID asks for the same run; by default the id is
	// that of the invocation, which stays when Lambda tries again.
	Definition    string    `json:"definition,omitempty"`
	ID            string    `json:"id,omitempty"`
	DataTimestamp time.Time `json:"dataTimestamp,omitzero"`
	// Source is a data source to connect to, to see whether it can be reached from here.
	Source string `json:"source,omitempty"`
}

// Request is the run of a scan definition that the event asks for, invocation the id of its invocation.
func (e *Event) Request(invocation string) runs.Request {
	return runs.Request{Definition: e.Definition, Trigger: runs.ByEvent, DataTime: e.DataTimestamp, Key: cmp.Or(e.ID, invocation)}
}
