"""The configured Prefect API, and whether it can be used: checked without importing Prefect, which takes a second."""

from __future__ import annotations

import base64
import json
import os
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from edms_tasks.errors import TransientError

ADDRESS, LOGIN = "address", "login"
"""Files in the home of `edms-backup serve`: where its API is, and the login for it."""

_SECONDS_TO_ANSWER = 10
_PAUSES_WHILE_BUSY = (0.5, 1.0, 2.0, 4.0)  # a server with SQLite refuses a request (503) while it records runs
_NOTHING: Mapping[str, str] = {}
_REFUSALS = {401: "It refuses the login", 403: "It refuses the login", 404: "There is no Prefect API"}


@dataclass(frozen=True)
class PrefectApi:
    """The API's address, and the Authorization header for it ("" for none)."""

    url: str = field(repr=False)
    authorization: str = field(default="", repr=False)

    @property
    def display(self) -> str:
        """The address without user name and password."""
        return self.url.rsplit("@", 1)[-1]


def configured_api(environ: Mapping[str, str] = os.environ) -> PrefectApi | None:
    """The API that the environment or the active profile names."""
    profile = _active_profile(environ)

    def setting(name: str) -> str:
        return str(environ.get(name) or profile.get(name) or "")

    url = setting("PREFECT_API_URL")
    if not url:
        return None
    if key := setting("PREFECT_API_KEY"):
        return PrefectApi(url, f"Bearer {key}")
    if pair := setting("PREFECT_API_AUTH_STRING"):
        return PrefectApi(url, "Basic " + base64.b64encode(pair.encode()).decode())
    return PrefectApi(url)


def served_api(home: Path) -> PrefectApi | None:
    """The API of `edms-backup serve` with this home folder; None if it has none, or this user may not read the login."""
    try:
        url, login = ((home / name).read_text(encoding="utf-8").strip() for name in (ADDRESS, LOGIN))
    except OSError:
        return None
    return PrefectApi(url, "Basic " + base64.b64encode(login.encode()).decode())


def unusable(api: PrefectApi, why: str) -> TransientError:
    """The error for an API that cannot be used, and is needed."""
    return TransientError(
        "The Prefect API cannot be used.",
        where=api.display,
        why=why,
        fix="Start it, or correct PREFECT_API_URL and PREFECT_API_AUTH_STRING.",
    )


def without_proxy_for(host: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables with which programs ask this host directly, besides those that they ask directly already."""
    around = [part for part in (environ.get("NO_PROXY"), environ.get("no_proxy"), host) if part]
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(dict.fromkeys(around)))


def why_unusable(api: PrefectApi) -> str:
    """Why the API cannot be used, or "". It must return its number of runs, which needs its database and our login."""
    if not api.url.startswith(("http://", "https://")):
        return "It is not an http or https address."
    try:
        if "@" in urllib.parse.urlsplit(api.url).netloc:
            return "It holds a login, which Prefect would write into its logs. PREFECT_API_AUTH_STRING is the place for it."
        counted = ask_api(api, "/flow_runs/count", {})
    except urllib.error.HTTPError as error:
        return f"{_REFUSALS.get(error.code, 'It answers with an error')} (HTTP {error.code})."
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    except Exception as error:  # http.client raises exceptions of its own for answers that are not HTTP
        return f"{type(error).__name__}: {error}"
    return "" if isinstance(counted, int) else "It is not a Prefect API."


def ask_api(api: PrefectApi, path: str, request: object = None, *, method: str = "") -> Any:
    """Ask the API: a POST of the request as JSON, or a GET without one, or by another method.

    Returns its answer; None if that is empty.

    A server that is busy is asked again for some seconds. One that protects from requests of foreign pages (CSRF) refuses what would
    change something without a token of its own, which is then asked for.

    Raises:
        urllib.error.HTTPError, OSError, ValueError: it refuses, cannot be reached, or its answer is no JSON.
    """
    data = None if request is None else json.dumps(request).encode()
    for pause in _PAUSES_WHILE_BUSY:
        try:
            return _ask_once(api, path, data, method)
        except urllib.error.HTTPError as refused:
            if refused.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        time.sleep(pause)
    return _ask_once(api, path, data, method)


def _ask_once(api: PrefectApi, path: str, data: bytes | None, method: str) -> Any:
    try:
        return _answer(api, path, data, method=method)
    except urllib.error.HTTPError as refused:
        if refused.code != HTTPStatus.FORBIDDEN or (data is None and not method):
            raise
        client = str(uuid.uuid4())
        try:
            token = _answer(api, f"/csrf-token?client={client}", None)
        except urllib.error.HTTPError:
            raise refused from None
        if not isinstance(token, dict):
            raise
        given = {"Prefect-Csrf-Token": str(token.get("token")), "Prefect-Csrf-Client": client}
        return _answer(api, path, data, given, method=method)


def _answer(
    api: PrefectApi, path: str, data: bytes | None, headers: Mapping[str, str] = _NOTHING, *, method: str = ""
) -> object:
    request = urllib.request.Request(  # noqa: S310 - http or https, as the caller has made sure
        f"{api.url.rstrip('/')}{path}",
        data=data,
        method=method or None,
        headers={"Content-Type": "application/json", "User-Agent": "edms-backup", **headers},
    )
    if api.authorization:
        request.add_header("Authorization", api.authorization)
    with urllib.request.urlopen(request, timeout=_SECONDS_TO_ANSWER) as answer:  # noqa: S310
        text = answer.read()
        return cast("object", json.loads(text)) if text else None


def _active_profile(environ: Mapping[str, str]) -> Mapping[str, object]:
    home = Path(environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    try:
        written = tomllib.loads(profiles.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # no profiles, or a file that Prefect could not read either
    name = environ.get("PREFECT_PROFILE") or written.get("active")
    profile = written.get("profiles", {}).get(name, {})
    return profile if isinstance(profile, dict) else {}
