#include "manifests/lint/from_egressrouter.hpp"

#include <algorithm>

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
  Router router{object.name, {}, {}, std::string(spec["redirect"]["fallbackIP"].text())};
  if (!spec["addresses"].items.empty()) {
    const Node& address = *spec["addresses"].items.front();
    router.settings.emplace_back("EGRESS_SOURCE", address["ip"].text());
    router.settings.emplace_back("EGRESS_GATEWAY", address["gateway"].text());
  }
  if (const Node& master = spec["networkInterface"]["macvlan"]["master"])
    router.settings.emplace_back("EGRESS_PARENT", master.text());
  for (const Node* rule : spec["redirect"]["redirectRules"].items) {
    const std::string port((*rule)["port"].text());
    const Node& protocol = (*rule)["protocol"];
    std::string line = port + " " + lower(protocol ? protocol.text() : "TCP") + " " +
                       std::string((*rule)["destinationIP"].text());
    if (const Node& target = (*rule)["targetPort"]) line += " " + std::string(target.text());
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

// What egress-router itself finds wrong with the settings and the table.
std::string faults_of(const Router& router, const Object& object) {
  std::map<std::string, std::string, std::less<>> variables(router.settings.begin(),
                                                            router.settings.end());
  variables["EGRESS_ROUTER_MODE"] = "init";
  variables["EGRESS_DESTINATION"] = router.table();
  auto judgement = judge(Program::router, Environment(std::move(variables)), "egress");
  if (!is_name(router.name))
    judgement.diagnostics.error("metadata.name", "expected a lower-case name");
  if (const auto mode = object["spec"]["mode"].text(); mode != "Redirect")
    judgement.diagnostics.error("spec.mode", found_expected(mode, "Redirect"));
  return judgement.diagnostics.to_text(Severity::error);
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
    conversion.errors += faults.empty() ? "" : object.title() + ":\n" + faults;
    if (faults.empty())
      conversion.text += (conversion.text.empty() ? "" : "---\n") + to_kustomization(router);
  }
  if (!is_any) conversion.errors += "no EgressRouter in the given files\n";
  return conversion;
}

}  // namespace egress::lint
