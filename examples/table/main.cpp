// diffx_table: learns a table from a CSV file, writes synthetic rows, and says how like the real
// ones they are. Without arguments it does all three with the diamonds of examples/table/data.

#include <diffx/domain/table/csv_table.hpp>
#include <diffx/exec/threads.hpp>

#include "model.hpp"
#include "option_value.hpp"
#include "output_path.hpp"
#include "picture.hpp"
#include "report.hpp"
#include <algorithm>
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
using namespace example;

struct arguments {
  std::string verb = "demo";
  std::vector<std::string> files;
  train_wishes wishes;
  std::vector<std::string> missing, categories;
  std::string target, picture = "table.png";
  std::int64_t rows = 10000;
  int steps_of_sampling = 100;
  int threads = static_cast<int>(std::min(2u, std::max(1u, std::thread::hardware_concurrency())));
  bool resume = false, balance = false;
  std::vector<std::string> given;  // options
};

/// The verbs that an option is for; every verb has those of none here.
struct option_use {
  std::string_view option, verbs;
};
constexpr option_use uses[] = {
    {"--engine", "train demo"},
    {"--minutes", "train demo"},
    {"--train-steps", "train demo"},
    {"--resume", "train demo"},
    {"--hidden", "train demo"},
    {"--layers", "train demo"},
    {"--batch", "train demo"},
    {"--rate", "train demo"},
    {"--bits", "train demo"},
    {"--patience", "train demo"},
    {"--label", "train demo"},
    {"--rows", "sample demo"},
    {"--steps", "sample demo"},
    {"--picture", "report demo"},
    {"--target", "report"},
    {"--seed", "train sample demo"},
    {"--threads", "train sample demo"},
    {"--balance", "sample"},
    {"--missing", "train report"},
    {"--category", "train report"},
};

/// Refuses an option that would be without effect.
void check_uses(arguments const& a) {
  auto const is_given = [&](std::string_view option) {
    return std::find(a.given.begin(), a.given.end(), option) != a.given.end();
  };
  if (is_given("--minutes") && is_given("--train-steps")) {
    detail::fail("--minutes or --train-steps, not both");
  }
  if (is_given("--bits") && a.wishes.kind != engine::binary) {
    detail::fail("--bits is for --engine binary");
  }
  for (std::string const& option : a.given) {
    for (auto const& use : uses) {
      if (use.option == option && use.verbs.find(a.verb) == std::string_view::npos) {
        detail::fail(option + " is not for " + a.verb + "; see --help");
      }
      bool const of_training = use.verbs.substr(0, 5) == "train" && option != "--resume" &&
                               option != "--missing" && option != "--category" &&
                               option != "--threads";
      if (a.resume && use.option == option && of_training) {
        detail::fail("--resume goes on as the model was begun: leave out " + option);
      }
    }
  }
}

void print_usage() {
  std::fputs(
      "usage: diffx_table                                     the demo: diamonds, some minutes\n"
      "       diffx_table train DATA.csv MODEL [options]\n"
      "       diffx_table sample MODEL OUT.csv [options]\n"
      "       diffx_table report REAL.csv SYNTHETIC.csv [options]\n"
      "Training leaves every fifth row or so out, always the same ones: report tests with them.\n"
      "  train   --engine NAME     tabddpm (default): numbers and categories; binary: bits\n"
      "          --minutes M (4)   or --train-steps N; --resume goes on with an interrupted MODEL\n"
      "          --hidden N (256)  --layers N (3)  --batch N (512)  --rate R (0.002)\n"
      "          --label COLUMN    categories that the network is told; drawn as often as they "
      "were\n"
      "          --bits N (16)     of a number, binary; 32 as published\n"
      "          --patience N (10) evaluations without progress that end training\n"
      "  sample  --rows N (10000)  --steps N (100)  network calls, up to 1000\n"
      "          --balance         all categories of the label equally often\n"
      "  report  --target COLUMN   told from the others by simple learners\n"
      "          --picture F.png (table.png)\n"
      "  CSV     --missing TEXT    a field that is a missing cell   --category COLUMN  of digits\n"
      "  train, sample: --seed S (1)  --threads T (2)     all: --help\n",
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
    if (option == "--resume" || option == "--balance") {
      (option == "--resume" ? a.resume : a.balance) = true;
      a.given.push_back(option);
      continue;
    }
    if (option.substr(0, 2) != "--") {
      if (i == 1) {
        a.verb = option;
      } else {
        a.files.push_back(option);
      }
      continue;
    }
    if (i + 1 >= argc) detail::fail(option + " needs a value, or is no option; see --help");
    std::string const value = argv[++i];
    a.given.push_back(option);
    constexpr std::int64_t many = 1'000'000'000;
    if (option == "--engine") {
      a.wishes.kind = engine_of(value);
    } else if (option == "--minutes") {
      a.wishes.minutes = number(option, value, 0.01, 1e5);
    } else if (option == "--train-steps") {
      a.wishes.steps = number<std::int64_t>(option, value, 1, many);
    } else if (option == "--hidden") {
      a.wishes.hidden = number<std::int64_t>(option, value, 1, 8192);
    } else if (option == "--layers") {
      a.wishes.layers = number<std::int64_t>(option, value, 0, 100);
    } else if (option == "--batch") {
      a.wishes.optimiser.batch = number(option, value, 2, 1 << 20);
    } else if (option == "--rate") {
      a.wishes.optimiser.rate = number(option, value, 1e-8, 10.0);
    } else if (option == "--bits") {
      a.wishes.bits = number(option, value, 1, 32);
    } else if (option == "--patience") {
      a.wishes.patience = number(option, value, 1, 1'000'000);
    } else if (option == "--rows") {
      a.rows = number<std::int64_t>(option, value, 1, many);
    } else if (option == "--steps") {
      a.steps_of_sampling = number(option, value, 1, chain_steps);
    } else if (option == "--label") {
      a.wishes.label = value;
    } else if (option == "--target") {
      a.target = value;
    } else if (option == "--picture") {
      a.picture = value;
    } else if (option == "--missing") {
      a.missing.push_back(value);
    } else if (option == "--category") {
      a.categories.push_back(value);
    } else if (option == "--seed") {
      a.wishes.optimiser.seed = number<std::uint64_t>(option, value, 0, UINT64_MAX);
    } else if (option == "--threads") {
      a.threads = number(option, value, 1, 256);
    } else {
      detail::fail("unknown option " + option + "; see --help");
    }
  }
  std::size_t const wanted = a.verb == "demo" ? 0 : 2;
  if (a.verb != "demo" && a.verb != "train" && a.verb != "sample" && a.verb != "report") {
    detail::fail("unknown verb '" + a.verb + "'; see --help");
  }
  if (a.files.size() != wanted) {
    detail::fail(a.verb + " takes " + std::to_string(wanted) + " files, got " +
                 std::to_string(a.files.size()) + "; see --help");
  }
  check_uses(a);
  return a;
}

table::csv_options csv_of(arguments const& a) {
  table::csv_options o;
  o.missing = a.missing;
  for (auto const& name : a.categories) o.types.push_back({name, table::column_kind::category});
  return o;
}

void say(train_report const& r) {
  std::printf("step %6lld  %5.0f s  loss %.4f  held-out %.4f  best %.4f\n",
              static_cast<long long>(r.step), r.seconds, r.loss, r.held_out, r.best);
  std::fflush(stdout);
}

void learn(arguments const& a, table::typed_table const& t, std::string const& path) {
  exec::threads const exec(a.threads);
  auto const m = train_table(t, a.wishes, a.resume, path, exec, say);
  std::printf("%s: %s, %zu weights\n", path.c_str(), name_of(m.wishes.kind).c_str(),
              m.weights.size());
}

table::typed_table draw_rows(arguments const& a, std::string const& path) {
  exec::threads const exec(a.threads);
  auto const m = model_file(path).model();
  auto const start = std::chrono::steady_clock::now();
  auto s = sample_table(m, a.rows, a.steps_of_sampling, a.wishes.optimiser.seed, exec, a.balance);
  double const seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%lld rows in %.1f s, %.0f a second; %lld with codes that mean nothing drawn again\n",
              static_cast<long long>(a.rows), seconds, static_cast<double>(a.rows) / seconds,
              static_cast<long long>(s.rejected));
  return std::move(s.table);
}

void tell(table::typed_table const& real, table::typed_table const& synthetic,
          std::string const& target, std::string const& picture) {
  print(compare(real, synthetic, target));
  draw(real, synthetic, picture);
  std::printf("\n%s: the distributions of the columns\n", picture.c_str());
}

void act(arguments const& a) {
  if (a.verb == "train") {
    require_writable(a.files[1]);
    auto const in = table::read_csv_file(a.files[0], csv_of(a));
    for (auto const& c : in.report) {
      std::printf("%-20s %-9s %lld values, %lld missing\n", c.type.name.c_str(),
                  std::string(table::name_of(c.type.kind)).c_str(),
                  static_cast<long long>(c.distinct), static_cast<long long>(c.missing));
    }
    learn(a, in.table, a.files[1]);
  } else if (a.verb == "sample") {
    require_writable(a.files[1]);
    table::write_csv_file(a.files[1], draw_rows(a, a.files[0]));
  } else if (a.verb == "report") {
    require_writable(a.picture);
    auto const real = table::read_csv_file(a.files[0], csv_of(a));
    auto o = csv_of(a);
    o.exact = true;
    o.types = real.table.schema();  // a synthetic column may lack what made the real one a category
    auto const synthetic = table::read_csv_file(a.files[1], o);
    tell(real.table, synthetic.table, a.target, a.picture);
  } else {
    std::string const data = std::string(DIFFX_EXAMPLES_DIR) + "/table/data/diamonds.csv";
    for (std::string const& out :
         {std::string("diamonds.model"), std::string("diamonds_synthetic.csv"), a.picture}) {
      require_writable(out);
    }
    auto const in = table::read_csv_file(data);
    std::printf("%zu diamonds of %zu columns; training for %g minutes into diamonds.model\n",
                in.table.rows(), in.table.columns().size(), a.wishes.minutes);
    learn(a, in.table, "diamonds.model");
    auto const synthetic = draw_rows(a, "diamonds.model");
    table::write_csv_file("diamonds_synthetic.csv", synthetic);
    std::printf("diamonds_synthetic.csv: the rows\n\n");
    tell(in.table, synthetic, "price", a.picture);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    act(parse(argc, argv));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "diffx_table: %s\n", e.what());
    return 1;
  }
}
