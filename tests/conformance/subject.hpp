// SPDX-License-Identifier: Apache-2.0
// A provider that the suite is run against, with what it stands on; gone with it.
#pragma once

#include <sandboxkit/conformance.hpp>
#include <sandboxkit/provider.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace sandboxkit::test {

class Subject {
public:
    virtual ~Subject() = default;
    [[nodiscard]] virtual std::shared_ptr<Provider> provider() const = 0;
    [[nodiscard]] virtual std::function<void()> interrupt() { return {}; }
    [[nodiscard]] virtual std::function<void()> restore() { return {}; }
    // As ConformanceOptions::end_compute.
    virtual void end_compute(const std::string& sandbox_id) = 0;
};

// In `directory`, an empty one on a real file system. On failure null, and `why` says why this host has none.
std::unique_ptr<Subject> make_local_subject(const std::filesystem::path& directory, std::string& why);

std::unique_ptr<Subject> make_docker_subject(const std::filesystem::path& directory, std::string& why);

// A small root file system with busybox, as an archive in `directory`. On failure empty, and `why` says why.
std::filesystem::path make_base_archive(const std::filesystem::path& directory, std::string& why);

} // namespace sandboxkit::test
