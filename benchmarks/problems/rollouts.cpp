/* What a fused plan spends most of its time on, by hand: the limit for a compiler on vectors.
 *
 * Rollouts of mean + spline(noise) within a box, their costs, and the weights exp(-cost / lambda).
 * Two vectors of samples stay in registers from the first step to the last. One source for both
 * precisions; sines are those of glibc's vector library, for AVX-512.
 *
 *     g++ -O3 -march=native -ffast-math -shared -fPIC -DREAL=float rollouts.cpp -o rollouts.so -lmvec -lm
 */
#include <cmath>

typedef REAL V __attribute__((vector_size(64)));
constexpr long L = 64 / sizeof(REAL);
constexpr long CHAINS = 2; // vectors side by side: one goes on while the other waits

#ifndef __AVX512F__
#error "no AVX-512"
#endif
extern "C" {
typedef float F __attribute__((vector_size(64)));
typedef double D __attribute__((vector_size(64)));
F _ZGVeN16v_sinf(F);
F _ZGVeN16v_cosf(F);
D _ZGVeN8v_sin(D);
D _ZGVeN8v_cos(D);
}
static inline F sine(F x) { return _ZGVeN16v_sinf(x); }
static inline D sine(D x) { return _ZGVeN8v_sin(x); }
static inline F cosine(F x) { return _ZGVeN16v_cosf(x); }
static inline D cosine(D x) { return _ZGVeN8v_cos(x); }

static inline V clipped(V u, REAL most) {
  u = u < -most ? V{} - most : u;
  return u > most ? V{} + most : u;
}

struct Pointmass {
  static constexpr REAL most = 2, p0 = 0;
  static V step(V &a, V &b, V &c, V &d, V p, V q) {
    c += REAL(.05) * (p - REAL(.1) * c);
    d += REAL(.05) * (q - REAL(.1) * d);
    a += REAL(.05) * c;
    b += REAL(.05) * d;
    return (a - 1) * (a - 1) + (b - 1) * (b - 1) + REAL(.1) * (c * c + d * d) +
           REAL(.01) * (p * p + q * q);
  }
};

struct Reacher2 {
  static constexpr REAL most = 5, p0 = REAL(.1);
  static V step(V &a, V &b, V &c, V &d, V p, V q) {
    const REAL outer = REAL(1. / 12), couple = REAL(.125);
    const V co = cosine(b), si = sine(b), m12 = outer + couple * co;
    const V m11 = 2 * outer + REAL(.25) + 2 * couple * co;
    const V r1 = p + couple * si * (2 * c + d) * d - REAL(.5) * c;
    const V r2 = q - couple * si * c * c - REAL(.5) * d;
    const V per = REAL(.02) / (m11 * outer - m12 * m12);
    c += per * (outer * r1 - m12 * r2);
    d += per * (m11 * r2 - m12 * r1);
    a += REAL(.02) * c;
    b += REAL(.02) * d;
    const V x = REAL(.5) * (cosine(a) + cosine(a + b)) - REAL(.3);
    const V y = REAL(.5) * (sine(a) + sine(a + b)) - REAL(.6);
    return 10 * (x * x + y * y) + REAL(.01) * (c * c + d * d) + REAL(.001) * (p * p + q * q);
  }
};

template <class Problem>
static REAL rollouts(const REAL *mean, const REAL *noise, const long *knot, const REAL *weight,
                     long taps, REAL *costs, REAL *weights, long horizon, long count, REAL lambda,
                     long repeat) {
  REAL lowest = 0;
  for (long again = 0; again < repeat; again++) {
    for (long first = 0; first < count; first += CHAINS * L) {
      V a[CHAINS], b[CHAINS], c[CHAINS], d[CHAINS], cost[CHAINS];
      for (long k = 0; k < CHAINS; k++)
        a[k] = b[k] = V{} + Problem::p0, c[k] = d[k] = cost[k] = V{};
      for (long t = 0; t < horizon; t++) {
        V p[CHAINS], q[CHAINS];
        for (long k = 0; k < CHAINS; k++) p[k] = V{} + mean[2 * t], q[k] = V{} + mean[2 * t + 1];
        for (long i = 0; i < taps; i++) {
          const REAL *row = noise + 2 * count * knot[t * taps + i] + first;
          for (long k = 0; k < CHAINS; k++) {
            p[k] += weight[t * taps + i] * *(const V *)(row + k * L);
            q[k] += weight[t * taps + i] * *(const V *)(row + count + k * L);
          }
        }
        for (long k = 0; k < CHAINS; k++)
          cost[k] += Problem::step(a[k], b[k], c[k], d[k], clipped(p[k], Problem::most),
                                   clipped(q[k], Problem::most));
      }
      for (long k = 0; k < CHAINS; k++) *(V *)(costs + first + k * L) = cost[k];
    }
    REAL total = 0;
    lowest = costs[0];
    for (long k = 0; k < count; k++) lowest = costs[k] < lowest ? costs[k] : lowest;
    for (long k = 0; k < count; k++) total += weights[k] = std::exp((lowest - costs[k]) / lambda);
    for (long k = 0; k < count; k++) weights[k] /= total;
  }
  return lowest;
}

#define ARGUMENTS                                                                                  \
  const REAL *mean, const REAL *noise, const long *knot, const REAL *weight, long taps,            \
      REAL *costs, REAL *weights, long horizon, long count, REAL lambda, long repeat
#define PASSED mean, noise, knot, weight, taps, costs, weights, horizon, count, lambda, repeat

extern "C" REAL pointmass(ARGUMENTS) { return rollouts<Pointmass>(PASSED); }
extern "C" REAL reacher2(ARGUMENTS) { return rollouts<Reacher2>(PASSED); }
