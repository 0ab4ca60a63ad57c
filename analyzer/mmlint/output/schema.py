"""The JSON schema of `json` (version 1). Names may be added within a version, so unknown ones are let through."""

from __future__ import annotations

import json
from typing import Any

from mmlint.finding import Confidence, Origin, Severity
from mmlint.output.json_report import SCHEMA_VERSION

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_LINE = {"type": "integer", "minimum": 1}


def schema() -> dict[str, Any]:
    """The schema of a whole report."""
    findings = {"type": "array", "items": {"$ref": "#/$defs/finding"}}
    stats = dict.fromkeys(("files", "functions", "functions_unread"), _COUNT)
    suppressed = {
        "finding": {"$ref": "#/$defs/finding"},
        "kind": {"enum": ["inline", "mail", "file", "baseline"]},
        "reason": _TEXT,
        "where": _about("What silences it: a place, or the file of the baseline."),
    }
    error = {"path": _TEXT, "message": _TEXT, "line": {**_COUNT, "description": "0: the input as a whole."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mmlint --output json",
        "description": "Lines and columns count from 1; columns are characters, a tab is one.",
        "$defs": {"finding": _finding()},
        **_object(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "tool": _object({"name": {"const": "mmlint"}, "version": _TEXT}),
                "interrupted": {"type": "boolean", "description": "The run was ended by the user."},
                "findings": findings,
                "errors": _list(_object(error)),
                "notes": _list(_TEXT),
                "fixed": {**findings, "description": "What the patches take away."},
                "suppressed": _list(_object(suppressed)),
                "stats": _object({**stats, "seconds": {"type": "number", "minimum": 0}}),
            },
            policies=_list(_policy()),
        ),
    }


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(schema(), indent=2) + "\n"


def _finding() -> dict[str, Any]:
    patch = _object({"index": _COUNT, "total": _COUNT, "subject": _TEXT, "message_id": _TEXT})
    simulation: dict[str, Any] = dict.fromkeys(("scenario", "schedule", "test", "command"), _TEXT)
    simulation["shown_on"] = {**_list(_TEXT), "description": "Kernel releases on which the scenario was shown."}
    return _object(
        {
            "code": {"type": "string", "pattern": "^[A-Z]{3}[1-9][0-9]{2}$"},
            "name": _TEXT,
            "severity": {"enum": [str(level) for level in Severity]},
            "confidence": {"enum": [str(level) for level in Confidence]},
            "message": _TEXT,
            "path": _TEXT,
            "line": _LINE,
            "column": _LINE,
            "end_line": _LINE,
            "function": _about("Empty outside functions."),
            "origin": {"enum": [str(origin) for origin in Origin]},
            "patch": {"anyOf": [{"type": "null"}, patch]},
            "steps": _list(_object({"path": _TEXT, "line": _LINE, "message": _TEXT})),
            "simulation": {
                **_object(simulation),
                "description": "The proof: all empty for findings about suppressions.",
            },
            "fingerprint": _about("Stays the same when lines move or the file is renamed."),
            "notes": _list(_TEXT),
        }
    )


def _policy() -> dict[str, Any]:
    """What a rule looked at in an audit."""
    texts = dict.fromkeys(("code", "name", "state", "what"), _TEXT)
    counts = dict.fromkeys(("broken", "failed", "inline", "file", "baseline", "left_out"), _COUNT)
    places = {"type": ["integer", "null"], "minimum": 0, "description": "null: not counted."}
    return _object({**texts, "places": places, "passed": places, **counts})


def _about(text: str) -> dict[str, Any]:
    return {**_TEXT, "description": text}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**properties, **optional}, "required": list(properties)}
