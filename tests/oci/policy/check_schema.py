"""Holds docs/policy.schema.json against the policies that the loader is tested with.

Usage: check_schema.py SCHEMA FIXTURES DOCUMENT EXAMPLES

FIXTURES/valid, those in EXAMPLES and the policies in DOCUMENT (JSON blocks with a "version") must satisfy the schema,
FIXTURES/invalid must not. What a schema cannot say is in FIXTURES/invalid/semantic: it has to satisfy the schema, or it belongs one
folder up. The loader's side of the same agreement is in fixtures_test.cc.
"""

import json
import pathlib
import re
import sys

import jsonschema


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
    fixtures = pathlib.Path(sys.argv[2])
    document = pathlib.Path(sys.argv[3])
    examples = pathlib.Path(sys.argv[4])
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)

    def satisfies(text):
        try:
            return validator.is_valid(json.loads(text))
        except json.JSONDecodeError:
            return False

    failures = []

    def check(where, text, expected):
        if satisfies(text) != expected:
            failures.append(f"{where}: the schema {'refuses' if expected else 'accepts'} it")

    counts = []
    for folder, expected in (
        (fixtures / "valid", True),
        (fixtures / "invalid", False),
        (fixtures / "invalid/semantic", True),
        (examples, True),
    ):
        files = sorted(folder.glob("*.json"))
        counts.append(len(files))
        for file in files:
            check(file, file.read_text(), expected)
    blocks = re.findall(r"^```json\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    policies = [block for block in blocks if '"version"' in block]
    counts.append(len(policies))
    for number, policy in enumerate(policies):
        check(f"{document}, policy {number + 1}", policy, True)

    if 0 in counts:
        failures.append(f"nothing to check: {counts}")
    for failure in failures:
        print(failure)
    print(f"{sum(counts)} policies, {len(failures)} failures")
    return 1 if failures else 0


sys.exit(main())
