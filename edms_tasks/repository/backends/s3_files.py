"""A bucket of somebody else's objects, which are listed and read: with ETags, to tell one version of an object from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from edms_tasks.errors import RepositoryUnreachable
from edms_tasks.repository.backends.kept_headers import Headers, has_more, kept_headers
from edms_tasks.repository.backends.s3_errors import code_of
from edms_tasks.repository.backends.s3_store import S3Store


@dataclass(frozen=True)
class FoundObject:
    """An object in a listing. `key` is without the prefix."""

    key: str
    size: int
    modified: datetime
    etag: str


@dataclass(frozen=True)
class ReadObject:
    """Bytes of an object, and what it was at that moment."""

    data: bytes
    total: int
    modified: datetime
    etag: str
    answered: datetime  # by the store's clock
    headers: Headers = field(default_factory=dict)
    has_more: bool = False  # that is not among the headers: tags, or a time of expiry


class S3Files(S3Store):
    """The objects below a prefix."""

    def objects(self, following: str) -> tuple[tuple[FoundObject, ...], str]:
        """A thousand objects, and what to ask for the following ones by; "" if these are the last."""
        order = {"ContinuationToken": following} if following else {}
        with self._asking(""):
            got = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, **order)
        found = tuple(
            FoundObject(str(one["Key"])[len(self._prefix) :], int(one["Size"]), one["LastModified"], _bare(one["ETag"]))
            for one in got.get("Contents", ())
        )
        return found, str(got["NextContinuationToken"]) if got.get("IsTruncated") else ""

    def piece(self, key: str, etag: str, start: int, length: int) -> ReadObject:
        """At most `length` bytes from `start` on, of the version with this ETag ("": the present one); raises FileNotFoundError."""
        of_version = {"IfMatch": f'"{etag}"'} if etag else {}
        with self._asking(key):
            try:
                got = self._client.get_object(
                    **self._named(key), Range=f"bytes={start}-{start + length - 1}", **of_version
                )
            except self._client.exceptions.ClientError as error:
                if code_of(error) in ("InvalidRange", "416"):  # an empty object has no range
                    got = self._client.get_object(**self._named(key), **of_version)
                elif code_of(error) in ("PreconditionFailed", "412"):
                    raise FileNotFoundError(key) from error  # that version is gone
                else:
                    raise
            data = got["Body"].read()
        if len(data) != int(got["ContentLength"]):
            raise RepositoryUnreachable(
                "The store's answer broke off.", where=self._where(key), why=f"After {len(data)} bytes."
            )
        total = str(got.get("ContentRange", "")).rpartition("/")[2]
        return ReadObject(
            data,
            int(total) if total.isdigit() else start + len(data),
            got["LastModified"],
            _bare(got["ETag"]),
            _time_of(got),
            kept_headers(got),
            has_more(got),
        )


def _bare(etag: str) -> str:
    return etag.strip('"')


def _time_of(answer: Mapping[str, Any]) -> datetime:
    """When the store answered; by our clock if it has none."""
    told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(told).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
