"""Following the log in PostgreSQL, of which every role of the database can say that it has changed."""

from __future__ import annotations

from typing import cast

import pytest

from monoskope.m8.log.postgres.connections import Connector, Pool
from monoskope.m8.log.postgres.follower import Follower


@pytest.mark.parametrize("payload", ["1", "9" * 8_000, "", "-1", "\u0663", "\u00b2", "x\n", None])
async def test_a_notification_with_any_text_leads_to_a_look_and_no_more(payload: object) -> None:
    follower = Follower(cast("Connector", None), cast("Pool", None), lambda: None)
    follower._notified(None, 0, "m8_events", payload)
    assert follower._changed.is_set()
