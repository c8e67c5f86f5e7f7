#include "manifests/lint/from_egressrouter.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "common/escape.hpp"
#include "manifests/lint/manifest.hpp"
#include "manifests/lint/programs.hpp"

namespace egress::lint {
namespace {

struct Entry {
  std::string line;  // of the destination table
  std::string port;
  std::string protocol;  // as Kubernetes writes it
};

struct Router {
  std::string name;
  std::map<std::string, const Node*, std::less<>> places;  // of a setting's text
  std::vector<const Node*> rules;                          // of each line of the table
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<Entry> entries;
  std::string fallback;

  std::string table() const {
    std::string text;
    for (const auto& one : entries) text += one.line + "\n";
    return text + (fallback.empty() ? "" : fallback + "\n");
  }
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

// https://docs.openshift.com: "Deploying an egress router pod in redirect mode".
Router read(const Object& object) {
  const Node& spec = object["spec"];
  Router router;
  router.name = object.name;
  router.fallback = spec["redirect"]["fallbackIP"].text();
  router.places["metadata.name"] = &object["metadata"]["name"];
  router.places["spec.mode"] = &spec["mode"];
  const auto set = [&](const char* variable, std::string value, const Node& node) {
    router.settings.emplace_back(variable, std::move(value));
    router.places[variable] = &node;
  };
  if (!spec["addresses"].items.empty()) {
    const Node& address = *spec["addresses"].items.front();
    set("EGRESS_SOURCE", std::string(address["ip"].text()), address["ip"]);
    set("EGRESS_GATEWAY", std::string(address["gateway"].text()), address["gateway"]);
  }
  const Node& macvlan = spec["networkInterface"]["macvlan"];
  if (macvlan["master"])
    set("EGRESS_PARENT", std::string(macvlan["master"].text()), macvlan["master"]);
  if (macvlan["mode"]) set("EGRESS_MACVLAN_MODE", lower(macvlan["mode"].text()), macvlan["mode"]);
  for (const Node* rule : spec["redirect"]["redirectRules"].items) {
    const std::string port((*rule)["port"].text());
    const Node& protocol = (*rule)["protocol"];
    std::string line = port + " " + lower(protocol ? protocol.text() : "TCP") + " " +
                       std::string((*rule)["destinationIP"].text());
    if (const Node& target = (*rule)["targetPort"]) line += " " + std::string(target.text());
    router.rules.push_back(rule);
    router.entries.push_back(
        {std::move(line), port, protocol ? std::string(protocol.text()) : "TCP"});
  }
  return router;
}

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// Where the text of a diagnostic is in the EgressRouter.
Place place_of(const Diagnostic& fault, const Router& router, const Object& object) {
  const auto known = router.places.find(fault.object);
  if (known != router.places.end() && *known->second) return known->second->place;
  if (fault.object != "EGRESS_DESTINATION") return object.place();
  if (fault.line >= 1 && fault.line <= router.rules.size()) {
    const Node& rule = *router.rules[fault.line - 1];
    // The field of the entry that the column is in: PORT PROTOCOL ADDRESS [REMOTE_PORT].
    const auto& line = router.entries[fault.line - 1].line;
    const auto before = line.substr(0, std::min(fault.column - 1, line.size()));
    const auto fields = std::min<std::ptrdiff_t>(std::count(before.begin(), before.end(), ' '), 3);
    constexpr std::array kFields{"port", "protocol", "destinationIP", "targetPort"};
    const Node& field = rule[kFields[static_cast<std::size_t>(fields)]];
    return field ? field.place : rule.place;
  }
  const Node& fallback = object["spec"]["redirect"]["fallbackIP"];
  return fallback ? fallback.place : object.place();
}

// What egress-router itself finds wrong with the settings and the table.
std::vector<Finding> faults_of(const Router& router, const Object& object) {
  std::map<std::string, std::string, std::less<>> variables(router.settings.begin(),
                                                            router.settings.end());
  variables["EGRESS_ROUTER_MODE"] = "init";
  variables["EGRESS_DESTINATION"] = router.table();
  auto judgement = judge(Program::router, Environment(std::move(variables)), "egress");
  if (!is_name(router.name))
    judgement.diagnostics.error("metadata.name", "expected a lower-case name");
  if (const auto mode = object["spec"]["mode"].text(); mode != "Redirect")
    judgement.diagnostics.error("spec.mode", found_expected(mode, "Redirect"));
  std::vector<Finding> faults;
  for (const auto& one : judgement.diagnostics.kept()) {
    if (one.severity == Severity::error) {
      faults.push_back({Level::error, "configuration", escape(one.object) + ": " + one.message,
                        place_of(one, router, object), object.title()});
    }
  }
  return faults;
}

std::string to_kustomization(const Router& router) {
  std::string text = "# From EgressRouter/" + router.name + ". Save as manifests/" + router.name +
                     "/kustomization.yaml, then: oc apply -k manifests/" + router.name + "\n" +
                     "apiVersion: kustomize.config.k8s.io/v1beta1\n"
                     "kind: Kustomization\n"
                     "namePrefix: " +
                     router.name + "-\n" +
                     "labels:\n"
                     "- pairs: { app.kubernetes.io/instance: " +
                     router.name + "-egress-redirect }\n" +
                     "  includeSelectors: true\n"
                     "resources:\n"
                     "- ../ovn-kubernetes/redirect\n"
                     "configMapGenerator:\n"
                     "- name: egress-redirect-settings\n"
                     "  namespace: egress\n"
                     "  behavior: merge\n"
                     "  literals:\n";
  for (const auto& [name, value] : router.settings) text += "  - " + name + "=" + value + "\n";
  text +=
      "- name: egress-redirect-table\n"
      "  namespace: egress\n"
      "  behavior: replace\n"
      "  options: { disableNameSuffixHash: true }\n"
      "  literals:\n"
      "  - |\n"
      "    destination=";
  auto table = router.table();
  for (auto end = table.find('\n'); end + 1 < table.size(); end = table.find('\n', end + 1))
    table.insert(end + 1, "    ");
  text += table;
  if (router.entries.empty())
    return text + "# The ports of clients: see ports.yaml in ../ovn-kubernetes/redirect.\n";
  text +=
      "patches:\n"
      "- target: { kind: Service, name: egress-redirect }\n"
      "  patch: |\n"
      "    - op: replace\n"
      "      path: /spec/ports\n"
      "      value:\n";
  for (const auto& one : router.entries) {
    text += "      - { name: " + lower(one.protocol) + "-" + one.port +
            ", protocol: " + one.protocol + ", port: " + one.port + " }\n";
  }
  text +=
      "- target: { kind: NetworkPolicy, name: egress-redirect }\n"
      "  patch: |\n"
      "    - op: replace\n"
      "      path: /spec/ingress/0/ports\n"
      "      value:\n";
  for (const auto& one : router.entries)
    text += "      - { protocol: " + one.protocol + ", port: " + one.port + " }\n";
  return text;
}

}  // namespace

Conversion from_egressrouter(std::vector<Deployment> deployments) {
  Conversion conversion;
  Findings findings;
  bool is_any = false;
  Manifests manifests;
  for (auto& deployment : deployments) {
    for (auto& file : deployment)
      manifests.read(std::move(file.name), std::move(file.text), findings);
  }
  for (const auto& object : manifests.objects()) {
    if (object.kind != "EgressRouter") continue;
    is_any = true;
    const auto router = read(object);
    const auto faults = faults_of(router, object);
    for (const auto& one : faults) findings.add(one);
    if (faults.empty())
      conversion.text += (conversion.text.empty() ? "" : "---\n") + to_kustomization(router);
  }
  auto errors = findings.sorted();
  std::erase_if(errors, [](const Finding& one) { return one.level != Level::error; });
  if (!errors.empty()) conversion.errors = format_findings(errors, Format::text);
  if (!is_any) conversion.errors += "no EgressRouter in the given files\n";
  return conversion;
}

}  // namespace egress::lint
