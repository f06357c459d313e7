// Changes to file forms.
#ifndef QFORGE_TEST_FUZZ_DAMAGE_H_
#define QFORGE_TEST_FUZZ_DAMAGE_H_

#include <vector>

#include "fuzz_input.h"

namespace qforge::fuzz {

// Changes some bytes, most of them in the header; returns whether there is a change.
inline bool Damage(FuzzInput& in, int64_t header_bytes, std::vector<uint8_t>& blob) {
  const std::vector<uint8_t> before = blob;
  if (in.Rarely()) blob.resize(static_cast<size_t>(in.Integer(0, int64_t{4096})));
  const int times = static_cast<int>(in.Integer(0, 3));
  for (int i = 0; i < times && !blob.empty(); ++i) {
    const int64_t end = static_cast<int64_t>(blob.size());
    const int64_t position =
        in.Integer(0, in.Bool() ? end - 1 : std::min<int64_t>(end, header_bytes) - 1);
    uint8_t* const at = blob.data() + position;
    if (in.Bool() && position % 8 == 0 && position + 8 <= end) {
      int64_t value;
      std::memcpy(&value, at, sizeof(value));
      value = in.Bool() ? in.Nearly(value) : in.Any<int64_t>();
      std::memcpy(at, &value, sizeof(value));
    } else {
      *at = in.Bool() ? static_cast<uint8_t>(*at + 1) : in.Any<uint8_t>();
    }
  }
  return blob != before;
}

}  // namespace qforge::fuzz

#endif  // QFORGE_TEST_FUZZ_DAMAGE_H_
