"""What an S3 store answers, or why it does not answer, in the words of an administrator."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from edms_tasks.errors import EdmsBackupError, NoSpace, RepositoryForbidden, RepositoryUnreachable, SettingsError

NOT_FOUND = frozenset({"NoSuchKey", "NoSuchUpload", "404", "ObjectLockConfigurationNotFoundError"})

_BUSY = frozenset(
    {
        "SlowDown",
        "RequestTimeout",
        "InternalError",
        "ServiceUnavailable",
        "OperationAborted",
        "XAmzContentChecksumMismatch",
    }
)
_BUSY |= {"RequestLimitExceeded", "TooManyRequests", "ConditionalRequestConflict", "BadDigest", "IncompleteBody"}
_BUSY |= {"Throttling", "ThrottlingException", "TooManyRequestsException", "BandwidthLimitExceeded"}
_BUSY_STATUS = frozenset({429, 500, 502, 503, 504})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "XMinioStorageQuotaExceeded", "StorageFull", "AccountProblem"})
_FULL |= {"XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "EntityTooLarge"}
_FULL_STATUS = frozenset({413, 507})
_WRONG_KEY = {
    "InvalidAccessKeyId": "It does not know the access key.",
    "SignatureDoesNotMatch": "The secret does not belong to the access key.",
    "ExpiredToken": "The token has expired.",
    "InvalidToken": "The token is not valid.",
}
_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "301", "307", "IllegalLocationConstraintException"}
)
_VERBS = {
    "HeadObject": "read",
    "GetObject": "read",
    "PutObject": "write",
    "CreateMultipartUpload": "write",
    "UploadPart": "write",
    "CompleteMultipartUpload": "write",
    "DeleteObject": "remove",
    "ListObjectsV2": "list",
    "PutObjectRetention": "prolong the retention of",
}


def code_of(error: ClientError) -> str:
    """The error's code, such as NoSuchKey; a status code where the answer had no text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def answer_as_error(error: ClientError, where: str) -> EdmsBackupError:
    """The error for an answer that refuses a request."""
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    message = str(error.response.get("Error", {}).get("Message", "")).strip()
    said = f"{code}: {message}" if message else code
    if code == "NoSuchBucket":
        return SettingsError(
            "The bucket does not exist.",
            where=where,
            why=said,
            fix="Create it at the provider (with object lock, if [repository] immutable_days is set), or fix [repository] url.",
        )
    if code in _WRONG_KEY:
        return RepositoryForbidden(
            "The store does not accept the credentials.",
            where=where,
            why=f"{_WRONG_KEY[code]} ({code})",
            fix="Fix key and secret in [repository] options, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if code == "RequestTimeTooSkewed":
        return RepositoryForbidden(
            "The clock of this machine differs from that of the store, so its requests are refused.",
            where=where,
            why=said,
            fix="Set the clock (`timedatectl set-ntp true`), and run it again.",
        )
    if code in _REGION or status == 301:
        region = re.search(r"expecting '([\w-]+)'", message)
        region_name = error.response.get("Error", {}).get("Region") or (region.group(1) if region else "")
        return SettingsError(
            "The bucket is in another region, or at another address.",
            where=where,
            why=said,
            fix=f"Set [repository] options.region{f' to {region_name}' if region_name else ''}, and endpoint_url if the store is not AWS.",
        )
    if code in _FULL or status in _FULL_STATUS:
        return NoSpace(
            "The store has no space left for this user.",
            where=where,
            why=said,
            fix="Free some space there or have the quota raised, and run it again.",
        )
    if code in _BUSY or status in _BUSY_STATUS:
        return RepositoryUnreachable(
            "The store could not answer.", where=where, why=said, fix="Run it again later; what was stored is reused."
        )
    if status in (401, 403) or code in ("AccessDenied", "403", "401"):
        verb = _VERBS.get(error.operation_name, "use")
        return RepositoryForbidden(
            f"The store refuses to {verb} this.",
            where=where,
            why=f"{said} ({error.operation_name})",
            fix="Give these credentials the rights in docs/storage.md, or use others in [repository] options.",
        )
    return RepositoryForbidden(
        "The store refuses the request.",
        where=where,
        why=f"{said} ({error.operation_name}, status {status})",
        fix="Check in docs/storage.md what a store must be able to do.",
    )


def failure_as_error(error: BotoCoreError | OSError, where: str, endpoint: str) -> EdmsBackupError:
    """The error for a request that was not answered."""
    said = str(getattr(error, "kwargs", {}).get("error") or error)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return SettingsError(
            "There are no credentials for the store.",
            where=where,
            why=str(error),
            fix="Set key and secret in [repository] options, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if isinstance(error, SSLError) and ("CERTIFICATE" in said.upper() or "WRONG_VERSION" in said.upper()):
        plain = "WRONG_VERSION" in said.upper()
        return SettingsError(
            "The server does not speak TLS at this address."
            if plain
            else "The certificate of the store is not accepted.",
            where=endpoint,
            why=_short(said),
            fix="Use http:// in endpoint_url if the store is meant to be without TLS, or fix the port."
            if plain
            else "Set [repository] options.ca_bundle to the file of the certificate that signed it, or fix endpoint_url.",
        )
    if isinstance(error, ParamValidationError):
        return SettingsError(
            "This cannot be the name of a bucket.", where=where, why=_short(said), fix="Fix [repository] url."
        )
    if "NameResolution" in said or "Name or service" in said or "resolve" in said:
        return RepositoryUnreachable(
            "The store's name cannot be resolved.",
            where=endpoint,
            why=_short(said),
            fix="Check endpoint_url in [repository] options, and the name servers of this machine.",
        )
    if isinstance(error, (ReadTimeoutError, ConnectionClosedError)):
        return RepositoryUnreachable(
            "The connection to the store was lost.", where=where, why=_short(said), fix="Run it again later."
        )
    kind = RepositoryUnreachable if isinstance(error, (HTTPClientError, OSError)) or "onnect" in said else SettingsError
    return kind(
        "The store does not answer." if kind is RepositoryUnreachable else "The store cannot be asked.",
        where=f"{where} at {endpoint}",
        why=_short(said),
        fix="Check endpoint_url in [repository] options, the network, and the store.",
    )


def _short(text: str) -> str:
    """Without the addresses of Python objects, which say nothing."""
    return re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>:? ?", "", text)[:400]
