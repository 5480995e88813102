#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up the JUnit reports of several ctest runs: summary.py NAME=REPORT.xml...

Prints each failure, each skip with its reason, and one closing line. With CI=true a skip counts as a failure unless its
reason matches a line of allowed-skips.txt.
"""
import os
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

MARK = "SKIPPED:"


def allowed_skips(path):
    lines = path.read_text().splitlines()
    return [re.compile(line) for line in lines if line.strip() and not line.startswith("#")]


def reasons_in(output):
    return list(dict.fromkeys(line.split(MARK, 1)[1].strip() for line in output.splitlines() if line.lstrip().startswith(MARK)))


def main(arguments):
    strict = os.environ.get("CI") == "true"
    allowed = allowed_skips(pathlib.Path(__file__).with_name("allowed-skips.txt"))
    passed, failed, skipped, partly, times = 0, [], [], [], []
    for argument in arguments:
        part, _, report = argument.partition("=")
        try:
            cases = xml.parse(report).getroot().findall("testcase")
        except (OSError, xml.ParseError) as error:
            failed.append(f"{part}: no report of the test run ({error})")
            continue
        if not cases:
            failed.append(f"{part}: no test was run")
        for case in cases:
            name = f"{part}/{case.get('name')}"
            times.append((float(case.get("time") or 0), name))
            reasons = reasons_in(case.findtext("system-out") or "")
            status = case.get("status")
            message = (case.find("skipped").get("message") or "") if case.find("skipped") is not None else ""
            if status == "run":
                passed += 1
                if reasons:
                    partly.append((name, reasons))
            elif status == "notrun" and message.startswith("SKIP_RETURN_CODE"):
                skipped.append((name, reasons or ["no reason given"]))
            else:
                detail = case.find("failure")
                failed.append(f"{name}: {(detail.get('message') if detail is not None else '') or message or status}")

    times.sort(reverse=True)
    print("Slowest: " + ", ".join(f"{name} {seconds:.0f} s" for seconds, name in times[:5]))

    def known(reasons):
        return all(any(pattern.search(reason) for pattern in allowed) for reason in reasons)

    still_skipped = 0
    for name, reasons in skipped:
        print(f"Skipped: {name}: {'; '.join(reasons)}")
        if strict and not known(reasons):
            failed.append(f"{name}: skipped, and allowed-skips.txt does not name the reason")
        else:
            still_skipped += 1
    for name, reasons in partly:
        print(f"Skipped in part: {name}: {'; '.join(reasons)}")
        if strict and not known(reasons):
            failed.append(f"{name}: skipped in part, and allowed-skips.txt does not name the reason")
            passed -= 1
    for failure in failed:
        print(f"FAILED: {failure}")
    print(f"{passed} passed, {len(failed)} failed, {still_skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
