"""A bucket of somebody else's objects, which a restore writes: with their content types, and copied within the store."""

from __future__ import annotations

from edms_tasks.repository.backends.kept_headers import Headers, kept_headers
from edms_tasks.repository.backends.s3_files import S3Files
from edms_tasks.repository.backends.s3_store import UPLOADS_BEGUN, content_md5

_PAGE = 1000


class S3Writing(S3Files):
    """The objects below a prefix, written and copied. Each method is one request, which may be made again."""

    def full_key(self, key: str) -> str:
        """The key with the prefix."""
        return self._prefix + key

    def headers(self, key: str) -> Headers:
        """By a HEAD request; raises FileNotFoundError."""
        with self._asking(key):
            found = self._client.head_object(**self._named(key))
        return kept_headers(found)

    def put_with(self, key: str, data: bytes, headers: Headers) -> None:
        """Write an object in one request."""
        with self._asking(key):
            self._client.put_object(**self._named(key), Body=data, ContentMD5=content_md5(data), **headers)

    def begin_with(self, key: str, headers: Headers) -> str:
        """Begin to write an object in parts; returns the upload's id."""
        with self._asking(key):
            return str(self._client.create_multipart_upload(**self._named(key), **headers)["UploadId"])

    def copy(self, source: S3Writing, key: str) -> None:
        """Let the store copy the object of that key from another prefix, with its headers, in one step."""
        with self._asking(key):
            self._client.copy_object(**self._named(key), CopySource=source._named(key))

    def copy_part(self, source: S3Writing, key: str, upload: str, number: int, span: range) -> str:
        """Let the store copy a part of the object of that key from another prefix; returns the part's ETag."""
        with self._asking(key):
            made = self._client.upload_part_copy(
                **self._named(key),
                UploadId=upload,
                PartNumber=number,
                CopySource=source._named(key),
                CopySourceRange=f"bytes={span.start}-{span.stop - 1}",
            )
        return str(made["CopyPartResult"]["ETag"])

    def folders_that_begin(self, beginning: str, following: str) -> tuple[tuple[str, ...], str]:
        """The parts of keys up to the first "/", of keys that begin so; and what to ask for the following ones by."""
        order = {"ContinuationToken": following} if following else {}
        with self._asking(beginning):
            got = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix + beginning, Delimiter="/", MaxKeys=_PAGE, **order
            )
        found = tuple(str(one["Prefix"])[len(self._prefix) : -1] for one in got.get("CommonPrefixes", ()))
        return found, str(got["NextContinuationToken"]) if got.get("IsTruncated") else ""

    def keys_that_begin(self, beginning: str) -> tuple[str, ...]:
        """The first keys that begin so, in their order."""
        with self._asking(beginning):
            got = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + beginning, MaxKeys=_PAGE)
        return tuple(str(one["Key"])[len(self._prefix) :] for one in got.get("Contents", ()))

    def abandon_unfinished(self) -> None:
        """Give up uploads that were begun below the prefix and not ended, as far as these credentials may see them."""
        following = UPLOADS_BEGUN
        while following:
            page = self.page("", following)
            for name, _ in page.names:
                self.remove(name)
            following = page.following
