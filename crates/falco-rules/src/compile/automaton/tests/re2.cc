// Says which texts RE2 matches with the options of Falco's operator `regex`.
//
// Each line of the input is a pattern and texts, in hexadecimal and separated by blanks, each
// behind an `x`. The answer is a line with a `1` or a `0` for each text, or `E` if RE2 refuses the
// pattern.
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include <re2/re2.h>

static std::string bytes(const std::string& word) {
  std::string out;
  for (size_t at = 1; at + 1 < word.size(); at += 2)
    out += static_cast<char>(std::stoi(word.substr(at, 2), nullptr, 16));
  return out;
}

int main() {
  re2::RE2::Options options(re2::RE2::POSIX);
  options.set_log_errors(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string word, answer;
    words >> word;
    re2::RE2 pattern(bytes(word), options);
    while (pattern.ok() && words >> word) {
      std::string text = bytes(word);
      bool whole = pattern.Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, nullptr, 0);
      answer += whole ? '1' : '0';
    }
    std::cout << (pattern.ok() ? answer : "E") << '\n';
  }
}
