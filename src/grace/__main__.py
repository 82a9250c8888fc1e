"""`grace` and `python -m grace`."""

import gc


def start() -> None:
    """Run the command line. Until a command begins nothing is searched for garbage: what imports make is none."""
    gc.disable()
    from grace.cli import main

    gc.freeze()
    main()


if __name__ == "__main__":
    start()
