"""The forms of names, labels and keys in Kubernetes: for what Grace makes, and for what others wrote.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and /labels/.
"""

import re

LONGEST_LABEL = 63
"""Characters of a DNS label: a namespace, a Service; and of a label's value."""
LONGEST_NAME = 253
"""Characters of the name of most objects, and of a key."""
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
"""A key of a ConfigMap or Secret; `.` and `..` are none."""


def is_label(text: str) -> bool:
    """Whether a text is a DNS label, the form of names of namespaces and containers."""
    return len(text) <= LONGEST_LABEL and LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether a text is a DNS subdomain, the form of names of most objects."""
    return len(text) <= LONGEST_NAME and SUBDOMAIN.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Whether a text is a value of a label that is not empty, or the part of a label's key after the slash."""
    return len(text) <= LONGEST_LABEL and LABEL_VALUE.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether a text is a key of a ConfigMap or Secret."""
    return KEY.fullmatch(text) is not None and text not in (".", "..")
