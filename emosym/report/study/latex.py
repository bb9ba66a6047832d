"""``study.tex``: the tables of a study for a paper, with booktabs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from emosym.report.study.tables import StudyTable, letter
from emosym.report.study.words import BETWEEN

LEFT_OUT = ("runs",)
"""Tables too wide for a page; they are in the other formats."""
COLUMNS = {"overrides": r"lp{0.42\linewidth}p{0.3\linewidth}"}
"""Of tables with texts in them."""
PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{textcomp}
\usepackage[landscape,margin=18mm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
% A number, and below it in small what it is over; the number stands on the line of its row.
\newcommand{\stacked}[2]{\begin{tabular}[t]{@{}l@{}}#1\\{\footnotesize #2}\end{tabular}}
% A table that is wider than the line is scaled down to it.
\newsavebox{\fittedbox}
\newcommand{\fitted}[1]{\sbox{\fittedbox}{#1}%
  \ifdim\wd\fittedbox>\linewidth\resizebox{\linewidth}{!}{\usebox{\fittedbox}}\else\usebox{\fittedbox}\fi}
\begin{document}
"""
GREEK = frozenset("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ")
SIGNS = frozenset("–—−×·±≤≥…“”‘’°µ→←↑↓≠≈²³½§©®")
LETTERS = frozenset("ßøØæÆœŒåÅłŁ")
ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327\u0328")


def latex(title: str, tables: Sequence[StudyTable]) -> str:
    """A document that compiles as it is; a paper takes its tables one by one."""
    parts = [PREAMBLE, rf"\section*{{{escaped(title)}}}", ""]
    for table in tables:
        if table.id not in LEFT_OUT:
            parts += [_table(table), ""]
    return "\n".join([*parts, r"\end{document}", ""])


def _table(table: StudyTable) -> str:
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escaped(f'{table.title}. {table.caption}')}}}",
        rf"\label{{tab:study-{table.id}}}",
        rf"\fitted{{\begin{{tabular}}{{{COLUMNS.get(table.id, 'l' * len(table.header))}}}",
        r"\toprule",
        _row(table.header),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    for number, note in enumerate(table.notes):
        lines += [r"\par\smallskip", rf"{{\footnotesize {escaped(f'[{letter(number)}] {note}')}}}"]
    return "\n".join([*lines, r"\end{table}"])


def _row(cells: Sequence[str]) -> str:
    return " & ".join([escaped(cells[0]), *map(_cell, cells[1:])]) + r" \\"


def _cell(text: str) -> str:
    """A number above what it is over."""
    value, between, over = text.partition(BETWEEN)
    if not between:
        return escaped(text)
    return rf"\stacked{{{escaped(value)}}}{{{escaped(over)}}}"


def escaped(text: str) -> str:
    """Text that means itself: no character of it is a command, and every one is in the fonts of any LaTeX."""
    plain = "".join(
        c if _known(c) else " " if c.isspace() else "?" for c in unicodedata.normalize("NFC", text)
    )
    encoded = str(_encoder().unicode_to_latex(" ".join(plain.split())))
    # A bracket or a star after \\ would be its argument, and two hyphens a dash.
    for plain_sign, sign in (("[", "{[}"), ("]", "{]}"), ("*", "{*}"), ("--", "-{}-"), ("--", "-{}-")):
        encoded = encoded.replace(plain_sign, sign)
    return encoded


def _known(c: str) -> bool:
    if c.isascii():
        return c.isprintable()
    parts = unicodedata.normalize("NFD", c)
    accented = len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS
    return accented or c in GREEK or c in SIGNS or c in LETTERS


@cache
def _encoder() -> Any:
    from pylatexenc.latexencode import UnicodeToLatexEncoder

    return UnicodeToLatexEncoder(unknown_char_policy="replace", unknown_char_warning=False)
