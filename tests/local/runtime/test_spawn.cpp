// SPDX-License-Identifier: Apache-2.0
// Programs started by hand: their descriptors, signals, mounts and errors.
#include "providers/local/spawn.hpp"

#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::local;
namespace fs = std::filesystem;

namespace {

std::string read_all(const FileHandle& reader) {
    std::string text;
    std::array<char, 1024> buffer{};
    for (ssize_t count = 0; (count = ::read(reader.get(), buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(count));
    return text;
}

class Scratch {
public:
    Scratch() {
        std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }
    fs::path make(const std::string& name) const {
        fs::create_directories(path_ / name);
        return path_ / name;
    }

private:
    fs::path path_;
};

} // namespace

TEST_CASE("a program gets its descriptors and no others, and default signals") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    FileHandle reader(ends[0]), writer(ends[1]), null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const FileHandle leaked(::open("/dev/null", O_RDONLY)); // as a careless host application has it
    ::signal(SIGPIPE, SIG_IGN);
    SpawnPlan plan;
    plan.arguments = {"/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' ' >&3; grep SigIgn /proc/self/status >&3"};
    plan.descriptors = {null.get(), null.get(), null.get(), writer.get()};
    auto child = spawn(plan);
    ::signal(SIGPIPE, SIG_DFL);
    REQUIRE(child.has_value());
    writer.reset();
    const std::string said = read_all(reader);
    // ls has the directory itself open, too.
    CHECK(said.starts_with("0 1 2 3 4 SigIgn:\t0000000000000000"));
    REQUIRE(wait_for_exit(child->pidfd, std::chrono::seconds(30)));
    CHECK(reap(*child).success());
}

TEST_CASE("an orphan belongs to nobody here") {
    SpawnPlan plan;
    const FileHandle null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    plan.arguments = {"/bin/sleep", "30"};
    plan.descriptors = {null.get(), null.get(), null.get()};
    plan.orphan = true;
    auto orphan = spawn(plan);
    REQUIRE(orphan.has_value());
    CHECK(!wait_for_exit(orphan->pidfd, std::chrono::milliseconds(0)));
    CHECK(!reap(*orphan).known);
    ::kill(orphan->pid, SIGKILL);
    CHECK(wait_for_exit(orphan->pidfd, std::chrono::seconds(30)));
}

TEST_CASE("what fails before the program runs is named") {
    SpawnPlan plan;
    plan.arguments = {"/no/such/program"};
    auto child = spawn(plan);
    REQUIRE(child.has_error());
    CHECK(child.error().kind == ErrorClass::not_found);
    CHECK(child.error().message.find("/no/such/program") != std::string::npos);
    plan.orphan = true;
    CHECK(spawn(plan).error().kind == ErrorClass::not_found);

    const Scratch scratch;
    plan = {};
    plan.overlays.push_back({scratch.make("target"), {scratch.path() / "missing"}, scratch.make("upper"), scratch.make("work")});
    CHECK(spawn(plan).error().message.find("open a layer") != std::string::npos);
    plan.overlays.front().lowers.assign(2000, scratch.make("lower"));
    CHECK(spawn(plan).error().code == "too_many_layers");
    CHECK(run_program({"/bin/sleep", "30"}, std::chrono::milliseconds(50)).error().kind == ErrorClass::timeout);
    const auto flood = run_program({"/bin/sh", "-c", "head -c 1000000 /dev/zero; exit 7"}, std::chrono::seconds(30));
    REQUIRE(flood.has_value());
    CHECK(flood->output.size() == 64 * 1024);
    CHECK(flood->status.code == 7);
}

TEST_CASE("a hundred layers with long and odd names are mounted, and the host sees nothing of it") {
    const Scratch scratch;
    SpawnPlan plan;
    OverlayMount mount;
    mount.target = scratch.make("target, with: odd\\name");
    for (int i = 0; i < 100; ++i) {
        const auto layer = scratch.make(std::string(100, 'l') + ",:" + std::to_string(i));
        fs::create_directory(layer / ("from " + std::to_string(i)));
        mount.lowers.push_back(layer);
    }
    mount.upper = scratch.make("upper");
    mount.work = scratch.make("work");
    plan.overlays.push_back(mount);
    plan.root = mount.target;
    plan.required = {"from 0", "from 99"};
    plan.arguments = {"/bin/mkdir", mount.target + "/made inside"};
    auto child = spawn(plan);
    REQUIRE(child.has_value());
    REQUIRE(wait_for_exit(child->pidfd, std::chrono::seconds(30)));
    CHECK(reap(*child).success());
    CHECK(fs::exists(scratch.path() / "upper" / "made inside"));
    CHECK(fs::is_empty(mount.target));
}
