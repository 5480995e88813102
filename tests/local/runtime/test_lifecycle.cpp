// SPDX-License-Identifier: Apache-2.0
// Sandboxes from creation to destruction.
#include "local/runtime/fixture.hpp"

#include "providers/local/cgroup.hpp"
#include "providers/local/file_handle.hpp"
#include "providers/local/sandbox_directory.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;

TEST_CASE("a sandbox starts, runs, stops with its layer kept, starts again and goes without a trace") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    const auto request = fixture.request("life");
    auto created = wait_for(provider.create(request));
    REQUIRE(succeeded(created));
    const std::string id = created->id;
    CHECK(created->state == SandboxState::created);
    CHECK(created->token == "life");
    CHECK(created->labels == request.labels);
    CHECK(wait_for(provider.endpoint(id)).error().code == "sandbox_not_running");

    REQUIRE(succeeded(wait_for(provider.start(id))));
    CHECK(wait_for(provider.inspect(id))->state == SandboxState::running);
    REQUIRE(succeeded(wait_for(provider.start(id))));
    const auto socket = fixture.socket(id);
    struct stat status {};
    REQUIRE(::lstat(socket.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    auto said = shell(socket, "echo hello > /root/kept; cat /etc/hostname; hostname; cat /etc/resolv.conf");
    INFO(said.trace);
    CHECK(said.code == 0);
    CHECK(said.text == "testbox\ntestbox\n# This sandbox has no network.\n");

    REQUIRE(succeeded(wait_for(provider.stop(id))));
    CHECK(wait_for(provider.inspect(id))->state == SandboxState::created);
    REQUIRE(succeeded(wait_for(provider.stop(id))));
    CHECK(fixture.leftovers().after(false).empty());

    REQUIRE(succeeded(wait_for(provider.start(id))));
    said = shell(fixture.socket(id), "cat /root/kept");
    CHECK(said.text == "hello\n");
    REQUIRE(succeeded(wait_for(provider.destroy(id))));
    CHECK(wait_for(provider.inspect(id)).error().code == "sandbox_not_found");
    REQUIRE(succeeded(wait_for(provider.destroy(id))));
    const auto left = fixture.leftovers().after();
    INFO((left.empty() ? "" : left.front()));
    CHECK(left.empty());
}

TEST_CASE("the same token gives the same sandbox, and labels find it") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    auto request = fixture.request("same");
    request.labels["colour"] = "red";
    auto first = wait_for(provider.create(request));
    auto second = wait_for(provider.create(request));
    REQUIRE(succeeded(first));
    REQUIRE(succeeded(second));
    CHECK(first->id == second->id);
    auto other = wait_for(provider.create(fixture.request("other")));
    REQUIRE(succeeded(other));
    CHECK(other->id != first->id);
    CHECK(wait_for(provider.list({}))->size() == 2);
    auto red = wait_for(provider.list({{"colour", "red"}}));
    REQUIRE(red->size() == 1);
    CHECK(red->front().id == first->id);
    CHECK(wait_for(provider.list({{"colour", "red"}, {"size", "big"}}))->empty());
    // Another process sees the same.
    fixture.reopen();
    CHECK(wait_for(fixture.provider().list({}))->size() == 2);
}

TEST_CASE("what cannot be is refused by name, and nothing is left") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    const auto refused = [&](auto change) {
        auto request = fixture.request("bad");
        change(request);
        auto created = wait_for(provider.create(request));
        REQUIRE(created.has_error());
        return created.error();
    };
    CHECK(refused([](CreateRequest& r) { r.token.clear(); }).kind == ErrorClass::invalid);
    CHECK(refused([](CreateRequest& r) { r.hostname = "no_good"; }).code == "hostname");
    CHECK(refused([](CreateRequest& r) { r.read_only_paths = {"relative"}; }).code == "read_only_path");
    CHECK(refused([](CreateRequest& r) { r.read_only_paths = {"/a/../b"}; }).code == "read_only_path");
    CHECK(refused([](CreateRequest& r) { r.labels["long"] = std::string(1000, 'x'); }).code == "labels");
    CHECK(refused([](CreateRequest& r) { r.image_id = "no-such-image"; }).kind == ErrorClass::not_found);
    CHECK(wait_for(provider.start("sbx_../../etc")).error().code == "sandbox_not_found");
    CHECK(wait_for(provider.inspect("")).error().code == "sandbox_not_found");
    CHECK(wait_for(provider.list({}))->empty());
    CHECK(fixture.leftovers().after().empty());

    auto request = fixture.request("missing path");
    request.read_only_paths = {"/opt/nothing"};
    auto created = wait_for(provider.create(request));
    REQUIRE(succeeded(created));
    CHECK(wait_for(provider.start(created->id)).error().code == "read_only_path_missing");
    CHECK(fixture.leftovers().after(false).empty());
}

TEST_CASE("a guest that ends shows as ended, and can be started again") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    const auto id = fixture.start(fixture.request("ended"));
    // The guest ignores what its own children send it; the host's SIGKILL comes through.
    std::ifstream file(fixture.state() / "sandboxes" / id / "pid");
    pid_t pid = 0;
    file >> pid;
    REQUIRE(pid > 1);
    REQUIRE(::kill(pid, SIGKILL) == 0);
    while (wait_for(provider.inspect(id))->state == SandboxState::running) {
    }
    CHECK(wait_for(provider.inspect(id))->state == SandboxState::ended);
    CHECK(wait_for(provider.endpoint(id)).error().code == "sandbox_not_running");
    REQUIRE(succeeded(wait_for(provider.start(id))));
    CHECK(wait_for(provider.inspect(id))->state == SandboxState::running);
}

TEST_CASE("capture makes an image of the sandbox, without what belongs to the sandbox alone") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    const auto id = fixture.start(fixture.request("captured"));
    REQUIRE(shell(fixture.socket(id), "mkdir -p /root/work && echo built > /root/work/result && rm /opt/locked/file").code == 0);
    const fs::path layers = fixture.state() / "images-store" / "layers";
    std::set<fs::path> before;
    for (const auto& layer : fs::directory_iterator(layers)) before.insert(layer.path());
    auto captured = wait_for(provider.capture(id, {{"made", "by test"}}));
    REQUIRE(succeeded(captured));
    CHECK(captured->image.labels.at("made") == "by test");
    CHECK(captured->sealed.count() > 0);
    CHECK(wait_for(provider.start(id)).error().code == "sandbox_captured");
    CHECK(wait_for(provider.capture(id, {})).error().code == "sandbox_captured");
    CHECK(fixture.leftovers().after(false).empty());

    auto request = fixture.request("from captured", Egress::none);
    request.image_id = captured->image.id;
    request.hostname = "second";
    const auto second = fixture.start(request);
    auto said = shell(fixture.socket(second), "cat /root/work/result; ls /opt/locked; cat /etc/hostname; ls /dev/.sandboxkit");
    CHECK(said.text == "built\nsecond\nguest\n");
    // Nothing of the sandbox's own files is in the layer.
    for (const auto& layer : fs::directory_iterator(layers)) {
        if (before.contains(layer.path())) continue;
        for (const auto& entry : fs::recursive_directory_iterator(layer.path(), fs::directory_options::skip_permission_denied)) {
            const std::string name = entry.path().filename();
            CHECK(name != "resolv.conf");
            CHECK(name != "hosts");
            CHECK(name != "hostname");
            CHECK(name != ".sandboxkit");
        }
    }

    CHECK(wait_for(provider.remove_image(captured->image.id)).error().code == "image_in_use");
    REQUIRE(succeeded(wait_for(provider.destroy(second))));
    REQUIRE(succeeded(wait_for(provider.remove_image(captured->image.id))));
    REQUIRE(succeeded(wait_for(provider.remove_image(captured->image.id))));
}

TEST_CASE("the capabilities say what this host does") {
    LocalFixture fixture;
    auto can = wait_for(fixture.provider().capabilities());
    REQUIRE(succeeded(can));
    CHECK(can->capture);
    CHECK(can->stop_and_resume);
    CHECK(can->egress_none);
    CHECK(!can->disk_limit);
    CHECK(can->facts.contains("runtime"));
    for (const auto& [name, value] : can->facts) MESSAGE(name << ": " << value);
    auto request = fixture.request("disk");
    request.limits.disk_bytes = 1ULL << 30;
    auto created = wait_for(fixture.provider().create(request));
    REQUIRE(succeeded(created));
    CHECK(std::ranges::count(created->unenforced, "disk") == 1);
    CHECK(std::ranges::count(created->unenforced, "memory") == (can->memory_limit ? 0 : 1));
}

TEST_CASE("the doctor finds this host fit") {
    LocalFixture fixture;
    for (const auto& check : local::doctor({fixture.state(), LocalFixture::guest_program(), ""})) {
        MESSAGE(check.name << ": " << check.message << " | " << check.remedy);
        CHECK(check.status != DoctorCheck::Status::missing);
        CHECK((check.status == DoctorCheck::Status::ok) == check.remedy.empty());
    }
    CHECK(fixture.leftovers().after().empty());
}

TEST_CASE("the doctor leaves nothing where there is no state directory yet") {
    std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const fs::path scratch = pattern;
    const auto meant = scratch / "not/yet/state";
    const auto checks = local::doctor({meant, LocalFixture::guest_program(), ""});
    CHECK(std::ranges::any_of(checks, [&](const DoctorCheck& check) { return check.message == meant.string(); }));
    CHECK(std::ranges::any_of(
        checks, [](const DoctorCheck& check) { return check.name == "overlayfs" && check.status == DoctorCheck::Status::ok; }));
    CHECK(std::ranges::none_of(
        checks, [](const DoctorCheck& check) { return check.message.find("sandboxkit-doctor") != std::string::npos; }));
    CHECK(fs::is_empty(scratch));

    // One that is killed on the way leaves what the next one takes away.
    for (const int delay : {5, 20, 60, 120}) {
        const pid_t child = ::fork();
        if (child == 0) {
            (void)local::doctor({meant, LocalFixture::guest_program(), ""});
            ::_exit(0);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(delay)); // where it is hit does not matter
        ::kill(child, SIGKILL);
        REQUIRE(::waitpid(child, nullptr, 0) == child);
    }
    std::vector<std::string> prefixes;
    for (const auto& each : fs::directory_iterator(scratch)) {
        if (const auto state = local::StateDirectory::open(each.path())) prefixes.push_back(state->group_prefix());
        // What it had started ends by itself, and lets go of these.
        std::vector<fs::path> locks{each.path()};
        for (const auto& trial : fs::directory_iterator(each.path() / "cache"))
            if (trial.is_directory()) locks.push_back(trial.path());
        for (const auto& lock : locks) {
            const auto held = local::open_directory(lock);
            REQUIRE(succeeded(held));
            REQUIRE(::flock(held->get(), LOCK_EX) == 0);
        }
    }
    (void)local::doctor({meant, LocalFixture::guest_program(), ""});
    CHECK(fs::is_empty(scratch));
    for (const auto& prefix : prefixes) CHECK(local::CgroupLayout::detect().groups(prefix).empty());
    fs::remove_all(scratch);
}

TEST_CASE("a runtime's record that a power failure tore stands in nobody's way") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    const auto id = fixture.start(fixture.request("torn"));
    (void)shell(fixture.socket(id), "echo kept > /root/kept");
    fs::path record;
    for (const auto& root : fs::directory_iterator(fixture.state() / "runtime"))
        if (fs::exists(root.path() / id)) record = root.path() / id;
    REQUIRE_FALSE(record.empty());
    for (const auto& file : fs::directory_iterator(record))
        if (file.is_regular_file()) fs::resize_file(file.path(), 0);
    SUBCASE("of a sandbox that still runs") {}
    SUBCASE("of one that was stopped by its guest's end") {
        (void)shell(fixture.socket(id), "kill -9 -1");
        std::ifstream run(fixture.state() / "sandboxes" / id / "run.json");
        std::string text;
        std::getline(run, text, '\0');
        ::kill(std::stoi(text.substr(text.find("\"pid\":") + 6)), SIGKILL);
    }
    REQUIRE(succeeded(wait_for(provider.stop(id))));
    REQUIRE(succeeded(wait_for(provider.start(id))));
    CHECK(shell(fixture.socket(id), "cat /root/kept").text == "kept\n");
    REQUIRE(succeeded(wait_for(provider.destroy(id))));

    const auto stray = record.parent_path() / "sbx_00000000000000000000";
    fs::create_directory(stray);
    std::ofstream(stray / "state.json") << "{\"id\"";
    fixture.reopen();
    CHECK_FALSE(fs::exists(stray));
    CHECK(fixture.leftovers().after().empty());
}

TEST_CASE("a capture that no sandbox could start from is refused") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    const auto id = fixture.start(fixture.request("etc"));
    REQUIRE(shell(fixture.socket(id), "mkdir /etc2 && mv /etc /etc3 && ln -s etc2 /etc").code == 0);
    const auto captured = wait_for(provider.capture(id, {}));
    REQUIRE_FALSE(captured.has_value());
    CHECK(captured.error().kind == ErrorClass::unsupported);
    CHECK(captured.error().code == "image_unusable");
    REQUIRE(succeeded(wait_for(provider.destroy(id))));
    CHECK(fixture.leftovers().after().empty());
}

TEST_CASE("an application that adopts orphans keeps no dead ones") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    const bool network = wait_for(provider.capabilities())->egress_open;
    for (const bool killed : {false, true}) {
        const auto id = fixture.start(fixture.request(killed ? "killed" : "stopped", network ? Egress::open : Egress::none));
        if (killed) (void)shell(fixture.socket(id), "kill -9 1; kill -9 -1");
        REQUIRE(succeeded(wait_for(provider.destroy(id))));
        siginfo_t info{};
        const int found = ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
        CHECK((found != 0 || info.si_pid == 0));
    }
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}
