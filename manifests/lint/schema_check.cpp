#include <algorithm>
#include <cctype>
#include <charconv>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"
#include "manifests/lint/schema.hpp"

namespace egress::lint {
namespace {

bool is_integer(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const bool is_hexadecimal = text.starts_with("0x");
  if (is_hexadecimal || text.starts_with("0o")) text.remove_prefix(2);
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return is_hexadecimal ? std::isxdigit(c) != 0 : std::isdigit(c) != 0;
  });
}

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), last, value);
  return status == std::errc{} && end == last && value >= 1 && value <= 65535;
}

// RFC 1123 label: lower-case letters, digits and "-", neither first nor last.
bool is_label(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-';
         });
}

// RFC 6335: a label of at most 15 characters with a letter in it.
bool is_port_name(std::string_view text) {
  return is_label(text, 15) && text.find("--") == text.npos &&
         std::any_of(text.begin(), text.end(), [](unsigned char c) { return std::islower(c); });
}

// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
bool is_quantity(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  if (digits == 0 || text.substr(0, digits) == ".") return false;
  const auto suffix = text.substr(digits);
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E'))
    return is_integer(suffix.substr(1));
  constexpr std::string_view kSuffixes = " n u m k M G T P E Ki Mi Gi Ti Pi Ei ";
  return suffix.empty() || kSuffixes.find(" " + std::string(suffix) + " ") != kSuffixes.npos;
}

class SchemaChecker {
 public:
  SchemaChecker(const Object& object, Findings& findings) : object_(object), findings_(findings) {}

  void object(const Node& node, std::string_view type) {
    const auto fields = fields_of(type);
    for (const auto& [key, value] : node.members) {
      if (const auto field = find_field(fields, key->text())) {
        if (*value || field->type == "text") this->value(*key, *value, field->type);
      } else {
        name(*key, type);
      }
    }
  }

 private:
  void say(std::string_view id, const Place& place, std::string message) {
    findings_.add({Level::error, id, std::move(message), place, object_.title()});
  }

  void name(const Node& key, std::string_view type) {
    const auto meant = resembling_field(type, key.text());
    if (meant.empty()) return;
    say("unknown-field", key.place,
        "Kubernetes has no field \"" + escape(key.text()) + "\" here; did you mean " +
            std::string(meant) + "?");
  }

  void expected(const Node& key, const Node& value, const std::string& what) {
    const std::string found = value.is_map()                       ? "a map"
                              : value.kind == Node::Kind::sequence ? "a list"
                              : !value                             ? "nothing"
                              : value.quoted && !value.scalar.empty()
                                  ? "a string"
                                  : "\"" + escape(value.text()) + "\"";
    const std::string text = value.quoted ? " \"" + escape(value.text()) + "\"" : "";
    say("field-type", value ? value.place : key.place,
        escape(key.text()) + ": found " + found + (found == "a string" ? text : "") +
            ", expected " + what);
  }

  void value(const Node& key, const Node& value, std::string_view type) {
    if (type.empty()) return;
    if (type.starts_with('[')) return list(key, value, type.substr(1, type.size() - 2));
    if (!fields_of(type).empty()) {
      if (!value.is_map()) return expected(key, value, "a map");
      return object(value, type);
    }
    if (type == "quantities") {
      for (const auto& [name, amount] : value.members) this->value(*name, *amount, "quantity");
      return;
    }
    if (value.kind == Node::Kind::scalar && value.scalar.find("${") != std::string::npos)
      return;  // a parameter of OpenShift's Template
    const bool is_scalar = value.kind == Node::Kind::scalar;
    scalar(key, value, type, is_scalar ? value.text() : std::string_view());
  }

  void list(const Node& key, const Node& value, std::string_view type) {
    if (value.kind != Node::Kind::sequence) return expected(key, value, "a list");
    for (const Node* item : value.items) {
      if (*item) this->value(key, *item, type);
    }
  }

  void scalar(const Node& key, const Node& value, std::string_view type, std::string_view text) {
    const bool is_string = value.is_string() || (value.quoted && text.empty());
    const auto require = [&](bool holds, const std::string& what) {
      if (!holds) expected(key, value, what);
    };
    if (type == "string") return require(is_string, "a string: put it in quotes");
    if (type == "text") return require(is_string && !text.empty(), "a string that is not empty");
    if (type == "bool")
      return require(
          !is_string && !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0,
          "true or false, without quotes");
    if (type == "integer")
      return require(!value.quoted && is_integer(text), "an integer, without quotes or a unit");
    if (type == "port")
      return require(!value.quoted && is_port(text), "an integer from 1 to 65535");
    if (type == "port-or-name")
      return require(value.is_string() ? is_port_name(text) : is_port(text),
                     "an integer from 1 to 65535, or the name of a port");
    if (type == "service-name")
      return require(is_string && is_label(text, 63),
                     "lower-case letters, digits and \"-\", at most 63");
    if (type == "port-name")
      return require(is_string && is_port_name(text),
                     "lower-case letters, digits and \"-\", at most 15");
    if (type == "quantity")
      return require(is_quantity(text), key.text() == "cpu" ? "a quantity such as 500m or 2"
                                                            : "a quantity such as 64Mi or 1G");
    enumeration(key, value, type, text);
  }

  void enumeration(const Node& key, const Node& value, std::string_view type,
                   std::string_view text) {
    std::string known;
    for (auto rest = type; !rest.empty();) {
      const auto one = rest.substr(0, rest.find('|'));
      if (one == text) return;
      rest.remove_prefix(std::min(one.size() + 1, rest.size()));
      known += (known.empty() ? "" : rest.empty() ? " or " : ", ") + std::string(one);
    }
    expected(key, value, known);
  }

  const Object& object_;
  Findings& findings_;
};

}  // namespace

void check_schema(const Object& object, Findings& findings) {
  SchemaChecker(object, findings).object(*object.root, type_of_kind(object.kind));
}

}  // namespace egress::lint
