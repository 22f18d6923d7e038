"""Finding what a test made among what others made."""

from watchkeeper.store import Json


def of(name: str, found: list[Json]) -> list[Json]:
    return [one for one in found if one["name"] == name]
