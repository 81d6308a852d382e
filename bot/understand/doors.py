"""Through which of three doors a person comes: for herself, for somebody she worries about, or for her work.

Noticed in the words of content/understanding/doors.yaml: a relative or friend with "my" beside it, or what one says at work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.understand.concepts import Concepts, build_concepts
from bot.understand.phrases import Phrases, build_phrases, holds

ME, OTHER, WORK = "me", "other", "work"
BESIDE = 3  # words between "my" and "sister" at most


@dataclass(frozen=True, slots=True)
class Doors:
    """What to look for."""

    people: Concepts  # of "kin" and of "mine"
    work: Phrases


def build_doors(kin: Sequence[str], mine: Sequence[str], work: Sequence[str]) -> Doors:
    """From words for relatives and friends, words for "my" (a stem ends in *), and phrases that people at work use."""
    return Doors(build_concepts([*(("kin", word) for word in kin), *(("mine", word) for word in mine)]), build_phrases(work))


def door_of(doors: Doors, said: Sequence[str]) -> str:
    """OTHER or WORK when these folded words tell, else "": most people do not say for whom they ask."""
    if holds(doors.work, said):
        return WORK
    places: Mapping[str, list[int]] = {"kin": [], "mine": []}
    for at, word in enumerate(said):
        for found in doors.people.of(word):
            places[found].append(at)
    near = any(abs(kin - mine) <= BESIDE for kin in places["kin"] for mine in places["mine"])
    return OTHER if near else ""
