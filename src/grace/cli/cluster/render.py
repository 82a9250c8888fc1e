"""`grace cluster render`: write the manifests of a lineup."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Mode(StrEnum):
    """Where a model's server lives."""

    JOB = "job"
    SERVER = "server"


class Code(StrEnum):
    """Where pods have Grace from."""

    IMAGE = "image"
    WHEEL = "wheel"


def render(
    profile: Annotated[str, typer.Option(metavar="PROFILE", help="GPUs that models run on: rtx3090 or a100.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("kubernetes"),
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Once for each model. Default: all of the profile.")
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STUDY", help="study1, study2 or a study file, once for each. Default: study1 and study2."
        ),
    ] = None,
    experiment: Annotated[
        list[int] | None, typer.Option(metavar="1|2", help="Answers (1), probabilities (2). Default: both.")
    ] = None,
    replications: Annotated[int, typer.Option(min=1, help="How often Experiment 1 asks each question.")] = 1,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling, in Experiment 1.")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer of Experiment 1.")] = 512,
    seed: Annotated[
        int, typer.Option(min=-(2**53), max=2**53, help="Base seed; every row and replication gets its own from it.")
    ] = 1,
    shards: Annotated[int, typer.Option(min=1, help="Parts of each model's questions, each for a pod of its own.")] = 1,
    parallelism: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Shards under way at once. Default: all.")
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="job: the server ends with the questions; server: it stays until it is deleted.")
    ] = Mode.JOB,
    code: Annotated[
        Code, typer.Option(help="image: Grace's image from a registry; wheel: this very Grace, in ConfigMaps.")
    ] = Code.IMAGE,
    image: Annotated[
        str | None, typer.Option(metavar="REF", help="That Grace runs in. With --code wheel: one with Python and pip.")
    ] = None,
    vllm_image: Annotated[str | None, typer.Option(metavar="REF", help="That vLLM runs in.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="Weights of all models, as awq.")] = None,
    gpus: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of one node. Default: the profile's.")] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Machines for one model. Default: the profile's.")
    ] = None,
    cluster: Annotated[str, typer.Option(metavar="NAME|FILE", help="nrp, or a cluster's own file.")] = "nrp",
    namespace: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: the one of the cluster's file.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of all that belongs together. Default: grace-PROFILE.")
    ] = None,
    storage_class: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of volumes. Default: the one of the cluster's file.")
    ] = None,
    priority_class: Annotated[
        str | None,
        typer.Option(metavar="NAME|none", help="Of pods with GPUs. Default: one without quota, where the quota is 0."),
    ] = None,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="Of Kueue, where the cluster has it.")] = None,
    secret: Annotated[str, typer.Option(metavar="NAME", help="The Secret with the hub's token.")] = "huggingface-token",  # noqa: S107
    secret_key: Annotated[str, typer.Option(metavar="KEY", help="Its key.")] = "token",  # noqa: S107
) -> None:
    """Write the manifests that ask models everything on a cluster. Asks no cluster; the same command writes the same.

    \b
    Examples:
      grace cluster render --profile rtx3090
      grace cluster render --profile a100 --model llama-3-70b-instruct --namespace my-lab --out kubernetes/a100
      grace cluster render --profile rtx3090 --study my_study.yaml --experiment 1 --replications 10 --shards 4
      grace cluster render --profile rtx3090 --model gemma-2-9b-it --mode server --code wheel
    """
    from grace.cluster.manifests.layout import Request
    from grace.cluster.manifests.render import render as render_manifests
    from grace.cluster.manifests.render import write

    rendering = render_manifests(
        Request(
            profile=profile,
            models=tuple(model or ()),
            studies=tuple(study or ()),
            experiments=tuple(experiment or ()),
            shards=shards,
            parallelism=parallelism,
            replications=replications,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            mode=mode.value,
            code=code.value,
            image=image,
            vllm_image=vllm_image,
            variant=variant,
            gpus=gpus,
            nodes=nodes,
            cluster=cluster,
            namespace=namespace,
            run=run,
            storage_class=storage_class,
            priority_class=priority_class,
            queue=queue,
            secret=secret,
            secret_key=secret_key,
        )
    )
    done = write(rendering, out)
    for path in done.written:
        typer.echo(path)
    for path in done.removed:
        typer.echo(f"removed {path}: an earlier rendering's")
    for note in rendering.notes:
        typer.echo(f"grace: note: {note}", err=True)
    typer.echo(
        f"Run {rendering.run} in namespace {rendering.namespace}. Next: `grace cluster check {out}`, then "
        f"`grace cluster preflight {out} --namespace {rendering.namespace}`."
    )
