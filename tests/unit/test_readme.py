"""What the README says of venues is what their files say."""

from __future__ import annotations

from pathlib import Path

from unified_ws.registry import adapters


def test_the_readme_lists_every_venue_with_its_evidence() -> None:
    """One row each, in the adapter's own words; nothing says live without a report."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    rows = {line.split("`")[1]: line for line in readme.splitlines() if line.startswith("| `")}
    for name, adapter in adapters().items():
        venue = adapter.venue
        assert venue.evidence in rows[name]
        assert ", ".join(venue.market_types) in rows[name]
        assert all(f"`{alias}`" in rows[name] for alias in venue.aliases)
        assert "not yet seen live" in venue.evidence
