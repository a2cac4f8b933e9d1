"""What runs kernels: a native loop over a list of them, and a pool of native threads.

Both are some pages of LLVM IR, compiled once in a process. `fx_run` becomes a builtin function of
Python, since a call through ctypes takes ten times as long as the kernel of a small program. It is
given a tuple of ndarrays, the first of which holds a program of 64-bit words: the size of a table
of pointers, whether to release the interpreter lock, and steps. The table begins with the
addresses of the other ndarrays' data, which it reads out of them (that costs nothing beside what
Python would take). If one of them is not aligned or not in row-major order, it returns False, and
else does what the steps say and returns True. Loops look for signals from time to time, so that
an endless one can be interrupted:

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

A kernel of several tasks is shared by the threads: each takes the next task until none is left.
Which thread takes which is left open, since no result depends on it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fx.backends.llvm import engine

READY = 0x101  # the flags of an ndarray: in row-major order, and aligned
# Where things are in objects: the length of a tuple and the address of an ndarray's data behind
# the head that all objects have, a tuple's items, and an ndarray's flags (behind its number of
# dimensions and four more addresses).
_LAYOUT = {
    "HEAD": object.__basicsize__,
    "ITEMS": tuple.__basicsize__,
    "FLAGS": object.__basicsize__ + 48,
    "READY": READY,
}
_PAUSES = {  # (what a spinning core does, its declaration)
    "x86_64": ("call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"),
    "aarch64": ("call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"),
}
_FUTEX = {"x86_64": 202, "aarch64": 98}

_IR = """
@fn = internal global ptr null
@ctx = internal global ptr null
@units = internal global i64 0
@grain = internal global i64 0
@tasks = internal global i64 0
@next = internal global i64 0
@generation = internal global i32 0
@gate = internal global i32 0
@sleepers = internal global i32 0
@busy = internal global i32 0
@workers = internal global i32 0

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i64 @syscall(i64, ...)
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare ptr @PyBool_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare i32 @PyErr_CheckSignals()
declare i64 @llvm.readcyclecounter()
declare void @PyEval_RestoreThread(ptr)

define internal void @work() {
entry:
  %f = load ptr, ptr @fn
  %c = load ptr, ptr @ctx
  %u = load i64, ptr @units
  %g = load i64, ptr @grain
  %n = load i64, ptr @tasks
  br label %take
take:
  %t = atomicrmw add ptr @next, i64 1 monotonic
  %more = icmp slt i64 %t, %n
  br i1 %more, label %do, label %done
do:
  %begin = mul i64 %t, %g
  %limit = add i64 %begin, %g
  %end = call i64 @llvm.smin.i64(i64 %limit, i64 %u)
  call void %f(ptr %c, i64 %begin, i64 %end)
  br label %take
done:
  ret void
}

; Wait until a word differs from a value: spin first, then sleep in the kernel.
define internal void @wait_while(ptr %word, i32 %value) {
entry:
  br label %spin
spin:
  %i = phi i32 [0, %entry], [%i2, %again]
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %again, label %done
again:
  PAUSE
  %i2 = add i32 %i, 1
  %enough = icmp sgt i32 %i2, SPINS
  br i1 %enough, label %sleep, label %spin
sleep:
  %a = atomicrmw add ptr @sleepers, i32 1 seq_cst
  %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word,
      i32 128, i32 %value, ptr null, ptr null, i32 0)
  %b = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  %after = load atomic i32, ptr %word acquire, align 4
  %still = icmp eq i32 %after, %value
  br i1 %still, label %sleep, label %done
done:
  ret void
}

define internal void @wake(ptr %word) {
entry:
  %n = load atomic i32, ptr @sleepers seq_cst, align 4
  %none = icmp eq i32 %n, 0
  br i1 %none, label %done, label %call
call:
  %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word,
      i32 129, i32 2147483647, ptr null, ptr null, i32 0)
  br label %done
done:
  ret void
}

; A worker that wakes up takes part only while the gate is open: the caller never waits for one
; that has not begun. The gate counts those inside.
define internal ptr @worker(ptr %seen0) {
entry:
  %first = ptrtoint ptr %seen0 to i64
  %start = trunc i64 %first to i32
  br label %wait
wait:
  %seen = phi i32 [%start, %entry], [%now, %knock], [%now, %leave], [%now, %last]
  call void @wait_while(ptr @generation, i32 %seen)
  %now = load atomic i32, ptr @generation acquire, align 4
  %gate0 = load atomic i32, ptr @gate acquire, align 4
  br label %knock
knock:
  %inside = phi i32 [%gate0, %wait], [%gate1, %retry]
  %open = icmp uge i32 %inside, OPEN
  br i1 %open, label %enter, label %wait
enter:
  %more = add i32 %inside, 1
  %tried = cmpxchg ptr @gate, i32 %inside, i32 %more acquire monotonic
  %entered = extractvalue { i32, i1 } %tried, 1
  br i1 %entered, label %work, label %retry
retry:
  %gate1 = extractvalue { i32, i1 } %tried, 0
  br label %knock
work:
  call void @work()
  %before = atomicrmw sub ptr @gate, i32 1 seq_cst
  %final = icmp eq i32 %before, 1
  br i1 %final, label %last, label %leave
last:
  call void @wake(ptr @gate)
  br label %wait
leave:
  br label %wait
}

define void @fx_start(i32 %count) {
entry:
  %g = load atomic i32, ptr @generation acquire, align 4
  %wide = zext i32 %g to i64
  %seen = inttoptr i64 %wide to ptr
  %id = alloca i64
  br label %head
head:
  %i = phi i32 [0, %entry], [%i2, %made], [%i2, %failed]
  %more = icmp slt i32 %i, %count
  br i1 %more, label %make, label %done
make:
  %i2 = add i32 %i, 1
  %r = call i32 @pthread_create(ptr %id, ptr null, ptr @worker, ptr %seen)
  %ok = icmp eq i32 %r, 0
  br i1 %ok, label %made, label %failed
made:
  %t = load i64, ptr %id
  %d = call i32 @pthread_detach(i64 %t)
  %w = load i32, ptr @workers
  %w2 = add i32 %w, 1
  store i32 %w2, ptr @workers
  br label %head
failed:
  br label %head
done:
  ret void
}

; A forked child has no threads: forget those of the parent.
define void @fx_forget() {
  store i32 0, ptr @workers
  store i32 0, ptr @busy
  store i32 0, ptr @gate
  store i32 0, ptr @sleepers
  ret void
}

define internal void @share(ptr %f, ptr %c, i64 %u, i64 %g) {
entry:
  %u1 = add i64 %u, %g
  %u2 = sub i64 %u1, 1
  %n = udiv i64 %u2, %g
  %w = load i32, ptr @workers
  %alone = icmp eq i32 %w, 0
  %one = icmp sle i64 %n, 1
  %serial = or i1 %alone, %one
  br i1 %serial, label %self, label %try
try:
  %got = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %mine = extractvalue { i32, i1 } %got, 1
  br i1 %mine, label %all, label %self
self:
  call void %f(ptr %c, i64 0, i64 %u)
  ret void
all:
  store ptr %f, ptr @fn
  store ptr %c, ptr @ctx
  store i64 %u, ptr @units
  store i64 %g, ptr @grain
  store i64 %n, ptr @tasks
  store i64 0, ptr @next
  store atomic i32 OPEN, ptr @gate release, align 4
  %old = atomicrmw add ptr @generation, i32 1 seq_cst
  call void @wake(ptr @generation)
  call void @work()
  %closed = atomicrmw sub ptr @gate, i32 OPEN seq_cst
  br label %join
join:
  %p = load atomic i32, ptr @gate acquire, align 4
  %zero = icmp eq i32 %p, 0
  br i1 %zero, label %end, label %hold
hold:
  call void @wait_while(ptr @gate, i32 %p)
  br label %join
end:
  store atomic i32 0, ptr @busy release, align 4
  ret void
}

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

MOST_ARRAYS = 256
DEEPEST = 16  # loops inside one another
FOREVER = (1 << 63) - 1  # times that a loop runs which only its test ends
# Tasks of about this many elements keep every thread busy and cost little to hand out; a kernel
# of fewer than two tasks stays on the calling thread.
TASK = 32768
_RELEASE = TASK // 2  # work that takes microseconds, for which the interpreter lock is released


class _MethodDef(ctypes.Structure):
    """Python's description of a builtin function."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_ONE_ARGUMENT = 8  # METH_O
_definitions: list[_MethodDef] = []  # builtin functions refer to them


def _builtin(name: str, address: int) -> Callable[[Any], Any]:
    """A native function (module, argument) -> new reference as a function of Python.

    It is called with the interpreter lock held.
    """
    made = _MethodDef(name.encode(), address, _ONE_ARGUMENT, None)
    _definitions.append(made)
    new = ctypes.PYFUNCTYPE(ctypes.py_object, *[ctypes.c_void_p] * 3)
    return new(("PyCFunction_NewEx", ctypes.pythonapi))(ctypes.addressof(made), None, None)


class Runtime:
    """The compiled functions of this module, and the number of threads."""

    def __init__(self) -> None:
        machine = platform.machine()
        text = _IR.replace("FUTEX", str(_FUTEX.get(machine, 202)))
        pause, declared = _PAUSES.get(machine, ("", ""))
        text = text.replace("PAUSE", pause).replace("SPINS", "4000") + declared
        for name, value in {
            **_LAYOUT,
            "MOST": MOST_ARRAYS,
            "DEEPEST": DEEPEST,
            "OPEN": 1 << 16,
        }.items():
            text = text.replace(name, str(value))
        addresses = engine.compile_module(text, ["fx_run", "fx_start", "fx_forget"])
        self.run = _builtin("fx_run", addresses["fx_run"])
        self._start = ctypes.CFUNCTYPE(None, ctypes.c_int32)(addresses["fx_start"])
        self._forget = ctypes.CFUNCTYPE(None)(addresses["fx_forget"])
        self.threads = 1
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._after_fork)

    def start(self) -> None:
        """Make the threads, once: one for each core but the caller's."""
        with self._lock:
            if self.threads == 1 and sys.platform == "linux":
                cores = len(os.sched_getaffinity(0))
                self._start(cores - 1)
                self.threads = cores

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self.threads = 1
        self._forget()


_runtime: list[Runtime] = []
_making = threading.Lock()


def runtime() -> Runtime:
    """The runtime of this process."""
    if not _runtime:
        with _making:
            if not _runtime:
                made = Runtime()
                made.start()
                _runtime.append(made)
    return _runtime[0]


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
