"""What stands beside an archive and vouches for it: its digest for `sha256sum -c`, and a Sigstore signature."""

import os
from pathlib import Path
from typing import Any

from grace.archive import bag
from grace.archive.store import S3, Store, name_of
from grace.errors import EndpointError, InputError
from grace.extras import check_installed
from grace.files import replacing
from grace.text import one_line

TOKEN = "SIGSTORE_IDENTITY_TOKEN"  # noqa: S105 - the name of a variable
"""The variable with an OpenID Connect token that says who signs, where the machine has no identity of its own."""


def write_digest(place: str, digest: str) -> Path:
    """Write the digest of an archive's tag manifest beside it, as `sha256sum -c` reads it there. Raises InputError."""
    path = beside(place, ".sha256")
    with replacing(path) as file:
        file.write(f"{digest}  {name_of(place)}/{bag.TAG_MANIFEST}\n".encode())
    return path


def beside(place: str, ending: str) -> Path:
    """The file beside an archive with this ending; that of a bucket is in the current folder."""
    name = name_of(place) + ending
    return Path(name) if place.startswith(S3) else Path(place).resolve().with_name(name)


def identity() -> Any:
    """Who signs: the identity of this machine, or that of a token, before the work begins.

    Raises:
        InputError: sigstore is not installed, nobody says who signs, or the token has ended.
    """
    check_installed("--sign needs", ["sigstore"], "sign", "; without it, keep the .sha256 file")
    from sigstore.errors import Error
    from sigstore.oidc import IdentityError, IdentityToken, detect_credential

    try:
        raw = os.environ.get(TOKEN) or detect_credential()
        if not raw:
            raise InputError(
                f"--sign: nobody says who signs: this machine has no identity (CI jobs have one), and {TOKEN} is not "
                "set; without it, keep the .sha256 file"
            )
        return IdentityToken(raw)
    except (Error, IdentityError) as error:
        raise InputError(f"--sign: the identity cannot be used: {_first_line(error)}") from None


def sign_archive(store: Store, place: str, signer: Any) -> Path:
    """Sign an archive's tag manifest, which stands for every byte, and write the bundle beside it.

    Args:
        store: where it is.
        place: the same, as the user wrote it.
        signer: from `identity`.

    Raises:
        EndpointError: Sigstore cannot be reached, or refuses; the archive is there all the same.
    """
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import SigningContext

    try:
        context = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(signer) as signing:
            bundle = signing.sign_artifact(store.content(bag.TAG_MANIFEST))
    except (Error, OSError) as error:
        raise EndpointError(
            f"--sign: Sigstore cannot be used: {_first_line(error)}; the archive is whole, and not signed. "
            "With a network, the same command signs it"
        ) from None
    path = beside(place, ".sigstore.json")
    with replacing(path) as file:
        file.write(bundle.to_json().encode())
    return path


def _first_line(error: Exception) -> str:
    return one_line(str(error))[:300]
