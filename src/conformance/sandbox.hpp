// SPDX-License-Identifier: Apache-2.0
// A sandbox that a case made, with the client of what answers in it.
#pragma once

#include "envd/client.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace sandboxkit::conformance {

class Bench;

class Sandbox {
public:
    Sandbox(Bench& bench, std::string id) : bench_(&bench), id_(std::move(id)) {}

    [[nodiscard]] const std::string& id() const { return id_; }
    // Each of these fails the case when the provider does.
    void start();
    void stop();
    void destroy();
    SandboxState state();
    CaptureResult capture();

    // A new one each time that the sandbox starts.
    envd::Client& client() { return *shared_client(); }
    const std::shared_ptr<envd::Client>& shared_client();

    // Runs a command to its end; a failure to do so fails the case.
    ExecResult exec(ExecRequest request, std::string input = {});
    // By /bin/sh -c, as root or as `user`.
    ExecResult run(const std::string& script, const std::string& user = {});
    // What a script prints that has to succeed.
    std::string text(const std::string& script, const std::string& user = {});
    // Whether it exited with 0.
    bool works(const std::string& script, const std::string& user = {});
    // Without it, the case is skipped.
    void need_tool(const std::string& name);
    void need_user(const std::string& name);
    // Copies the program that ConformanceOptions::probe names to probe_path, or skips the case.
    void bring_probe();
    // What it says, without the end of the line.
    std::string probe(const std::string& arguments, const std::string& user = {});

    static constexpr const char* probe_path = "/tmp/conformance-probe";

private:
    Bench* bench_;
    std::string id_;
    std::shared_ptr<envd::Client> client_;
};

} // namespace sandboxkit::conformance
