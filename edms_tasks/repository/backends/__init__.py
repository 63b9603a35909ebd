"""Where the bytes of a repository are: object stores and servers, and what stands between them and the repository.

`object_store.py` is the narrow interface: one method is one request, which may be repeated. `s3_store.py` and `sftp_store.py`
implement it. `retrying.py` and `limited.py` stand around any of them. `store_backend.py` makes of it the folder of named bytes
that the rest of the repository uses, and `opening.py` puts all together from the settings.
"""
