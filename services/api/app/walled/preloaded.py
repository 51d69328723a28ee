"""Loads all of the standard library that advice may import, while files can still be read."""

import abc  # noqa: F401
import bisect  # noqa: F401
import collections.abc  # noqa: F401
import dataclasses  # noqa: F401
import datetime as dt
import decimal  # noqa: F401
import encodings.latin_1  # noqa: F401
import enum  # noqa: F401
import fractions  # noqa: F401
import functools  # noqa: F401
import hashlib  # noqa: F401
import heapq  # noqa: F401
import itertools  # noqa: F401
import json  # noqa: F401
import math  # noqa: F401
import re  # noqa: F401
import statistics  # noqa: F401
import string  # noqa: F401
import textwrap  # noqa: F401
import typing  # noqa: F401
import warnings


def load_the_rest() -> None:
    """What the library would load, or read, when first used."""
    dt.datetime.strptime("1970", "%Y")  # noqa: DTZ007 - for the module behind it
    warnings.simplefilter("ignore")  # showing one reads the source that it is about
