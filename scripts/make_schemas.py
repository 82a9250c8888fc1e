"""Write the JSON Schemas of the built-in studies' extracted values into src/grace/studies/schemas/."""

import json
from pathlib import Path

from grace.studies.study import BUILT_IN, load_study

FOLDER = Path(__file__).parents[1] / "src" / "grace" / "studies" / "schemas"


def main() -> None:
    """Write one file for each study that extracts values."""
    for name in BUILT_IN:
        schema = load_study(name).schema()
        path = FOLDER / f"{name}_schema.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(path.name)


main()
