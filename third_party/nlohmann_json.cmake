# Programs read safetensors headers and write results with it.
qforge_dependency(nlohmann_json TARGET nlohmann_json::nlohmann_json VERSION 3.11
  DEBIAN nlohmann-json3-dev
  URL https://github.com/nlohmann/json/archive/refs/tags/v3.11.2.tar.gz
  SHA256 d69f9deb6a75e2580465c6c4c5111b89c4dc2fa94e3a85fcd2ffcd9a143d9273
  INCLUDE_DIR single_include)
