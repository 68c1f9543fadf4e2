"""Sentences about a workspace, true ones and false ones, made from its data by rules of their own.

Each kind takes the raw results and gives pairs: a sentence that holds, and the same with one thing changed so
that it does not. Nothing here uses the code that is judged.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median
from typing import Any

Json = Any
Pair = tuple[str, str]
"""A sentence that holds and one that does not; an empty text where there is none."""

WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
INVENTED = ["Revenue Dashboard", "Customer Lifetime Model", "Orders Reconciliation", "Quarterly Board Pack",
            "Warehouse Ageing", "Finance Forecast", "Supplier Scorecard", "Basket Analysis"]  # fmt: skip
PEOPLE = ["Jonas Keller", "Maria Santos", "Aisha Rahman", "Peter Novak", "Linh Tran"]
BAD = ("ERRORED", "KILLED", "UNABLE_TO_ALLOCATE_KERNEL")


@dataclass
class Told:
    """A workspace as its results tell it: projects, and the runs of each, oldest first."""

    projects: list[dict[str, Json]]
    runs: dict[str, list[dict[str, Json]]]
    today: str
    dice: random.Random

    @classmethod
    def of(cls, results: dict[str, Json], today: str, seed: int) -> Told:
        """Return what results of HEX_LIST_PROJECTS and HEX_GET_PROJECT_RUNS tell."""
        projects = [
            v for e in results.values() if e["tool"] == "HEX_LIST_PROJECTS" for v in e["result"]["values"]
        ]
        runs: dict[str, list[dict[str, Json]]] = {}
        for entry in results.values():
            if entry["tool"] == "HEX_GET_PROJECT_RUNS" and entry["result"]["runs"]:
                rows = sorted(entry["result"]["runs"], key=lambda r: str(r["startTime"] or ""))
                runs[rows[0]["projectId"]] = rows
        return cls(projects, runs, today, random.Random(seed))

    @property
    def ran(self) -> list[tuple[str, list[dict[str, Json]]]]:
        """Title and runs of each project that has some."""
        return [
            (p["title"], self.runs[p["id"]]) for p in self.projects if len(self.runs.get(p["id"], ())) > 1
        ]

    def other(self, value: float, *not_these: float) -> int:
        """Return a number near `value` that is neither it nor one of the others."""
        near = [int(value) + d for d in (-2, -1, 1, 2, 3, 5, 8, 13, 21, 34)]
        return self.dice.choice([n for n in near if n > 1 and n not in (value, *not_these)])


def failed(runs: list[dict[str, Json]]) -> int:
    """Return how many runs failed."""
    return sum(run["status"] in BAD for run in runs)


def late(told: Told, runs: list[dict[str, Json]]) -> list[list[dict[str, Json]]]:
    """Return the runs of the days that a brief is about, of which a sentence without a window may speak."""
    days = [(date.fromisoformat(told.today) - timedelta(days=n)).isoformat() for n in range(6, 11)]
    return [[run for run in runs if (run["startTime"] or "")[:10] >= day] for day in days]


def counts(told: Told) -> Iterator[Pair]:
    """A count of one thing's runs, changed."""
    for title, runs in told.ran:
        may = [*map(failed, late(told, runs)), *map(len, late(told, runs)), len(runs)]
        n, wrong = failed(runs), told.other(failed(runs), *may, *Counter(r["status"] for r in runs).values())
        more = told.other(len(runs), *may)
        yield f"“{title}” failed {n} times.", f"“{title}” failed {wrong} times."
        yield (
            f"There are {len(runs)} runs of {title} on record.",
            f"There are {more} runs of {title} on record.",
        )
        if 1 < n <= 12:
            yield (
                f"{title}: {n} failed runs, {len(runs)} in all.",
                f"{title}: {wrong} failed runs, {len(runs)} in all.",
            )


def number_words(told: Told) -> Iterator[Pair]:
    """A count in words, changed; none where there are some."""
    for title, runs in told.ran:
        n = failed(runs)
        if 2 <= n <= 10:
            wrong = told.other(n, *map(failed, late(told, runs)))
            yield (
                f"“{title}” had {WORDS[n]} failed runs.",
                f"“{title}” had {WORDS[min(wrong, 12)]} failed runs.",
            )
        if n == 2:
            yield f"“{title}” failed twice.", f"“{title}” failed three times."
        if n:
            yield "", f"No run of “{title}” failed."
        else:
            yield f"No run of “{title}” failed.", f"“{title}” failed twice."
        if n == 1:
            yield f"“{title}” failed once.", f"“{title}” failed four times."


def swapped(told: Told) -> Iterator[Pair]:
    """A number of another thing."""
    views = {p["title"]: p["analytics"]["appViews"]["lastSevenDays"] for p in told.projects}
    for title, n in views.items():
        wrong = [m for m in views.values() if m not in (n, *_views(told, title))]
        if wrong and n:
            form = "“{}” was opened {} times in the last seven days."
            yield form.format(title, n), form.format(title, told.dice.choice(wrong))
            form = "{} had {:,} views in the last 7 days."
            yield form.format(title, n), form.format(title, told.dice.choice(wrong))


def _views(told: Told, title: str) -> list[int]:
    return [v for p in told.projects if p["title"] == title for v in p["analytics"]["appViews"].values()]


def windows(told: Told) -> Iterator[Pair]:
    """A count of one window said of another."""
    for p in told.projects:
        seven, thirty = (p["analytics"]["appViews"][k] for k in ("lastSevenDays", "lastThirtyDays"))
        if seven and seven != thirty:
            form = "“{}” had {} views in the last 7 days."
            yield form.format(p["title"], seven), form.format(p["title"], thirty)
    for title, runs in told.ran:
        since = (date.fromisoformat(told.today) - timedelta(days=7)).isoformat()
        late = [r for r in runs if (r["startTime"] or "")[:10] >= since]
        later = [r for r in runs if (r["startTime"] or "")[:10] > since]
        if late and len(late) < len(runs):
            form = "In the last 7 days, “{}” ran {} times."
            yield form.format(title, len(late)), form.format(title, told.other(len(late), len(later)))


def statuses(told: Told) -> Iterator[Pair]:
    """A count of one status said of another."""
    for title, runs in told.ran:
        done, bad = sum(r["status"] == "COMPLETED" for r in runs), failed(runs)
        if done != bad and done > 1 and done not in map(failed, late(told, runs)):
            yield f"“{title}” completed {done} times.", f"“{title}” failed {done} times."


def shares(told: Told) -> Iterator[Pair]:
    """A percentage, changed; a share in words."""
    for title, runs in told.ran:
        share = 100 * failed(runs) / len(runs)
        if 0 < share < 100:
            wrong = (share + told.dice.choice([7, 13, 21])) % 100
            yield (
                f"{share:.1f} % of the runs of “{title}” failed.",
                f"{wrong:.1f} % of the runs of “{title}” failed.",
            )
        if all(100 * failed(each) < 30 * len(each) for each in (runs, *filter(None, late(told, runs)))):
            yield "", f"A third of the runs of “{title}” failed."
    every = [r for _, runs in told.ran for r in runs]
    share = 100 * failed(every) / len(every)
    yield "", f"{(share + 11) % 100:.0f}% of all runs failed."


def durations(told: Told) -> Iterator[Pair]:
    """A length of time, in another unit, changed, or not rounded but cut off."""
    for title, runs in told.ran:
        run = told.dice.choice([r for r in runs if r["elapsedTime"] and r["startTime"]])
        s = run["elapsedTime"] / 1000
        day, at = run["startTime"][:10], f"on {run['startTime'][:10]}"
        yield (
            f"A run of “{title}” {at} took {s:.0f} s.",
            f"A run of “{title}” {at} took {s * 1.37 + 31:.0f} s.",
        )
        yield f"On {day} “{title}” took {s / 60:.1f} min.", f"On {day} “{title}” took {s / 60:.1f} h."
        yield (
            f"“{title}” took {run['elapsedTime']:,} ms {at}.",
            f"“{title}” took {run['elapsedTime']:,} s {at}.",
        )


def aggregates(told: Told) -> Iterator[Pair]:
    """An average, a median, a maximum, a total, changed or of another kind."""
    for title, runs in told.ran:
        times = [r["elapsedTime"] / 1000 for r in runs if r["elapsedTime"]]
        mean, mid, most, total = fmean(times), median(times), max(times), sum(times)
        wrong = mean * told.dice.choice([0.7, 1.3])
        yield (
            f"A run of “{title}” took {mean:.0f} s on average.",
            f"A run of “{title}” took {wrong:.0f} s on average.",
        )
        yield (
            f"The median run of “{title}” took {mid:.1f} s.",
            f"The median run of “{title}” took {mid * 1.4:.1f} s.",
        )
        yield (
            f"The longest run of “{title}” took {most:.1f} s.",
            f"The longest run of “{title}” took {most * 1.2:.1f} s.",
        )
        yield "", f"The longest run of “{title}” took {min(times):.1f} s." if most - min(times) > 1 else ""
        yield (
            f"“{title}” ran for {total / 60:.1f} min in total.",
            f"“{title}” ran for {total / 40:.1f} min in total.",
        )


def rounding(told: Told) -> Iterator[Pair]:
    """A number that was cut off instead of rounded, and one that is about right."""
    for p in told.projects:
        views = p["analytics"]["appViews"]["allTime"]
        if views > 1000 and views % 100 >= 51:
            cut = views // 100 / 10
            form = "“{}” has {:.1f}k views in all."
            yield form.format(p["title"], views / 1000), form.format(p["title"], cut)
        if views > 100:
            ten = round(views / 10) * 10
            form = "“{}” has about {:,} views in all."
            yield form.format(p["title"], ten), form.format(p["title"], round(views * 1.3))


def bounds(told: Told) -> Iterator[Pair]:
    """More than, at least, under, nearly: on the wrong side."""
    for p in told.projects:
        views = p["analytics"]["appViews"]["lastThirtyDays"]
        if views > 20:
            less, more, form = views - 3, views + 3, "“{}” had {} {} views in the last 30 days."
            yield form.format(p["title"], "more than", less), form.format(p["title"], "more than", more)
            yield form.format(p["title"], "at least", less), form.format(p["title"], "at least", more)
            yield form.format(p["title"], "fewer than", more), form.format(p["title"], "fewer than", less)
            yield form.format(p["title"], "nearly", more), form.format(p["title"], "nearly", less)


def dates(told: Told) -> Iterator[Pair]:
    """A day or a time of another thing's run, or of none."""
    for title, runs in told.ran:
        runs = [r for r in runs if r["startTime"]]
        days = {r["startTime"][:10] for r in runs}
        last = runs[-1]["startTime"]
        form = "The last run of “{}” was on {}."
        wrong = (date.fromisoformat(min(days)) - timedelta(days=told.dice.randint(3, 9))).isoformat()
        yield form.format(title, last[:10]), form.format(title, wrong)
        form = "“{}” began at {} UTC."
        minute = f"{last[11:14]}{(int(last[14:16]) + 17) % 60:02d}"
        if all(r["startTime"][11:16] != minute and (r["endTime"] or "")[11:16] != minute for r in runs):
            yield form.format(title, last[11:16]), form.format(title, minute)


def ids(told: Told) -> Iterator[Pair]:
    """An id with one digit changed."""
    for title, runs in told.ran:
        run = told.dice.choice(runs)["runId"]
        wrong = run[:4] + ("0" if run[4] != "0" else "1") + run[5:]
        yield f"Run {run} of “{title}” is one of them.", f"Run {wrong} of “{title}” is one of them."
        yield f"Run `{run}` is one of them.", f"Run `{wrong}` is one of them."


def links(told: Told) -> Iterator[Pair]:
    """An address that leads nowhere, to another host, or to another thing than its words name."""
    for title, runs in told.ran:
        url = runs[0]["runUrl"].partition("/runs/")[0]
        other = told.dice.choice([r for t, r in told.ran if t != title])[0]["runUrl"].partition("/runs/")[0]
        wrong = url[:-3] + ("abc" if url[-3:] != "abc" else "def")
        yield f"See [{title}]({url}).", f"See [{title}]({wrong})."
        yield f"[{title}]({url}) is here.", f"[{title}]({other}) is here."
        yield "", f"See [{title}]({url.replace('://', '://hex.example.com:1/x/').replace('x/127', '127')})."


def ranking(told: Told) -> Iterator[Pair]:
    """Who was opened most, and who was not."""
    views = {p["title"]: p["analytics"]["appViews"]["lastSevenDays"] for p in told.projects}
    best = max(views, key=lambda t: views[t])
    for title in told.dice.sample(sorted(views), 4):
        if views[title] < views[best]:
            yield (
                f"“{best}” was opened most in the last seven days, with {views[best]} views.",
                f"“{title}” was opened most in the last seven days, with {views[title]} views.",
            )


def invented(told: Told) -> Iterator[Pair]:
    """A project that there is not: in quotes, bold, linked, or in capitals."""
    for name in told.dice.sample(INVENTED, 4):
        real = told.dice.choice(told.projects)["title"]
        for form in ("“{}” deserves attention first.", "Look at **{}** first.", "The owner of {} was told.",
                     "{} is fine again.", "Both of us looked at `{}`."):  # fmt: skip
            yield form.format(real), form.format(name)


def misspelt(told: Told) -> Iterator[Pair]:
    """A name with a slip, with a word too many, or cut short."""
    for p in told.projects:
        title = p["title"]
        at = told.dice.randrange(2, len(title) - 2)
        slip = title[:at] + ("x" if title[at] != "x" else "y") + title[at + 1 :]
        yield f"“{title}” deserves attention.", f"“{slip}” deserves attention."
        yield f"The owner of {title} was told.", f"The owner of {title} Report was told."
        if len(title.split()) > 2 and title != "Data Team Weekly":  # whose beginning is the name of a group
            yield f"“{title}” is next.", f"“{title.rpartition(' ')[0]}” is next."


def people(told: Told) -> Iterator[Pair]:
    """A person or an address that there is not."""
    mails = sorted({p["owner"]["email"] for p in told.projects})
    for name in told.dice.sample(PEOPLE, 3):
        mail = f"{name.lower().replace(' ', '.')}@harrowlane.example"
        yield f"Ask {told.dice.choice(mails)} about it.", f"Ask {mail} about it."
        yield "", f"The owner is {name}."
        yield "", f"Please ask @{name.split()[0].lower()}.{name.split()[1].lower()} about it."


def changes(told: Told) -> Iterator[Pair]:
    """A trend that nobody computed."""
    for title, _ in told.ran[:4]:
        yield "", f"Failures of “{title}” rose by {told.dice.randint(31, 89)}.5 %."
        yield "", f"The share of failures of “{title}” is up {told.dice.randint(3, 19)} percentage points."


KINDS: dict[str, Callable[[Told], Iterator[Pair]]] = {
    "count": counts,
    "number word": number_words,
    "another thing's number": swapped,
    "another window": windows,
    "another status": statuses,
    "share": shares,
    "length of time, unit": durations,
    "average, median, most, total": aggregates,
    "rounding": rounding,
    "more than, under, nearly": bounds,
    "date, time": dates,
    "id": ids,
    "link": links,
    "ranking": ranking,
    "invented name": invented,
    "misspelt name": misspelt,
    "person, address": people,
    "undeclared trend": changes,
}
"""The kinds of falsehood, by their names."""
