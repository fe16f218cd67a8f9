// diffx_text_compress: codes a text without loss with a masked network that knows English of 1611,
// decodes it, and says how many bits a character took, beside gzip and xz. The network's weights
// are not counted: sender and receiver both have them. chapter.txt is from the King James Version.

#include <diffx/analysis/coding.hpp>
#include <diffx/analysis/masked_likelihood.hpp>
#include <diffx/denoiser/eigen/safetensors.hpp>
#include <diffx/denoiser/eigen/transformer.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/process/absorbing.hpp>

#include "option_value.hpp"
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace diffx;
using example::number;
using wall_clock = std::chrono::steady_clock;
using tokens = std::vector<std::uint8_t>;  // ASCII; 0 is the mask
using bytes = std::vector<std::uint8_t>;

constexpr int classes = 128, mask = 0;

struct arguments {
  std::string text = std::string(DIFFX_EXAMPLES_DIR) + "/text/compress/chapter.txt";
  std::string weights = std::string(DIFFX_EXAMPLES_DIR) + "/models/kjv_masked.safetensors";
  int window = 256, calls = 32, plan = 0, limit = 0;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::uint64_t seed = 1;
};

constexpr char const* usage =
    "usage: diffx_text_compress [options] [FILE]\n"
    "  FILE          ASCII text (Genesis 26, which the network was not trained on)\n"
    "  --window N    characters that are coded together (256)\n"
    "  --calls N     network calls a window: more take longer and fewer bits (32)\n"
    "  --plan N      windows whose losses say which calls do how much; 0: equal shares (0)\n"
    "  --limit N     characters of the file; 0: all (0)\n"
    "  --seed S      of the orders of generation (1)\n"
    "  --threads T   (all)     --weights F  a safetensors file     --help\n";

/// False if the program is to stop after its usage.
bool read(int argc, char** argv, arguments& a) {
  constexpr int most = 1 << 24;
  for (int i = 1; i < argc; ++i) {
    std::string_view const option = argv[i];
    if (option == "--help") {
      std::fputs(usage, stdout);
      return false;
    }
    if (!option.starts_with("--")) {
      a.text = option;
      continue;
    }
    if (++i == argc) detail::fail(std::string(option) + " needs a value");
    std::string_view const value = argv[i];
    if (option == "--window") {
      a.window = number(option, value, 1, 4096);
    } else if (option == "--calls") {
      a.calls = number(option, value, 1, 4096);
    } else if (option == "--plan") {
      a.plan = number(option, value, 0, most);
    } else if (option == "--limit") {
      a.limit = number(option, value, 0, most);
    } else if (option == "--seed") {
      a.seed = number<std::uint64_t>(option, value, 0, ~std::uint64_t{0});
    } else if (option == "--threads") {
      a.threads = number(option, value, 1, 4096);
    } else if (option == "--weights") {
      a.weights = value;
    } else {
      detail::fail("unknown option " + std::string(option) + "; --help lists them");
    }
  }
  return true;
}

tokens read_text(arguments const& a) {
  std::ifstream in(a.text, std::ios::binary);
  if (!in) detail::fail("cannot read " + a.text);
  tokens text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (a.limit > 0 && text.size() > static_cast<std::size_t>(a.limit)) {
    text.resize(static_cast<std::size_t>(a.limit));
  }
  if (text.empty()) detail::fail(a.text + " is empty");
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == mask || text[i] >= classes) {
      detail::fail(a.text + ": byte " + std::to_string(text[i]) + " at place " + std::to_string(i) +
                   ", must be ASCII and not 0");
    }
  }
  return text;
}

/// Bytes that a program of the system makes of the text, or 0 if it is not there.
std::size_t with_program(std::string const& command, tokens const& text) {
  namespace fs = std::filesystem;
  auto const now = wall_clock::now().time_since_epoch().count();
  fs::path const in = fs::temp_directory_path() / ("diffx_text_compress." + std::to_string(now));
  fs::path const out = in.string() + ".out";
  std::ofstream(in, std::ios::binary)
      .write(reinterpret_cast<char const*>(text.data()), static_cast<std::streamsize>(text.size()));
  std::string const call =
      command + " < '" + in.string() + "' > '" + out.string() + "' 2> /dev/null";
  bool const works = std::system(call.c_str()) == 0;
  std::error_code ignored;
  auto const size = works ? static_cast<std::size_t>(fs::file_size(out, ignored)) : 0;
  fs::remove(in, ignored);
  fs::remove(out, ignored);
  return size;
}

void print_row(char const* name, std::size_t size, std::size_t characters) {
  if (size == 0) {
    std::printf("%-10s not there\n", name);
  } else {
    std::printf("%-10s %9zu bytes %8.3f bits per character\n", name, size,
                8.0 * static_cast<double>(size) / static_cast<double>(characters));
  }
}

/// Full windows of the text, then what is left as a batch of its own.
struct part {
  std::size_t first = 0;
  std::int64_t batch = 0, positions = 0;
  grid::ardm_policy policy{1, {0}};
};

template <class Network>
std::vector<part> plan(exec::threads const& exec, process::absorbing<> const& process,
                       Network const& network, tokens const& text, arguments const& a) {
  auto const size = static_cast<std::int64_t>(text.size());
  std::vector<part> parts;
  std::int64_t const full = size / a.window, left = size % a.window;
  if (full > 0) {
    int const calls = std::min(a.calls, a.window);
    auto policy = grid::ardm_naive(a.window, calls);
    std::int64_t const measured = std::min<std::int64_t>(a.plan, full);
    if (measured > 0 && calls < a.window) {
      // Windows spread over the text. The code states the policy, so the decoder needs no losses.
      tokens some;
      for (std::int64_t k = 0; k < measured; ++k) {
        auto const at = text.begin() + static_cast<std::ptrdiff_t>(k * full / measured * a.window);
        some.insert(some.end(), at, at + a.window);
      }
      auto const losses = analysis::step_losses(
          exec, process, network, batch_view<std::uint8_t const>{some.data(), measured, a.window},
          decode::order::random{noise::counted{a.seed + 1}});
      policy = grid::ardm_dp(losses, calls).policy;
    }
    parts.push_back({0, full, a.window, policy});
  }
  if (left > 0) {
    int const positions = static_cast<int>(left);
    parts.push_back({static_cast<std::size_t>(full * a.window), 1, left,
                     grid::ardm_naive(positions, std::min(a.calls, positions))});
  }
  return parts;
}

int compress(arguments const& a) {
  tokens const text = read_text(a);
  process::absorbing<> const process(classes, mask);
  denoiser::eigen::transformer const network(denoiser::eigen::safetensors(a.weights));
  exec::threads const exec(a.threads);
  decode::order::random const order{noise::counted{a.seed}};

  auto const start = wall_clock::now();
  auto const seconds = [&] {
    return std::chrono::duration<double>(wall_clock::now() - start).count();
  };
  auto const parts = plan(exec, process, network, text, a);
  double const planned = seconds();
  std::vector<bytes> codes;
  std::size_t size = 0;
  for (part const& p : parts) {
    codes.push_back(analysis::encode_sequences(
        exec, process, network,
        batch_view<std::uint8_t const>{text.data() + p.first, p.batch, p.positions}, order,
        p.policy));
    size += codes.back().size();
  }
  double const encoded = seconds();
  tokens back(text.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    part const& p = parts[i];
    analysis::decode_sequences(
        exec, process, network, codes[i],
        batch_view<std::uint8_t>{back.data() + p.first, p.batch, p.positions});
  }
  double const decoded = seconds();

  std::printf("%zu characters in windows of %d, %d network calls a window\n", text.size(), a.window,
              std::min(a.calls, a.window));
  std::printf("%.1f s to plan, %.1f s to encode, %.1f s to decode\n", planned, encoded - planned,
              decoded - encoded);
  print_row("diffx", size, text.size());
  print_row("gzip -9", with_program("gzip -9 -n", text), text.size());
  print_row("xz -9", with_program("xz -9 -c", text), text.size());
  if (back != text) {
    std::printf("the decoded text differs\n");
    return 1;
  }
  std::printf("the decoded text is equal, byte by byte\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    arguments a;
    return read(argc, argv, a) ? compress(a) : 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_text_compress: %s\n", e.what());
    return 2;
  }
}
