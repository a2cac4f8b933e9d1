"""Programs of 64-bit words, and the native function that does what they say.

`fx_run` becomes a builtin function of Python, since a call through ctypes takes ten times as long
as the kernel of a small program. It is given a tuple of ndarrays, the first of which holds a
program: the size of a table of pointers, whether to release the interpreter lock, and steps. The
table begins with the addresses of the other ndarrays' data, which it reads out of them (that costs
nothing beside what Python would take). If one of them is not aligned or not in row-major order, it
returns False, and else does what the steps say and returns True:

    0                                       end
    1, address, units, grain, n, n indices  run a kernel on pointers of the table
    2, a, b, bytes                          pointer a is pointer b and so many bytes
    3, a, b, bytes                          copy so many bytes from b to a
    4, a, bytes                             add to pointer a
    5, a, b                                 exchange two pointers
    6, depth                                begin a loop
    7, depth, count, words                  unless it ran `count` times, go so many words on
    8, a, number, words                     unless the int32 at pointer a is this, go on there
    9, a, words                             unless the byte at pointer a is 1, go on there

Loops look for signals from time to time, so that an endless one can be interrupted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from fx.backends.rules import READY

# Where things are in objects: the length of a tuple and the address of an ndarray's data behind
# the head that all objects have, a tuple's items, and an ndarray's flags (behind its number of
# dimensions and four more addresses).
LAYOUT = {
    "HEAD": object.__basicsize__,
    "ITEMS": tuple.__basicsize__,
    "FLAGS": object.__basicsize__ + 48,
    "READY": READY,
}
DEEPEST = 16  # loops inside one another
# Tasks of about this many elements keep every thread busy and cost little to hand out; a kernel
# of fewer than two tasks stays on the calling thread.
TASK = 32768
_RELEASE = TASK // 2  # work that takes microseconds, for which the interpreter lock is released

DECLARED = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare ptr @PyBool_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i32 @PyErr_CheckSignals()
declare i64 @llvm.readcyclecounter()
"""

# LLVM IR with names of LAYOUT and of the limits in it. @share(function, pointers, units, grain)
# runs a kernel.
RUN = """
define ptr @fx_run(ptr %module, ptr %tuple) {
entry:
  %plength = getelementptr i8, ptr %tuple, i64 HEAD
  %length = load i64, ptr %plength
  %first = getelementptr i8, ptr %tuple, i64 ITEMS
  %holder = load ptr, ptr %first
  %pprogram = getelementptr i8, ptr %holder, i64 HEAD
  %program = load ptr, ptr %pprogram
  %size = load i64, ptr %program
  %prelease = getelementptr i64, ptr %program, i64 1
  %release_word = load i64, ptr %prelease
  %release = icmp ne i64 %release_word, 0
  %steps = getelementptr i64, ptr %program, i64 2
  %arrays = sub i64 %length, 1
  %items = getelementptr ptr, ptr %first, i64 1
  %table = alloca ptr, i64 %size
  %thread = alloca ptr
  %checked = alloca i64
  %counts = alloca i64, i64 DEEPEST
  %space = alloca ptr, i64 MOST
  br label %table_head
table_head:
  %a = phi i64 [0, %entry], [%a2, %table_fill]
  %filled = icmp sge i64 %a, %arrays
  br i1 %filled, label %start, label %table_check
table_check:
  %item = getelementptr ptr, ptr %items, i64 %a
  %array = load ptr, ptr %item
  %pflags = getelementptr i8, ptr %array, i64 FLAGS
  %flags = load i32, ptr %pflags
  %ready_flags = and i32 %flags, READY
  %ready = icmp eq i32 %ready_flags, READY
  br i1 %ready, label %table_fill, label %refuse
table_fill:
  %pdata = getelementptr i8, ptr %array, i64 HEAD
  %data = load ptr, ptr %pdata
  %entry_a = getelementptr ptr, ptr %table, i64 %a
  store ptr %data, ptr %entry_a
  %a2 = add i64 %a, 1
  br label %table_head
refuse:
  %no = call ptr @PyBool_FromLong(i64 0)
  ret ptr %no

start:
  br i1 %release, label %unlock, label %next
unlock:
  %saved = call ptr @PyEval_SaveThread()
  store ptr %saved, ptr %thread
  br label %next
done:
  br i1 %release, label %lock, label %end
lock:
  %held = load ptr, ptr %thread
  call void @PyEval_RestoreThread(ptr %held)
  br label %end
end:
  %yes = call ptr @PyBool_FromLong(i64 1)
  ret ptr %yes

next:
  %at = phi ptr [%steps, %start], [%steps, %unlock], [%kernel_end, %go], [%p4, %set], [%p4, %move],
      [%p3, %step], [%p3, %swap], [%p2, %begin], [%jump, %again],
      [%jump, %signals_go], [%jump, %signals_unlock], [%unless_jump, %unless],
      [%while_jump, %while]
  %op = load i64, ptr %at
  %p1 = getelementptr i64, ptr %at, i64 1
  %p2 = getelementptr i64, ptr %at, i64 2
  %p3 = getelementptr i64, ptr %at, i64 3
  %p4 = getelementptr i64, ptr %at, i64 4
  %p5 = getelementptr i64, ptr %at, i64 5
  switch i64 %op, label %done [
    i64 1, label %kernel
    i64 2, label %set
    i64 3, label %move
    i64 4, label %step
    i64 5, label %swap
    i64 6, label %begin
    i64 7, label %again
    i64 8, label %unless
    i64 9, label %while
  ]

kernel:
  %address = load i64, ptr %p1
  %f = inttoptr i64 %address to ptr
  %u = load i64, ptr %p2
  %g = load i64, ptr %p3
  %n = load i64, ptr %p4
  br label %fill
fill:
  %i = phi i64 [0, %kernel], [%i2, %more_arrays]
  %full = icmp sge i64 %i, %n
  br i1 %full, label %go, label %more_arrays
more_arrays:
  %pi = getelementptr i64, ptr %p5, i64 %i
  %which = load i64, ptr %pi
  %from = getelementptr ptr, ptr %table, i64 %which
  %pointer = load ptr, ptr %from
  %to = getelementptr ptr, ptr %space, i64 %i
  store ptr %pointer, ptr %to
  %i2 = add i64 %i, 1
  br label %fill
go:
  %kernel_end = getelementptr i64, ptr %p5, i64 %n
  call void @share(ptr %f, ptr %space, i64 %u, i64 %g)
  br label %next

set:
  %set_to = load i64, ptr %p1
  %set_from = load i64, ptr %p2
  %set_bytes = load i64, ptr %p3
  %set_pfrom = getelementptr ptr, ptr %table, i64 %set_from
  %set_base = load ptr, ptr %set_pfrom
  %set_moved = getelementptr i8, ptr %set_base, i64 %set_bytes
  %set_pto = getelementptr ptr, ptr %table, i64 %set_to
  store ptr %set_moved, ptr %set_pto
  br label %next

move:
  %move_to = load i64, ptr %p1
  %move_from = load i64, ptr %p2
  %move_bytes = load i64, ptr %p3
  %move_pto = getelementptr ptr, ptr %table, i64 %move_to
  %move_target = load ptr, ptr %move_pto
  %move_pfrom = getelementptr ptr, ptr %table, i64 %move_from
  %move_source = load ptr, ptr %move_pfrom
  call void @llvm.memcpy.p0.p0.i64(ptr %move_target, ptr %move_source, i64 %move_bytes, i1 false)
  br label %next

step:
  %step_of = load i64, ptr %p1
  %step_bytes = load i64, ptr %p2
  %step_p = getelementptr ptr, ptr %table, i64 %step_of
  %step_old = load ptr, ptr %step_p
  %step_new = getelementptr i8, ptr %step_old, i64 %step_bytes
  store ptr %step_new, ptr %step_p
  br label %next

swap:
  %swap_a = load i64, ptr %p1
  %swap_b = load i64, ptr %p2
  %swap_pa = getelementptr ptr, ptr %table, i64 %swap_a
  %swap_pb = getelementptr ptr, ptr %table, i64 %swap_b
  %swap_va = load ptr, ptr %swap_pa
  %swap_vb = load ptr, ptr %swap_pb
  store ptr %swap_vb, ptr %swap_pa
  store ptr %swap_va, ptr %swap_pb
  br label %next

begin:
  %begin_depth = load i64, ptr %p1
  %begin_p = getelementptr i64, ptr %counts, i64 %begin_depth
  store i64 0, ptr %begin_p
  %begin_cycle = call i64 @llvm.readcyclecounter()
  %begin_checked = load i64, ptr %checked
  %begin_outermost = icmp eq i64 %begin_depth, 0
  %begin_since = select i1 %begin_outermost, i64 %begin_cycle, i64 %begin_checked
  store i64 %begin_since, ptr %checked
  br label %next

again:
  %again_depth = load i64, ptr %p1
  %again_times = load i64, ptr %p2
  %again_back = load i64, ptr %p3
  %again_p = getelementptr i64, ptr %counts, i64 %again_depth
  %again_old = load i64, ptr %again_p
  %again_new = add i64 %again_old, 1
  store i64 %again_new, ptr %again_p
  %again_more = icmp slt i64 %again_new, %again_times
  %again_to = getelementptr i64, ptr %at, i64 %again_back
  %jump = select i1 %again_more, ptr %again_to, ptr %p4
  %again_cycle = call i64 @llvm.readcyclecounter()
  %again_checked = load i64, ptr %checked
  %again_passed = sub i64 %again_cycle, %again_checked
  %again_long = icmp ugt i64 %again_passed, 500000000
  br i1 %again_long, label %signals, label %next

; Now and then a loop looks whether the user wants to interrupt it.
signals:
  store i64 %again_cycle, ptr %checked
  br i1 %release, label %signals_lock, label %signals_check
signals_lock:
  %signals_held = load ptr, ptr %thread
  call void @PyEval_RestoreThread(ptr %signals_held)
  br label %signals_check
signals_check:
  %signals_result = call i32 @PyErr_CheckSignals()
  %signals_raised = icmp ne i32 %signals_result, 0
  br i1 %signals_raised, label %raise, label %signals_go
raise:
  ret ptr null
signals_go:
  br i1 %release, label %signals_unlock, label %next
signals_unlock:
  %signals_saved = call ptr @PyEval_SaveThread()
  store ptr %signals_saved, ptr %thread
  br label %next

unless:
  %unless_of = load i64, ptr %p1
  %unless_number = load i64, ptr %p2
  %unless_forward = load i64, ptr %p3
  %unless_p = getelementptr ptr, ptr %table, i64 %unless_of
  %unless_at = load ptr, ptr %unless_p
  %unless_value = load i32, ptr %unless_at
  %unless_wide = sext i32 %unless_value to i64
  %unless_same = icmp eq i64 %unless_wide, %unless_number
  %unless_to = getelementptr i64, ptr %at, i64 %unless_forward
  %unless_jump = select i1 %unless_same, ptr %p4, ptr %unless_to
  br label %next

while:
  %while_of = load i64, ptr %p1
  %while_forward = load i64, ptr %p2
  %while_p = getelementptr ptr, ptr %table, i64 %while_of
  %while_at = load ptr, ptr %while_p
  %while_value = load i8, ptr %while_at
  %while_on = icmp ne i8 %while_value, 0
  %while_to = getelementptr i64, ptr %at, i64 %while_forward
  %while_jump = select i1 %while_on, ptr %p3, ptr %while_to
  br label %next
}
"""


class Words:
    """A program for `fx_run`, as it is written."""

    def __init__(self) -> None:
        self.flat: list[int] = []
        self.depth = 0
        self.work = 0  # about so many elements, all times round
        self.times = 1

    def kernel(self, address: int, units: int, grain: int, arrays: Sequence[int]) -> None:
        self.flat += [1, address, units, grain, len(arrays), *arrays]
        self.work += self.times * units * TASK // grain

    def pointer(self, op: str, *operands: int) -> None:
        """One of set, move, add and swap."""
        self.flat += [{"set": 2, "move": 3, "add": 4, "swap": 5}[op], *operands]

    @contextlib.contextmanager
    def loop(self, count: int) -> Iterator[None]:
        """What is written inside runs `count` times."""
        if self.depth == DEEPEST:
            raise NotImplementedError(f"more than {DEEPEST} loops inside one another")
        self.flat += [6, self.depth]
        start = len(self.flat)
        self.depth += 1
        outside, self.times = self.times, self.times * count
        yield
        self.times = outside
        self.depth -= 1
        self.flat += [7, self.depth, count, start - len(self.flat)]

    def unless(self, pointer: int, number: int) -> int:
        """Where to go on if an int32 is another number is to be told by `here`."""
        self.flat += [8, pointer, number, 0]
        return len(self.flat) - 4

    def stop(self, pointer: int) -> int:
        """Where to go on if a flag is not set is to be told by `here`."""
        self.flat += [9, pointer, 0]
        return len(self.flat) - 3

    def here(self, jump: int) -> None:
        """What is written next is where a jump goes."""
        last = jump + (3 if self.flat[jump] == 8 else 2)
        self.flat[last] = len(self.flat) - jump

    def array(self, size: int) -> np.ndarray:
        """The program, for a table of `size` pointers."""
        return np.asarray([size, self.work >= _RELEASE, *self.flat, 0], np.int64)
