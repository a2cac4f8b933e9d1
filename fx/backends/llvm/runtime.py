"""What runs kernels: a pool of native threads, and the native function that goes through programs.

Both are some pages of LLVM IR, compiled once in a process; `steps` has the second. A kernel of
several tasks is shared by the threads: each takes the next task until none is left. Which thread
takes which is left open, since no result depends on it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable
from typing import Any

from fx.backends.llvm import engine
from fx.backends.llvm.steps import DECLARED, DEEPEST, LAYOUT, RUN
from fx.backends.plan import MOST_ARRAYS

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

"""


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
        text = (_IR + DECLARED + RUN).replace("FUTEX", str(_FUTEX.get(machine, 202)))
        pause, declared = _PAUSES.get(machine, ("", ""))
        text = text.replace("PAUSE", pause).replace("SPINS", "4000") + declared
        for name, value in {
            **LAYOUT,
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
