"""Names that Kubernetes accepts, made from names that people give; names that must not be changed are refused."""

import hashlib
import re

from grace.errors import InputError
from grace.policy.forms import is_key, is_label, is_label_value, is_subdomain

LONGEST = 63
"""Characters of a label, of a Job's name, and of a Service's."""
INDEXED = 57
"""Characters of the name of a Job whose pods have indexes: `-` and five digits follow it in their host names."""
LONGEST_LINEUP = 40
"""Characters of a lineup's name: names of objects begin with it and continue with a model's."""

_IMAGE = re.compile(
    r"[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?"  # registry, or the first part of the path
    r"(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)


def sanitized(text: str, most: int = LONGEST) -> str:
    """A name of a-z, 0-9 and `-` that begins with a letter: `text`, or a similar one followed by a hash of `text`.

    The hash separates names that would be equal without it, such as `a/b` and `a-b`. `most` characters are at least 16.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if plain and not plain[0].isalpha():
        plain = f"x{plain}"
    if plain and plain == text and len(plain) <= most:
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: most - 7].strip('-') or 'x'}-{digest}"


def object_name(*parts: str, most: int = LONGEST) -> str:
    """The name of an object: the parts, each sanitized, with `-` between them, shortened with a hash when too long."""
    return sanitized("-".join(sanitized(part) for part in parts), most)


def file_name(text: str) -> str:
    """A file's name without its ending."""
    return sanitized(text, 60)


def check_namespace(name: str) -> str:
    """The namespace, which is never changed: another name would be another namespace. Raises InputError."""
    words = (
        f"no namespace has this name: at most {LONGEST} of a-z, 0-9 and -, a letter or digit first and last; "
        f"`kubectl config view --minify` shows yours"
    )
    return _checked("--namespace", name, is_label(name), words)


def check_object_name(option: str, name: str) -> str:
    """The name of an object that already exists. Raises InputError; `option` names where it was given."""
    words = "no object has this name: at most 253 of a-z, 0-9, - and dots, a letter or digit first and last"
    return _checked(option, name, is_subdomain(name), words)


def check_label_value(option: str, value: str) -> str:
    """The value of a label. Raises InputError; `option` names where it was given."""
    words = f"cannot be a label: at most {LONGEST} letters, digits, - _ and dots, a letter or digit first and last"
    return _checked(option, value, is_label_value(value), words)


def check_key(option: str, key: str) -> str:
    """The key of a ConfigMap or Secret. Raises InputError; `option` names where it was given."""
    return _checked(option, key, is_key(key), "is not a key: a key has letters, digits, - _ and dots")


def check_image(option: str, reference: str) -> str:
    """The reference of a container image, with a tag or digest, and not `latest`. Raises InputError."""
    fits = len(reference) <= 500 and _IMAGE.fullmatch(reference) is not None
    _checked(option, reference, fits, "is not an image: name it as registry/name:tag or name@sha256:digest")
    tag = reference.rpartition("/")[2].partition("@")[0].partition(":")[2]
    fixed = "@sha256:" in reference or tag not in ("", "latest")
    words = "may be another image tomorrow; name a version or a digest (name@sha256:...)"
    return _checked(option, reference, fixed, words)


def _checked(option: str, text: str, fits: bool, words: str) -> str:
    if not fits:
        raise InputError(f"{option} {shown(text)}: {words}")
    return text


def shown(text: str) -> str:
    """A text as messages and comments show it: in one line, not too long, in ASCII."""
    return ascii(text) if len(text) <= 80 else f"{text[:60]!a}... ({len(text)} characters)"


def literal(text: str) -> str:
    """A text, escaped so that it stays as it is in `command`, `args` and `env`, where Kubernetes would replace $(NAME).

    https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.32/#container-v1-core says: $$ becomes $.
    """
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text
