// SPDX-License-Identifier: Apache-2.0
// What every provider has to do, as cases that are run against it. For whoever writes one: link the library, make the provider,
// call check_provider, and print what comes. docs/conformance.md says how, and has the list of the cases.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/export.hpp>
#include <sandboxkit/operation.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

class Provider; // provider.hpp

enum class ConformanceVerdict : std::uint8_t {
    passed,
    failed,
    not_applicable, // the provider does not claim the capability that it is about
    skipped,        // the options, the image or this host lack something: the message says what
};

constexpr std::string_view to_string(ConformanceVerdict v) noexcept {
    constexpr std::string_view names[] = {"passed", "failed", "not applicable", "skipped"};
    return names[static_cast<std::size_t>(v)];
}

struct ConformanceCase {
    std::string group, name;
    std::string about; // one line: what holds when it passes
};

struct ConformanceResult {
    std::string group, name;
    ConformanceVerdict verdict = ConformanceVerdict::failed;
    std::string message; // of a failure: what was expected, what came, and where
    std::chrono::milliseconds taken{};
};

struct ConformanceOptions {
    // As Recipe::image. It has /bin/sh and the usual small tools (those of busybox will do), and the user "nobody".
    std::string image;
    std::vector<std::string> only; // "group" or "group/name"; empty: all
    // A static program that tries what must not succeed, tests/probe/; it is copied into the sandboxes. Empty: the cases that
    // need it are skipped.
    std::filesystem::path probe;
    // Makes what stands behind the provider, a daemon say, die, and come back: each returns when that is so. Called on the
    // suite's thread, always in pairs. Empty: the cases about it are skipped.
    std::function<void()> interrupt, restore;
    // Ends the compute of a sandbox from outside of it and past the provider, as a crash would. Called on the suite's thread.
    // Empty: the case about it is skipped.
    std::function<void(const std::string& sandbox_id)> end_compute;
    // An empty directory of the caller, on a real file system of this machine, for trees and sockets. Emptied again.
    std::filesystem::path scratch;
    // Called on the suite's thread after each case; empty: nobody listens.
    std::function<void(const ConformanceResult&)> on_result;
    // How long one operation may take; one that takes longer has failed.
    std::chrono::milliseconds patience = std::chrono::minutes(2);
};

// All of them, in the order in which they are run. The group "clean" is the last.
SANDBOXKIT_API std::vector<ConformanceCase> conformance_cases();

// Runs the cases against `provider`, one after the other, on a thread of its own that lives as long as the operation does.
// What they make has the label "sandboxkit.conformance" with an id of this run, and is removed after each case; what is not
// theirs is not touched, so that the provider may be in use meanwhile.
// Errors: invalid for options that cannot be; not_found "conformance_case_not_found" for a name in `only`; those of
// Provider::capabilities(). A case that fails is a result and not an error.
// Cancellation: the case that runs is broken off, its things are removed, and the operation ends with ErrorClass::cancelled.
SANDBOXKIT_API Operation<std::vector<ConformanceResult>> check_provider(std::shared_ptr<Provider> provider,
                                                                        ConformanceOptions options);

} // namespace sandboxkit
