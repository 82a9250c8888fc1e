"""Rules about secrets: in files, in addresses, and where a server asks for none. No message shows one."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from grace.policy.documents import FieldPath, Manifest, Scene
from grace.policy.placeholders import placeholder
from grace.policy.programs import Program, programs
from grace.policy.rule import Hit, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example

FORMS = {
    "a token of Hugging Face": r"\bhf_[A-Za-z0-9]{16,}",
    "a key of an API": r"\bsk-[A-Za-z0-9_-]{16,}",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    "a token of GitLab": r"\bglpat-[A-Za-z0-9_-]{16,}",
    "a key of AWS": r"\bAKIA(?![A-Z0-9]*EXAMPLE)[A-Z0-9]{16}\b",
    "a token of Slack": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an address with a password": r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:([^\s/:@$({<]+)@",
}
"""What secrets look like, whatever their name; a group is the part that may stand for one."""
_SECRET_WORDS = {"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "APIKEY", "CREDENTIAL", "CREDENTIALS"}
_KEY_WORDS = {"API", "ACCESS", "SECRET", "PRIVATE", "AUTH", "ENCRYPTION", "FERNET", "SIGNING", "MASTER", "HMAC"}
_STORES = {"AWS", "CEPH", "MINIO", "OSS", "R2", "S3"}
"""Object stores, whose access key is the name of a pair; the other is the secret key."""
_PUBLIC_WORDS = {"PUB", "PUBKEY", "PUBKEYS", "PUBLIC", "PUBLICKEY"}
"""Words of the names of keys that are for everybody."""
_PUBLIC_FORM = re.compile(r"\s*(-----BEGIN ([A-Z]+ )?PUBLIC KEY-----|(ssh-(rsa|ed25519)|ecdsa-sha2-\S+) AAAA)")
_LOCAL = re.compile(
    r"[a-z][a-z0-9+]*://(\d+(\.\d+){3}|[a-z0-9-]+|[a-z0-9.-]+\.(svc|local|internal))(:\d+)?(/[\w-]{0,20})?/?",
    re.IGNORECASE,
)
"""An address of a service on this machine or in the cluster, without a login."""
_OF_TOKENS = {
    "BOS",
    "EOS",
    "FIRST",
    "IMAGE",
    "INTER",
    "MASK",
    "MAX",
    "MIN",
    "NEXT",
    "NUM",
    "PAD",
    "PER",
    "SEP",
    "SPECIAL",
    "STOP",
    "UNK",
}
"""Words before a token that a model reads or writes."""
_MEASURES = {"BUDGET", "COST", "COUNT", "LATENCY", "RATE", "SPEED", "THROUGHPUT"}
_HARMLESS_ENDS = {
    "FILE",
    "PATH",
    "DIR",
    "NAME",
    "ID",
    "URL",
    "URI",
    "ENV",
    "HOST",
    "TYPE",
    "LENGTH",
    "LIMIT",
    "TTL",
    "STDIN",
}
_PLACEHOLDER = re.compile(
    r"(|none|null|empty|dummy|unused|changeme|change-me|replace-?me|secret|token|password|xxx+|\.\.\.|"
    r"true|false|yes|no|not-needed|no-key(-required)?|sk-no-key-required|your[-_ ].*|"
    r"[\w./~-]+\.(crt|json|key|pem|txt|ya?ml)|(argon2|bcrypt|scrypt|sha1|sha256):.*|"
    r"\S*EXAMPLE(KEY)?|.{1,2}|<.*>|\$\{.*\}|\$\(.*\)|\$\w+|/.*|\{\{.*\}\}|__\w+__|[0-9]{1,4}|[0-9.]+(ms|us|s|m|h|d|%))",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(r"--?([A-Za-z][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)
PUBLIC_KEYS = {
    "ca.crt",
    "tls.crt",
    "username",
    "user",
    "email",
    "host",
    "hostname",
    "port",
    "database",
    "dbname",
    "schema",
    "namespace",
    "region",
    "bucket",
    "endpoint",
    "url",
    "type",
}
"""Keys of Secrets whose values everybody may know."""
PUBLIC_ENDS = {
    "BROKER",
    "BROKERS",
    "TOPIC",
    "TOPICS",
    "QUEUE",
    "SERVERS",
    "BUCKET",
    "DATABASE",
    "DB",
    "DBNAME",
    "ENDPOINT",
    "ENTITY",
    "PORT",
    "PROJECT",
    "REGION",
    "USER",
    "USERNAME",
}
"""The last words of such keys, besides those of other names."""
_NAME = re.compile(r"([a-z0-9-]+/)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""Of an object, with or without its namespace."""
_IN_ADDRESS = re.compile(r"https?://[^/@]*\$[({]?([A-Za-z_]\w*)[)}]?@", re.ASCII)
_BUILDERS = {"buildah", "buildctl", "docker", "kubectl", "podman"}
"""Programs whose options of such names name a secret."""
_EMPTY = re.compile(r"--?(NotebookApp|ServerApp|IdentityProvider)\.token=['\"]*")
_PASSWORD = re.compile(r"--?(NotebookApp|ServerApp|PasswordIdentityProvider)\.(hashed_)?password=['\"]*[^'\"]")
_ANYWHERE = re.compile(r"(--|App\.)ip[ =]['\"]*(0\.0\.0\.0|\*)")
_ONLY_HERE = re.compile(r"(--|App\.)ip[ =]['\"]*(127\.|localhost)")
"""What scripts of Jupyter's own images, which listen everywhere, have to be told."""
_LINE = "python run.py --model sleep-7b"
_CLONE = "git clone https://x:${GIT_TOKEN}@git.example.org/lab/study.git"
_JUPYTER = "jupyter lab --ip=0.0.0.0"
_SCRIPT = example("script-job")
_JOB = example("secret-job")
_OBJECT = example("hub-secret")
_PRACTICES = kubernetes("Good practices for Kubernetes Secrets", "concepts/security/secrets-good-practices/")


@error(
    "K8S023",
    "secret in the manifest",
    why="Everybody who can read the object, its file or the repository has it: `kubectl get -o yaml` shows variables "
    "and arguments, and Git forgets nothing.",
    source=_PRACTICES,
    fix="Revoke it now if the file was shared, unless its owner publishes it. Then `grace cluster secret`, or `kubectl "
    "create secret`, and refer to it with valueFrom.secretKeyRef.",
    examples=broken(_JOB, ("value: EMPTY", "value: correct-horse-battery")),
)
def check_inline(scene: Scene) -> Iterator[Hit]:
    """Secrets in variables, commands, arguments, annotations and ConfigMaps; each value once."""
    places: dict[str, list[Hit]] = {}
    for hit, value in _inline(scene):
        places.setdefault(value, []).append(hit)
    for first, *others in places.values():
        own = (first.manifest.source.file, first.manifest.line(first.path))
        spots = dict.fromkeys((each.manifest.source.file, each.manifest.line(each.path)) for each in others)
        lines = [f"{file}, line {line}" for file, line in spots if (file, line) != own]
        yield replace(first, message=first.message + (f"; also in {'; '.join(lines[:3])}" if lines else ""))


def _inline(scene: Scene) -> Iterator[tuple[Hit, str]]:
    """What looks like a secret, with its value."""
    for workload, container in scene.containers:
        for number, entry in enumerate(container.body.get("env") or []):
            path = (*container.path, "env", number, "value")
            yield from _look(workload.manifest, path, entry.get("name", ""), entry.get("value", ""))
        yield from _words(workload.manifest, container.words)
        for program in programs(scene, workload, container):
            yield from _of_script(workload.manifest, program, container.line)
    for manifest in scene.manifests:
        for path in (("data",), ("metadata", "annotations")):
            if path == ("data",) and manifest.kind != "ConfigMap":
                continue
            for key, value in (manifest.at(path) or {}).items():
                name = key if path == ("data",) else _said(key, value)
                yield from _look(manifest, (*path, key), name, value)
        for path, plain in _of_secret(manifest):
            if form := _form(plain) or _real(str(path[-1]), plain):
                coded = ", in base64, which everybody can decode" if path[0] == "data" else ""
                yield Hit(manifest, path, f"{path[-1]} holds what looks like {form}{coded}"), plain


def _said(key: str, value: str) -> str:
    """What an annotation says that it holds: its last word. Many name the Secret to use, as .../auth-secret."""
    words = re.split(r"[-_.]", key.rpartition("/")[2])
    last = "_".join(words[-2:]) if words[-1].lower() == "key" else words[-1]
    return "" if last.lower() == "secret" and _NAME.fullmatch(value) else last


def _words(manifest: Manifest, words: list[tuple[FieldPath, str]]) -> Iterator[tuple[Hit, str]]:
    """Options that are secrets, with the value in the same word or in the next."""
    for number, (path, word) in enumerate(words):
        option = _OPTION.fullmatch(word)
        after = words[number + 1] if number + 1 < len(words) else (path, "")
        if option and option[2] is not None:
            yield from _look(manifest, path, option[1], option[2])
        elif option and not after[1].startswith("-") and is_secret_name(option[1]):
            yield from _look(manifest, after[0], option[1], after[1])
        elif form := _form(word):
            yield Hit(manifest, path, f"holds what looks like {form}"), word


def _of_script(manifest: Manifest, program: Program, given: list[str]) -> Iterator[tuple[Hit, str]]:
    """Options in a script that are secrets, besides the words given; what a shell fills in is none."""
    words = [*program.words[1:], ""] if program.row else []
    for word, after in pairwise(words):
        option = _OPTION.fullmatch(word)
        secret = option and _words_of(option[1])[-1] in _SECRET_WORDS | {"KEY"}
        if not option or not secret or word in given or program.name in _BUILDERS:
            continue
        value = after if option[2] is None else option[2].strip("'\"")
        if not re.search(r"[$`]", value) and (option[2] is not None or not value.startswith("-")):
            for hit, secret_value in _look(manifest, program.path, option[1], value):
                yield replace(hit, row=program.row), secret_value


def _look(manifest: Manifest, path: FieldPath, name: str, value: str) -> Iterator[tuple[Hit, str]]:
    if form := _form(value):
        yield Hit(manifest, path, f"{name or path[-1]} holds what looks like {form}"), value
    elif is_secret_name(name) and not any(is_placeholder(value, own) for own in (name, str(path[-1]))):
        yield Hit(manifest, path, f"{name} is a secret by its name, and its value is in the file"), value


def _form(value: str) -> str:
    """The form of secret that a text seems to hold; empty for none."""
    found = ((what, re.search(form, value, re.ASCII)) for what, form in FORMS.items())
    return next((what for what, match in found if match and not any(map(is_placeholder, (value, *match.groups())))), "")


def _real(name: str, value: str) -> str:
    """The form of secret that a value of such a name seems to be; empty where it may be a password of a test."""
    long = re.fullmatch(r"[A-Za-z0-9_.+/=-]{24,}", value) and len(re.findall(r"[0-9]", value)) > 3
    return "a real token" if long and is_secret_name(name) and not is_placeholder(value, name) else ""


def is_secret_name(name: str) -> bool:
    """Whether a variable, option or key has the name of a secret: HF_TOKEN, --api-key; not MAX_TOKENS, TOKEN_FILE."""
    words = _words_of(name)
    if words[-1] in _HARMLESS_ENDS or _is_key_name(words):
        return False
    words = [word for word, before in zip(words, ["", *words[:-1]], strict=True) if not _of_model(word, before, words)]
    key = words[-1:] == ["KEY"] and (len(words) > 1 and words[-2] in _KEY_WORDS)
    return key or bool(_SECRET_WORDS & set(words))


def _is_key_name(words: list[str]) -> bool:
    """Whether words name the first of a pair, which is no secret: MINIO_ACCESS_KEY, as AWS_ACCESS_KEY_ID."""
    of_store = words == ["ACCESS", "KEY"] or bool(_STORES & set(words[:-2]))
    return words[-2:] == ["ACCESS", "KEY"] and of_store and "SECRET" not in words


def _words_of(name: str) -> list[str]:
    """The words of a name, in capitals: of hf_token, hf-token and hfToken, HF and TOKEN."""
    return re.split(r"[-_.]", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).upper())


def _of_model(word: str, before: str, words: list[str]) -> bool:
    """Whether a word of a name is a token of a model, as in time-to-first-token and inter-token-latency."""
    return word == "TOKEN" and (before in _OF_TOKENS or bool(_MEASURES & set(words)))


def is_placeholder(value: str, name: str = "") -> bool:
    """Whether a value stands for a secret without being one: empty, EMPTY, <token>, $(TOKEN), a path, its own name."""
    own = re.sub(r"[-_. ]", "", value.lower()) == re.sub(r"[-_. ]", "", name.lower())
    return own or bool(placeholder(value)) or _PLACEHOLDER.fullmatch(value.strip()) is not None


@warning(
    "K8S024",
    "Secret with its values in a file",
    why="base64 is not encryption: whoever has the file has the secret, and such files end in repositories.",
    source=_PRACTICES,
    fix="If others can see the file, replace what is in it by new secrets. Make the Secret with `grace cluster "
    "secret` or `kubectl create secret generic NAME --from-env-file=FILE`, and keep its values out of files that are "
    "shared.",
    examples=broken(_OBJECT, ('token: ""', "token: correct-horse-battery")),
)
def check_secret_file(scene: Scene) -> Iterator[Hit]:
    for manifest in scene.kind("Secret"):
        secret = [
            path
            for path, plain in _of_secret(manifest)
            if not _is_public(path, plain) and not _form(plain) and not _real(str(path[-1]), plain)
        ]
        if secret:
            names = ", ".join(str(path[-1]) for path in secret[:8]) + (", ..." if len(secret) > 8 else "")
            values = "value" if len(secret) == 1 else "values"
            yield Hit(manifest, secret[0], f"the {values} of {names} can be read in the file")


def _of_secret(manifest: Manifest) -> Iterator[tuple[FieldPath, str]]:
    """The values of a Secret, decoded, each with its path."""
    for part in ("data", "stringData") if manifest.kind == "Secret" else ():
        for key, value in (manifest.body.get(part) or {}).items():
            yield (part, key), _decoded(value) if part == "data" else value


def _is_public(path: FieldPath, plain: str) -> bool:
    """Whether everybody may know the value of a Secret's key."""
    key = str(path[-1])
    words = _words_of(key)
    known = key.lower() in PUBLIC_KEYS or words[-1] in (_HARMLESS_ENDS | PUBLIC_ENDS) or _is_key_name(words)
    of_pair = bool(_PUBLIC_WORDS & set(words)) and not (_SECRET_WORDS | {"PRIVATE"}) & set(words)
    public = known or of_pair or bool(_PUBLIC_FORM.match(plain)) or is_placeholder(plain, key)
    return public or _LOCAL.fullmatch(plain.strip()) is not None or _is_empty_login(key, plain)


def _is_empty_login(key: str, plain: str) -> bool:
    """Whether a value is a login to registries, as Docker keeps it, in which all that is secret is empty."""
    if key not in (".dockerconfigjson", ".dockercfg"):
        return False
    try:
        registries = json.loads(plain)
        entries = list(registries.get("auths", registries).values())
        logins = [_decoded(entry.get("auth") or "") for entry in entries]
        words = [entry.get(field) or "" for entry in entries for field in ("password", "identitytoken")]
        words += [login if is_placeholder(login) else login.rpartition(":")[2] for login in logins]
        return all(map(is_placeholder, words))
    except (ValueError, AttributeError, TypeError, RecursionError):
        return False


def _decoded(value: str) -> str:
    """What base64 stands for; a value that is none, as it is."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError:
        return value


@note(
    "K8S047",
    "token in an address that git keeps",
    why="git writes the address with the token into .git/config of the copy: whoever reads that folder has the token.",
    source="Git's documentation, gitcredentials, https://git-scm.com/docs/gitcredentials",
    fix="Give git the token by GIT_ASKPASS or a credential helper; clone a public repository without one.",
    examples=(changed(_SCRIPT, (_LINE, _CLONE)), changed(_SCRIPT, (_LINE, _CLONE.replace("x:${GIT_TOKEN}@", "")))),
)
def check_clones(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            keeps = program.name == "git" and {"clone", "remote", "submodule"} & set(program.words[1:])
            for word in program.words if keeps else ():
                if (match := _IN_ADDRESS.match(word)) and is_secret_name(match[1]):
                    message = f"container {container.name}: git keeps the value of {match[1]} in .git/config"
                    yield Hit(workload.manifest, program.path, message + program.place, program.row)


@warning(
    "K8S048",
    "server that lets everybody in",
    why="Whoever reaches the pod, as other pods of the cluster usually do, runs code in it and reads its volumes.",
    source="Jupyter Server's documentation, Security, https://jupyter-server.readthedocs.io/en/latest/operators/security.html",
    fix="Leave the token as it is, and look it up with `kubectl logs`; or listen at 127.0.0.1 only, which `kubectl "
    "port-forward` reaches.",
    examples=(changed(_SCRIPT, (_LINE, f"{_JUPYTER} --ServerApp.token=")), changed(_SCRIPT, (_LINE, _JUPYTER))),
)
def check_open(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            if _lets_in(program.words):
                message = f"container {container.name}: Jupyter lets everybody in, without a token or a password"
                yield Hit(workload.manifest, program.path, message + program.place, program.row)


def _lets_in(words: tuple[str, ...]) -> bool:
    """Whether Jupyter listens everywhere, with a token that is empty and no password."""
    image = any(word.endswith(("start-notebook.sh", "start-notebook.py")) for word in words[:3])
    jupyter = image or any("jupyter" in word for word in words[:3])
    everywhere = _ANYWHERE.search(" ".join(words)) or (image and not _ONLY_HERE.search(" ".join(words)))
    return bool(jupyter and everywhere and any(map(_EMPTY.fullmatch, words)) and not any(map(_PASSWORD.match, words)))
