#include "http-proxy/rules.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/fields.hpp"

namespace egress::http {
namespace {

constexpr std::string_view kForms =
    "*, a name such as example.com or *.example.com, an address or a prefix, with ! in front to "
    "deny";

class RuleParser {
 public:
  RuleParser(const NamedText& text, Diagnostics& diagnostics)
      : text_(text), diagnostics_(diagnostics) {}

  RuleTable parse() {
    table_.source = text_.name;
    LineScanner scanner(text_.text);
    bool any = false;
    while (const Line* line = scanner.next()) {
      any = true;
      line_ = line;
      parse_line(line->fields);
    }
    if (!any)
      diagnostics_.error(text_.name,
                         "holds no rule, expected at least one line, such as *.example.com or *");
    warn_of_denying_all();
    return std::move(table_);
  }

 private:
  Spot spot(const Field& field) const {
    return {text_.name, line_->number, field.column, line_->text, field.text.size()};
  }
  void error(const Field& field, std::string_view message) {
    diagnostics_.error(spot(field), message);
  }

  void parse_line(const std::vector<Field>& fields) {
    Field field = fields[0];
    if (everything_line_ != 0) {
      error(field, "a rule after the * of line " + std::to_string(everything_line_) +
                       ", expected that to be the last");
    }
    const bool denies = field.text.starts_with('!');
    if (denies) {
      field.text.remove_prefix(1);
      ++field.column;
    }
    if (fields.size() > 1) {
      const bool lone = field.text.empty();
      error(fields[1], found_expected(fields[1].text, lone ? "no space after the !"
                                                           : "the end of the line or a # comment"));
      return;
    }
    if (field.text.empty())
      return error(fields[0], found_expected(fields[0].text, "what to deny after the !"));
    const auto match = parse_match(field);
    if (match) add({line_->number, denies ? Verdict::deny : Verdict::allow, *match});
  }

  std::optional<decltype(Rule::match)> parse_match(const Field& field) {
    if (field.text == "*") {
      if (everything_line_ == 0) everything_line_ = line_->number;
      return Everything{};
    }
    if (field.text.find_first_of("/:") != field.text.npos || parse_ip_address(field.text)) {
      return parse_prefix(field);
    }
    auto pattern = parse_name_pattern(field.text);
    if (!pattern) {
      error(field, pattern.error().text + "; expected " + std::string(kForms));
      return std::nullopt;
    }
    return std::move(*pattern);
  }

  std::optional<decltype(Rule::match)> parse_prefix(const Field& field) {
    const auto prefix = parse_ip_prefix(field.text);
    if (!prefix) {
      error(
          field,
          found_expected(
              field.text,
              "an IPv4 or IPv6 address or ADDRESS/LENGTH, or a name without scheme, port or path"));
      return std::nullopt;
    }
    if (prefix->network().address != prefix->address) {
      diagnostics_.warning(spot(field), "bits behind the prefix length are set, it is read as " +
                                            to_text(prefix->network()));
    }
    return canonical(prefix->network());
  }

  // ::ffff:10.0.0.0/104 is another spelling of 10.0.0.0/8 (RFC 4291 §2.5.5.2), and requests to such
  // addresses are judged as IPv4.
  static IpPrefix canonical(const IpPrefix& prefix) {
    static const IpPrefix kMapped = *parse_ip_prefix("::ffff:0:0/96");
    if (prefix.length < kMapped.length || !kMapped.contains(prefix.address)) return prefix;
    return {IpAddress::from_bytes(prefix.address.bytes().last(4)),
            static_cast<std::uint8_t>(prefix.length - kMapped.length)};
  }

  void add(Rule rule) {
    if (const auto line = shadowing_line(rule); line != 0) {
      diagnostics_.warning(spot(line_->fields[0]), "never applies: line " + std::to_string(line) +
                                                       ", above it, matches the same and more");
    }
    first_rules_.emplace(match_text(rule.match), rule);
    table_.rules.push_back(std::move(rule));
  }

  // The first line above that matches all that `rule` matches; 0: none. A wider prefix that allows
  // shadows less: an allow rule below it may open a special-purpose address (find_restriction), and
  // an IPv6 address that carries an IPv4 address is allowed only by a rule for that embedding.
  std::size_t shadowing_line(const Rule& rule) const {
    std::size_t first = 0;
    const auto consider = [&](const decltype(Rule::match)& match) {
      const auto found = first_rules_.find(match_text(match));
      if (found == first_rules_.end()) return;
      const auto& above = found->second;
      const auto* wider = std::get_if<IpPrefix>(&match);
      const bool is_certain = wider == nullptr || match == rule.match ||
                              above.verdict == Verdict::deny ||
                              (rule.verdict == Verdict::deny && wider->family() == Family::v4);
      if (is_certain && (first == 0 || above.line < first)) first = above.line;
    };
    consider(rule.match);
    if (const auto* pattern = std::get_if<NamePattern>(&rule.match)) {
      for (std::string_view name = pattern->name;;) {
        consider(NamePattern{std::string(name), NamePattern::Scope::subtree});
        const auto dot = name.find('.');
        if (dot == name.npos) break;
        name.remove_prefix(dot + 1);
      }
    } else if (const auto* prefix = std::get_if<IpPrefix>(&rule.match); prefix != nullptr) {
      for (auto length = prefix->length; length-- > 0;)
        consider(IpPrefix{prefix->address, length}.network());
    }
    return first;
  }

  static std::string match_text(const decltype(Rule::match)& match) {
    return to_text(Rule{0, Verdict::allow, match});
  }

  void warn_of_denying_all() {
    const auto& rules = table_.rules;
    const auto denies = [](const Rule& rule) { return rule.verdict == Verdict::deny; };
    if (!diagnostics_.has_errors() && !rules.empty() &&
        std::all_of(rules.begin(), rules.end(), denies)) {
      diagnostics_.warning(text_.name,
                           "holds deny rules only: all requests are denied; add what to allow, or "
                           "a last line of * for everything else");
    }
  }

  const NamedText& text_;
  Diagnostics& diagnostics_;
  const Line* line_ = nullptr;
  RuleTable table_;
  std::size_t everything_line_ = 0;
  std::map<std::string, Rule> first_rules_;  // by match_text
};

}  // namespace

RuleTable parse_rules(const NamedText& text, Diagnostics& diagnostics) {
  return RuleParser(text, diagnostics).parse();
}

std::string to_text(const Rule& rule) {
  std::string text = rule.verdict == Verdict::deny ? "!" : "";
  if (const auto* pattern = std::get_if<NamePattern>(&rule.match)) return text + to_text(*pattern);
  if (const auto* prefix = std::get_if<IpPrefix>(&rule.match)) {
    return text + (prefix->is_host() ? to_text(prefix->address) : to_text(*prefix));
  }
  return text + "*";
}

}  // namespace egress::http
