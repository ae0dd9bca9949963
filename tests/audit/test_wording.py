"""What counts as a word: every sign but the punctuation around words."""

import pytest

from gammapo.audit.wording import same_text, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One, two (three)!", ["One", "two", "three"]),
        ("5 - 3 = -2", ["5", "-", "3", "=", "-", "2"]),
        ("C++ and C# <b>", ["C", "+", "+", "and", "C", "#", "<", "b", ">"]),
        ("f(x) is 3.5.", ["f", "(", "x", "is", "3", ".", "5"]),
        ("don't", ["don", "'", "t"]),
        ("oh 🙂!", ["oh", "🙂"]),
        ("दिन", ["द", "\u093f", "न"]),
        ("川は海へ。", ["川は海へ"]),
        ("... ?!", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_same_text_evens_out_case_and_white_space_alone():
    assert same_text(" Straße\n  zwei ") == same_text("STRASSE zwei")
    assert same_text("zwei.") != same_text("zwei")
