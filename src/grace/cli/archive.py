"""`grace archive` and `grace reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.asking import end
from grace.cli.entries import group
from grace.cli.exits import NOT_ALL_WELL
from grace.cli.options import count, progressing
from grace.errors import InputError
from grace.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

archive_app = group()

Archive = Annotated[str, typer.Argument(metavar="ARCHIVE", help="Folder of the archive, or s3://BUCKET/PREFIX.")]
Digest = Annotated[
    str | None, typer.Option("--sha256", metavar="DIGEST", help="The digest that `grace archive create` printed.")
]
MOST_SHOWN = 20


@archive_app.command(short_help="Archive runs and lineups, with all results made from them.")
def create(
    places: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|LINEUP|FILE", help="Runs, lineups' folders, and other files to keep as they are."),
    ],
    to: Annotated[str, typer.Option("--to", help="A folder, or s3://BUCKET/PREFIX.")],
    title: Annotated[str | None, typer.Option(help="Its name. Default: the name of the place.")] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="`Family, Given` or `Family, Given, https://orcid.org/...`; repeat it.")
    ] = None,
    licence: Annotated[str, typer.Option("--license", help="Licence of the data, such as CC-BY-4.0.")] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Hold back files by name, such as 'runs/*/ledger.jsonl'; needs --because; repeat it."),
    ] = None,
    because: Annotated[str, typer.Option(help="Why they are held back; the archive says it.")] = "",
    no_results: Annotated[
        bool, typer.Option("--no-results", help="Leave out tables, checks, figures and texts, which take time.")
    ] = False,
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign it with Sigstore (needs a network, and an identity).")
    ] = False,
) -> None:
    """Put runs, lineups and other files into a BagIt bag that is described as an RO-Crate.

    Makes all results anew from the answers, so that a reader can do the same. What belongs to a run in its folder comes
    along. Killed, the same command continues. S3 takes its endpoint and credentials from the environment
    (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION). Beside the archive, NAME.sha256 has the
    digest that stands for every byte, and NAME.sigstore.json the signature of --sign.

    \b
    Examples:
      grace archive create outputs/study1.run outputs/study2.run --to archive/politeness
      grace archive create lineups/rtx3090 grace.yaml --to s3://lab/lineup --author "Family, Given" --license CC-BY-4.0
      grace archive create outputs/study1.run --to archive/shared --exclude 'runs/*/ledger.jsonl' --because "no consent"
    """
    from grace.archive.crate import About
    from grace.archive.create import ArchiveRequest, create_archive
    from grace.archive.sign import identity, sign_archive, write_digest
    from grace.archive.store import name_of, store_at

    signer = identity() if sign else None
    about = About(name_of(to) if title is None else title, tuple(author or ()), licence)
    request = ArchiveRequest(places, about, tuple(exclude or ()), because, not no_results)
    with progressing() as progress:
        created = create_archive(request, store_at(to), progress)
    print(
        f"{to}: {count(created.files, 'file')}, {created.bytes:,} bytes; {created.sent} sent now, the others were there"
    )
    for name, why in created.missing.items():
        print(f"  not made: {name}: {printable(why)}")
    _print_some(created.remarks)
    if created.held_back:
        print(f"  held back: {', '.join(created.held_back[:MOST_SHOWN])}")
    if not author:
        print("  no --author is given: CITATION.cff and metadata.json leave them open")
    print(f"SHA-256 {created.sha256}; keep it apart from the archive, and give it to `grace archive verify --sha256`")
    print(f"  {write_digest(to, created.sha256)} has it, too, for `sha256sum -c`")
    if signer is not None:
        print(f"  signed: {sign_archive(store_at(to), to, signer)}")


@archive_app.command(short_help="Read every byte of an archive, and say what was changed.")
def verify(
    archive: Archive,
    sha256: Digest = None,
) -> None:
    """Check that an archive is as it was made: nothing changed, added or missing. Reads all of it, from S3 too.

    In a project, an archive that is as it was made becomes evidence for the roadmap. Exit code 1: it is not.

    \b
    Examples:
      grace archive verify archive/politeness
      grace archive verify s3://lab/2026/lineup --sha256 DIGEST
    """
    from grace.archive.store import store_at
    from grace.archive.verify import verify_archive
    from grace.roadmap import Ground, record_archive

    with progressing() as progress:
        verified = verify_archive(store_at(archive), progress, sha256)
    _print_some(verified.faults)
    if verified.faults:
        print(f"{archive}: NOT as it was made: {count(len(verified.faults), 'fault')}")
        raise typer.Exit(NOT_ALL_WELL)
    total = sum(verified.files.values())
    if ground := Ground.around(Path.cwd() / "archive"):
        facts = {"sha256": verified.sha256, "files": len(verified.files), "bytes": total}
        record_archive(ground, archive, facts | {"ledgers": verified.ledgers})
        print(f"{ground.folder}: the roadmap has it as evidence")
    print(
        f"{archive}: as it was made: {count(len(verified.files), 'file')}, {total:,} bytes, SHA-256 {verified.sha256}"
    )


@archive_app.command("list", short_help="List what is in an archive.")
def list_archive(archive: Archive) -> None:
    """List the files of an archive with their sizes. Reads its manifests, not its content.

    \b
    Examples:
      grace archive list archive/politeness
    """
    from grace.archive.store import store_at
    from grace.archive.verify import listed

    facts = listed(store_at(archive))
    for name, size in sorted(facts.files.items()):
        print(f"{size:>15,}  {printable(name)}")
    print(f"{one_line(facts.title)}: {count(len(facts.files), 'file')}, {sum(facts.files.values()):,} bytes")
    for fault in facts.faults[:MOST_SHOWN]:
        print(f"  Note: {printable(fault)}")


def reproduce(
    archive: Archive,
    into: Annotated[
        Path | None, typer.Option(help="An empty folder to work in. Default: reproduced/NAME of the archive.")
    ] = None,
    sha256: Digest = None,
    environment: Annotated[
        bool,
        typer.Option(
            "--environment",
            help="Install the archived versions, and the archive's own Grace, into a folder of their own (network).",
        ),
    ] = False,
    rerun: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Also ask N questions of each scored run again, and compare with the noise floor."
        ),
    ] = None,
    model_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to ask them, or embedded. Default: each run's own.")
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="The model's name there. Default: each run's own.")] = None,
    api_key_env: options.ApiKeyEnv = None,
) -> None:
    """Make every result of an archive again from the answers, and compare all of them byte for byte.

    Asks no model, but for --rerun: then probabilities may differ by the noise floor that `grace noise` measured before
    the archive was made, and without one not at all. Answers in words are drawn anew each time, and not asked for.
    Says of each difference in which file and cell it is, and what is of another version here. Exit code 1: something
    differs.

    \b
    Examples:
      grace reproduce archive/politeness
      grace reproduce s3://lab/2026/lineup --into /tmp/again
      grace reproduce archive/politeness --environment --sha256 DIGEST
      grace reproduce archive/politeness --rerun 20 --model-endpoint http://localhost:8000
    """
    from grace.archive.environment import run_in_archived
    from grace.archive.reproduce import check_empty, reproduce_archive
    from grace.archive.store import name_of, store_at

    place = into or Path("reproduced", name_of(archive))
    store = store_at(archive)
    if environment and rerun:
        raise InputError("--environment and --rerun: reproduce in the archived versions first, and ask again after it")
    if environment:
        check_empty(place)
        with progressing() as progress:
            status = run_in_archived(store, archive, place, progress, sha256)
        raise typer.Exit(status)
    with progressing() as progress:
        made = reproduce_archive(store, place, progress, sha256)
    _print_some([f"{each.name}: {each.what}" for each in made.differences])
    for name, why in made.missing.items():
        print(f"  not in the archive: {printable(name)}: {printable(why)}")
    if made.environment:
        print(f"  other versions: {printable('; '.join(made.environment))}")
    if made.differences:
        hint = "; --environment installs the archived versions" if made.environment else ""
        print(f"{archive}: {len(made.differences)} results differ, {made.same} are the same: {made.folder}{hint}")
        raise typer.Exit(NOT_ALL_WELL)
    print(f"{archive}: all {made.same} results are the same, byte for byte: {made.folder}")
    if rerun:
        _ask_again(made.runs, rerun, model_endpoint, model_name, api_key_env)


def _print_some(lines: "Sequence[str]") -> None:
    """The first of some lines, which may hold what a stranger wrote."""
    for line in lines[:MOST_SHOWN]:
        print(f"  {printable(line)}")
    if more := lines[MOST_SHOWN:]:
        print(f"  and {len(more)} more")


def _ask_again(
    runs: "Mapping[str, Path]", questions: int, endpoint: str | None, model: str | None, key: str | None
) -> None:
    """Ask a sample of each scored run again, and print how far it differs. Raises typer.Exit where it is too far."""
    from grace.archive.rerun import rerun_scores
    from grace.calls.carry import server_for
    from grace.manifest import SCORE
    from grace.runs import Run
    from grace.stages.scores.noise import last_endpoint

    scored = {name: run for name, path in runs.items() if (run := Run(path)).identity.experiment == SCORE}
    if not scored:
        raise InputError("--rerun: there is no run of `grace score` in it; answers in words are drawn anew each time")
    good = True
    for name, run in scored.items():
        where = endpoint or last_endpoint(run), model or run.identity.model["name"]
        asked = options.read_endpoint(*where, "auto", 300.0, 5, key)
        with progressing() as progress:
            again = rerun_scores(run, asked, questions, server_for, progress)
        floor = "no noise floor was measured" if again.floor is None else f"noise floor {again.floor:.2g}"
        failed = f", {count(again.failed, 'request')} failed" if again.failed else ""
        asked_again = f"{count(again.questions, 'question')} asked again{failed}"
        verdict = "the same" if again.good else "NOT the same"
        print(f"{name}: {asked_again}: largest difference {again.largest:.2g}, {floor}: {verdict}")
        good &= again.good
    end(0 if good else NOT_ALL_WELL)
