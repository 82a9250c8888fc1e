"""The content of grace.yaml: a strict model, the options that its fields stand for, and the file that init writes."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from grace.declared import Strict

TEMPLATE = """\
# Defaults of Grace's commands in this folder and below it. An option on the command line overrules each of them;
# `grace config` shows each value and where it comes from. Take the # away from what you set.

# The studies, each with its table; paths start at this file's folder.
# studies:
#   - {study: study1, input: data/study1.csv}
#   - {study: my_study.yaml, input: data/trials.csv}

# The model server, the model's name on it, and the environment variable that holds its key (never the key itself).
# endpoint: embedded
# model: smollm2-135m
# api_key_env: MY_KEY

# What models cost, for a million tokens of prompts and of answers; `--dry-run` then says what a run costs.
# prices:
#   gpt-5-mini: {prompt: 0.25, answer: 2, currency: USD}

# The cluster (nrp, or a file that describes one), your namespace there, and the image that has Grace.
# cluster: nrp
# namespace: my-lab
# image: registry.example/my-lab/grace:0.1.0

# The cluster's Prometheus, which knows how much of a GPU is used.
# prometheus: https://prometheus.example

# An S3 bucket through which data comes home from a cluster, in place of the cluster's own connection: its address as
# this machine sees it, and as pods see it. Keys are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from
# ~/.aws/credentials, and never stand here.
# bucket: {url: s3://my-bucket/grace, endpoint: https://s3.example.org, inside: http://s3.inside}

# The models of each profile, in order; without them, those of the catalogue.
# profiles:
#   local: {models: [smollm2-135m]}
#   rtx3090: {models: [gemma-2-2b-it, gemma-2-9b-it]}
#   api: {models: [gpt-5-mini]}

# Limits of the checks of data; `grace validate --show-thresholds` lists all.
# thresholds: {truncated: 0.05}

# The road to scarce GPUs (`grace roadmap`): items that you leave out, and why, and items that you change or add.
# roadmap:
#   leave_out: {0.2.1: the group's shared account is used}
#   items: {2.7.1: {text: the ethics board agreed, attest: true, do: Ask the board.}}
"""


class StudyTable(Strict):
    """A study's name or file, and its table of trials."""

    study: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1)]


class BucketSettings(Strict):
    """An S3 bucket through which data comes home.

    Attributes:
        url: `s3://`, the bucket, and perhaps a prefix below which all objects are.
        endpoint: its address; None: that of Amazon, in the region.
        inside: its address for pods of the cluster; None: the same.
        region: as its server calls it; most servers of one's own do not care.
    """

    url: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$")]
    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    inside: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    region: Annotated[str, Field(min_length=1)] = "us-east-1"

    @property
    def bucket(self) -> str:
        """Its name."""
        return self.url.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """Where its objects are; empty for the whole bucket."""
        return self.url.removeprefix("s3://").partition("/")[2].strip("/")


class Price(Strict):
    """What a model costs.

    Attributes:
        prompt, answer: for a million tokens of prompts, and of answers.
        currency: of both.
    """

    prompt: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    answer: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    currency: Annotated[str, Field(min_length=1, max_length=8)] = "USD"


class ProfileModels(Strict):
    """The models of a profile, in order."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]


class RoadmapChanges(Strict):
    """What a project changes of the phases of `grace roadmap`.

    Attributes:
        leave_out: items by id, with the reason; reports and papers say so.
        items: fields of items by id; one that is new is added to its phase.
    """

    leave_out: Mapping[str, Annotated[str, Field(min_length=1)]] = {}
    items: Mapping[str, Mapping[str, Any]] = {}


class ProjectFile(Strict):
    """The content of grace.yaml; what it does not say stays as without it.

    `rehearsal` marks a project of `grace roadmap rehearse`: all profiles run on this machine, and nothing in it is
    proof anywhere else.
    """

    studies: tuple[StudyTable, ...] = ()
    endpoint: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    image: str | None = None
    bucket: BucketSettings | None = None
    prometheus: str | None = None
    prices: Mapping[str, Price] = {}
    profiles: Mapping[str, ProfileModels] = {}
    thresholds: Mapping[str, float] = {}
    roadmap: RoadmapChanges = RoadmapChanges()
    rehearsal: bool = False


OPTIONS: Mapping[str, tuple[str, str]] = {
    "endpoint": ("model_endpoint", "query score visit lineup.run"),
    "model": ("model_name", "query score visit"),
    "api_key_env": ("api_key_env", "query score visit lineup.run"),
    "cluster": ("cluster", "cluster.render cluster.check cluster.preflight cluster.gpus cluster.secret lineup.run"),
    "namespace": ("namespace", "cluster.render cluster.preflight cluster.secret lineup.run"),
    "image": ("image", "cluster.render lineup.run"),
    "prometheus": ("prometheus", "lineup.status lineup.watch"),
}
"""For each field that stands for one option: the option's name, and the commands that take it."""
