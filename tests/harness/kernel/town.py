"""A shard of the toy domain whose states are stored, and a decider that finds settled cases."""

from __future__ import annotations

from typing import Any

from eventlog.core.decider import REFERENCE, Key
from eventlog.core.log import MemoryLog
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from tests.harness.kernel.events import CASES, INPUTS
from tests.harness.kernel.schedule import SHARD
from tests.harness.kernel.shard import ToyShard
from tests.harness.kernel.toy import NewToy, Toy, look_up
from tests.harness.memory_states import MemoryStates, StateTable


class Toytown(ToyShard):
    """A shard of the toy domain that writes a checkpoint after every batch."""

    def __init__(self, old: type[Toy] = Toy, new: type[Toy] = NewToy) -> None:
        super().__init__()
        self.versions = {"old": old(), "new": new()}
        self.source, self.sink = MemoryLog(INPUTS), MemoryLog(CASES, readers=("archive",))
        self.table = StateTable(self.sink)
        self.is_owned = False
        self.runner = self.new_runner()

    def new_runner(self) -> Runner[Any, Any]:
        stage = Stage(self.versions["old"], SHARD, look_up, self.versions)
        states = MemoryStates(self.table)
        return Runner(stage, SingleOrder(self.source), self.sink, 100, states=states)

    async def live(self, *events: Any, at: int) -> list[str]:
        """Apply inputs; return the names in memory afterwards."""
        await self.source.commit(SHARD, [self.new_input(event, at) for event in events])
        if not self.is_owned:
            await self.take_over_from_states()
        await self.runner.catch_up()
        return sorted(self.runner.stage.aggregates.by_name.keys() - {REFERENCE})

    def cut(self, position: int) -> None:
        """Cut both logs back to as many inputs. The states are left as they are."""
        for log in (self.source, self.sink):
            stored = log._shard(SHARD)
            stored.applied = position
            stored.rows = [row for row in stored.rows if row.input <= position >= row.position]
        self.inputs = position

    async def take_over_from_states(self) -> None:
        self.is_owned, self.runner = True, self.new_runner()
        await self.runner.replay()


class Remembering(NewToy):
    """A decider that finds cases by the last note, also those that were merged away."""

    def keys(self, state: Any) -> Any:
        return [*super().keys(state), *(Key("last note", note) for note in state.notes[-1:])]
