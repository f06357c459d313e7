// Reading safetensors files, as the demo and the tools do.
#include "common/safetensors.h"

#include <stdexcept>

#include "fuzz_input.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qforge;
  const fuzz::MemoryFile file(data, size);
  try {
    bench::SafeTensorsFile tensors(file.path());
    for (const auto& [name, info] : tensors.tensors()) {
      fuzz::Check(
          info.begin >= 0 && info.begin <= info.end && info.end <= static_cast<int64_t>(size),
          "a tensor lies outside of the file");
      // By one that does not fit, too.
      for (int reader = 0; reader < 4; ++reader) {
        try {
          switch (reader) {
            case 0:
              (void)tensors.ReadFloats(name, info.shape);
              break;
            case 1:
              (void)tensors.ReadHalves(name, info.shape);
              break;
            case 2:
              (void)tensors.ReadBFloat16s(name, info.shape);
              break;
            default:
              (void)tensors.ReadIntegers(name, info.shape);
          }
        } catch (const std::runtime_error&) {
        }
      }
    }
  } catch (const std::runtime_error&) {  // what it throws for bad files
  }
  return 0;
}
