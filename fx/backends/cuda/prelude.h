// What generated kernels call. The same text serves NVRTC and the simulator (which has FX_SIMULATED
// and `simulated.h` before it). Halves, bool and keys lie in registers as u16, bool and u64.
typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;
#define FX static __device__ __forceinline__

// Elements that are loaded or stored by one instruction.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

// ------------------------------------------------------------------ bits
template <class A, class B>
FX A bits_as(B x) {
  static_assert(sizeof(A) == sizeof(B), "as many bits");
  union {
    B from;
    A to;
  } both;
  both.from = x;
  return both.to;
}
FX f32 f32_of_bits(u32 x) { return bits_as<f32>(x); }
FX f64 f64_of_bits(u64 x) { return bits_as<f64>(x); }

// ------------------------------------------------------------------ halves
FX f32 f32_of_bf16(u16 x) { return f32_of_bits((u32)x << 16); }
FX u16 bf16_of_f32(f32 x) {
  u32 b = bits_as<u32>(x);
  if (x != x) return (u16)(b >> 16 | 0x40);
  return (u16)((b + 0x7FFF + (b >> 16 & 1)) >> 16);
}
#ifdef FX_SIMULATED
FX f32 f32_of_f16(u16 x) {
  u32 sign = (u32)(x & 0x8000) << 16, e = x >> 10 & 31, m = x & 1023;
  if (e == 31) return f32_of_bits(sign | 0x7F800000 | m << 13);
  if (e) return f32_of_bits(sign | (e + 112) << 23 | m << 13);
  f32 tiny = (f32)m * 0x1p-24f;
  return sign ? -tiny : tiny;
}
FX u16 f16_of_f32(f32 x) {
  u32 b = bits_as<u32>(x), sign = b >> 16 & 0x8000, a = b & 0x7FFFFFFF;
  if (a > 0x7F800000) return (u16)(sign | 0x7E00 | (a >> 13 & 1023));
  if (a >= 0x47800000) return (u16)(sign | 0x7C00);
  if (a < 0x38800000) {  // subnormal: as a multiple of 2**-24, to even
    f32 scaled = f32_of_bits(a) * 0x1p24f;
    return (u16)(sign | (u32)rintf(scaled));
  }
  u32 r = a + 0xFFF + (a >> 13 & 1);
  return (u16)(sign | ((r - 0x38000000) >> 13));
}
#else
FX f32 f32_of_f16(u16 x) {
  f32 y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
FX u16 f16_of_f32(f32 x) {
  u16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}
#endif

// ------------------------------------------------------------------ integers, which wrap around
template <class T>
struct Whole {  // unsigned, wide enough that products do not leave it by promotion
  typedef u32 U;
};
template <>
struct Whole<i64> {
  typedef u64 U;
};
template <>
struct Whole<u64> {
  typedef u64 U;
};
#define FX_WRAPPED(name, op)                                \
  template <class T>                                        \
  FX T name(T x, T y) {                                     \
    typedef typename Whole<T>::U U;                         \
    return (T)((U)x op(U) y);                               \
  }
FX_WRAPPED(wrap_add, +)
FX_WRAPPED(wrap_sub, -)
FX_WRAPPED(wrap_mul, *)
template <class T>
FX T int_div(T x, T y) {  // by 0: -1, which is the largest unsigned number
  if (y == 0) return (T)-1;
  if ((T)-1 < (T)0 && y == (T)-1) return wrap_sub<T>(0, x);
  return (T)(x / y);
}
template <class T>
FX T int_rem(T x, T y) {
  if (y == 0) return x;
  if ((T)-1 < (T)0 && y == (T)-1) return 0;
  return (T)(x % y);
}
template <class T>
FX T int_pow(T x, T y) {
  typedef typename Whole<T>::U U;
  T result = 1;
  for (U left = sizeof(T) == 8 ? (U)y : (U)y & (U)((1ull << 8 * (sizeof(T) % 8)) - 1); left;
       left >>= 1) {
    if (left & 1) result = wrap_mul<T>(result, x);
    x = wrap_mul<T>(x, x);
  }
  return result;
}
template <class T>
FX T shifted_left(T x, T by) {
  typedef typename Whole<T>::U U;
  return by < 0 || (u64)by >= 8 * sizeof(T) ? (T)0 : (T)((U)x << (u32)by);
}
template <class T>
FX T shifted_right(T x, T by) {  // with zeros
  if (by < 0 || (u64)by >= 8 * sizeof(T)) return 0;
  if (sizeof(T) == 1) return (T)((u8)x >> (u32)by);
  if (sizeof(T) == 2) return (T)((u16)x >> (u32)by);
  if (sizeof(T) == 4) return (T)((u32)x >> (u32)by);
  return (T)((u64)x >> (u32)by);
}
template <class T>
FX T shifted_down(T x, T by) {  // with copies of the sign
  u32 most = 8 * sizeof(T) - 1;
  return (T)(x >> (by < 0 || (u64)by > most ? most : (u32)by));
}
template <class T>
FX T bits_set(T x) {
  if (sizeof(T) == 8) return (T)__popcll((i64)x);
  u32 mask = sizeof(T) == 1 ? 0xFF : sizeof(T) == 2 ? 0xFFFF : 0xFFFFFFFF;
  return (T)__popc((i32)((u32)x & mask));
}
template <class T>
FX T leading_zeros(T x) {
  if (sizeof(T) == 8) return (T)__clzll((i64)x);
  u32 mask = sizeof(T) == 1 ? 0xFF : sizeof(T) == 2 ? 0xFFFF : 0xFFFFFFFF;
  return (T)(__clz((i32)((u32)x & mask)) - (32 - 8 * (i32)sizeof(T)));
}
template <class T>
FX T largest(T x, T y) { return x > y ? x : y; }
template <class T>
FX T smallest(T x, T y) { return x < y ? x : y; }
template <class T>
FX T sign_of(T x) { return x < 0 ? (T)-1 : x > 0 ? (T)1 : x; }
// A float as an integer: NaN is 0, what is beyond is the end.
template <class T, class F>
FX T int_of(F x, F low, F beyond, T least, T most) {
  if (x != x) return 0;
  if (x <= low) return least;
  if (x >= beyond) return most;
  return (T)x;
}

// ------------------------------------------------------------------ floats
FX f32 largest(f32 x, f32 y) { return x > y || x != x ? x : y; }
FX f64 largest(f64 x, f64 y) { return x > y || x != x ? x : y; }
FX f32 smallest(f32 x, f32 y) { return x < y || x != x ? x : y; }
FX f64 smallest(f64 x, f64 y) { return x < y || x != x ? x : y; }
FX f32 logistic_of(f32 x) { return 1.0f / (1.0f + expf(-x)); }
FX f64 logistic_of(f64 x) { return 1.0 / (1.0 + exp(-x)); }
FX f32 log_add_exp(f32 x, f32 y) {
  return largest(x, y) + log1pf(expf(-(x == y ? 0.0f : fabsf(x - y))));
}
FX f64 log_add_exp(f64 x, f64 y) {
  return largest(x, y) + log1p(exp(-(x == y ? 0.0 : fabs(x - y))));
}

// ------------------------------------------------------------------ coordinates that are data
template <class T>
FX bool is_inside(T x, i64 last) { return !(x < (T)0) && (u64)x <= (u64)last; }
template <class T>
FX i64 moved_inside(T x, i64 last) {
  return x < (T)0 ? 0 : (u64)x > (u64)last ? last : (i64)x;
}

// ------------------------------------------------------------------ random words
FX u64 pair_of(u32 first, u32 second) { return (u64)second << 32 | first; }
FX u32 turned_left(u32 x, u32 by) { return x << by | x >> (32 - by); }

// ------------------------------------------------------------------ between the threads of a warp
// The value of the lane whose number differs in the bits of `by`, or that is `by` lanes before.
FX f32 across(f32 x, i32 by) { return __shfl_xor_sync(~0u, x, by); }
FX f64 across(f64 x, i32 by) { return __shfl_xor_sync(~0u, x, by); }
FX i64 across(i64 x, i32 by) { return __shfl_xor_sync(~0u, x, by); }
FX u64 across(u64 x, i32 by) { return (u64)__shfl_xor_sync(~0u, (i64)x, by); }
template <class T>
FX T across(T x, i32 by) { return (T)__shfl_xor_sync(~0u, (i32)x, by); }
FX f32 before(f32 x, i32 by) { return __shfl_up_sync(~0u, x, by); }
FX f64 before(f64 x, i32 by) { return __shfl_up_sync(~0u, x, by); }
FX i64 before(i64 x, i32 by) { return __shfl_up_sync(~0u, x, by); }
FX u64 before(u64 x, i32 by) { return (u64)__shfl_up_sync(~0u, (i64)x, by); }
template <class T>
FX T before(T x, i32 by) { return (T)__shfl_up_sync(~0u, (i32)x, by); }
