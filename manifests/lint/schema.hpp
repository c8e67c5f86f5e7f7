// The fields of the objects of Kubernetes and OpenShift that an egress router consists of, with
// their types. Plain data and look-up; schema_check.cpp compares objects with it.
#pragma once

#include <optional>
#include <string_view>

namespace egress::lint {

// "name:type name ..." of a type, separated by spaces; empty where the type is no object. A field
// without a type may have any value. Types are:
//   string, text (not empty), integer, port (1 to 65535), port-or-name, bool, quantity, quantities
//   (a map of them), service-name (RFC 1123 label), port-name (RFC 6335 service name),
//   One|Other (an enumeration), another type of the table, and [TYPE] for a list of it.
std::string_view fields_of(std::string_view type);

// The type of an object's root; empty where the kind is not in the table.
std::string_view type_of_kind(std::string_view kind);

struct Field {
  std::string_view name;
  std::string_view type;  // empty: any
};

// Removes the first field of a list and returns it; nothing where there are none left.
std::optional<Field> next_field(std::string_view& fields);

// The field of an object's type that a name which is none of them resembles; empty: there is none.
// A name that resembles no field is left alone: it may be of a later version.
std::string_view resembling_field(std::string_view type, std::string_view name);

// The field of this name; nothing where the list has none.
std::optional<Field> find_field(std::string_view fields, std::string_view name);

}  // namespace egress::lint
