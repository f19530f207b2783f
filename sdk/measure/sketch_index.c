/* Owns the bounds of buckets. Pure; any thread. */
#include "sdk/measure/sketch_index.h"

#define STEPS 32 /* buckets for each doubling */
/* A slot, a 64th of a doubling, is narrower than any bucket: at most one bound lies in it. */
#define SLOT_BITS 6
#define TOP (UINT64_C(1) << 63)

/* floor(2^(63 + j/32)): where bucket j of the doubling from 2^63 begins. Nothing exceeds the last. */
static const uint64_t bounds[STEPS + 1] = {
    0x8000000000000000, 0x82cd8698ac2ba1d7, 0x85aac367cc487b14, 0x88980e8092da8527, 0x8b95c1e3ea8bd6e6,
    0x8ea4398b45cd53c0, 0x91c3d373ab11c336, 0x94f4efa8fef70961, 0x9837f0518db8a96f, 0x9b8d39b9d54e5538,
    0x9ef5326091a111ad, 0xa27043030c496818, 0xa5fed6a9b15138ea, 0xa9a15ab4ea7c0ef8, 0xad583eea42a14ac6,
    0xb123f581d2ac258f, 0xb504f333f9de6484, 0xb8fbaf4762fb9ee9, 0xbd08a39f580c36be, 0xc12c4cca66709456,
    0xc5672a115506dadd, 0xc9b9bd866e2f27a2, 0xce248c151f8480e3, 0xd2a81d91f12ae45a, 0xd744fccad69d6af4,
    0xdbfbb797daf23755, 0xe0ccdeec2a94e111, 0xe5b906e77c8348a8, 0xeac0c6e7dd24392e, 0xefe4b99bdcdaf5cb,
    0xf5257d152486cc2c, 0xfa83b2db722a033a, UINT64_MAX};

/* Of each slot the bucket that its first value is in. */
static const uint8_t slots[1 << SLOT_BITS] = {0,  0,  1,  2,  2,  3,  4,  4,  5,  6,  6,  7,  7,  8,  9,  9,
                                              10, 10, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18,
                                              18, 19, 19, 20, 20, 21, 21, 21, 22, 22, 23, 23, 24, 24, 25, 25,
                                              25, 26, 26, 27, 27, 27, 28, 28, 29, 29, 29, 30, 30, 30, 31, 31};

uint16_t clew__sketch_index(uint64_t value) {
    if (value == 0)
        return 0;
    unsigned shift = (unsigned)__builtin_clzll(value);
    uint64_t mantissa = value << shift;
    unsigned step = slots[(mantissa >> (63 - SLOT_BITS)) & ((1u << SLOT_BITS) - 1)];
    step += mantissa > bounds[step + 1];
    /* Upper bounds belong to their buckets, and of whole numbers only powers of two lie on one. */
    return (uint16_t)((63 - shift) * STEPS + step + CLEW__SKETCH_INDEX_BIAS - (mantissa == TOP));
}

uint64_t clew__sketch_index_high(uint16_t index) {
    if (index == 0)
        return 0;
    unsigned bound = index + 1u - CLEW__SKETCH_INDEX_BIAS;
    if (bound >= 64 * STEPS)
        return UINT64_MAX;
    return bounds[bound % STEPS] >> (63 - bound / STEPS);
}

uint64_t clew__sketch_index_low(uint16_t index) {
    return index == 0 ? 0 : clew__sketch_index_high((uint16_t)(index - 1)) + 1;
}
