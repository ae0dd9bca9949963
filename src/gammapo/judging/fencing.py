"""Quoting texts for a chat judge so that no text can end its own quotation or pose as the prompt.

Each comparison is fenced with a code that an author of outputs cannot foresee: it is drawn from a secret
that only the record of this judging knows. It is not drawn afresh, because the same comparison must make
the same request when a run goes on, or it would be paid for twice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

CONTROL = re.compile(r"<[|｜][^<>|｜\n]{0,40}[|｜]>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>")
FENCE = re.compile(r"^(\s*)\[(?=(?:end |begin )?(?:instruction|answer)\b)", re.IGNORECASE | re.MULTILINE)


def code(secret: bytes, *texts: str) -> str:
    """8 hex digits that none of the texts holds: a chance of 1 in 4 billion to guess them, in few tokens."""
    for attempt in range(1000):
        message = "\0".join([str(attempt), *texts]).encode("utf-8", errors="surrogatepass")
        found = hmac.new(secret, message, hashlib.sha256).hexdigest()[:8]
        if not any(found in text.lower() for text in texts):
            return found
    raise AssertionError("a text of that kind would have to hold a thousand unforeseeable codes")


def escape(text: str) -> str:
    """`text` without control characters, and with what could pass for a chat template or a fence blunted."""
    kept = (sign for sign in text if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cs"))
    blunted = CONTROL.sub(lambda found: found.group().translate(_BLUNT), "".join(kept))
    return FENCE.sub(r"\1(", blunted)


_BLUNT = str.maketrans("<>[]", "‹›⟦⟧")


def fence(name: str, text: str, fence_code: str) -> str:
    """The escaped text between two lines that carry the code."""
    return f"[begin {name} {fence_code}]\n{escape(text)}\n[end {name} {fence_code}]"
