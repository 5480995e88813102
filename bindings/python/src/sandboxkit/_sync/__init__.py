# SPDX-License-Identifier: Apache-2.0
"""The package's classes for programs without an event loop. All but waiting.py is made from _async, by make_sync.py."""
