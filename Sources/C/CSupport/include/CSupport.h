#pragma once
#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `length` bytes, going on from `crc` (0 at the start).
uint32_t csupport_crc32c(uint32_t crc, const void *bytes, size_t length);
