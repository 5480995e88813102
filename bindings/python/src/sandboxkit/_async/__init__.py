# SPDX-License-Identifier: Apache-2.0
"""The package's classes for asyncio. Those of _sync are made from them, by make_sync.py."""
