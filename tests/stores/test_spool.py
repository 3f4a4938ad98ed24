"""The spool keeps what it acknowledged, whatever the disk does, and says so when it cannot."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.core.attempt import Admission, Settlement
from tallystick.core.errors import Defect, StoreFault
from tallystick.stores import records
from tallystick.stores.disk import PosixDisk
from tallystick.stores.recovery import open_spool
from tallystick.stores.spool import Bounds, Spool, SpoolBusy, segment_path
from tests.build.journal import SMALL, Crash, HandClock, SimDisk, admission, all_records, refusal, run, settlement

FOLDER = Path("/spool")
CALLS = 14


def opened(disk: SimDisk | PosixDisk, *, strict: bool = False, folder: Path = FOLDER, clock: HandClock | None = None,
           bounds: Bounds = SMALL) -> Spool:
    return open_spool(folder, lambda: "feed", disk, clock or HandClock(), durability="strict" if strict else "process", bounds=bounds)


def said(spool: Spool) -> tuple[list[Admission], list[Settlement]]:
    """Admissions and settlements in the spool, each with its outcome."""
    found = [records.decode(record.kind, record.payload) for record in all_records(spool)]
    return [x for x in found if isinstance(x, Admission)], [x for x in found if isinstance(x, Settlement)]


def test_it_says_what_waits_and_for_how_long() -> None:
    clock = HandClock()
    spool = opened(SimDisk(), clock=clock)
    assert spool.waiting() == (0, 0)
    run(spool.admit(admission(1, at_us=clock.us)))
    clock.us += 3_000_000
    waiting_bytes, behind_us = spool.waiting()
    assert waiting_bytes > 0 and behind_us == 3_000_000
    last = all_records(spool)[-1].after
    spool.shipped(last, last)
    assert spool.waiting() == (0, 0)


def test_what_was_written_is_read_in_order() -> None:
    spool = opened(SimDisk())
    run(spool.admit(admission(1)))
    run(spool.refuse(refusal(2)))
    run(spool.settle(settlement(1)))
    found = [records.decode(record.kind, record.payload) for record in all_records(spool)]
    assert found == [admission(1), refusal(2), settlement(1)]


def test_an_attempt_is_admitted_once() -> None:
    spool = opened(SimDisk())
    run(spool.admit(admission(1)))
    with pytest.raises(Defect):
        run(spool.admit(admission(1)))


def test_what_cannot_be_written_is_a_store_fault_and_harms_nothing() -> None:
    spool = opened(SimDisk())
    for bad in (admission(1, model="\ud800"), admission(1, body_bytes=2**70)):
        with pytest.raises(StoreFault, match="cannot be written"):
            run(spool.admit(bad))
    run(spool.admit(admission(1)))
    assert said(spool) == ([admission(1)], [])


def use(spool: Spool, admitted: set[str], settled: set[str]) -> None:
    """Calls that overlap, noting what was acknowledged."""
    for number in range(1, CALLS + 1):
        run(spool.admit(admission(number)))
        admitted.add(admission(number).request_id)
        if number > 2:
            run(spool.settle(settlement(number - 2)))
            settled.add(admission(number - 2).request_id)


def io_calls(*, strict: bool) -> int:
    disk = SimDisk()
    use(opened(disk, strict=strict), set(), set())
    return disk.calls


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "short", "crash"])
def test_whichever_io_call_fails_nothing_acknowledged_is_lost_and_nothing_doubled(fault: str, strict: bool) -> None:
    count = io_calls(strict=strict)
    assert count >= (60 if strict else 35)
    for k in range(1, count + 1):
        disk = SimDisk(fail_at=k, fault=fault)
        admitted: set[str] = set()
        settled: set[str] = set()
        try:
            use(opened(disk, strict=strict), admitted, settled)
        except (StoreFault, Crash):
            pass
        after = opened(disk.restarted(power_lost=strict), strict=strict)
        admissions, settlements = said(after)
        ids, ends = [a.request_id for a in admissions], [s.request_id for s in settlements]
        assert len(set(ids)) == len(ids), (k, "admitted twice")
        assert sorted(ends) == sorted(ids), (k, "one settlement each")
        assert admitted <= set(ids), k
        outcomes = {s.request_id: s.outcome for s in settlements}
        assert all(outcomes[request] == "completed" for request in settled), k
        assert all(s.basis == "worst_case" and s.cost_nanos == 50_000_000 for s in settlements if s.outcome == "recovered"), k


def test_a_failed_sync_is_never_tried_again() -> None:
    disk = SimDisk()
    spool = opened(disk, strict=True)
    run(spool.admit(admission(1)))
    disk.fail_at, disk.fault = disk.calls + 2, "EIO"     # the write, then its sync
    with pytest.raises(StoreFault, match="restart"):
        run(spool.settle(settlement(1)))
    before = disk.calls
    for attempt in (spool.admit(admission(2)), spool.settle(settlement(1)), spool.refuse(refusal(3))):
        with pytest.raises(StoreFault):
            run(attempt)
    assert disk.calls == before


@dataclass
class DeafDisk(SimDisk):
    """A disk that for a while takes a part of each write and then says no."""

    deaf: bool = False

    def write(self, file: int, data: bytes, offset: int) -> int:
        if self.deaf:
            if len(data) < 64:
                raise OSError(28, "No space left on device")
            return super().write(file, data[:len(data) // 2], offset)
        return super().write(file, data, offset)


@pytest.mark.parametrize("strict", [False, True])
def test_a_failed_write_leaves_nothing_and_may_be_tried_again(strict: bool) -> None:
    disk = DeafDisk()
    spool = opened(disk, strict=strict)
    run(spool.admit(admission(1)))
    for number in (2, 3):
        disk.deaf = True
        with pytest.raises(StoreFault, match="tried again"):
            run(spool.settle(settlement(1)))
        for refused in (spool.admit(admission(number)), spool.refuse(refusal(9))):
            with pytest.raises(StoreFault, match="tried again"):
                run(refused)
        assert spool.fault() is not None
        disk.deaf = False
        assert spool.fault() is None
        run(spool.admit(admission(number, model="m")))       # shorter than what was to be written
    run(spool.settle(settlement(1)))
    after = opened(disk.restarted(power_lost=strict), strict=strict)
    admissions, settlements = said(after)
    assert [a.request_id for a in admissions] == [admission(number).request_id for number in (1, 2, 3)]
    assert [(s.request_id, s.outcome) for s in settlements] == [
        (admission(1).request_id, "completed"), (admission(2).request_id, "recovered"), (admission(3).request_id, "recovered")]


def test_what_a_failed_write_left_at_a_segments_end_is_no_damage() -> None:
    """The next record goes to the next segment, and both are read, by the shipper as by the next start."""
    disk = DeafDisk()
    spool = opened(disk)
    run(spool.admit(admission(1)))
    while spool.durable.offset + 3_000 < SMALL.segment_bytes:
        run(spool.refuse(refusal(9)))
    disk.deaf = True
    with pytest.raises(StoreFault):
        run(spool.refuse(refusal(9, code="c" * 500)))
    disk.deaf = False
    segment = spool.durable.segment
    while spool.durable.segment == segment:
        run(spool.admit(admission(2, request_id=f"req_{spool.durable.offset:032x}", model="m" * 250)))
    count = len(all_records(spool))
    assert len(all_records(opened(disk.restarted(power_lost=False)))) >= count


def test_a_full_disk_stops_admissions_while_running_calls_settle() -> None:
    class FullDisk(SimDisk):
        full = False

        def create(self, path: Path, size: int) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().create(path, size)

    clock, disk = HandClock(), FullDisk()
    spool = opened(disk, clock=clock)
    numbers = itertools.count(1)
    waiting = [next(numbers) for _ in range(5)]
    for number in waiting:
        run(spool.admit(admission(number)))
    disk.full = True
    with pytest.raises(StoreFault, match="no room"):
        for number in numbers:
            run(spool.admit(admission(number)))
            run(spool.settle(settlement(number)))
    for number in waiting:
        run(spool.settle(settlement(number)))
    disk.full = False
    with pytest.raises(StoreFault, match="no room"):
        run(spool.admit(admission(900)))
    clock.us += 1_000_000
    run(spool.admit(admission(900)))
    admissions, settlements = said(spool)
    assert {s.request_id for s in settlements} == {a.request_id for a in admissions} - {admission(900).request_id}


def test_a_backlog_at_its_limit_stops_admissions() -> None:
    clock = HandClock()
    spool = opened(SimDisk(), clock=clock, bounds=Bounds(8_192, 700, backlog_bytes_max=10_000, backlog_age_us_max=60_000_000))
    run(spool.admit(admission(1)))
    clock.us += 61_000_000
    with pytest.raises(StoreFault, match="too long"):
        run(spool.admit(admission(2)))
    for _ in range(2):                                   # at the second call it is known when that was written
        spool.shipped(spool.durable, spool.durable)
    with pytest.raises(StoreFault, match="backlog"):
        for number in itertools.count(3):
            run(spool.admit(admission(number)))
            run(spool.settle(settlement(number)))


def test_a_shipper_that_is_always_a_little_behind_is_no_reason_to_stop() -> None:
    clock = HandClock()
    spool = opened(SimDisk(), clock=clock, bounds=Bounds(8_192, 700, backlog_age_us_max=60_000_000))
    for number in range(1, 20):
        before = spool.durable
        run(spool.admit(admission(number)))
        run(spool.settle(settlement(number)))
        spool.shipped(before, before)
        clock.us += 10_000_000


def test_shipped_segments_go_once_no_open_call_began_in_them(tmp_path: Path) -> None:
    spool = opened(PosixDisk(), folder=tmp_path)
    run(spool.admit(admission(1)))
    while spool.durable.segment < 3:
        run(spool.refuse(refusal(2)))
    spool.shipped(spool.durable, spool.durable)
    assert segment_path(tmp_path, 1).exists()
    run(spool.settle(settlement(1)))
    spool.shipped(spool.durable, spool.durable)
    assert not segment_path(tmp_path, 1).exists()
    assert segment_path(tmp_path, spool.durable.segment).exists()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    first = opened(PosixDisk(), folder=tmp_path)
    with pytest.raises(SpoolBusy):
        opened(PosixDisk(), folder=tmp_path)
    first.close()
    opened(PosixDisk(), folder=tmp_path).close()


def two_calls(disk: SimDisk) -> tuple[bytes, int]:
    """A segment's bytes with three records, and where the last begins."""
    spool = opened(disk)
    run(spool.admit(admission(1)))
    run(spool.settle(settlement(1)))
    last = spool.durable.offset
    run(spool.refuse(refusal(2)))
    return bytes(disk.files[segment_path(FOLDER, 1)].seen[:spool.durable.offset]), last


@pytest.mark.parametrize("zeros", [0, 3_000])
def test_a_tail_torn_at_any_byte_is_cut(zeros: int) -> None:
    base = SimDisk()
    data, last = two_calls(base)
    whole = len(data.rstrip(b"\0")) if zeros else len(data)         # zeros that follow may complete a record
    for end in range(last, whole):
        disk = base.restarted(power_lost=False)
        disk.files[segment_path(FOLDER, 1)].seen = bytearray(data[:end] + bytes(zeros))
        spool = opened(disk)
        assert [record.kind for record in all_records(spool)] == [records.ADMIT, records.SETTLE], end
        assert len(disk.files[segment_path(FOLDER, 1)].seen) == last
        run(spool.refuse(refusal(3)))
        assert [record.kind for record in all_records(opened(disk.restarted(power_lost=False)))][-1] == records.REFUSE


def test_a_flipped_byte_in_the_middle_is_refused_by_its_offset_and_nothing_is_touched() -> None:
    base = SimDisk()
    data, last = two_calls(base)
    for place in range(0, last, 7):
        disk = base.restarted(power_lost=False)
        flipped = bytearray(data)
        flipped[place] ^= 0x55
        disk.files[segment_path(FOLDER, 1)].seen = bytearray(flipped)
        first_end = records.record_at(data, 0).end  # type: ignore[union-attr]
        offset = 0 if place < first_end else first_end
        with pytest.raises(StoreFault, match=f"segment 1 is damaged at offset {offset}:"):
            opened(disk)
        assert disk.files[segment_path(FOLDER, 1)].seen == flipped


def test_a_missing_segment_in_the_middle_is_refused() -> None:
    disk = SimDisk()
    spool = opened(disk)
    while spool.durable.segment < 4:
        run(spool.refuse(refusal(2)))
    lost = disk.restarted(power_lost=False)
    del lost.files[segment_path(FOLDER, 2)]
    with pytest.raises(StoreFault, match="damaged at offset 0"):
        opened(lost)


def test_numbers_of_segments_are_never_used_twice() -> None:
    disk = SimDisk()
    spool = open_spool(FOLDER, lambda: "feed", disk, HandClock(), bounds=SMALL, ledger_segment=lambda _: 41)
    run(spool.admit(admission(1)))
    assert spool.durable.segment == 42
    assert [record.kind for record in all_records(spool)] == [records.ADMIT]


async def test_group_commit_syncs_once_for_many_who_wait(tmp_path: Path) -> None:
    import asyncio

    class CountingDisk(PosixDisk):
        syncs = 0

        async def sync_aside(self, file: int) -> None:
            self.syncs += 1
            await asyncio.sleep(0)
            await super().sync_aside(file)

    disk = CountingDisk()
    spool = open_spool(tmp_path, lambda: "feed", disk, HandClock(), durability="strict")
    await asyncio.gather(*(spool.admit(admission(number)) for number in range(1, 101)))
    assert disk.syncs <= 3
    assert spool.durable.offset > 0
    assert len(all_records(spool)) == 100
    spool.close()
