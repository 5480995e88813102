// SPDX-License-Identifier: Apache-2.0
#include "conformance/sandbox.hpp"

#include "conformance/bench.hpp"

#include <fstream>
#include <sstream>

namespace sandboxkit::conformance {
namespace {

constexpr std::size_t output_limit = 64U << 20; // bytes of one command

Task<ExecResult> run_to_end(std::shared_ptr<envd::Client> client, ExecRequest request, std::string input) {
    const bool with_input = request.standard_input;
    auto stream = co_await client->start(std::move(request));
    if (!stream) co_return stream.error();
    if (with_input) {
        const auto pid = (*stream)->pid();
        auto sent = co_await client->send_input(pid, std::move(input), envd::ProcessInput::standard_input);
        if (!sent) co_return sent.error();
        auto closed = co_await client->close_stdin(pid);
        if (!closed) co_return closed.error();
    }
    ExecResult result;
    for (;;) {
        auto event = co_await (*stream)->next();
        if (!event) co_return event.error();
        if (event->end) {
            result.end = *event->end;
            co_return result;
        }
        std::string& to = event->stream == Stream::standard_output ? result.standard_output : result.standard_error;
        if (to.size() + event->bytes.size() <= output_limit)
            to += event->bytes;
        else
            result.dropped_bytes += event->bytes.size();
    }
}

} // namespace

void Sandbox::start() {
    client_.reset();
    bench_->get("starting a sandbox", bench_->provider().start(id_));
}
void Sandbox::stop() {
    client_.reset();
    bench_->get("stopping a sandbox", bench_->provider().stop(id_));
}
void Sandbox::destroy() {
    client_.reset();
    bench_->get("destroying a sandbox", bench_->provider().destroy(id_));
}
SandboxState Sandbox::state() {
    return bench_->get("inspecting a sandbox", bench_->provider().inspect(id_)).state;
}
CaptureResult Sandbox::capture() {
    client_.reset();
    return bench_->get("capturing a sandbox", bench_->provider().capture(id_, bench_->labels()));
}

const std::shared_ptr<envd::Client>& Sandbox::shared_client() {
    if (!client_) {
        auto endpoint = bench_->get("asking where a sandbox answers", bench_->provider().endpoint(id_));
        client_ = envd::Client::make(bench_->waiting().executor(), std::move(endpoint));
    }
    return client_;
}

ExecResult Sandbox::exec(ExecRequest request, std::string input) {
    return bench_->get("running a command", run_to_end(shared_client(), std::move(request), std::move(input)));
}

ExecResult Sandbox::run(const std::string& script, const std::string& user) {
    ExecRequest request;
    request.argv = {"/bin/sh", "-c", script};
    if (!user.empty()) request.user = user;
    return exec(std::move(request));
}

std::string Sandbox::text(const std::string& script, const std::string& user) {
    auto result = run(script, user);
    bench_->require(result.end == ProcessEnd{}, "the script " + shown(script) + " succeeds in the sandbox",
                    shown(result.standard_error + result.standard_output));
    return result.standard_output;
}

bool Sandbox::works(const std::string& script, const std::string& user) {
    return run(script, user).end == ProcessEnd{};
}

void Sandbox::need_tool(const std::string& name) {
    if (!works("command -v " + name)) Bench::skip("the image has no " + name);
}
void Sandbox::need_user(const std::string& name) {
    if (!works("grep -q '^" + name + ":' /etc/passwd")) Bench::skip("the image has no user " + name);
}

void Sandbox::bring_probe() {
    const auto& path = bench_->options().probe;
    if (path.empty()) Bench::skip("the caller named no probe");
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    if (!file || bytes.str().empty()) Bench::skip("the probe " + path.string() + " cannot be read");
    bench_->get("writing a file", client().write_file(probe_path, bytes.str()));
    (void)text(std::string("chmod 755 ") + probe_path);
}

std::string Sandbox::probe(const std::string& arguments, const std::string& user) {
    auto said = run(std::string(probe_path) + " " + arguments, user).standard_output;
    if (said.ends_with('\n')) said.pop_back();
    return said;
}

} // namespace sandboxkit::conformance
