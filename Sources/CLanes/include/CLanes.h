// What Swift's vectors cannot say in one instruction.
#ifndef APUS_CLANES_H
#define APUS_CLANES_H

#include <stdint.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

typedef uint8_t apus_lanes __attribute__((ext_vector_type(16)));

// The highest bit of each of the sixteen bytes, the first byte's lowest.
static inline __attribute__((always_inline)) uint32_t apus_lanes_mask(apus_lanes lanes) {
#if defined(__x86_64__)
    return (uint32_t)_mm_movemask_epi8((__m128i)lanes);
#else
    uint32_t mask = 0;
    for (int index = 0; index < 16; index++) mask |= (uint32_t)(lanes[index] >> 7) << index;
    return mask;
#endif
}

#endif
