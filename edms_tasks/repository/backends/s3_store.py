"""Objects in a bucket of an S3-compatible store, through botocore.

botocore signs, finds credentials and speaks the protocol; it makes each request once, because `retrying.py` repeats them. Every
byte that is sent is covered by a Content-MD5, so the store itself refuses what did not arrive whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from edms_tasks.errors import RepositoryForbidden, RepositoryUnreachable, SettingsError
from edms_tasks.repository.backends.object_store import ListingPage, NoConditionalWrites, ObjectPiece
from edms_tasks.repository.backends.s3_errors import NOT_FOUND, answer_as_error, code_of, failure_as_error
from edms_tasks.repository.retention_of_objects import Retention

OPTIONS = frozenset({"key", "secret", "token", "endpoint_url", "region", "profile", "ca_bundle", "addressing"})
KEPT = ("objects/", "snapshots/", "signatures/")
"""What is never written again: only this can be immutable."""

_CONNECT_SECONDS, _READ_SECONDS, _CONNECTIONS = 10, 60, 16
UPLOADS_BEGUN = "tmp/upload-"
"""The names of uploads that were begun and not ended begin so."""
_PAGE = 1000


def s3_client(options: Mapping[str, SecretStr], where: str) -> Any:
    """A client for the options in the settings; credentials that they do not name are sought as the AWS tools do."""
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    given = {
        name.lower(): value.get_secret_value() for name, value in options.items()
    }  # the environment's are upper case
    if unknown := sorted(set(given) - OPTIONS):
        raise SettingsError(
            "The repository has an unknown option.",
            where=f"[repository] options: {unknown[0]}",
            why=f"For S3 there are: {', '.join(sorted(OPTIONS))}.",
            fix="Remove it, or correct its spelling.",
        )
    if ("key" in given) != ("secret" in given):
        raise SettingsError(
            "Half of the credentials are missing.",
            where="[repository] options",
            why="An access key needs `key` and `secret`.",
            fix="Set both, or neither: then AWS_ACCESS_KEY_ID, ~/.aws or the machine's role are used.",
        )
    if "ca_bundle" in given and not Path(given["ca_bundle"]).is_file():
        raise SettingsError(
            "The file of the certificates is missing.",
            where=given["ca_bundle"],
            fix="Fix [repository] options.ca_bundle.",
        )
    endpoint = given.get("endpoint_url")
    is_own = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        session = botocore.session.Session(profile=given.get("profile"))
        session.register_component("data_loader", _service_descriptions())
        return session.create_client(
            "s3",
            # A store of one's own has no regions, but every request is signed for one.
            region_name=given.get("region") or session.get_config_variable("region") or "us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id=given.get("key"),
            aws_secret_access_key=given.get("secret"),
            aws_session_token=given.get("token"),
            verify=given.get("ca_bundle"),
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                max_pool_connections=_CONNECTIONS,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": given.get("addressing") or ("path" if is_own else "auto")},
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(
            "The S3 store cannot be used with these settings.",
            where=where,
            why=str(error),
            fix="Fix [repository] options.",
        ) from error


@cache
def _service_descriptions() -> Any:
    """botocore's own descriptions of the protocol, which are large: read once."""
    from botocore.loaders import create_loader

    return create_loader()


class S3Store:
    """A bucket, or what is below a prefix in it.

    Args:
        client: of botocore.
        bucket: its name.
        prefix: the beginning of all names; "" for the whole bucket.
        immutable: for how long what is written can be neither changed nor removed; None for not at all.
        mode: GOVERNANCE, which some users may lift, or COMPLIANCE, which nobody can.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str, immutable: timedelta | None = None, mode: str = "GOVERNANCE"
    ) -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._immutable, self._mode = immutable, mode
        self._bucket_is_there = threading.Event()
        self.display = f"s3://{bucket}/{self._prefix}".rstrip("/")

    def size(self, name: str) -> int | None:
        """By a HEAD request."""
        try:
            try:
                return self._size(name)
            except RepositoryForbidden:
                # The answer to a HEAD has no text. Whether the key is wrong or only this request is refused, a GET tells;
                # and where it names the right region, botocore uses that from then on.
                self._say_why(name)
                return self._size(name)
        except FileNotFoundError:
            self._require_bucket(name)
            return None

    def read(self, name: str, start: int, length: int) -> ObjectPiece:
        """By a GET request for a range."""
        with self._asking(name):
            try:
                got = self._client.get_object(**self._named(name), Range=f"bytes={start}-{start + length - 1}")
            except self._client.exceptions.ClientError as error:
                if code_of(error) in ("InvalidRange", "416"):
                    return ObjectPiece(b"", start)  # an empty object, or its end
                raise
            data = got["Body"].read()
            total = str(got.get("ContentRange", "")).rpartition("/")[2]
        if len(data) != int(got["ContentLength"]):
            raise RepositoryUnreachable(
                "The store's answer broke off.", where=self._where(name), why=f"After {len(data)} bytes."
            )
        return ObjectPiece(data, int(total) if total.isdigit() else start + len(data))

    def page(self, folder: str, following: str) -> ListingPage:
        """A thousand names; those of uploads that were begun and not ended count as half written files."""
        if following.startswith(UPLOADS_BEGUN):
            return self._begun_uploads(following.removeprefix(UPLOADS_BEGUN))
        order = {"ContinuationToken": following} if following else {}
        with self._asking(folder):
            got = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/", MaxKeys=_PAGE, **order
            )
        names = tuple(
            (str(one["Key"])[len(self._prefix) :], int(one["Size"]))
            for one in got.get("Contents", ())
            if not one["Key"].endswith("/")  # folders, as some consoles make them
        )
        if got.get("IsTruncated"):
            return ListingPage(names, str(got["NextContinuationToken"]))
        return ListingPage(names, UPLOADS_BEGUN if folder == "tmp" else "")

    def top_level(self) -> set[str]:
        """The first page is enough to see whether anything else is here."""
        with self._asking(""):
            got = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/", MaxKeys=_PAGE)
        folders = [str(one["Prefix"]) for one in got.get("CommonPrefixes", ())]
        names = [str(one["Key"]) for one in got.get("Contents", ())]
        return {name[len(self._prefix) :].strip("/") for name in (*folders, *names)} - {""}

    def put(self, name: str, data: bytes) -> None:
        """By a PUT request."""
        with self._asking(name):
            self._client.put_object(
                **self._named(name), Body=data, ContentMD5=content_md5(data), **self._retention(name)
            )

    def put_new(self, name: str, data: bytes) -> bool:
        """By a PUT request with `If-None-Match: *`."""
        with self._asking(name):
            try:
                self._client.put_object(
                    **self._named(name),
                    Body=data,
                    ContentMD5=content_md5(data),
                    IfNoneMatch="*",
                    **self._retention(name),
                )
            except self._client.exceptions.ClientError as error:
                if code_of(error) in ("PreconditionFailed", "412"):
                    return False
                if code_of(error) in ("NotImplemented", "501"):
                    raise NoConditionalWrites from error
                raise
        return True

    def remove(self, name: str) -> None:
        """By a DELETE request, which does not mind if there is nothing."""
        if name.startswith(UPLOADS_BEGUN):
            key, upload = json.loads(base64.urlsafe_b64decode(name.removeprefix(UPLOADS_BEGUN)))
            self.abandon(key, upload)
            return
        try:
            with self._asking(name):
                self._client.delete_object(**self._named(name))
        except FileNotFoundError:
            pass

    def begin(self, name: str) -> str:
        """A multipart upload."""
        with self._asking(name):
            begun = self._client.create_multipart_upload(**self._named(name), **self._retention(name))
        return str(begun["UploadId"])

    def part(self, name: str, upload: str, number: int, offset: int, data: bytes) -> str:
        """A part; its ETag."""
        with self._asking(name):
            made = self._client.upload_part(
                **self._named(name), UploadId=upload, PartNumber=number, Body=data, ContentMD5=content_md5(data)
            )
        return str(made["ETag"])

    def complete(self, name: str, upload: str, parts: Sequence[str], size: int) -> None:
        """Make the parts one object, and see that it has its size where that may be asked."""
        listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(parts, start=1)]
        try:
            with self._asking(name):
                self._client.complete_multipart_upload(
                    **self._named(name), UploadId=upload, MultipartUpload={"Parts": listed}
                )
        except FileNotFoundError as error:
            # The upload is unknown: an earlier attempt completed it and its answer was lost, or it was given up.
            if self.size(name) != size:
                raise self._incomplete(name, size) from error
            return
        try:
            found = self.size(name)
        except RepositoryForbidden:
            return  # these credentials only write; each part was compared with its MD5 by the store
        if found != size:
            raise self._incomplete(name, size)

    def abandon(self, name: str, upload: str) -> None:
        """Give up a multipart upload."""
        try:
            with self._asking(name):
                self._client.abort_multipart_upload(**self._named(name), UploadId=upload)
        except FileNotFoundError:
            pass

    def modified(self, name: str) -> datetime:
        """By a HEAD request."""
        with self._asking(name):
            modified: datetime = self._client.head_object(**self._named(name))["LastModified"]
        return modified

    def age(self, name: str) -> float | None:
        """By two times of one answer: when the object was written, and when the server answered."""
        with self._asking(name):
            got = self._client.head_object(**self._named(name))
        date = got["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            return None
        return float((parsedate_to_datetime(date) - got["LastModified"]).total_seconds())

    def retain(self, name: str) -> None:
        """Prolong the object's retention."""
        if self._immutable is None or not name.startswith(KEPT):
            return
        with self._asking(name):
            self._client.put_object_retention(
                **self._named(name), Retention={"Mode": self._mode, "RetainUntilDate": self._until()}
            )

    def retained(self, name: str) -> Retention | None:
        """Ask for the object's retention. Without the right s3:GetObjectRetention the answer is as if there were none."""
        with self._asking(name):
            found = self._client.head_object(**self._named(name))
        until = found.get("ObjectLockRetainUntilDate")
        return Retention(found["ObjectLockMode"], until) if until else None

    def require_immutable(self) -> bool:
        """Ask whether the bucket was made with object lock."""
        if self._immutable is None:
            return False
        why = "The bucket was made without it."
        try:
            with self._asking(""):
                found = self._client.get_object_lock_configuration(Bucket=self._bucket)
            if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled":
                return True
        except FileNotFoundError:
            pass
        except RepositoryForbidden as error:
            why = error.why
        raise SettingsError(
            "The bucket has no object lock, so nothing in it is immutable.",
            where=f"{self.display}: [repository] immutable_days",
            why=why,
            fix="Make a new bucket with object lock for the repository, or remove the setting.",
        )

    # -- within ---------------------------------------------------------------------------------------------

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _where(self, name: str) -> str:
        return f"{self.display}: {name}" if name else self.display

    def _retention(self, name: str) -> dict[str, Any]:
        if self._immutable is None or not name.startswith(KEPT):
            return {}
        return {"ObjectLockMode": self._mode, "ObjectLockRetainUntilDate": self._until()}

    def _until(self) -> datetime:
        assert self._immutable is not None
        return datetime.now(UTC).replace(microsecond=0) + self._immutable

    def _begun_uploads(self, after: str) -> ListingPage:
        order = dict(zip(("KeyMarker", "UploadIdMarker"), json.loads(after), strict=True)) if after else {}
        try:
            with self._asking("tmp"):
                got = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix, **order)
        except RepositoryForbidden:
            return ListingPage(())  # not every user may list them; docs/storage.md has the rule that removes them
        begun = [[str(one["Key"])[len(self._prefix) :], one["UploadId"]] for one in got.get("Uploads", ())]
        names = tuple((UPLOADS_BEGUN + base64.urlsafe_b64encode(json.dumps(one).encode()).decode(), 0) for one in begun)
        if not got.get("IsTruncated"):
            return ListingPage(names)
        return ListingPage(names, UPLOADS_BEGUN + json.dumps([got["NextKeyMarker"], got["NextUploadIdMarker"]]))

    def _size(self, name: str) -> int:
        with self._asking(name):
            return int(self._client.head_object(**self._named(name))["ContentLength"])

    def _require_bucket(self, name: str) -> None:
        """The answer to a HEAD does not tell a missing object from a missing bucket; asked once, a GET does."""
        if not self._bucket_is_there.is_set():
            self._say_why(name)
            self._bucket_is_there.set()

    def _say_why(self, name: str) -> None:
        try:
            self.read(name, 0, 1)
        except FileNotFoundError:
            pass

    def _incomplete(self, name: str, size: int) -> RepositoryUnreachable:
        return RepositoryUnreachable(
            "An upload was not completed.",
            where=self._where(name),
            why=f"The store has no object of {size} bytes there.",
            fix="Run it again.",
        )

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if code_of(error) in NOT_FOUND:
                raise FileNotFoundError(self._where(name)) from error
            raise answer_as_error(error, self._where(name)) from error
        except (BotoCoreError, OSError) as error:
            raise failure_as_error(error, self._where(name), self._client.meta.endpoint_url) from error
        else:
            self._bucket_is_there.set()


def content_md5(data: bytes) -> str:
    """The Content-MD5 of a request that sends these bytes."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
