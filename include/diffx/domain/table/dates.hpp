#pragma once

#include <diffx/error.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace diffx::domain::table {

/// Days since 1970-01-01 of a date YYYY-MM-DD of the Gregorian calendar, years 0001 to 9999;
/// nothing if the text is no such date.
///
/// Source    ISO 8601-1:2019, 5.2.2.1, extended format.
inline std::optional<double> days_of(std::string_view date) noexcept {
  if (date.size() != 10 || date[4] != '-' || date[7] != '-') return std::nullopt;
  auto const number = [&](std::size_t first, std::size_t count) {
    int value = 0;
    for (std::size_t i = first; i < first + count; ++i) {
      if (date[i] < '0' || date[i] > '9') return -1;
      value = 10 * value + (date[i] - '0');
    }
    return value;
  };
  int const y = number(0, 4), m = number(5, 2), d = number(8, 2);
  if (y < 1 || m < 1 || d < 1) return std::nullopt;
  std::chrono::year_month_day const day{std::chrono::year(y),
                                        std::chrono::month(static_cast<unsigned>(m)),
                                        std::chrono::day(static_cast<unsigned>(d))};
  if (!day.ok()) return std::nullopt;
  return static_cast<double>(std::chrono::sys_days(day).time_since_epoch().count());
}

inline constexpr double first_day = -719162.0;  // 0001-01-01
inline constexpr double last_day = 2932896.0;   // 9999-12-31

/// Whether a number of days, rounded to a whole one, is a date of those years.
inline bool is_day(double days) noexcept {
  double const whole = std::floor(days + 0.5);
  return whole >= first_day && whole <= last_day;
}

/// The date of a number of days, which is rounded to a whole one.
///
/// Errors    NaN, or a day outside the years 0001 to 9999: throws diffx::error.
inline std::string date_of(double days) {
  detail::require(is_day(days), "diffx::domain::table::date_of", "days", days,
                  "in the years 0001 to 9999, [-719162, 2932896]");
  std::chrono::year_month_day const day{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(std::floor(days + 0.5))))};
  std::string s = "0000-00-00";
  auto const put = [&](std::size_t last, unsigned value) {
    for (; value > 0; value /= 10) s[last--] = static_cast<char>('0' + value % 10);
  };
  put(3, static_cast<unsigned>(static_cast<int>(day.year())));
  put(6, static_cast<unsigned>(day.month()));
  put(9, static_cast<unsigned>(day.day()));
  return s;
}

}  // namespace diffx::domain::table
