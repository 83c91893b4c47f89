"""Which failures of a server the page asks again after, and from where on."""

from __future__ import annotations

from pathlib import Path

from page_in_node import needs_node, run_in_node

pytestmark = needs_node
PASSES = {"retryable": True}
STAYS = {"retryable": False}


async def test_a_failure_that_may_pass_is_asked_after_again_wherever_it_comes(
    tmp_path: Path,
) -> None:
    program = Path(__file__).with_name("page_retries.js").read_text()
    before, inside, final, unknown, always = await run_in_node(
        tmp_path,
        program,
        [
            [{"status": 503}],
            [{"frames": 2, "error": PASSES}, {"frames": 1, "error": PASSES}],
            [{"frames": 2, "error": STAYS}],
            [{"frames": 2, "error": {}}],
            [{"frames": 0, "error": PASSES}] * 9,
        ],
    )
    assert before == {"starts": [0, 0], "said": 1, "resumed": [0], "shown": 5, "failure": None}
    assert inside == {
        "starts": [0, 2, 3],
        "said": 2,
        "resumed": [2, 3],
        "shown": 5,
        "failure": None,
    }
    for each in (final, unknown):
        assert each == {"starts": [0], "said": 0, "resumed": [], "shown": 2, "failure": "TEST"}
    assert always == {"starts": [0] * 5, "said": 4, "resumed": [], "shown": 0, "failure": "TEST"}
