/* Which instruction sets the CPU has, and how far a kernel may go.
 *
 * The numbers are those of musetalk_fast/kernels/native.py. Everything above the baseline is
 * compiled by target attributes and entered only where the CPU has it, so that one build runs
 * on every CPU of its architecture. */
#ifndef MUSETALK_CPU_H
#define MUSETALK_CPU_H

enum { MTF_BASELINE = 0, MTF_SSE42 = 1, MTF_AVX2 = 2, MTF_AVX512VBMI = 3 };

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define MTF_X86 1
#define MTF_TARGET(set) __attribute__((target(set)))

static inline int mtf_cpu_level(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi")
                   ? MTF_AVX512VBMI
                   : MTF_AVX2;
    return __builtin_cpu_supports("sse4.2") ? MTF_SSE42 : MTF_BASELINE;
}
#else
#define MTF_X86 0

static inline int mtf_cpu_level(void)
{
    return MTF_BASELINE;
}
#endif

/* The set to use: no more than wanted, than the CPU has, than the kernel has a form for. */
static inline int mtf_level(int wanted, int best)
{
    int level = mtf_cpu_level();
    if (level > wanted)
        level = wanted;
    return level > best ? best : level;
}

#endif
