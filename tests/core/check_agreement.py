#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the reader of profiles and their JSON Schema together: check_agreement.py PROGRAM DOCUMENT SCHEMA SEED COMBINATIONS EVERY

PROGRAM (mutate_profiles) makes documents and says what the reader made of each. What the reader accepts must be valid by the
schema, and what it refuses invalid exactly when one of the reader's codes is of a rule that the schema says too.
"""
import json
import subprocess
import sys

# Rules that the schema says.
SAID = {"wrong_type", "missing_field", "unknown_field", "excluded_field", "out_of_range", "too_long", "too_few", "too_many",
        "bad_value"}

# Rules that it cannot say, and why.
UNSAID = {
    "bad_form": "forms that no regular expression says in a readable way, or that computing decides (URLs, addresses, schedules)",
    "secret_in_url": "a part of the form of URLs",
    "never_fires": "a schedule that has its form and no date",
    "duplicate_key": "a schema sees a value, in which no member is there twice; here the first of them",
    "duplicate_value": "names, among objects: uniqueItems compares whole elements. In lists of scalars the schema says it",
    "nested_path": "a relation of two values",
    "more_problems": "the codes of those left out are not known",
}

# There is no value that a schema could be asked about.
NO_VALUE = {"syntax", "too_deep", "bad_utf8", "too_large"}


def first_of_equals(pairs):
    """As the reader: of two members with one name the first stays."""
    out = {}
    for name, value in pairs:
        out.setdefault(name, value)
    return out


class BeyondDouble(Exception):
    """A number that no double holds: other readers round it to infinity or zero, this one refuses it (out_of_range)."""


def exact_float(text):
    number = float(text)
    if number in (float("inf"), float("-inf")) or (number == 0 and text.lower().split("e")[0].strip("-0.")):
        raise BeyondDouble
    return number


def for_python(schema):
    """In Python's regular expressions `$` matches before a line feed at the end too; in those of ECMA-262 it does not."""
    if isinstance(schema, dict):
        return {name: value[:-1] + r"\Z" if name == "pattern" and isinstance(value, str) and value.endswith("$")
                else for_python(value) for name, value in schema.items()}
    return [for_python(item) for item in schema] if isinstance(schema, list) else schema


def is_said(code, pointer):
    return code in SAID or (code == "duplicate_value" and pointer.rsplit("/", 1)[-1].isdigit())


def disagreement(case, is_valid):
    codes = {code for code, _ in case["codes"]}
    unknown = codes - SAID - UNSAID.keys() - NO_VALUE
    if unknown:
        return f"codes that this check does not know: {sorted(unknown)}"
    if codes & NO_VALUE:
        return None
    try:
        valid = is_valid(json.loads(case["text"], object_pairs_hook=first_of_equals, parse_float=exact_float))
    except BeyondDouble:
        return None if "out_of_range" in codes else "a number that no double holds was accepted"
    said = any(is_said(code, pointer) for code, pointer in case["codes"])
    if case["accepted"] and not valid:
        return "accepted, and not valid by the schema"
    if said and valid:
        return "refused for what the schema says too, and valid by it"
    if not said and not valid and "more_problems" not in codes:
        return "not valid by the schema, and the reader has another reason"
    return None


def main(arguments):
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        print("SKIPPED: there is no python3-jsonschema with draft 2020-12")
        return 77
    program, document, schema_file, *numbers = arguments
    with open(schema_file, encoding="utf-8") as stream:
        schema = json.load(stream)
    Draft202012Validator.check_schema(schema)
    is_valid = Draft202012Validator(for_python(schema)).is_valid
    found, count, accepted, seen = 0, 0, 0, set()
    with subprocess.Popen([program, document, *numbers], stdout=subprocess.PIPE, text=True, encoding="utf-8") as mutate:
        for line in mutate.stdout:
            case = json.loads(line)
            count += 1
            accepted += case["accepted"]
            seen.update(code for code, _ in case["codes"])
            problem = disagreement(case, is_valid)
            if problem:
                found += 1
                if found <= 50:
                    print(f"{problem}: {case['codes']}\n    {case['text'][:600]}")
    if mutate.returncode != 0:
        print(f"{program} ended with {mutate.returncode}")
        return 1
    print(f"{count} documents, {accepted} accepted, {found} disagreements; codes: {', '.join(sorted(seen))}")
    if count < 1000 or not 0 < accepted < count:
        print("too few documents of a kind for a test")
        return 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
