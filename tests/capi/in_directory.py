#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""in_directory.py PROGRAM ARGUMENTS...: runs a program with a directory as its last argument, which goes with it."""
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory(prefix="sandboxkit-capi-") as directory:
    sys.exit(subprocess.run([*sys.argv[1:], directory], check=False).returncode)
