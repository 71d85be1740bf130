package hub

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// in puts a result on a dataset with containers.
func in(r dq.Result, prefix ...string) dq.Result {
	r.Dataset.Prefix = prefix
	return r
}

func names(list []dq.DatasetRef) string {
	var words []string
	for _, d := range list {
		words = append(words, d.QualifiedName())
	}
	return strings.Join(words, " ")
}

func TestKin(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, _ := mustHub(t, c)
	short := dq.DatasetRef{DataSource: "shop", Name: "orders"}
	long := dq.DatasetRef{DataSource: "shop", Prefix: []string{"pg", "public"}, Name: "orders"}
	kin := func(d dq.DatasetRef) string {
		t.Helper()
		k, err := h.Kin(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return names(k.Same) + "|" + names(k.Like)
	}
	push := func(id string, r dq.Result) {
		mustAccept(t, h, scanAt(id, "definition of "+id, 1, r))
		mustDigest(t, h, id)
	}
	push("a", in(result("orders", "x", dq.Pass), "pg", "public"))
	if got := kin(long); got != "|" {
		t.Errorf("alone: %s", got)
	}
	push("b", result("orders", "x", dq.Fail))
	if a, b := kin(long), kin(short); a != "shop/orders|" || b != "shop/pg/public/orders|" {
		t.Errorf("of two generations: %s and %s", a, b)
	}
	both, err := h.Checks(t.Context(), CheckFilter{DatasetID: long.ID(), OrDatasets: []string{short.ID()}})
	if err != nil || both.Total != 2 || both.Counts.Fail != 1 || both.Rows[0].ID == both.Rows[1].ID {
		t.Errorf("checks of both: %+v, %v", both.Rows, err)
	}
	push("c", in(result("orders", "x", dq.Pass), "archive"))
	if a, b := kin(long), kin(short); a != "|shop/orders" || b != "|shop/archive/orders shop/pg/public/orders" {
		t.Errorf("with two of the name: %s and %s", a, b)
	}
	push("d", dq.Result{Check: dq.Check{Identity: "x", Dataset: dq.DatasetRef{DataSource: "shop"}}, Outcome: dq.Pass})
	if got := kin(dq.DatasetRef{DataSource: "shop"}); got != "|" {
		t.Errorf("a whole data source: %s", got)
	}
}

func TestAFailedScanMakesItsDatasetKnownAndWritesNothingElse(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, _ := mustHub(t, c)
	d := dq.DatasetRef{DataSource: "shop", Prefix: []string{"pg"}, Name: "orders"}
	fail := func(id string, minute int) {
		s := failedScan(id, "contract", minute)
		s.Covers = []dq.DatasetRef{d}
		mustAccept(t, h, s)
		mustDigest(t, h, id)
	}
	fail("one", 1)
	page, err := h.Datasets(t.Context(), DatasetFilter{})
	if err != nil || len(page.Rows) != 1 || len(page.Rows[0].Warnings) != 1 || page.Rows[0].Warnings[0].Why != "cannot connect: one" || len(page.Uncovered) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	before, err := h.Dataset(t.Context(), d.ID())
	if err != nil {
		t.Fatal(err)
	}
	fail("two", 2)
	if after, err := h.Dataset(t.Context(), d.ID()); err != nil || after.Version != before.Version {
		t.Errorf("a second failure changed the dataset: version %d, then %d, %v", before.Version, after.Version, err)
	}
	mustAccept(t, h, scanAt("three", "contract", 3, in(result("orders", "x", dq.Pass), "pg")))
	mustDigest(t, h, "three")
	if after, err := h.Dataset(t.Context(), d.ID()); err != nil || len(after.Warnings) != 0 || after.Counts.Pass != 1 {
		t.Errorf("after a good scan %+v, %v", after, err)
	}
}

func TestAPartialScanArchivesNothing(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, _ := mustHub(t, c)
	some := scanAt("some", "d", 2, result("t", "a", dq.Pass))
	some.Partial = true
	for _, s := range []*dq.Scan{scanAt("all", "d", 1, result("t", "a", dq.Fail), result("t", "b", dq.Fail)), some} {
		mustAccept(t, h, s)
		mustDigest(t, h, s.ID)
	}
	page, err := h.Checks(t.Context(), CheckFilter{})
	if err != nil || page.Total != 2 || page.Counts != (dq.Counts{Pass: 1, Fail: 1}) {
		t.Errorf("checks %+v, %v", page.Counts, err)
	}
}

func TestPublishedContractMakesItsDatasetKnown(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	d := dq.DatasetRef{DataSource: "shop", Prefix: []string{"pg"}, Name: "orders"}
	for step := 1; ; step++ { // dying at every call of it
		store := tabletest.NewFaulty(mustOpen(t, c.now))
		h := New(store, c.now, Retention{})
		file, err := h.SaveContract(t.Context(), "text")
		if err != nil {
			t.Fatal(err)
		}
		store.CrashAfter(step)
		publish := func() error {
			_, err := h.PublishContract(t.Context(), d, ContractVersion{File: file, By: "key"})
			return errors.Join(err, h.DigestContract(t.Context(), d.ID()))
		}
		_ = publish()
		crashed := store.Recover()
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		versions, err := h.ContractVersions(t.Context(), d.ID(), 0)
		page, err2 := h.Datasets(t.Context(), DatasetFilter{})
		if err := errors.Join(err, err2); err != nil || len(versions) != 1 || len(page.Rows) != 1 || !cmp.Equal(page.Rows[0].DatasetRef, d) {
			t.Fatalf("crash at call %d: versions %+v, datasets %+v, %v", step, versions, page.Rows, err)
		}
		if !crashed {
			return
		}
	}
}
