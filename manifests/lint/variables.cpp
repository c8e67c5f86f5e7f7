#include "manifests/lint/variables.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "common/escape.hpp"

namespace egress::lint {
namespace {

// linux/binfmts.h: MAX_ARG_STRLEN, of "NAME=VALUE" with its end.
constexpr std::size_t kMostVariableBytes = 128U << 10U;

class Resolver {
 public:
  Resolver(Container& container, const Workload& workload, std::string_view pod_name,
           std::size_t replica, const Manifests& manifests, Findings* findings)
      : container_(container),
        workload_(workload),
        pod_name_(pod_name),
        replica_(replica),
        manifests_(manifests),
        findings_(findings) {}

  Environment resolve() {
    container_.variables.clear();
    container_.is_wholly_known = true;
    for (const Node* source : (*container_.node)["envFrom"].items) take_all(*source);
    const auto from_elsewhere = container_.variables.size();
    for (const Node* variable : (*container_.node)["env"].items) take(*variable, from_elsewhere);
    for (auto& variable : container_.variables) read_mounted(variable);
    std::map<std::string, std::string, std::less<>> known;
    for (const auto& variable : container_.variables) {
      const bool is_file = is_table_file(variable.name);
      if (is_file && container_.variable(table_name(variable.name)) != nullptr) {
        known[variable.name] = "/";  // beside the table itself: refused unread
      } else if (!variable.value) {
        container_.is_wholly_known = false;
      } else if (variable.name.starts_with("EGRESS_")) {
        known[is_file ? table_name(variable.name) : variable.name] = *variable.value;
      }
    }
    return Environment(std::move(known));
  }

 private:
  static bool is_table_file(std::string_view name) {
    return name.starts_with("EGRESS_") && name.ends_with("DESTINATION_FILE");
  }
  static std::string table_name(std::string_view name) {
    return std::string(name.substr(0, name.size() - std::string_view("_FILE").size()));
  }

  void say(Level level, std::string_view id, std::string message, const Place& place) {
    if (findings_ == nullptr) return;
    findings_->add({level, id, std::move(message), place, workload_.object->title()});
  }

  const Object* config_map(const Node& reference) const {
    return manifests_.find("ConfigMap", reference["name"].text(), *workload_.object);
  }

  void take_all(const Node& source) {
    const bool is_secret = static_cast<bool>(source["secretRef"]);
    const Node& reference = source[is_secret ? "secretRef" : "configMapRef"];
    const Object* const found = is_secret ? nullptr : config_map(reference);
    if (found == nullptr) {
      container_.is_wholly_known = false;
      return;
    }
    for (const auto& [key, value] : (*found)["data"].members) {
      put({std::string(source["prefix"].text()) + key->scalar, value->scalar, key, value});
    }
  }

  void take(const Node& variable, std::size_t from_elsewhere) {
    const Node& name = variable["name"];
    if (!name) return;
    for (std::size_t at = from_elsewhere; at < container_.variables.size(); ++at) {
      if (container_.variables[at].name != name.text()) continue;
      say(Level::warning, "duplicate-variable",
          escape(name.text()) + " stands twice, and only the last counts", name.place);
    }
    ContainerVariable taken{std::string(name.text()), std::nullopt, &name, nullptr};
    const Node& value = variable["value"];
    const Node& source = variable["valueFrom"];
    if (source) {
      take_from(source, taken);
    } else {
      if (value && !value.is_string()) {
        say(Level::error, "not-a-string",
            "found " + std::string(value.text().empty() ? "no scalar" : escape(value.text())) +
                ", expected a string: put it in quotes",
            value.place);
      }
      taken.value_node = value ? &value : nullptr;
      taken.value = with_parameters(std::string(value.text()));
      if (taken.value) taken.value = expanded(*taken.value);
    }
    put(std::move(taken));
  }

  void take_from(const Node& source, ContainerVariable& taken) {
    if (const Node& reference = source["configMapKeyRef"]) {
      const Object* const found = config_map(reference);
      if (found == nullptr) return;
      const Node& value = (*found)["data"][reference["key"].text()];
      if (!value) {
        if (reference["optional"].text() != "true") say_no_key(*found, reference["key"]);
        return;
      }
      taken.value = value.scalar;
      taken.value_node = &value;
    } else if (const auto path = source["fieldRef"]["fieldPath"].text(); !path.empty()) {
      if (path == "metadata.name") taken.value = pod_name_;
      if (path == "metadata.labels['apps.kubernetes.io/pod-index']" &&
          workload_.object->kind == "StatefulSet")
        taken.value = std::to_string(replica_);
    }
  }

  void say_no_key(const Object& config_map, const Node& key) {
    std::string keys;
    for (const auto& member : config_map["data"].members)
      keys += (keys.empty() ? "" : ", ") + escape(member.first->text());
    say(Level::error, "missing-config-map-key",
        config_map.title() + " has no key \"" + escape(key.text()) + "\"" +
            (keys.empty() ? "" : "; it has " + keys),
        key.place.text != nullptr ? key.place : container_.place());
  }

  void put(ContainerVariable variable) {
    if (variable.value && variable.name.size() + variable.value->size() + 2 > kMostVariableBytes) {
      say(Level::error, "variable-too-large",
          escape(variable.name) + " has " + std::to_string(variable.value->size()) +
              " bytes, more than the 128 KiB that a variable can carry: mount the ConfigMap and "
              "name its file in " +
              escape(variable.name) + "_FILE",
          variable.value_node != nullptr ? variable.value_node->place : variable.name_node->place);
    }
    container_.variables.push_back(std::move(variable));
  }

  // $(NAME) of a variable that stands before; $$ is one $. Nothing where that one's value is
  // unknown.
  std::optional<std::string> expanded(std::string_view value) const {
    std::string text;
    while (!value.empty()) {
      const auto end = value.find(')');
      if (value.starts_with("$$")) {
        text += '$';
        value.remove_prefix(2);
      } else if (value.starts_with("$(") && end != value.npos &&
                 container_.variable(value.substr(2, end - 2)) != nullptr) {
        const auto& known = container_.variable(value.substr(2, end - 2))->value;
        if (!known) return std::nullopt;
        text += *known;
        value.remove_prefix(end + 1);
      } else {
        text += value.front();
        value.remove_prefix(1);
      }
    }
    return text;
  }

  // ${PARAMETER} of OpenShift's Template.
  std::optional<std::string> with_parameters(std::string value) {
    const Node* const parameters = workload_.object->template_parameters;
    const auto begin = value.find("${");
    const auto end = value.find('}', begin);
    if (parameters == nullptr || begin == value.npos || end == value.npos) return value;
    const auto name = value.substr(begin + 2, end - begin - 2);
    for (const Node* parameter : parameters->items) {
      const Node& given = (*parameter)["value"];
      if ((*parameter)["name"].text() == name && given)
        return value.replace(begin, end - begin + 1, given.text());
    }
    return std::nullopt;
  }

  // Puts the file's text in the place of its path, where a given ConfigMap is mounted there.
  void read_mounted(ContainerVariable& variable) {
    if (!is_table_file(variable.name) || !variable.value) return;
    const std::string path = *variable.value;
    const Place place =
        variable.value_node != nullptr ? variable.value_node->place : variable.name_node->place;
    variable.value.reset();
    const Node* const mount = container_.mount_of(path);
    if (mount == nullptr) {
      say(Level::error, "file-not-mounted",
          "nothing is mounted in this container at " + escape(path), place);
      return;
    }
    const Node* const volume = volume_of(*mount);
    if (volume == nullptr || !(*volume)["configMap"]) return;
    const Node& source = (*volume)["configMap"];
    const Object* const found = config_map(source);
    if (found == nullptr) return;
    auto key = path.substr((*mount)["mountPath"].text().size());
    if (const auto sub_path = (*mount)["subPath"].text(); !sub_path.empty()) key = sub_path;
    key.erase(0, key.find_first_not_of('/'));
    for (const Node* item : source["items"].items) {
      if ((*item)["path"].text() == key) key = (*item)["key"].text();
    }
    const Node& value = (*found)["data"][key];
    if (!value) {
      Node named;
      named.kind = Node::Kind::scalar;
      named.scalar = key;
      named.place = place;
      return say_no_key(*found, named);
    }
    variable.value = value.scalar;
    variable.value_node = &value;
  }

  const Node* volume_of(const Node& mount) {
    const Node& name = mount["name"];
    if (const Node* const found = workload_.volume(name.text())) return found;
    say(Level::error, "missing-volume", "the pod has no volume \"" + escape(name.text()) + "\"",
        name.place.text != nullptr ? name.place : mount.place);
    return nullptr;
  }

  Container& container_;
  const Workload& workload_;
  const std::string pod_name_;
  const std::size_t replica_;
  const Manifests& manifests_;
  Findings* const findings_;
};

}  // namespace

Environment resolve_variables(Container& container, const Workload& workload,
                              std::string_view pod_name, std::size_t replica,
                              const Manifests& manifests, Findings* findings) {
  return Resolver(container, workload, pod_name, replica, manifests, findings).resolve();
}

}  // namespace egress::lint
