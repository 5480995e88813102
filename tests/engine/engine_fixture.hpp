// SPDX-License-Identifier: Apache-2.0
// An engine on a store of its own, over the real local provider; what a test of the engine starts from.
#pragma once

#include "local/leftovers.hpp"

#include <sandboxkit/engine.hpp>

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace sandboxkit::test {

namespace fs = std::filesystem;

inline const Principal tester = with_every_scope("tester");

// A directory that goes with the test. On the disk that the build is on: overlayfs needs a real file system.
class TempDir {
public:
    TempDir() {
        std::string name = (fs::current_path() / "engine-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ~TempDir() {
        std::error_code ec;
        fs::remove_all(path_, ec);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

template <class T>
T must(Result<T> result) {
    if (!result) {
        std::string text = result.error().code + ": " + result.error().message + " [" + result.error().detail + "]";
        for (const auto& problem : result.error().problems)
            text += "\n  " + problem.pointer + " " + problem.code + ": " + problem.message;
        FAIL(text);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline EngineOptions options_in(const fs::path& directory) {
    EngineOptions options;
    options.store = directory / "store.db";
    return options;
}

// A profile document on the host image, without network; members of `more` are added or replaced.
inline std::string document(boost::json::object more = {}) {
    boost::json::object profile{{"name", "test"}, {"image", "host"}, {"network", {{"egress", "none"}}}};
    for (auto& [name, value] : more) profile[name] = value;
    return boost::json::serialize(profile);
}

inline std::string shell_output(Engine& engine, const std::string& session, const std::string& script) {
    ExecRequest request;
    request.argv = {"/bin/sh", "-c", script};
    auto result = must(engine.exec(tester, session, std::move(request)).get());
    CHECK_MESSAGE(result.end.exit_code == 0, script << ": " << result.standard_output << result.standard_error);
    return result.standard_output;
}

// Publishes the draft and waits for its snapshot.
inline JobInfo publish_and_build(Engine& engine, const std::string& profile) {
    auto version = must(engine.publish(tester, profile).get());
    REQUIRE(version.last_job);
    return must(engine.wait_for_job(tester, *version.last_job).get());
}

inline SessionInfo start(Engine& engine, const std::string& profile) {
    StartOptions options;
    options.profile = profile;
    return must(engine.start_session(tester, options).get());
}

// After all sessions were removed: no sandbox, process, mount, control group or checkout of the engine is left.
inline void check_nothing_left(const fs::path& directory, fs::path local_state = {}) {
    if (local_state.empty()) local_state = directory / "store.db.state/local";
    std::string left;
    for (const auto& line : Leftovers(local_state).after()) left += line + "\n";
    CHECK(left == "");
    const auto builds = local_state.parent_path() / "builds";
    CHECK((!fs::exists(builds) || fs::is_empty(builds)));
}

} // namespace sandboxkit::test
