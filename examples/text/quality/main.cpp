// diffx_text_quality: how good the text of each decoder is against the calls it makes. Prints a
// Markdown table and draws it.
//
// Text is continued from the beginnings of held-out verses. Words are judged by whether the
// held-out text or the rest of the corpus' word list has them; repetition by how many of the
// four-word runs of a text occur in it before; bits per character by the masked network itself, as
// the likelihood bound of the text without its prompt.

#include <diffx/analysis/masked_likelihood.hpp>
#include <diffx/exec/threads.hpp>
#include <diffx/grid/time.hpp>

#include "../decoders.hpp"
#include "option_value.hpp"
#include "plot.hpp"
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace diffx;
using example::number;

constexpr int length = 256, prompt_length = 48;

std::vector<std::string> words_of(std::string const& text) {
  std::vector<std::string> words;
  std::string word;
  for (char const c : text + " ") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      words.push_back(word);
      word.clear();
    }
  }
  return words;
}

/// The share of runs of four words that the text had before.
double repetition(std::vector<std::string> const& words) {
  std::set<std::string> seen;
  int runs = 0, again = 0;
  for (std::size_t i = 0; i + 4 <= words.size(); ++i) {
    std::string run;
    for (std::size_t k = 0; k < 4; ++k) run += words[i + k] + " ";
    ++runs;
    again += seen.insert(run).second ? 0 : 1;
  }
  return runs > 0 ? static_cast<double>(again) / runs : 0.0;
}

std::string read_file(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) detail::fail("cannot read " + path);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

struct score {
  double calls = 0.0, valid = 0.0, repeated = 0.0, bits = 0.0;
};

struct study {
  example::networks& nets;
  std::vector<std::string> prompts;
  std::set<std::string> known;

  score of(std::string const& decoder, example::wishes const& wishes) const {
    score s;
    auto const batch = static_cast<std::int64_t>(prompts.size());
    std::vector<std::uint8_t> x, fixed;
    for (auto const& p : prompts) {
      auto const draft = example::draft_of(p, length, '\0');
      x.insert(x.end(), draft.tokens.begin(), draft.tokens.end());
      fixed.insert(fixed.end(), draft.fixed.begin(), draft.fixed.end());
    }
    exec::threads const exec;
    bool const found = example::with_decoder(
        decoder, nets, wishes, length,
        [&]<class S, class N>(S const& sampler, N const& network, int steps) {
          options<> opts{noise::counted{1}};
          opts.fixed = fixed.data();
          auto const r = sampler.sample(exec, network, grid::uniform_t(sampler.process, steps),
                                        batch_view<std::uint8_t>{x.data(), batch, length}, opts);
          s.calls = r.nfe;
        });
    if (!found) detail::fail("unknown decoder " + decoder);
    for (std::int64_t i = 0; i < batch; ++i) {
      std::string const written(x.begin() + i * length + prompt_length,
                                x.begin() + (i + 1) * length);
      auto const words = words_of(written);
      double valid = 0.0;
      for (auto const& w : words) valid += known.count(w) != 0 ? 1.0 : 0.0;
      s.valid += words.empty() ? 0.0 : valid / static_cast<double>(words.size());
      s.repeated += repetition(words);
    }
    analysis::nelbo_options how;
    how.draws = 16;
    how.given = std::span(fixed).first(static_cast<std::size_t>(length));
    // A text that holds a mask, as random letters may, has no likelihood under the masked network.
    std::replace(x.begin(), x.end(), std::uint8_t{example::mask}, std::uint8_t{'~'});
    auto const bound =
        analysis::masked_nelbo(exec, example::masks(), nets.masked(),
                               batch_view<std::uint8_t const>{x.data(), batch, length}, how);
    s.bits = bound.batch_mean / std::log(2.0) / (length - prompt_length);
    auto const n = static_cast<double>(batch);
    return {s.calls, s.valid / n, s.repeated / n, s.bits};
  }
};

void run_study(int argc, char** argv) {
  int texts = 16;
  std::string plot = "text_quality.png";
  std::string const folder = DIFFX_EXAMPLES_DIR;
  for (int i = 1; i < argc; ++i) {
    std::string const option = argv[i];
    if (option == "--help" || i + 1 >= argc) {
      std::printf("usage: diffx_text_quality [--texts N (16)] [--plot F.png (text_quality.png)]\n");
      return;
    }
    std::string_view const value = argv[++i];
    if (option == "--texts") {
      texts = number(option, value, 1, 1000);
    } else if (option == "--plot") {
      plot = value;
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  example::networks nets(folder + "/models");
  std::string const held_out = read_file(folder + "/text/data/kjv_held_out.txt");
  study s{nets, {}, {}};
  for (auto const& w : words_of(read_file(folder + "/text/data/kjv_words.txt"))) s.known.insert(w);
  // Beginnings of verses that are long enough, spread over the text.
  std::vector<std::string> verses;
  std::istringstream lines(held_out);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > static_cast<std::size_t>(prompt_length)) verses.push_back(line);
  }
  for (int i = 0; i < texts; ++i) {
    auto const k = static_cast<std::size_t>(i) * verses.size() / static_cast<std::size_t>(texts);
    s.prompts.push_back(verses[k].substr(0, static_cast<std::size_t>(prompt_length)));
  }

  struct line {
    std::string decoder;
    std::vector<example::wishes> wishes;
  };
  std::vector<line> lines_of_table;
  auto const by_steps = [](std::vector<int> const& steps) {
    std::vector<example::wishes> all;
    for (int n : steps) {
      example::wishes w;
      w.steps = n;
      w.steps_of_block = std::max(1, n / 16);
      all.push_back(w);
    }
    return all;
  };
  auto const by_threshold = [](std::vector<double> const& values) {
    std::vector<example::wishes> all;
    for (double tau : values) {
      example::wishes w;
      w.threshold = tau;
      all.push_back(w);
    }
    return all;
  };
  lines_of_table.push_back({"mdlm", by_steps({16, 32, 64, 128})});
  lines_of_table.push_back({"dream", by_steps({16, 32, 64, 128})});
  lines_of_table.push_back({"llada", by_steps({16, 32, 64, 128})});
  lines_of_table.push_back({"replace", by_steps({16, 32, 64, 128})});
  lines_of_table.push_back({"first_hitting", by_steps({256})});
  lines_of_table.push_back({"entropy_bound", by_threshold({0.5, 0.9})});
  lines_of_table.push_back({"threshold", by_threshold({0.5, 0.7, 0.9})});
  lines_of_table.push_back({"fast_dllm", by_threshold({0.5, 0.7, 0.9})});
  lines_of_table.push_back({"fast_dllm_dual", by_threshold({0.5, 0.7, 0.9})});
  lines_of_table.push_back({"bd3lm", by_steps({256})});
  lines_of_table.push_back({"cdlm", by_threshold({0.5, 0.7, 0.9})});

  std::printf("| decoder | calls | words known | four-word runs again | bits per character |\n");
  std::printf("|---|---|---|---|---|\n");
  std::vector<example::curve> curves;
  for (auto const& l : lines_of_table) {
    example::curve c{l.decoder, {}};
    for (auto const& w : l.wishes) {
      score const r = s.of(l.decoder, w);
      std::printf("| `%s` | %.0f | %.1f %% | %.1f %% | %.2f |\n", l.decoder.c_str(), r.calls,
                  100.0 * r.valid, 100.0 * r.repeated, r.bits);
      std::fflush(stdout);
      c.points.push_back({r.calls, r.bits});
    }
    curves.push_back(std::move(c));
  }
  example::draw(curves, "bits per character against network calls", plot);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run_study(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_text_quality: %s\n", e.what());
    return 1;
  }
}
