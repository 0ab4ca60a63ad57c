"""`jsonl`: one finding a line as in `json`; input that could not be read follows as `{"error": {...}}` lines.

With a policy report each rule is a `{"policy": {...}}` line, and what was read the `{"stats": {...}}` line behind them.
"""

from __future__ import annotations

import json

from mmlint.finding import Report
from mmlint.output import Context
from mmlint.output.json_report import error_object, finding_object, policy_object, stats_object


def render(report: Report, _context: Context) -> str:
    """The lines."""
    rows = [json.dumps(finding_object(finding)) for finding in report.findings]
    rows += [json.dumps({"error": error_object(error)}) for error in report.errors]
    rows += [json.dumps({"policy": policy_object(policy)}) for policy in report.policies]
    rows += [json.dumps({"stats": stats_object(report)})] if report.policies else []
    return "".join(row + "\n" for row in rows)
