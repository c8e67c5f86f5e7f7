#include "manifests/lint/inputs.hpp"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>

#include "common/escape.hpp"
#include "common/result.hpp"
#include "manifests/lint/command.hpp"
#include "manifests/lint/node.hpp"

namespace egress::lint {
namespace {

namespace fs = std::filesystem;

constexpr std::array kKustomizations{"kustomization.yaml", "kustomization.yml", "Kustomization"};

bool is_yaml(const fs::path& path) {
  const auto extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

std::optional<fs::path> kustomization_of(const fs::path& directory) {
  std::error_code ignored;
  for (const auto* name : kKustomizations) {
    if (fs::is_regular_file(directory / name, ignored)) return directory / name;
  }
  return std::nullopt;
}

bool is_kustomization(const fs::path& file) {
  return std::any_of(kKustomizations.begin(), kKustomizations.end(),
                     [&](const char* name) { return file.filename() == name; });
}

bool is_chart(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_regular_file(directory / "Chart.yaml", ignored);
}

fs::path directory_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

fs::path resolved(const fs::path& path) {
  std::error_code ignored;
  auto found = fs::weakly_canonical(path, ignored);
  return found.has_filename() ? found : found.parent_path();
}

// Nothing where an error ends the input; errno says which.
std::optional<std::string> read_all(std::istream& stream) {
  std::ostringstream text;
  if (stream.peek() != std::istream::traits_type::eof()) text << stream.rdbuf();
  if (stream.bad() || !text) return std::nullopt;
  return std::move(text).str();
}

std::optional<std::string> read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return file ? read_all(file) : std::nullopt;
}

std::string one_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return escape(text);
}

// "manifests/*" that no shell has expanded; the argument itself where nothing matches.
std::vector<std::string> expand(const std::string& argument) {
  std::error_code ignored;
  if (argument.find_first_of("*?[") == argument.npos || fs::exists(argument, ignored))
    return {argument};
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(argument.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths.empty() ? std::vector{argument} : paths;
}

class Reader {
 public:
  Inputs read(const std::vector<std::string>& arguments) {
    std::vector<std::string> paths;
    for (const auto& argument : arguments) {
      const auto expanded = expand(argument);
      paths.insert(paths.end(), expanded.begin(), expanded.end());
    }
    for (const auto& path : paths) {
      if (path != "-" && is_kustomization(path)) rendered_.insert(resolved(directory_of(path)));
    }
    for (const auto& path : paths) read_argument(path, paths.size() > 1);
    inputs_.deployments.push_back(std::move(named_));
    for (const auto& directory : found_) {
      if (parts_.contains(resolved(directory))) continue;
      Deployment deployment;
      render(directory, deployment);
      if (!deployment.empty()) inputs_.deployments.push_back(std::move(deployment));
    }
    return std::move(inputs_);
  }

 private:
  void problem(const std::string& name, const std::string& cause) {
    inputs_.problems.push_back(escape(name) + ": " + cause);
  }

  void read_argument(const std::string& name, bool is_one_of_many) {
    std::error_code ignored;
    const fs::path path(name);
    if (name == "-") {
      if (!read_.insert(path).second) return;
      auto text = read_all(std::cin);
      if (!text) return problem("standard input", errno_to_text(errno));
      named_.push_back({"standard input", std::move(*text)});
    } else if (fs::is_directory(path, ignored)) {
      if (is_chart(path))
        return problem(name,
                       "a Helm chart: helm template RELEASE CHART --values=FILE | egress-lint -");
      if (kustomization_of(path)) {
        render(path, named_);
      } else {
        walk(path, false);
      }
    } else if (is_kustomization(path)) {
      render(directory_of(path), named_);
    } else if (!rendered_.contains(resolved(directory_of(path)))) {
      // A shell expands "*" to a README too.
      if (is_one_of_many && path.has_extension() && !is_yaml(path)) return;
      read_file(path, is_one_of_many);
    }
  }

  // `may_be_other`: the file may hold something else than objects of a cluster.
  void read_file(const fs::path& path, bool may_be_other) {
    if (!read_.insert(resolved(path)).second) return;
    auto text = read_all(path);
    if (!text) return problem(path.string(), errno_to_text(errno));
    if (may_be_other && text->find("kind") == text->npos) return;
    named_.push_back({path.string(), std::move(*text), path});
  }

  // Plain files join what the command line names. Those of a kustomization are rendered with it.
  void walk(const fs::path& directory, bool is_in_kustomization) {
    if (const auto file = kustomization_of(directory)) {
      is_in_kustomization = true;
      found_.push_back(directory);
      note_parts(*file);
    }
    std::error_code error;
    std::set<fs::path> entries;
    for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
      entries.insert(at->path());
    if (error) return problem(directory.string(), error.message());
    for (const auto& entry : entries) {
      if (entry.filename().string().starts_with('.') || fs::is_symlink(entry, error)) continue;
      if (is_chart(entry)) continue;  // without values there is nothing to lint
      if (fs::is_directory(entry, error)) {
        walk(entry, is_in_kustomization);
      } else if (!is_in_kustomization && is_yaml(entry)) {
        read_file(entry, true);
      }
    }
  }

  // A component, and what another kustomization includes, is no deployment of its own.
  void note_parts(const fs::path& file) {
    const SourceText text(file.string(), read_all(file).value_or(""));
    Findings ignored;
    const Documents documents(text, ignored);
    for (const Node* root : documents.roots()) {
      if ((*root)["kind"].text() == "Component") parts_.insert(resolved(directory_of(file)));
      for (const auto* field : {"resources", "components", "bases"}) {
        for (const Node* item : (*root)[field].items)
          parts_.insert(resolved(directory_of(file) / std::string(item->text())));
      }
    }
  }

  void render(const fs::path& directory, Deployment& into) {
    if (!read_.insert(resolved(directory)).second) return;
    for (const auto& [program, verb] :
         {std::pair{"kustomize", "build"}, {"kubectl", "kustomize"}, {"oc", "kustomize"}}) {
      const auto output = run_command({program, verb, directory.string()});
      if (!output) continue;
      if (output->status == 0) {
        into.push_back({directory.string() + std::string(kRenderedSuffix), output->text});
      } else {
        problem(directory.string(),
                std::string(program) + " cannot render it: " + one_line(output->errors));
      }
      return;
    }
    problem(directory.string(), "a kustomization: neither kustomize, kubectl nor oc is installed");
  }

  Inputs inputs_;
  std::set<fs::path> read_;  // what the command line names twice is read once
  Deployment named_;
  std::set<fs::path> rendered_;  // directories whose kustomization the command line names
  std::vector<fs::path> found_;  // directories with a kustomization, below a named directory
  std::set<fs::path> parts_;
};

}  // namespace

Inputs read_inputs(const std::vector<std::string>& arguments) { return Reader().read(arguments); }

}  // namespace egress::lint
