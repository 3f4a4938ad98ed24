"""What a provider keeps for one call: the earlier response it continues, the object it makes, the job that a poll shows. All
of them are looked at through the credential that the attempt goes out with, for another one's objects are others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from tallystick.core.attempt import Admission
from tallystick.core.custody import Kept, owner_of
from tallystick.core.dialect import Route
from tallystick.core.errors import StoreFault
from tallystick.core.usage import Reading
from tallystick.ports import Custody

log = structlog.get_logger(__name__)


class Objects:
    """Of one call. `made`: the mark of what it made, None where it makes nothing."""

    __slots__ = ("_custody", "_marked", "_request_id", "_route", "made")

    def __init__(self, custody: Custody, route: Route, request_id: str, marked: Callable[[str], bytes]) -> None:
        """`marked`: an object's mark by its id."""
        self.made: bytes | None = None
        self._custody = custody
        self._route = route
        self._request_id = request_id
        self._marked = marked

    async def find(self, object_id: str) -> Kept | None:
        """What is known of an object. Raises StoreFault."""
        return await self._custody.find(self._marked(object_id))

    async def find_job(self, reading: Reading | None) -> Kept | None:
        """On a poll: the job it shows, if this gateway saw it being made."""
        if reading is None or not self._route.poll or reading.response_id is None:
            return None
        try:
            return await self.find(reading.response_id)
        except StoreFault:
            log.exception("a job could not be looked up", request_id=self._request_id)
            return None

    def keep(self, admission: Admission, reading: Reading | None, job: Kept | None) -> None:
        """Remember what this call made, or that it was the first to see a job's bill."""
        if reading is None or reading.response_id is None or admission.sandbox:
            return
        first_bill = self._route.poll and reading.usage is not None and (job is None or job.admission is not None)
        if not self._route.keeps and not first_bill:
            return
        self.made = self._marked(reading.response_id)
        made = job or Kept(owner_of(admission.attribution), self._request_id)
        self._custody.keep(self.made, replace(made, admission=admission if reading.deferred else None))
