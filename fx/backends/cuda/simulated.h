// CUDA C++ on the CPU: blocks run one after another, the threads of a block in turn.
//
// A kernel whose threads never wait runs them one by one to their ends. Else each thread has a stack
// of its own and runs until it waits: at a barrier for the block, at a shuffle for its warp. Warps,
// and the threads in them, go on in an order that the caller chooses (0: forward, 1: backward, else
// shuffled with that seed), so that a result that depends on what ran first, for lack of a barrier,
// differs between orders. Shared memory and what no thread has given to a shuffle yet is all ones,
// which is NaN.
#define FX_SIMULATED 1
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define __global__ static
#define __device__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("fx_shared")))

struct Dim3 {
  unsigned x, y, z;
};
static Dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace fx_sim {
enum State { READY, AT_BARRIER, AT_SHUFFLE, FINISHED };
struct Fiber {
  void* stack;
  unsigned number;
  int state;
  long long given;  // what its warp may read
};
const size_t STACK = 128 << 10;
const unsigned MOST = 1024;
static Fiber fibers[MOST];
static char* stacks;
static void* scheduler;
static Fiber* current;
static void (*body)(void*);
static void* arguments;
static const char* problem;
static unsigned long long seed;

// Saves the registers that calls preserve on the stack, and goes on with another stack.
extern "C" void fx_switch(void** from, void* to);
#if defined(__x86_64__)
asm(".text\n.local fx_switch\n.type fx_switch,@function\nfx_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
const int SAVED = 6;
#elif defined(__aarch64__)
asm(".text\n.local fx_switch\n.type fx_switch,%function\nfx_switch:\n"
    "sub sp,sp,#160\n"
    "stp x19,x20,[sp,#0]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\nstp x25,x26,[sp,#48]\n"
    "stp x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\n"
    "stp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\nstp d14,d15,[sp,#144]\n"
    "mov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
    "ldp x19,x20,[sp,#0]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\n"
    "ldp x27,x28,[sp,#64]\nldp x29,x30,[sp,#80]\n"
    "ldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\nldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\n"
    "add sp,sp,#160\nret\n");
#else
#error "the simulator knows x86-64 and AArch64"
#endif

static void wait(int state) {
  Fiber* me = current;
  me->state = state;
  fx_switch(&me->stack, scheduler);
}
static void enter() {
  body(arguments);
  current->state = FINISHED;
  fx_switch(&current->stack, scheduler);
}
static void prepare(unsigned n) {
  char* top = stacks + (n + 1) * STACK - 64;
  top = (char*)((uintptr_t)top & ~(uintptr_t)15);
#if defined(__x86_64__)
  void** at = (void**)top;
  *--at = 0;
  *--at = (void*)enter;
  for (int i = 0; i < SAVED; i++) *--at = 0;
#else
  void** at = (void**)(top - 160);
  memset(at, 0, 160);
  at[11] = (void*)enter;
#endif
  fibers[n].stack = at;
  fibers[n].number = n;
  fibers[n].state = READY;
  fibers[n].given = -1;
}
static unsigned random_below(unsigned n) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)((seed >> 33) % n);
}
static void order_of(unsigned* order, unsigned n, int how) {
  for (unsigned i = 0; i < n; i++) order[i] = how == 1 ? n - 1 - i : i;
  for (unsigned i = n; how > 1 && i > 1; i--) {
    unsigned j = random_below(i), kept = order[i - 1];
    order[i - 1] = order[j];
    order[j] = kept;
  }
}
// Whether all threads of some range that are not finished wait for this; then they go on.
static bool release(unsigned first, unsigned end, int state) {
  bool any = false;
  for (unsigned i = first; i < end; i++) {
    if (fibers[i].state == state) any = true;
    else if (fibers[i].state != FINISHED) return false;
  }
  for (unsigned i = first; any && i < end; i++)
    if (fibers[i].state == state) fibers[i].state = READY;
  return any;
}
// Each warp in turn goes as far as it can, until all its threads are at a barrier or finished: so the
// others see all that it may do before them.
static void run_warp(unsigned first, unsigned end, int how) {
  unsigned order[32], n = end - first;
  do {
    order_of(order, n, how);
    for (unsigned i = 0; i < n; i++) {
      Fiber* one = &fibers[first + order[i]];
      if (one->state != READY) continue;
      current = one;
      threadIdx.x = one->number;
      fx_switch(&scheduler, one->stack);
      if (problem) return;
    }
  } while (release(first, end, AT_SHUFFLE));
}
static void run_block(unsigned threads, int how) {
  unsigned order[MOST / 32], warps = (threads + 31) / 32;
  for (unsigned i = 0; i < threads; i++) prepare(i);
  do {
    order_of(order, warps, how);
    for (unsigned i = 0; i < warps; i++) {
      unsigned first = order[i] * 32, end = first + 32 < threads ? first + 32 : threads;
      run_warp(first, end, how);
      if (problem) return;
    }
  } while (release(0, threads, AT_BARRIER));
  for (unsigned i = 0; i < threads; i++)
    if (fibers[i].state != FINISHED) problem = "threads wait for one another at different places";
}
static long long exchanged(unsigned mask, long long mine, int source) {
  Fiber* me = current;
  unsigned first = me->number & ~31u;
  me->given = mine;
  wait(AT_SHUFFLE);
  if (mask != ~0u || fibers[first + (source & 31)].state == FINISHED)
    problem = "a shuffle with threads that do not take part";
  long long theirs = fibers[first + (source & 31)].given;
  wait(AT_SHUFFLE);
  return theirs;
}
}  // namespace fx_sim

extern "C" char __start_fx_shared[], __stop_fx_shared[];
static char fx_some_shared __attribute__((section("fx_shared"), used));

static const char* fx_launch(
    unsigned blocks, unsigned threads, int barriers, int how, void (*body)(void*), void* arguments) {
  using namespace fx_sim;
  fx_sim::body = body;
  fx_sim::arguments = arguments;
  problem = 0;
  seed = how;
  blockDim = Dim3{threads, 1, 1};
  gridDim = Dim3{blocks, 1, 1};
  threadIdx = blockIdx = Dim3{0, 0, 0};
  if (threads > MOST) return "too many threads";
  if (barriers && !stacks) stacks = (char*)malloc(MOST * STACK + 64);
  unsigned order[MOST];
  for (unsigned b = 0; b < blocks && !problem; b++) {
    blockIdx.x = how == 1 ? blocks - 1 - b : b;
    memset(__start_fx_shared, 0xFF, __stop_fx_shared - __start_fx_shared);
    if (barriers) {
      run_block(threads, how);
      continue;
    }
    order_of(order, threads, how);
    for (unsigned i = 0; i < threads; i++) {
      threadIdx.x = order[i];
      body(arguments);
    }
  }
  return problem;
}

// ------------------------------------------------------------------ what CUDA has
static inline void __syncthreads() { fx_sim::wait(fx_sim::AT_BARRIER); }
template <class T>
static T fx_exchanged(unsigned mask, T x, int source) {
  long long bits = 0;
  memcpy(&bits, &x, sizeof x);
  bits = fx_sim::exchanged(mask, bits, source);
  memcpy(&x, &bits, sizeof x);
  return x;
}
static inline int fx_lane() { return (int)(fx_sim::current->number & 31); }
template <class T>
static T __shfl_xor_sync(unsigned mask, T x, int by) {
  return fx_exchanged(mask, x, fx_lane() ^ by);
}
template <class T>
static T __shfl_up_sync(unsigned mask, T x, int by) {
  int lane = fx_lane();
  return fx_exchanged(mask, x, lane < by ? lane : lane - by);
}
static inline int __popc(int x) { return __builtin_popcount((unsigned)x); }
static inline int __popcll(long long x) { return __builtin_popcountll((unsigned long long)x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
// The inverse of erf: Giles's approximation (2011), then Newton's steps on erfc where x is near 1.
static double erfinv(double x) {
  double a = fabs(x);
  if (!(a <= 1)) return NAN;
  if (a == 1) return copysign(INFINITY, x);
  if (a < 1e-300) return x * 0.886226925452758;
  double w = -log1p(-a * a), y;
  if (w < 5) {
    w -= 2.5;
    y = ((((((((2.81022636e-08 * w + 3.43273939e-07) * w - 3.5233877e-06) * w - 4.39150654e-06) * w +
             0.00021858087) * w - 0.00125372503) * w - 0.00417768164) * w + 0.246640727) * w +
         1.50140941);
  } else {
    w = sqrt(w) - 3;
    y = ((((((((-0.000200214257 * w + 0.000100950558) * w + 0.00134934322) * w - 0.00367342844) * w +
             0.00573950773) * w - 0.0076224613) * w + 0.00943887047) * w + 1.00167406) * w +
         2.83297682);
  }
  y *= a;
  for (int n = 0; n < 3; n++) {
    double error = a < 0.5 ? erf(y) - a : (1 - a) - erfc(y);
    double step = error / (1.1283791670955126 * exp(-y * y));
    y -= step / (1 + y * step);
  }
  return copysign(y, x);
}
static float erfinvf(float x) { return (float)erfinv((double)x); }
