"""Encryption to public keys with age, and what the keys are kept in.

A repository has a key pair. Its public half, the *recipient*, encrypts objects and manifests; a machine that backs up needs
nothing else to write, and cannot read what it wrote. The secret half is in the repository, encrypted once for each *holder*:
to the holder's own recovery key, or with a passphrase. So a holder comes or goes without a byte of a backup being written anew.

`codec.py` is what the repository asks for, `age_codec.py` does it with age, `recovery_key.py` is a holder's secret,
`repository_secret.py` what it opens, `write_key.py` the file of a machine that backs up, `signing.py` its signatures.
"""
