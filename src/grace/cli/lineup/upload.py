"""`grace lineup upload`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli import options


def upload(
    folder: Annotated[Path, typer.Argument(help="Folder with a model's data.")],
    url: Annotated[str, typer.Argument(metavar="s3://BUCKET/PLACE", help="Where it goes.")],
    endpoint: Annotated[str | None, typer.Option(metavar="URL", help="The bucket's address.")] = None,
    region: Annotated[str, typer.Option(help="The bucket's region.")] = "us-east-1",
) -> None:
    """Bring a folder to a bucket, from where `grace lineup fetch` takes it. A pod of a lineup does this by itself.

    Keys are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from ~/.aws/credentials.

    \b
    Example:
      grace lineup upload /outputs/mine/gemma-2-2b-it s3://my-bucket/grace/mine/gemma-2-2b-it
    """
    from grace.declared import checked
    from grace.lineup.home.bucket import bucket_place
    from grace.lineup.home.bucket import upload as brought
    from grace.project_file import BucketSettings

    settings = checked({"url": url, "endpoint": endpoint, "region": region}, "grace lineup upload", BucketSettings)
    with options.progressing() as progress:
        files = brought(folder, bucket_place(settings, ""), progress)
    print(f"{url}: {options.count(len(files), 'file')}")
