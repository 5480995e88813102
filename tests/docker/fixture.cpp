// SPDX-License-Identifier: Apache-2.0
#include "docker/fixture.hpp"

#include "envd/client.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxkit::test {

namespace fs = std::filesystem;

void report_error(const Error& error) {
    MESSAGE(error.code << ": " << error.message << " [" << error.detail << "]");
}

bool have_program(const std::string& name) {
    std::stringstream path(std::string(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "") + ":/usr/sbin:/sbin");
    for (std::string directory; std::getline(path, directory, ':');)
        if (::access((fs::path(directory) / name).c_str(), X_OK) == 0) return true;
    return false;
}

CommandResult command(const std::vector<std::string>& arguments) {
    std::string line;
    for (const auto& each : arguments) {
        std::string quoted = "'";
        for (const char c : each) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
        line += quoted + "' ";
    }
    CommandResult result;
    FILE* pipe = ::popen((line + "2>&1").c_str(), "re");
    if (pipe == nullptr) return result;
    std::array<char, 4096> piece{};
    while (const auto n = std::fread(piece.data(), 1, piece.size(), pipe)) result.text.append(piece.data(), n);
    const int status = ::pclose(pipe);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    while (result.text.ends_with('\n')) result.text.pop_back();
    return result;
}

PrivateDaemon::~PrivateDaemon() {
    stop();
}

std::string PrivateDaemon::start(std::vector<std::string> options) {
    if (const char* given = std::getenv("SANDBOXKIT_TEST_DOCKER_HOST")) {
        host_ = given;
        return {};
    }
    std::string name = "/var/tmp/sandboxkit-docker-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return "cannot make a directory";
    directory_ = name;
    options_ = std::move(options);
    started_ = true;
    restart();
    return host_.starts_with("unix://") ? "" : host_;
}

void PrivateDaemon::restart() {
    if (!started_) return;
    std::vector<std::string> arguments{SANDBOXKIT_TEST_DOCKERD, "start", directory_.string()};
    arguments.insert(arguments.end(), options_.begin(), options_.end());
    const auto started = command(arguments);
    host_ = started.text.substr(started.text.rfind('\n') + 1);
    constexpr std::string_view skipped = "SKIPPED: ";
    if (started.code == 77)
        host_ = host_.substr(skipped.size());
    else if (started.code != 0)
        throw std::runtime_error(started.text);
}

void PrivateDaemon::stop() {
    if (!started_) return;
    started_ = false;
    const auto stopped = command({SANDBOXKIT_TEST_DOCKERD, "stop", directory_.string()});
    if (stopped.code != 0) std::cerr << stopped.text << '\n';
}

CommandResult PrivateDaemon::docker(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"docker", "-H", host_});
    return command(arguments);
}

PrivateDaemon& private_daemon() {
    static PrivateDaemon daemon;
    return daemon;
}

int check_host() {
    std::string lacks;
    for (const char* program : {"docker", "busybox", "tar", "curl"})
        if (lacks.empty() && !have_program(program)) lacks = std::string(program) + " is not installed";
    if (lacks.empty()) lacks = private_daemon().start();
    if (lacks.empty()) return 0;
    std::cout << "SKIPPED: " << lacks << '\n';
    return 77;
}

fs::path DockerFixture::guest_program() {
    return SANDBOXKIT_GUEST_PROGRAM;
}

DockerFixture::DockerFixture(docker::DockerOptions options, const PrivateDaemon& daemon)
    : daemon_(daemon), options_(std::move(options)) {
    if (options_.endpoint.empty()) options_.endpoint = daemon_.host();
    options_.state_directory = state();
    if (options_.guest.empty()) options_.guest = guest_program();
    labels_ = {{"test", directory_.path().filename().string()}};
    reopen();
}

void DockerFixture::reopen(const std::string& endpoint) {
    if (!endpoint.empty()) options_.endpoint = endpoint;
    provider_.reset();
    auto made = docker::make_docker_provider(options_, io_.get_executor(), pool_);
    if (!made) throw std::runtime_error(made.error().message);
    provider_ = std::move(*made);
}

DockerFixture::~DockerFixture() {
    options_.endpoint = daemon_.host();
    options_.tls = false;
    reopen();
    auto sandboxes = wait(provider_->list(labels_));
    CHECK(succeeded(sandboxes));
    if (sandboxes)
        for (const auto& each : *sandboxes) CHECK(succeeded(wait(provider_->destroy(each.id))));
    auto images = wait(provider_->list_images());
    CHECK(succeeded(images));
    // Those that were captured first: they are made of others.
    for (bool removed = true; images && removed;) {
        removed = false;
        for (const auto& each : *images) {
            const auto own = each.labels.find("test");
            if (own == each.labels.end() || own->second != labels_["test"]) continue;
            if (wait(provider_->remove_image(each.id))) removed = true;
        }
        images = wait(provider_->list_images());
        bool left = false;
        if (images)
            for (const auto& each : *images)
                left = left || (each.labels.contains("test") && each.labels.at("test") == labels_["test"]);
        if (!left) break;
    }
    auto volumes = wait(provider_->list_volumes(labels_));
    CHECK(succeeded(volumes));
    if (volumes)
        for (const auto& each : *volumes) CHECK(succeeded(wait(provider_->remove_volume(each.id))));
    CHECK(daemon_.docker({"ps", "-aq", "--filter", "label=sandboxkit.kind=helper"}).text.empty());
}

fs::path DockerFixture::archive() {
    const fs::path path = directory_.path() / "base.tar";
    if (fs::exists(path)) return path;
    const fs::path root = directory_.path() / "base";
    for (const char* each : {"bin", "etc", "tmp", "proc", "dev", "sys", "root", "usr"}) fs::create_directories(root / each);
    const auto busybox = command({"sh", "-c", "command -v busybox"});
    fs::copy_file(busybox.text, root / "bin/busybox");
    std::istringstream applets(command({"busybox", "--list"}).text);
    for (std::string each; std::getline(applets, each);)
        if (each != "busybox") fs::create_symlink("busybox", root / "bin" / each);
    std::ofstream(root / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n";
    std::ofstream(root / "etc/group") << "root:x:0:\nuser:x:1000:\n";
    ::chmod((root / "tmp").c_str(), 01777);
    if (command({"tar", "-C", root.string(), "-cf", path.string(), "--owner=0", "--group=0", "."}).code != 0)
        throw std::runtime_error("tar");
    return path;
}

std::string DockerFixture::image() {
    if (!image_.empty()) return image_;
    ImageRequest request;
    request.image = "archive:" + archive().string();
    request.labels = labels_;
    auto made = wait(provider_->prepare_image(std::move(request)));
    REQUIRE(succeeded(made));
    return image_ = made->id;
}

CreateRequest DockerFixture::request(const std::string& token, Egress egress) {
    CreateRequest request;
    request.token = directory_.path().filename().string() + "/" + token;
    request.image_id = image();
    request.labels = labels_;
    request.limits.memory_bytes = 256ULL << 20;
    request.limits.processes = 64;
    request.limits.cpus = 1;
    request.egress = egress;
    request.hostname = "box";
    return request;
}

std::string DockerFixture::start(const CreateRequest& request) {
    auto made = wait(provider_->create(request));
    REQUIRE(succeeded(made));
    REQUIRE(succeeded(wait(provider_->start(made->id))));
    return made->id;
}

namespace {

Task<Output> run(boost::asio::any_io_executor executor, std::shared_ptr<Provider> provider, std::string sandbox,
                 std::vector<std::string> arguments) {
    auto endpoint = co_await provider->endpoint(sandbox);
    if (!endpoint) co_return endpoint.error();
    const auto client = envd::Client::make(executor, std::move(*endpoint));
    ExecRequest request;
    request.argv = std::move(arguments);
    auto stream = co_await client->start(std::move(request));
    if (!stream) co_return stream.error();
    Output output;
    for (;;) {
        auto event = co_await (*stream)->next();
        if (!event) co_return event.error();
        output.text += event->bytes;
        if (!event->end) continue;
        output.code = event->end->shell_code();
        co_return output;
    }
}

} // namespace

Output DockerFixture::exec(const std::string& sandbox, const std::vector<std::string>& arguments) {
    auto output = wait(run(caller_.get_executor(), provider_, sandbox, arguments));
    if (!succeeded(output)) return {};
    return *output;
}

} // namespace sandboxkit::test
