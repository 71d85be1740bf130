"""Runs scans with the reference client (Soda Core 3.5.6) and says what it concluded.

Standard input: one JSON object a line, each a scan: {"configuration": YAML text, "file", "sodacl", "vars", "history": [values of
every metric's former measurements, newest first] or null}.
Standard output: for each scan one JSON object a line: exit (3 errors, 2 failures, 1 warnings, 0), errors, metrics by identity,
checks, and with "results": true in the scan also the results as -srf writes them.
"""
import decimal, json, logging, os, sys

logging.disable(logging.CRITICAL)
out = os.fdopen(os.dup(1), "w")  # the client prints to standard output
os.dup2(2, 1)
from soda.scan import Scan
from soda.cloud.soda_cloud import SodaCloud


class History:
    """Stands for the server: it has history, and takes everything."""
    host = "history"
    soda_cloud_trace_ids = {}

    def __init__(self, values):
        self.values = values

    def is_samples_disabled(self):
        return True

    def get_check_attributes_schema(self):
        return []

    def get_historic_data(self, descriptor):
        return {"measurements": {"results": [{"value": v} for v in self.values]}, "check_results": {}}

    def send_scan_results(self, scan):
        pass


def plain(v):
    if isinstance(v, decimal.Decimal):
        v = float(v)
    if isinstance(v, float) and (v != v or v in (float("inf"), float("-inf"))):
        return str(v)
    if isinstance(v, dict):
        return {str(k): plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple, set)):
        return [plain(x) for x in v]
    if v is None or isinstance(v, (bool, int, float, str)):
        return v
    return str(v)


def attempt(f):
    try:
        return plain(f())
    except Exception as e:
        return {"unavailable": type(e).__name__}


def zone(bounds):
    """A zone's numbers; the client shows thresholds that it has not read yet as text."""
    out = {}
    for name, v in (bounds or {}).items():
        try:
            out[name] = float(v)
        except (TypeError, ValueError):
            pass
    return out


def one(c):
    diagnostics = attempt(c.get_cloud_diagnostics_dict)
    name = attempt(lambda: c.name)
    return {
        "name": name if isinstance(name, str) else None,
        "dataset": getattr(c.partition.table, "table_name", None) if getattr(c, "partition", None) else None,
        "partition": getattr(c.partition, "partition_name", None) if getattr(c, "partition", None) else None,
        "column": getattr(c.column, "column_name", None) if getattr(c, "column", None) else None,
        "outcome": c.outcome.value if c.outcome else None,
        "value": plain(getattr(c, "check_value", None)),
        "identities": attempt(c.create_identities),
        "metrics": [m.identity for m in c.metrics.values()],
        "zones": {k: zone(v) for k, v in diagnostics.items() if k in ("warn", "fail") and zone(v)},
        "attributes": attempt(c._format_attributes),
    }


def run(case):
    s = Scan()
    s._is_telemetry_enabled = False
    s.set_scan_definition_name("differential")
    s.set_data_source_name("src")
    s.add_configuration_yaml_str(case["configuration"])
    if case.get("history") is not None:
        s._configuration.soda_cloud = History(case["history"])
    s.add_variables(case.get("vars") or {})
    s.add_sodacl_yaml_str(case["sodacl"], (case.get("file") or "checks.yml").removesuffix(".yml"))
    s.execute()
    answer = {
        "exit": 3 if s.has_error_logs() else 2 if s.has_check_fails() else 1 if s.has_check_warns() else 0,
        "errors": [l.message.split("\n")[0][:300] for l in s._logs.logs if l.level.value.lower() == "error"],
        "checks": [one(c) for c in s._checks],
        "metrics": {m.identity: plain(m.value) for m in s._metrics if type(m.value).__name__ != "Undefined"},
        "sql": [str(q.sql) for q in s._queries],
    }
    if case.get("results"):
        answer["results"] = SodaCloud.build_scan_results(s)
    return answer


def main():
    for line in sys.stdin:
        out.write(json.dumps(run(json.loads(line)), ensure_ascii=False, default=str) + "\n")
        out.flush()


main()
