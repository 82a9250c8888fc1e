"""What cannot run, whoever asks for it: rules about models, precisions and repositories, each with a name."""

from collections.abc import Iterator
from dataclasses import dataclass

from grace.models.catalogue import missing_repos

HALF = ("float16", "half", "fp16")
"""Names of 16-bit floating point with a small exponent, in vLLM and in general use."""
OTHER_QUANTIZATIONS = ("awq", "gptq", "bitsandbytes", "fp8", "int4", "w4a16", "gguf")
"""What people call quantizations that gpt-oss does not come in; parts of vLLM's names of them, too."""


@dataclass(frozen=True)
class Problem:
    """A rule that something breaks.

    Attributes:
        rule: the rule's name.
        what: what breaks it.
        fix: what to do instead.
        note: it runs nevertheless.
    """

    rule: str
    what: str
    fix: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.fix} [{self.rule}]"


def weights_problems(repo: str, dtype: str | None, quantization: str | None) -> Iterator[Problem]:
    """What is wrong with serving these weights by vLLM in this way, as far as the names show.

    Args:
        repo: repository on the hub or folder; family names are looked for in it.
        dtype: vLLM's --dtype, None where none is given.
        quantization: vLLM's --quantization, None where none is given.
    """
    name = repo.lower()
    dtype = (dtype or "auto").lower()
    method = (quantization or "").lower()
    if instead := missing_repos().get(name):
        yield Problem("repo-exists", f"{repo}: the hub has no such repository", f"take {instead}")
    if is_gemma2(name) and dtype in HALF:
        if "awq" in f"{name} {method}":
            yield Problem(
                "gemma-awq-half",
                f"{repo}: AWQ in {dtype}, but vLLM refuses Gemma 2 in float16 whatever the weights",
                "use --dtype bfloat16; vLLM's AWQ kernels do both",
            )
        else:
            yield Problem(
                "gemma-float16",
                f"{repo}: in {dtype}, which vLLM refuses for Gemma 2: its activations overflow there",
                "use --dtype bfloat16",
            )
    if is_gpt_oss(name):
        yield from _gpt_oss_problems(repo, dtype, method)


def _gpt_oss_problems(repo: str, dtype: str, method: str) -> Iterator[Problem]:
    fix = "use openai/gpt-oss-20b as it is published, in MXFP4, without --quantization and with --dtype bfloat16"
    quantizations = [name for name in OTHER_QUANTIZATIONS if name in f"{repo.lower()} {method}"]
    if quantizations:
        yield Problem("gpt-oss-mxfp4", f"{repo}: gpt-oss has no {quantizations[0].upper()} weights", fix)
    elif dtype in HALF:
        yield Problem("gpt-oss-mxfp4", f"{repo}: gpt-oss does not run in {dtype}", fix)


def is_gemma2(name: str) -> bool:
    """Whether a repository, folder or short name means a Gemma 2."""
    return "gemma-2-" in name.lower() or "gemma2" in name.lower()


def is_gpt_oss(name: str) -> bool:
    """Whether a repository, folder or short name means a gpt-oss."""
    return "gpt-oss" in name.lower() or "gpt_oss" in name.lower()
