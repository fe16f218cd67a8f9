#include <diffx/denoiser/eigen/safetensors.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace {

using diffx::denoiser::eigen::safetensors;

std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
  return out;
}

std::string f32(std::vector<float> const& values) {
  std::string out;
  for (float const v : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    out += little_endian(bits, 4);
  }
  return out;
}

std::string image_of(std::string const& header, std::string const& data) {
  return little_endian(header.size(), 8) + header + data;
}

safetensors parse(std::string const& bytes) {
  return safetensors("test", std::as_bytes(std::span(bytes)));
}

/// The message of the refusal, or "" if the bytes are accepted.
std::string refusal(std::string const& bytes) {
  try {
    parse(bytes);
    return {};
  } catch (diffx::error const& e) {
    return e.what();
  }
}

bool has(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

std::string good_header() {
  return R"({"__metadata__":{"format":"pt","k\"\u00e9":"a\nb"},)"
         R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
         R"("b":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}}  )";
}

std::string good() { return image_of(good_header(), f32({1, 2, 3, 4, 5, 6, -7, 0.5f})); }

}  // namespace

TEST_CASE("safetensors: values, shapes and metadata") {
  safetensors const file = parse(good());
  CHECK(file.size() == 2);
  CHECK(file.names() == std::vector<std::string>{"w", "b"});
  CHECK(file.shape("w") == safetensors::shape_type{2, 3});
  auto const w = file.tensor("w", {2, 3});
  REQUIRE(w.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(w[i] == static_cast<float>(i + 1));
  CHECK(file.tensor("b")[0] == -7.0f);
  CHECK(file.tensor("b")[1] == 0.5f);
  CHECK(file.contains("w"));
  CHECK_FALSE(file.contains("W"));
  CHECK(file.metadata("format") == "pt");
  CHECK(file.metadata("k\"\xC3\xA9") == "a\nb");
  CHECK_FALSE(file.has_metadata("licence"));
}

TEST_CASE("safetensors: what the caller asked for stands in the message") {
  safetensors const file = parse(good());
  auto const message = [&](auto const& call) {
    try {
      call();
      return std::string();
    } catch (diffx::error const& e) {
      return std::string(e.what());
    }
  };
  std::string const absent = message([&] { (void)file.tensor("c"); });
  CHECK(has(absent, "'test'"));
  CHECK(has(absent, "'c'"));
  std::string const other = message([&] { (void)file.tensor("w", {3, 2}); });
  CHECK(has(other, "'w'"));
  CHECK(has(other, "[2, 3]"));
  CHECK(has(other, "[3, 2]"));
  CHECK(has(message([&] { (void)file.tensor("w", {6}); }), "must be [6]"));
  CHECK(has(message([&] { (void)file.metadata("licence"); }), "'licence'"));
}

TEST_CASE("safetensors: F16, BF16 and F64 become float") {
  std::vector<std::pair<unsigned, float>> const halves{
      {0x0000, 0.0f},     {0x3C00, 1.0f},        {0xC000, -2.0f},
      {0x7BFF, 65504.0f}, {0x0001, 0x1p-24f},    {0x83FF, -0x3FFp-24f},
      {0x0400, 0x1p-14f}, {0x3555, 0x1.554p-2f}, {0x7C00, std::numeric_limits<float>::infinity()}};
  std::string data;
  for (auto const& [bits, value] : halves) data += little_endian(bits, 2);
  data += little_endian(0x3F80, 2) + little_endian(0xC048, 2);
  std::uint64_t bits;
  double const third = 1.0 / 3.0;
  std::memcpy(&bits, &third, 8);
  data += little_endian(bits, 8);
  safetensors const file =
      parse(image_of(R"({"h":{"dtype":"F16","shape":[9],"data_offsets":[0,18]},)"
                     R"("b":{"dtype":"BF16","shape":[1,2],"data_offsets":[18,22]},)"
                     R"("d":{"dtype":"F64","shape":[],"data_offsets":[22,30]}})",
                     data));
  for (std::size_t i = 0; i < halves.size(); ++i) CHECK(file.tensor("h")[i] == halves[i].second);
  CHECK(file.tensor("b", {1, 2})[0] == 1.0f);
  CHECK(file.tensor("b", {1, 2})[1] == -3.125f);
  CHECK(file.tensor("d").size() == 1);
  CHECK(file.tensor("d")[0] == static_cast<float>(third));
}

TEST_CASE("safetensors: no tensors, empty tensors, any order of entries and keys") {
  CHECK(parse(image_of("{}", "")).size() == 0);
  CHECK(parse(image_of(R"({"__metadata__":{}})", "")).size() == 0);
  safetensors const file = parse(
      image_of(R"({ "b":{"data_offsets":[4,8],"dtype":"F32","shape":[1]},)"
               "\t\"e\" : {\"shape\":[0,99999999999],\"dtype\":\"F32\",\"data_offsets\":[4,4]},\n"
               R"("a":{"shape":[1,1],"data_offsets":[0,4],"dtype":"F32"}})",
               f32({1, 2})));
  CHECK(file.tensor("a")[0] == 1.0f);
  CHECK(file.tensor("b")[0] == 2.0f);
  CHECK(file.tensor("e").empty());
}

TEST_CASE("safetensors: every truncation and every extension is refused") {
  std::string const bytes = good();
  CHECK(refusal(bytes).empty());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    CHECK_FALSE(refusal(bytes.substr(0, n)).empty());
  }
  CHECK_FALSE(refusal(bytes + '\0').empty());
  CHECK_FALSE(refusal(bytes + std::string(100, 'x')).empty());
}

TEST_CASE("safetensors: a changed byte is refused or changes only names or values") {
  std::string const bytes = good();
  std::size_t const header_end = 8 + good_header().size();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int change = 1; change < 256; ++change) {
      std::string altered = bytes;
      altered[at] = static_cast<char>(static_cast<unsigned char>(altered[at]) ^ change);
      try {
        safetensors const file = parse(altered);
        // Accepted: the same eight values are there, in one or two tensors of a legal shape.
        std::size_t total = 0;
        for (std::string const& name : file.names()) {
          std::int64_t count = 1;
          for (std::int64_t const n : file.shape(name)) count *= n;
          REQUIRE(static_cast<std::int64_t>(file.tensor(name).size()) == count);
          total += file.tensor(name).size();
        }
        REQUIRE(total == 8);
      } catch (diffx::error const&) {
        REQUIRE(at < header_end);  // any values are legal values
      }
    }
  }
}

TEST_CASE("safetensors: bad headers") {
  std::string const eight = f32({1, 2});
  auto const entry = [](std::string const& dtype, std::string const& shape,
                        std::string const& offsets) {
    return "{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
           "}}";
  };
  struct bad {
    std::string header;
    std::string expected;
  };
  std::string const f = "\"F32\"";
  std::vector<bad> const all{
      {"", "must start with '{'"},
      {" {}", "must start with '{'"},
      {"[]", "must start with '{'"},
      {"{", "expected '\"'"},
      {"{}{}", "after the end"},
      {"{\"w\":{}}", "expected '\"'"},
      {"{\"w\":1}", "expected '{'"},
      {"{\"w", "inside a string"},
      {"{\"\\", "inside a string"},
      {"{\"\\u12", "inside a string"},
      {"{\"\\u12G4\":{}}", "\\u escape"},
      {"{\"\\uD800\":{}}", "surrogate"},
      {"{\"\\uD800\\u0041\":{}}", "surrogate"},
      {"{\"\\uDC00\":{}}", "surrogate"},
      {"{\"\\x\":{}}", "unknown escape"},
      {std::string("{\"\x01\":{}}"), "control character"},
      {entry("\"I32\"", "[2]", "[0,8]"), "'I32'"},
      {entry("\"F8_E4M3\"", "[8]", "[0,8]"), "must be F32, F16, BF16 or F64"},
      {entry("7", "[2]", "[0,8]"), "expected '\"'"},
      {entry(f, "2", "[0,8]"), "expected '['"},
      {entry(f, "[2", "[0,8]"), "expected a number"},
      {entry(f, "[2}", "[0,8]"), "expected ']'"},
      {entry(f, "[-2]", "[0,8]"), "expected a number"},
      {entry(f, "[2.0]", "[0,8]"), "expected ']'"},
      {entry(f, "[02]", "[0,8]"), "starts with 0"},
      {entry(f, "[2]", "[0,8,9]"), "expected ']'"},
      {entry(f, "[2]", "[0]"), "expected ','"},
      {entry(f, "[1]", "[0,8]"), "must have 4"},
      {entry(f, "[3]", "[0,8]"), "[3]"},
      {entry("\"F64\"", "[2]", "[0,8]"), "only 8 bytes"},
      {entry("\"F16\"", "[2]", "[0,8]"), "must have 4"},
      {entry(f, "[2]", "[8,0]"), "must lie within"},
      {entry(f, "[2]", "[8,16]"), "must lie within"},
      {entry(f, "[2]", "[0,18446744073709551615]"), "must lie within"},
      {entry(f, "[2]", "[0,18446744073709551616]"), "too large"},
      {entry(f, "[99999999999999999999999999]", "[0,8]"), "too large"},
      {entry(f, "[9223372036854775808]", "[0,8]"), "too large"},
      {entry(f, "[9223372036854775807,4]", "[0,8]"), "only 8 bytes"},
      {entry(f, "[4294967296,4294967296]", "[0,8]"), "only 8 bytes"},
      {entry(f, "[2147483648,2147483649,2]", "[0,8]"), "only 8 bytes"},
      {entry(f, "[1]", "[4,8]"), "must begin at 0"},
      {entry(f, "[1]", "[0,4]"), "cover 4"},
      {"{}", "cover 0"},
      {R"({"w":{"dtype":"F32","shape":[2]}})", "lacks"},
      {R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "repeated"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", "unexpected"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "must begin at 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "two tensors 'a'"},
      {R"({"__metadata__":{"a":"1","a":"2"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       "two metadata 'a'"},
      {R"({"__metadata__":{},"__metadata__":{}})", "two '__metadata__'"},
      {R"({"__metadata__":{"a":1}})", "expected '\"'"},
      {R"({"__metadata__":{"a":"1",}})", "expected '\"'"},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},})", "expected '\"'"},
  };
  for (bad const& b : all) {
    CAPTURE(b.header);
    std::string const message = refusal(image_of(b.header, eight));
    CAPTURE(message);
    CHECK(has(message, b.expected));
    CHECK(has(message, "'test'"));
  }
  CHECK(refusal(image_of(entry(f, "[2]", "[0,8]"), eight)).empty());
}

TEST_CASE("safetensors: announced lengths beyond the file") {
  for (std::uint64_t const n :
       {std::uint64_t{3}, std::uint64_t{1} << 32, std::uint64_t{1} << 63,
        std::numeric_limits<std::uint64_t>::max() - 7, std::numeric_limits<std::uint64_t>::max()}) {
    CHECK(has(refusal(little_endian(n, 8) + "{}"), "announces"));
  }
}

TEST_CASE("safetensors: files") {
  namespace fs = std::filesystem;
  fs::path const path = fs::temp_directory_path() / "diffx_safetensors_test.safetensors";
  std::string const bytes = good();
  std::FILE* const out = std::fopen(path.string().c_str(), "wb");
  REQUIRE(out != nullptr);
  REQUIRE(std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size());
  std::fclose(out);
  CHECK(safetensors(path.string()).tensor("b", {2})[1] == 0.5f);
  CHECK(safetensors(path.string()).source() == path.string());
  fs::remove(path);
  CHECK_THROWS_WITH_AS(safetensors{path.string()}, doctest::Contains("cannot be opened"),
                       diffx::error);
  CHECK_THROWS_AS(safetensors{fs::temp_directory_path().string()}, diffx::error);
}
