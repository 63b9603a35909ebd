"""Files of an old backup that become nothing: settings, scripts and logs are left, and anything else may be data that is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_EXAMPLES = 5
_KNOWN = re.compile(
    r"(?:config|configuration|scripts|logs)(?:_[\d_]+)?/.+"
    r"|(?:.*/)?(?:[^/]+\.(?:env|conf|cfg|ini|toml|log|md|sh|py|service|sha\d+|md5)|\.env[^/]*|[^/]*(?:Dockerfile|compose)[^/]*"
    r"|(?:readme|version|checksums?|requirements|schema_info|[^/]*(?:manifest|metadata|summary|report))(?:\.(?:txt|json))?)",
    re.IGNORECASE,
)


def not_converted(names: Sequence[str]) -> Iterator[Finding]:
    """The findings on files that were not converted."""
    known = [name for name in names if _KNOWN.fullmatch(name)]
    others = [name for name in names if not _KNOWN.fullmatch(name)]
    if known:
        yield make_finding(
            "old-not-converted", "other files", severity="warning", count=len(known), examples=tuple(known[:_EXAMPLES])
        )
    if others:
        yield make_finding(
            "old-not-converted",
            "unknown files",
            "The old backup has files that may be data and are in no place that is known. They are not in the snapshot.",
            severity="error",
            count=len(others),
            examples=tuple(others[:_EXAMPLES]),
        )
