package hub

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// What is stored under which key. Times in sort keys are UTC with milliseconds and fixed width, so that bytes sort as time.
//
//	SCAN#<id>              DOC, DOC#0001…   a scan as accepted; header in Head, the rest packed; listed newest first
//	SCAN#<id>              ALERT            the checks that failed in it
//	DEFINITION#<id>        STATE            a scan definition's newest scans, and whether they ran cleanly; listed
//	DATASET#<id>           STATE            a dataset's counts and names in Head; listed by name
//	DATASET#<id>           CHECKS, CHECKS#0001…  the packed state of its checks
//	DATASET#<id>           REPORT           schema, profile, row count
//	DATASET#<id>           AT#<data time>#<arrival>#<scan id>  timeline: results and measurements of one scan; goes on under MORE#…
//	METRIC#<identity>      OF#<dataset id>  whose timeline has the metric
//	CHECK#<identity>       OF#<dataset id>  whose timeline has the check
//	FAMILY#<dataset id>    OF#<dataset id>  datasets that a scanner without containers knows as the first
//	SAMPLE#<id>            DOC, DOC#0001…   uploaded rows
//	FILE#<id>              DOC, DOC#0001…   the text of a contract, by its contents
//	CONTRACT#<dataset id>  V#<number>       a published version of a dataset's contract
//	ATTRIBUTES             SCHEMA           the check attribute schema
const (
	skDoc      = "DOC"
	skAlert    = "ALERT"
	skState    = "STATE"
	skChecks   = "CHECKS"
	skReport   = "REPORT"
	skSchema   = "SCHEMA"
	timePrefix = "AT#"

	versionPrefix = "V#"

	indexScans       = "SCANS#"
	indexDatasets    = "DATASETS#"
	indexDefinitions = "DEFINITIONS"
)

// Entities name the kinds of items.
const (
	entityScan       = "scan"
	entityPart       = "part"
	entityAlert      = "alert"
	entityDefinition = "definition"
	entityDataset    = "dataset"
	entityChecks     = "checks"
	entityReport     = "report"
	entityTimeline   = "timeline"
	entityAlias      = "alias"
	entitySample     = "sample"
	entityAttributes = "attributes"
	entityFile       = "file"
	entityContract   = "contract"
)

// indexShards spreads an index list over partitions, each good for DynamoDB's 1,000 writes a second.
const indexShards = 4

func shardOf(prefix, id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return fmt.Sprintf("%s%d", prefix, h.Sum32()%indexShards)
}

func scanKey(id string) table.Key       { return table.Key{PK: "SCAN#" + id, SK: skDoc} }
func alertKey(id string) table.Key      { return table.Key{PK: "SCAN#" + id, SK: skAlert} }
func definitionKey(id string) table.Key { return table.Key{PK: "DEFINITION#" + id, SK: skState} }
func stateKey(id string) table.Key      { return table.Key{PK: "DATASET#" + id, SK: skState} }
func reportKey(id string) table.Key     { return table.Key{PK: "DATASET#" + id, SK: skReport} }
func sampleKey(id string) table.Key     { return table.Key{PK: "SAMPLE#" + id, SK: skDoc} }

func fileKey(id string) table.Key { return table.Key{PK: "FILE#" + id, SK: skDoc} }

func contractKey(datasetID string, number int) table.Key {
	return table.Key{PK: "CONTRACT#" + datasetID, SK: fmt.Sprintf("%s%06d", versionPrefix, number)}
}

func checksKey(id string, part int) table.Key {
	return partKey(table.Key{PK: "DATASET#" + id, SK: skChecks}, part)
}

// partKey is the key of the n-th part of a body that is stored under k.
func partKey(k table.Key, n int) table.Key {
	if n > 0 {
		k.SK = fmt.Sprintf("%s#%04d", k.SK, n)
	}
	return k
}

func sortableTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func timelineKey(datasetID string, o dq.Order) table.Key {
	return table.Key{PK: "DATASET#" + datasetID, SK: timePrefix + sortableTime(o.Data) + "#" + sortableTime(o.Received) + "#" + o.Scan}
}

// moreKey is where a timeline entry goes on that is too large for one item.
func moreKey(k table.Key) table.Key {
	return table.Key{PK: k.PK, SK: "MORE" + k.SK[len(timePrefix)-1:]}
}

var attributesKey = table.Key{PK: "ATTRIBUTES", SK: skSchema}

// aliasKey leads from an identity, which may have any length and characters, to a dataset.
func aliasKey(kind, identity, datasetID string) table.Key {
	return table.Key{PK: kind + identity, SK: "OF#" + datasetID}
}

const (
	metricAlias = "METRIC#"
	checkAlias  = "CHECK#"
	familyAlias = "FAMILY#"
)

// aliasIdentity keeps identities within a key's length.
func aliasIdentity(identity string) string {
	if len(identity) > 800 {
		return "#" + dq.OpaqueID(32, identity)
	}
	return identity
}
