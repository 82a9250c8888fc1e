"""The request of `grace cluster render`. Each field is an option of the command, and is declared only here."""

from dataclasses import dataclass
from typing import Annotated, Literal

Mode = Literal["job", "server"]
Code = Literal["image", "wheel"]


@dataclass(frozen=True)
class Option:
    """What the command line says about a field: its help, a name for its value, and its bounds."""

    help: str
    metavar: str | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request for manifests. Where a field is None or empty, Grace chooses."""

    profile: Annotated[str, Option(metavar="PROFILE", help="The GPUs: rtx3090 or a100.")]
    model: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="A model; repeat for several. Default: all models of the profile."),
    ] = None
    study: Annotated[
        list[str] | None,
        Option(
            metavar="STUDY",
            help="study1, study2 or a study file; repeat for several. Default: study1 and study2.",
        ),
    ] = None
    experiment: Annotated[
        list[int] | None,
        Option(metavar="1|2", help="Answers (1), probabilities (2). Default: both."),
    ] = None
    replications: Annotated[int, Option(min=1, help="How often Experiment 1 asks each question.")] = 1
    temperature: Annotated[float, Option(min=0.0, help="Sampling temperature of Experiment 1.")] = 0.7
    max_tokens: Annotated[int, Option(min=1, help="Longest answer of Experiment 1, in tokens.")] = 512
    seed: Annotated[
        int, Option(min=-(2**53), max=2**53, help="Base seed; every row and replication gets its own seed from it.")
    ] = 1
    limit: Annotated[int | None, Option(min=1, metavar="N", help="Only the first N rows of each table.")] = None
    shards: Annotated[int, Option(min=1, help="Number of parts of each model's questions; each gets its own pod.")] = 1
    parallelism: Annotated[int | None, Option(min=1, metavar="N", help="Simultaneous shards. Default: all.")] = None
    mode: Annotated[
        Mode, Option(help="job: the server stops after the questions; server: it runs until you delete it.")
    ] = "job"
    code: Annotated[
        Code, Option(help="image: Grace's image from a registry; wheel: this installation of Grace, in ConfigMaps.")
    ] = "image"
    image: Annotated[
        str | None, Option(metavar="REF", help="Grace's image. With --code wheel: one with Python and pip.")
    ] = None
    vllm_image: Annotated[str | None, Option(metavar="REF", help="vLLM's image.")] = None
    variant: Annotated[str | None, Option(metavar="NAME", help="Weights for all models, such as awq.")] = None
    batch_invariant: Annotated[
        bool,
        Option(help="Answers that do not depend on what is computed beside them, for models where vLLM can."),
    ] = False
    gpus: Annotated[int | None, Option(min=1, metavar="N", help="GPUs per node. Default: the profile's.")] = None
    nodes: Annotated[int | None, Option(min=1, metavar="N", help="Nodes per model. Default: the profile's.")] = None
    cluster: Annotated[str, Option(metavar="NAME|FILE", help="nrp, or a file that describes a cluster.")] = "nrp"
    namespace: Annotated[str | None, Option(metavar="NAME", help="Namespace. Default: that of the cluster's file.")] = (
        None
    )
    lineup: Annotated[str | None, Option(metavar="NAME", help="Name of the lineup. Default: grace-PROFILE.")] = None
    storage_class: Annotated[
        str | None, Option(metavar="NAME", help="Storage class of the volumes. Default: that of the cluster's file.")
    ] = None
    priority_class: Annotated[
        str | None,
        Option(
            metavar="NAME|none",
            help="Priority class of pods with GPUs. Default: one that needs no quota, if the quota is 0.",
        ),
    ] = None
    queue: Annotated[str | None, Option(metavar="NAME", help="Kueue queue, if the cluster has Kueue.")] = None
    secret: Annotated[str, Option(metavar="NAME", help="The Secret with the hub's token.")] = "huggingface-token"  # noqa: S105 - a name
    secret_key: Annotated[str, Option(metavar="KEY", help="Its key.")] = "token"  # noqa: S105 - a name
