// diffx_text: writes, continues and fills in text with networks of 1.2 million weights, through a
// decoder chosen on the command line. --watch shows the text as it comes.

#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>
#include <diffx/noise/counted.hpp>

#include "decoders.hpp"
#include "option_value.hpp"
#include "timed.hpp"
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace diffx;
using example::number;

struct arguments {
  std::string mode = "generate", text, decoder = "fast_dllm";
  std::string models = std::string(DIFFX_EXAMPLES_DIR) + "/models";
  example::wishes wishes;
  int length = 0, threads = static_cast<int>(std::thread::hardware_concurrency());
  std::uint64_t seed = 1;
  bool watch = false;
};

void print_usage() {
  std::fputs(
      "usage: diffx_text [generate | continue TEXT | fill TEXT] [options]\n"
      "  fill TEXT         fills the underscores of TEXT in\n"
      "  --decoder NAME    (fast_dllm), one of\n",
      stdout);
  for (auto const& d : example::decoders) std::printf("      %-15s %s\n", d.name, d.what);
  std::fputs(
      "  --length N        characters in all (256; fill: those of TEXT)\n"
      "  --steps N         calls of mdlm, dream and replace (64)\n"
      "  --block-steps N   calls of a block of 16, llada and dkv (16)\n"
      "  --temperature T   of decoders that draw (0.8)   --threshold P  (0.9)\n"
      "  --seed S (1)      --threads T (all)   --models FOLDER   --watch   --help\n",
      stdout);
}

arguments parse(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help") {
      print_usage();
      std::exit(0);
    }
    if (option == "generate") {
      a.mode = option;
      continue;
    }
    if (option == "--watch") {
      a.watch = true;
      continue;
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    if (option == "continue" || option == "fill") {
      a.mode = option;
      a.text = value;
    } else if (option == "--decoder") {
      a.decoder = value;
    } else if (option == "--models") {
      a.models = value;
    } else if (option == "--length") {
      a.length = number(option, value, 1, 4096);
    } else if (option == "--steps") {
      a.wishes.steps = number(option, value, 1, 10000);
    } else if (option == "--block-steps") {
      a.wishes.steps_of_block = number(option, value, 1, 16);
    } else if (option == "--threads") {
      a.threads = number(option, value, 1, 256);
    } else if (option == "--temperature") {
      a.wishes.temperature = number(option, value, 0.0, 100.0);
    } else if (option == "--threshold") {
      a.wishes.threshold = number(option, value, 0.001, 1.5);
    } else if (option == "--seed") {
      a.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  return a;
}

/// Shows the text in place: open positions as dots, new characters in reverse.
class screen {
 public:
  screen(std::vector<std::uint8_t> const& text, bool masked) : text_(text), masked_(masked) {
    before_ = text_;
  }
  void operator()(progress const& p) {
    std::string out = p.step == 1 ? "\x1b[2J\x1b[H" : "\x1b[H";
    std::size_t open = 0;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      auto const c = text_[i];
      bool const is_new = c != before_[i];
      if (masked_ && c == example::mask) {
        out += "\xC2\xB7";
        ++open;
      } else if (c == '\n') {
        out += is_new ? "\x1b[7m \x1b[0m\x1b[K\n" : "\x1b[K\n";
      } else {
        char const shown = c >= 32 && c < 127 ? static_cast<char>(c) : '~';
        out += is_new ? std::string("\x1b[7m") + shown + "\x1b[0m" : std::string(1, shown);
      }
    }
    before_ = text_;
    out += "\x1b[K\n\x1b[Jstep " + std::to_string(p.step) + "  calls " +
           std::to_string(p.evaluations) + "  open " + std::to_string(open) + "\n";
    std::fputs(out.c_str(), stderr);
    std::fflush(stderr);
  }

 private:
  std::vector<std::uint8_t> const& text_;
  std::vector<std::uint8_t> before_;
  bool masked_;
};

void write_text(arguments const& a) {
  int const length =
      a.length > 0 ? a.length : (a.mode == "fill" ? static_cast<int>(a.text.size()) : 256);
  char const hole = a.mode == "fill" ? '_' : '\0';
  example::draft draft = example::draft_of(a.text, length, hole);
  std::int64_t made = 0;
  for (auto const f : draft.fixed) made += f == 0 ? 1 : 0;

  example::networks nets(a.models);
  exec::threads const exec(a.threads);
  bool const found = example::with_decoder(
      a.decoder, nets, a.wishes, length,
      [&]<class S, class N>(S const& s, N const& network, int steps) {
        double inside = 0.0;
        example::timed<N> const timed{&network, &inside};
        auto const grid = grid::uniform_t(s.process, steps);
        batch_view<std::uint8_t> const x{draft.tokens.data(), 1, length};
        options<> opts{noise::counted{a.seed}};
        opts.fixed = draft.fixed.data();
        detail::workspace const memory(s.workspace_size(exec, timed, x, opts));
        auto run = s.start(exec, timed, grid, x, memory.span(), opts);
        screen show(draft.tokens, S::process_type::is_absorbing);
        auto const start = example::wall_clock::now();
        double watched = 0.0;
        result const r = run.finish([&](progress const& p) {
          if (!a.watch) return;
          auto const began = example::wall_clock::now();
          show(p);
          std::this_thread::sleep_for(std::chrono::milliseconds(60));
          watched += example::seconds_since(began);
        });
        double const seconds = example::seconds_since(start) - watched;
        for (auto const c : draft.tokens) {
          if (c == example::end_of_text) break;
          std::fputc(c == '\n' || (c >= 32 && c < 127) ? c : '~', stdout);
        }
        std::printf(
            "\n\n%s: %lld characters in %d calls (%.2f a call), NFE %d, %.2f s: %.0f characters a "
            "second, %.2f %% of the time outside the network\n",
            a.decoder.c_str(), static_cast<long long>(made), r.evaluations,
            r.evaluations > 0 ? static_cast<double>(made) / r.evaluations : 0.0, r.nfe, seconds,
            static_cast<double>(made) / seconds, 100.0 * (seconds - inside) / seconds);
        if constexpr (requires { run.kv(); }) {
          kv_cost const& c = run.kv();
          std::printf("keys and values kept: the network ran on %lld of %lld positions\n",
                      static_cast<long long>(c.rows), static_cast<long long>(c.dense_rows));
        }
      });
  if (!found) detail::fail("--decoder " + a.decoder + ": unknown; --help lists them");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    write_text(parse(argc, argv));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_text: %s\n", e.what());
    return 1;
  }
}
