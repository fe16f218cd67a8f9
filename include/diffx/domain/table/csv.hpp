#pragma once

#include <diffx/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diffx::domain::table {

/// A field of a CSV file. Without quotes an empty one is nothing at all; "" is an empty text.
struct csv_field {
  std::string text;
  bool quoted = false;

  friend bool operator==(csv_field const&, csv_field const&) = default;
};

/// Reads the records of a CSV text one by one.
///
/// Lines end with LF or CRLF, also within quotes, where they are part of the field and stay as
/// they are; the last one may have no end. A byte order mark of UTF-8 is skipped. Blanks belong to
/// their field. The number of fields is not checked here.
///
/// Source    RFC 4180. Read here because no packaged reader is of headers alone; libcsv, which is
///           packaged, is to be linked and tells no lines.
/// Errors    quotes that are not closed, text after a closing quote, a quote within a field that
///           has none around it, a CR that ends no line, a byte 0, text in UTF-16, a separator that
///           is a quote or an end of line: throws diffx::error with the line.
class csv_reader {
 public:
  explicit csv_reader(std::string_view text, char separator = ',') : text_(text), sep_(separator) {
    detail::require(sep_ != '"' && sep_ != '\n' && sep_ != '\r' && sep_ != '\0', where, "separator",
                    static_cast<int>(sep_), "neither a quote nor an end of line");
    if (text_.substr(0, 2) == "\xFE\xFF" || text_.substr(0, 2) == "\xFF\xFE") {
      detail::fail(std::string(where) + ": the text is UTF-16, must be UTF-8");
    }
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
  }

  /// The next record; false at the end.
  bool next(std::vector<csv_field>& record) {
    record.clear();
    if (at_ == text_.size()) return false;
    line_ = next_line_;
    for (;;) {
      record.push_back(field());
      if (at_ == text_.size()) return true;
      if (text_[at_] == sep_) {
        ++at_;
        continue;
      }
      at_ += text_[at_] == '\r' ? 2u : 1u;
      ++next_line_;
      return true;
    }
  }

  /// The line, from 1, on which the last record began.
  std::int64_t line() const noexcept { return line_; }

 private:
  static constexpr auto where = "diffx::domain::table::csv_reader";

  [[noreturn]] void fail(std::int64_t line, std::string const& what) const {
    detail::fail(std::string(where) + ": line " + std::to_string(line) + ": " + what);
  }
  bool ends_line() const noexcept { return text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n"; }

  csv_field field() {
    csv_field f;
    if (at_ < text_.size() && text_[at_] == '"') {
      f.quoted = true;
      quoted(f.text);
      if (at_ < text_.size() && text_[at_] != sep_ && !ends_line()) {
        fail(next_line_, "text after a closing quote; quotes within quotes are doubled");
      }
      return f;
    }
    std::size_t const first = at_;
    for (; at_ < text_.size() && text_[at_] != sep_ && !ends_line(); ++at_) {
      if (text_[at_] == '"') fail(next_line_, "a quote within a field that has none around it");
      if (text_[at_] == '\r') fail(next_line_, "a carriage return that ends no line");
      if (text_[at_] == '\0') fail(next_line_, "a byte 0; is this a text?");
    }
    f.text = text_.substr(first, at_ - first);
    return f;
  }

  void quoted(std::string& out) {
    std::int64_t const opened = next_line_;
    for (++at_;; ++at_) {
      if (at_ == text_.size()) fail(opened, "the quotes that open here are not closed");
      char const c = text_[at_];
      if (c == '\0') fail(next_line_, "a byte 0; is this a text?");
      if (c == '"') {
        ++at_;
        if (at_ == text_.size() || text_[at_] != '"') return;
      }
      if (c == '\n') ++next_line_;
      out.push_back(c);
    }
  }

  std::string_view text_;
  char sep_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0, next_line_ = 1;
};

/// Appends a field, in quotes where it needs them, or has them anyway.
inline void put_csv_field(std::string& out, csv_field const& f, char separator = ',') {
  bool needed = f.quoted || f.text.substr(0, 3) == "\xEF\xBB\xBF";
  for (char const c : f.text) {
    needed = needed || c == '"' || c == '\n' || c == '\r' || c == separator;
  }
  if (!needed) {
    out += f.text;
    return;
  }
  out.push_back('"');
  for (char const c : f.text) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

/// Appends a record and the end of its line.
inline void put_csv_record(std::string& out, std::span<csv_field const> record,
                           char separator = ',', std::string_view end_of_line = "\n") {
  for (std::size_t i = 0; i < record.size(); ++i) {
    if (i > 0) out.push_back(separator);
    put_csv_field(out, record[i], separator);
  }
  out += end_of_line;
}

}  // namespace diffx::domain::table
