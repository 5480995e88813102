// SPDX-License-Identifier: Apache-2.0
// Runs the conformance suite: test_conformance [--provider NAME]... [--case GROUP[/NAME]]... [--results FILE] [--list]
// Without a provider: all that this host has. The results go to FILE as lines of provider, group, name, verdict and message, from
// which table.py makes the table.
#include "conformance/subject.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>

using namespace sandboxkit;
namespace fs = std::filesystem;

namespace {

struct Arguments {
    std::vector<std::string> providers, cases;
    std::string results;
    bool list = false;
};

std::optional<Arguments> read(int count, char** given) {
    Arguments arguments;
    for (int i = 1; i < count; ++i) {
        const std::string_view option = given[i];
        if (option == "--list") {
            arguments.list = true;
            continue;
        }
        if (++i >= count) return std::nullopt;
        if (option == "--provider")
            arguments.providers.emplace_back(given[i]);
        else if (option == "--case")
            arguments.cases.emplace_back(given[i]);
        else if (option == "--results")
            arguments.results = given[i];
        else
            return std::nullopt;
    }
    if (arguments.providers.empty()) arguments.providers = {"local", "docker"};
    return arguments;
}

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string pattern = "/var/tmp/sandboxkit-conformance-XXXXXX"; // not /tmp: that may be on an overlay
        if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ';');
    std::ranges::replace(text, '\t', ' ');
    return text;
}

std::unique_ptr<test::Subject> make(const std::string& name, const fs::path& directory, std::string& why) {
    if (name == "local") return test::make_local_subject(directory, why);
    if (name == "docker") return test::make_docker_subject(directory, why);
    why = "there is no provider " + name;
    return nullptr;
}

// 0, 1 or 77, as ctest takes it.
int run(const std::string& name, const Arguments& arguments) {
    const TemporaryDirectory directory;
    std::string why;
    const auto archive = test::make_base_archive(directory.path(), why);
    fs::create_directory(directory.path() / "provider");
    auto subject = archive.empty() ? nullptr : make(name, directory.path() / "provider", why);
    if (!subject) {
        std::printf("SKIPPED: %s: %s\n", name.c_str(), why.c_str());
        return 77;
    }
    ConformanceOptions options;
    options.image = "archive:" + archive.string();
    options.only = arguments.cases;
    options.probe = SANDBOXKIT_PROBE_PROGRAM;
    options.interrupt = subject->interrupt();
    options.restore = subject->restore();
    options.end_compute = [&](const std::string& sandbox_id) { subject->end_compute(sandbox_id); };
    options.scratch = directory.path() / "scratch";
    fs::create_directory(options.scratch);
    std::ofstream file(arguments.results, std::ios::app);
    int passed = 0, failed = 0, others = 0;
    options.on_result = [&](const ConformanceResult& result) {
        const std::string verdict(to_string(result.verdict));
        std::printf("%-8s %-14s %5lld ms  %s/%s%s%s\n", name.c_str(), verdict.c_str(),
                    static_cast<long long>(result.taken.count()), result.group.c_str(), result.name.c_str(),
                    result.message.empty() ? "" : ": ", result.message.c_str());
        if (result.verdict == ConformanceVerdict::skipped)
            std::printf("SKIPPED: %s, %s/%s: %s\n", name.c_str(), result.group.c_str(), result.name.c_str(),
                        one_line(result.message).c_str());
        std::fflush(stdout);
        file << name << '\t' << result.group << '\t' << result.name << '\t' << verdict << '\t' << one_line(result.message)
             << std::endl;
        ++(result.verdict == ConformanceVerdict::passed   ? passed
           : result.verdict == ConformanceVerdict::failed ? failed
                                                          : others);
    };
    auto results = check_provider(subject->provider(), options).get();
    if (!results) {
        std::printf("%s: the suite did not run: %s\n", name.c_str(), results.error().message.c_str());
        return 1;
    }
    std::printf("%s: %d passed, %d failed, %d skipped or not applicable\n", name.c_str(), passed, failed, others);
    return failed == 0 && passed > 0 ? 0 : 1;
}

} // namespace

int main(int count, char** given) {
    const auto arguments = read(count, given);
    if (!arguments) {
        std::fprintf(stderr, "usage: %s [--provider NAME]... [--case GROUP[/NAME]]... [--results FILE] [--list]\n", given[0]);
        return 2;
    }
    if (arguments->list) {
        for (const auto& each : conformance_cases())
            std::printf("%s\t%s\t%s\n", each.group.c_str(), each.name.c_str(), each.about.c_str());
        return 0;
    }
    if (!arguments->results.empty()) std::ofstream(arguments->results, std::ios::trunc);
    bool failed = false, ran = false;
    for (const auto& each : arguments->providers) {
        const int code = run(each, *arguments);
        failed = failed || code == 1;
        ran = ran || code != 77;
    }
    return failed ? 1 : ran ? 0 : 77;
}
