/* What a fused plan spends most of its time on, by hand in C: the limit that a compiler reaches.
 *
 * Rollouts of mean + spline(noise) within a box, their costs, and the weights exp(-cost / lambda);
 * samples innermost in blocks of B. One source for both precisions: REAL is float or double.
 *
 *     gcc -O3 -march=native -ffast-math -fopenmp-simd -shared -fPIC -DREAL=float -DB=64 rollouts.c -lm
 */
#include <math.h>
#include <string.h>

static inline REAL clipped(REAL u, REAL most) { return u < -most ? -most : (u > most ? most : u); }

#define BEGIN(NAME, MOST, P0, P1, GX, GY)                                                         \
  REAL NAME(const REAL *restrict mean, const REAL *restrict noise, const long *knot,               \
            const REAL *weight, const long *pairs, long width, REAL *restrict costs,               \
            REAL *restrict weights, long horizon, long blocks, REAL lambda, long repeat) {         \
    REAL lowest = INFINITY;                                                                        \
    for (long again = 0; again < repeat; again++) {                                                \
      for (long block = 0; block < blocks; block++) {                                              \
        const REAL *z = noise + block * 8 * B;                                                     \
        REAL a[B], b[B], c[B], d[B], cost[B], u0[B], u1[B];                                        \
        for (int k = 0; k < B; k++) a[k] = P0, b[k] = P1, c[k] = d[k] = cost[k] = 0;               \
        for (long t = 0; t < horizon; t++) {                                                       \
          for (int k = 0; k < B; k++) u0[k] = mean[2 * t], u1[k] = mean[2 * t + 1];                \
          for (long q = 0; q < 2 * pairs[t]; q++) {                                                \
            const REAL w = weight[t * width + q];                                                  \
            const REAL *row = z + 2 * B * knot[t * width + q];                                     \
            for (int k = 0; k < B; k++) u0[k] += w * row[k], u1[k] += w * row[B + k];              \
          }                                                                                        \
          _Pragma("omp simd") for (int k = 0; k < B; k++) {                                        \
            const REAL p = clipped(u0[k], MOST), q = clipped(u1[k], MOST);

#define END                                                                                       \
          }                                                                                        \
        }                                                                                          \
        memcpy(costs + block * B, cost, sizeof cost);                                              \
      }                                                                                            \
      REAL total = 0;                                                                              \
      const long count = blocks * B;                                                               \
      lowest = INFINITY;                                                                           \
      for (long k = 0; k < count; k++) lowest = costs[k] < lowest ? costs[k] : lowest;             \
      _Pragma("omp simd reduction(+ : total)") for (long k = 0; k < count; k++) {                  \
        weights[k] = sizeof(REAL) == 4 ? expf((lowest - costs[k]) / lambda)                        \
                                       : exp((lowest - costs[k]) / lambda);                        \
        total += weights[k];                                                                       \
      }                                                                                            \
      for (long k = 0; k < count; k++) weights[k] /= total;                                        \
    }                                                                                              \
    return lowest;                                                                                 \
  }

#define SIN(x) (sizeof(REAL) == 4 ? sinf(x) : sin(x))
#define COS(x) SIN((x) + R(1.5707963267948966)) /* gcc would make a sincos of both: no vector has it */
#define R(x) ((REAL)(x))

BEGIN(pointmass, 2, 0, 0, 1, 1)
  c[k] += R(.05) * (p - R(.1) * c[k]);
  d[k] += R(.05) * (q - R(.1) * d[k]);
  a[k] += R(.05) * c[k];
  b[k] += R(.05) * d[k];
  cost[k] += (a[k] - 1) * (a[k] - 1) + (b[k] - 1) * (b[k] - 1) +
             R(.1) * (c[k] * c[k] + d[k] * d[k]) + R(.01) * (p * p + q * q);
END

BEGIN(reacher2, 5, R(.1), R(.1), 0, 0)
  const REAL co = COS(b[k]), si = SIN(b[k]), outer = R(1. / 12), couple = R(.125);
  const REAL m12 = outer + couple * co, m11 = 2 * outer + R(.25) + 2 * couple * co;
  const REAL r1 = p + couple * si * (2 * c[k] + d[k]) * d[k] - R(.5) * c[k];
  const REAL r2 = q - couple * si * c[k] * c[k] - R(.5) * d[k];
  const REAL per = R(.02) / (m11 * outer - m12 * m12);
  c[k] += per * (outer * r1 - m12 * r2);
  d[k] += per * (m11 * r2 - m12 * r1);
  a[k] += R(.02) * c[k];
  b[k] += R(.02) * d[k];
  const REAL x = R(.5) * (COS(a[k]) + COS(a[k] + b[k])) - R(.3);
  const REAL y = R(.5) * (SIN(a[k]) + SIN(a[k] + b[k])) - R(.6);
  cost[k] += 10 * (x * x + y * y) + R(.01) * (c[k] * c[k] + d[k] * d[k]) +
             R(.001) * (p * p + q * q);
END
