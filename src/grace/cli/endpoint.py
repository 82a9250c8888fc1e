"""`grace check-endpoint`."""

from typing import Annotated

import typer

from grace.cli import options
from grace.errors import EndpointError


def check_endpoint(
    url: Annotated[str, typer.Argument(help="Address of a model server.")],
    model_name: options.ModelName = None,
    api_key_env: options.ApiKeyEnv = None,
    timeout: options.Timeout = 60.0,
) -> None:
    """Check whether a model server can do what a run needs.

    \b
    Examples:
      grace check-endpoint http://localhost:8000
      grace check-endpoint http://localhost:8000 --model-name gemma-2-2b-it
      grace check-endpoint https://gateway.example --model-name llama3 --api-key-env GATEWAY_KEY
    """
    import asyncio

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from grace.endpoints.client import Client, without_userinfo
    from grace.endpoints.handshake import EndpointCheck, EndpointNeed, Handshake, checks
    from grace.endpoints.keys import read_key
    from grace.endpoints.transport import AiohttpTransport, check_url

    async def look() -> list[EndpointCheck]:
        transport = AiohttpTransport(url)
        try:
            client = Client(transport, url, api_key=key, timeout=timeout, max_retries=0, patience=0)
            return [check async for check in checks(Handshake(client, model_name or ""), EndpointNeed())]
        finally:
            await transport.close()

    check_url(url, "URL")
    key = read_key(api_key_env)
    results = asyncio.run(look())
    table = Table(box=None)
    for heading in ("check", "", "result"):
        table.add_column(heading, overflow="fold")
    marks = {True: Text("ok", style="green"), False: Text("FAILED", style="red"), None: Text("-")}
    for check in results:
        table.add_row(check.name, marks[check.ok], Text(check.detail))
    Console().print(table)
    failed = [check.name for check in results if check.ok is False]
    if failed:
        raise EndpointError(f"{without_userinfo(url)}: cannot be used as it is ({', '.join(failed)})")
