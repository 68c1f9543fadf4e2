"""Addresses in a text: they lead to something that was verified, and to what their words name."""

from __future__ import annotations

import re

from definable.verify.clauses import Reading
from definable.verify.known import Known
from definable.verify.mentions import mentions, segments
from definable.verify.vocabulary import norm

URL = re.compile(r"https?://[^\s)>\]\"'”\x00]+")


def wrong_url(url: str, known: Known) -> str:
    """Return why an address may not stand in a text; empty when it may."""
    said = url.rstrip(".,;:!?")
    if any(
        re.search(rf"{re.escape(said)}(?![\w/?&=#-])", text)
        for text in known.whole.texts | known.always.texts
    ):
        return ""
    host = said.partition("://")[2].partition("/")[0].lower()
    if known.hosts and host not in known.hosts:
        return f"leads to {host}, which stands in nothing verified"
    held = known.whole | known.always
    for segment in segments(said):
        if segment.lower() in held.ids or segment in known.of_id:
            continue
        if not all(held.says(each) for each in mentions(segment)):
            return f"holds {segment!r}, which is no id of a verified result"
    if not known.hosts and not segments(said):
        return "stands in nothing verified"
    return ""


def misled(url: str, text: str, known: Known) -> str:
    """Return to what else a link leads than its words name; empty when they agree."""
    things = [known.of_id[part] for part in re.split(r"[/?&=#]", url) if part in known.of_id]
    about = {name for thing in things for name in (thing.about | {norm(thing.name)}) if name}
    named = norm(text)
    said = {
        name for name in known.words.names if name == named or (f" {name} " in f" {named} " and " " in name)
    }
    said = {name for name in said if not any(name != other and f" {name} " in f" {other} " for other in said)}
    if about and said and not about & said:
        return known.words.names.get(next(iter(sorted(about))), "something else")
    return ""


def links_in(reading: Reading) -> list[tuple[str, str]]:
    """Return the addresses of a sentence, each with the words that it stands on."""
    sentence = reading.sentence
    found = [(span.url, sentence.passage.text[span.start : span.end]) for span in sentence.passage.spans
             if span.mark == "link" and span.url and sentence.start <= span.start < sentence.end]  # fmt: skip
    bare = [(each[0], "") for each in URL.finditer(reading.text)]
    return [*found, *(each for each in bare if each[0].rstrip(".,;:!?") not in {url for url, _ in found})]
