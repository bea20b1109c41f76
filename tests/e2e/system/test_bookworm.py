#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""story.py on a booted Debian 12."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import story  # noqa: E402


class Node(story.Story, unittest.TestCase):
    release = "bookworm"
