"""Text of files on its way to a terminal."""


def printable(text: str) -> str:
    """One line that does nothing to a terminal but show characters; others as `\\x1b`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
