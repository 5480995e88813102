#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints which provider passes which case of the conformance suite: table.py TEST_CONFORMANCE RESULTS...

Each of RESULTS is what test_conformance --results wrote. Fails when a case failed, and when a provider's run did not reach
every case.
"""
import pathlib
import subprocess
import sys

SIGNS = {"passed": "yes", "failed": "FAILED", "not applicable": "-", "skipped": "skipped"}


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    listed = subprocess.run([arguments[0], "--list"], check=True, capture_output=True, text=True).stdout
    cases = ["/".join(line.split("\t")[:2]) for line in listed.splitlines()]
    verdicts = {}
    for path in map(pathlib.Path, arguments[1:]):
        for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
            provider, group, name, verdict, _ = line.split("\t", 4)
            verdicts.setdefault(provider, {})[f"{group}/{name}"] = verdict
    if not verdicts:
        print("SKIPPED: no provider ran the suite")
        return 77
    providers = list(verdicts)
    width = max(map(len, cases))
    print(" ".join(["case".ljust(width)] + [provider.ljust(8) for provider in providers]).rstrip())
    bad = 0
    for case in cases:
        row = [SIGNS.get(verdicts[provider].get(case), "MISSING") for provider in providers]
        bad += sum(sign.isupper() for sign in row)
        print(" ".join([case.ljust(width)] + [sign.ljust(8) for sign in row]).rstrip())
    for provider in providers:
        counts = {sign: list(verdicts[provider].values()).count(verdict) for verdict, sign in SIGNS.items()}
        print(f"{provider}: " + ", ".join(f"{count} {sign}" for sign, count in counts.items()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
