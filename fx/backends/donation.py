"""Results that take the memory of donated arguments.

A result may be written over an argument of its type if all that reads the argument comes before,
or is the map that writes the result, element by element. So an update of arrays with a tree of
gradients needs no memory of its own, and `x.at[i].set(y)` writes one row instead of copying all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.backends.plan import Item, Plan, Run, copied, moved
from fx.kernel.loops import Kernel, Load
from fx.kernel.vocabulary import PLACED


def reuse(plan: Plan, donated: Sequence[tuple[int, Any]], results: Sequence[int]) -> dict[int, int]:
    """Let results take the memory of `donated` (slot, type): slot of a result -> of an argument."""
    taken: dict[int, int] = {}
    for slot, aval in donated:
        last = _last_reader(plan, slot)
        if last is None or slot in results or not aval.size:
            continue
        at, item = last
        for todo in plan.todo[max(at, 0) :]:
            run = todo.step
            if not isinstance(run, Run):
                continue
            readers = item if run is plan.todo[at].step else -1
            for new, shape, dtype in run.new:
                fits = (shape, dtype) == (aval.shape, aval.dtype)
                if fits and new in results and new not in taken and _after(run, new, slot, readers):
                    taken[new] = slot
                    break
            if slot in taken.values():
                break
    for run in (t.step for t in plan.todo if isinstance(t.step, Run)):
        mine = {new: taken[new] for new, *_ in run.new if new in taken}
        run.new = [row for row in run.new if row[0] not in mine]
        run.given += [s for s in mine.values() if s not in run.given]
        run.items = [moved(item, mine) for item in run.items]
        run.items = [i for i in run.items if (c := copied(i)) is None or c[0] != c[1]]
    return taken


def _last_reader(plan: Plan, slot: int) -> tuple[int, int] | None:
    """The last step that reads a slot, and the item in it; None if something else looks at it."""
    last = (-1, -1)
    for at, (step, reads, _) in enumerate(plan.todo):
        if not isinstance(step, Run):
            if slot in reads:
                return None  # the memory may be that of another array afterwards
            continue
        for k, item in enumerate(step.items):
            if slot in item.slots:
                last = at, k
    return last


def _after(run: Run, new: int, slot: int, last: int) -> bool:
    """Whether item `last` and those before have read the slot when `new` is first written."""
    first = next(k for k, item in enumerate(run.items) if new in item.slots)
    return first > last or (first == last and _map(run.items[first], new, slot))


def _map(item: Item, new: int, slot: int) -> bool:
    """Whether an item is a kernel that reads each element of a slot before it writes that one."""
    k = item.kernel
    if not isinstance(k, Kernel) or any(k.reduced):
        return False
    array, place = item.slots.index(slot), item.slots.index(new)
    written = next((i for i, s in enumerate(k.steps) if k.stores.get(s.id, (-1,))[0] == place), -1)
    if written < 0:
        return False
    id, p = k.steps[written].id, k.products
    if p is not None and (id == k.sums or array in (p.x.array, p.w.array)):
        return False
    at = k.stores[id][1]
    for i, step in enumerate(k.steps):
        for n, arg in enumerate(step.args):
            if isinstance(arg, Load) and arg.array == array:
                anywhere = step.op in PLACED and n == 0
                if anywhere or arg.at != at or i > written:
                    return False
    return True
