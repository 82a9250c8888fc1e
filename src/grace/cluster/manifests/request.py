"""What `grace cluster render` is asked for. Each field is an option of the command, and is declared here alone."""

from dataclasses import dataclass
from typing import Annotated, Literal

Mode = Literal["job", "server"]
Code = Literal["image", "wheel"]


@dataclass(frozen=True)
class Option:
    """What the command line says of a field: its help, a name for its value, and its bounds."""

    help: str
    metavar: str | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request for manifests. Where a field is None or empty, Grace chooses."""

    profile: Annotated[str, Option(metavar="PROFILE", help="GPUs that models run on: rtx3090 or a100.")]
    model: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="Once for each model. Default: all of the profile."),
    ] = None
    study: Annotated[
        list[str] | None,
        Option(
            metavar="STUDY",
            help="study1, study2 or a study file, once for each. Default: study1 and study2.",
        ),
    ] = None
    experiment: Annotated[
        list[int] | None,
        Option(metavar="1|2", help="Answers (1), probabilities (2). Default: both."),
    ] = None
    replications: Annotated[int, Option(min=1, help="How often Experiment 1 asks each question.")] = 1
    temperature: Annotated[float, Option(min=0.0, help="Of sampling, in Experiment 1.")] = 0.7
    max_tokens: Annotated[int, Option(min=1, help="Longest answer of Experiment 1.")] = 512
    seed: Annotated[
        int, Option(min=-(2**53), max=2**53, help="Base seed; every row and replication gets its own from it.")
    ] = 1
    shards: Annotated[int, Option(min=1, help="Parts of each model's questions, each for a pod of its own.")] = 1
    parallelism: Annotated[int | None, Option(min=1, metavar="N", help="Shards under way at once. Default: all.")] = (
        None
    )
    mode: Annotated[
        Mode, Option(help="job: the server ends with the questions; server: it stays until it is deleted.")
    ] = "job"
    code: Annotated[
        Code, Option(help="image: Grace's image from a registry; wheel: this very Grace, in ConfigMaps.")
    ] = "image"
    image: Annotated[
        str | None, Option(metavar="REF", help="That Grace runs in. With --code wheel: one with Python and pip.")
    ] = None
    vllm_image: Annotated[str | None, Option(metavar="REF", help="That vLLM runs in.")] = None
    variant: Annotated[str | None, Option(metavar="NAME", help="Weights of all models, as awq.")] = None
    gpus: Annotated[int | None, Option(min=1, metavar="N", help="Of one node. Default: the profile's.")] = None
    nodes: Annotated[int | None, Option(min=1, metavar="N", help="Machines for one model. Default: the profile's.")] = (
        None
    )
    cluster: Annotated[str, Option(metavar="NAME|FILE", help="nrp, or a cluster's own file.")] = "nrp"
    namespace: Annotated[str | None, Option(metavar="NAME", help="Default: the one of the cluster's file.")] = None
    lineup: Annotated[
        str | None, Option(metavar="NAME", help="Of all that belongs together. Default: grace-PROFILE.")
    ] = None
    storage_class: Annotated[
        str | None, Option(metavar="NAME", help="Of volumes. Default: the one of the cluster's file.")
    ] = None
    priority_class: Annotated[
        str | None,
        Option(metavar="NAME|none", help="Of pods with GPUs. Default: one without quota, where the quota is 0."),
    ] = None
    queue: Annotated[str | None, Option(metavar="NAME", help="Of Kueue, where the cluster has it.")] = None
    secret: Annotated[str, Option(metavar="NAME", help="The Secret with the hub's token.")] = "huggingface-token"  # noqa: S105 - a name
    secret_key: Annotated[str, Option(metavar="KEY", help="Its key.")] = "token"  # noqa: S105 - a name
