"""`grace cluster secret`: make the Secret with the model hub's token."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.cluster.options import ClusterName, Context, Kubeconfig, Namespace, connect


def secret(
    command: typer.Context,
    name: Annotated[str, typer.Option(help="Name of the Secret.")] = "huggingface-token",
    key: Annotated[str, typer.Option(help="Key in the Secret.")] = "token",
    from_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Variable that holds the token. Default: HF_TOKEN, then the file of `hf auth login`."
        ),
    ] = None,
    from_file: Annotated[Path | None, typer.Option(metavar="FILE", help="File that holds only the token.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a different value of the key.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only try it; change nothing on the cluster.")] = False,
    cluster: ClusterName = "nrp",
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Store the model hub's token as a Secret, where the manifests expect it. The token is never shown.

    The token comes from the environment or a file, so that it appears neither in the shell's history nor in the list of
    processes. Other keys of an existing Secret stay unchanged; a key with another value changes only with --replace.
    Exit code 2: no valid token. 4: the change is refused. 5: the cluster fails.

    \b
    Examples:
      grace cluster secret
      grace cluster secret --from-file ~/token --namespace my-lab --dry-run
      grace cluster secret --name huggingface-token --key token --from-env HF_TOKEN --replace
    """
    from grace.cluster.access.secret import check_names, make_secret, read_token
    from grace.errors import InputError
    from grace.policy.cluster_file import load_cluster

    if command.args:
        raise InputError(
            "a token is never given as an argument, where the shell's history and the list of processes keep it; if it "
            "was one, make another on the hub, and use HF_TOKEN or --from-file"
        )
    check_names(name, key)
    token = read_token(from_env, from_file)
    for doubt in token.doubts:
        typer.echo(f"grace: warning: {doubt}", err=True)
    usual = load_cluster(cluster).namespace
    with connect(kubeconfig, context) as api:
        where = api.namespace(namespace, usual)
        typer.echo(
            f"{'Trying to put' if dry_run else 'Putting'} {token.source} into Secret {name}, key {key}, namespace "
            f"{where}, on {api.target.server}"
        )
        change = make_secret(api, token, namespace=where, name=name, key=key, replace=replace, dry_run=dry_run)
    typer.echo(f"{'Would be ' * dry_run}{change.action}; keys of {change.name}: {', '.join(change.keys)}")
