// SPDX-License-Identifier: Apache-2.0
// The state directory: where it may be, its records, and what is kept in its cache.
#include "local/runtime/fixture.hpp"

#include "providers/local/sandbox_directory.hpp"
#include "providers/local/sandbox_record.hpp"
#include "providers/local/seccomp_filter.hpp"
#include "providers/local/spawn.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include <fcntl.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;

TEST_CASE("a sandbox works in a state directory whose path is longer than a socket's may be") {
    std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const fs::path state = fs::path(pattern) / std::string(120, 'a') / "with space, comma: and colon";
    async::Pool pool(2);
    auto provider = local::make_local_provider({state, LocalFixture::guest_program(), ""}, pool);
    REQUIRE(succeeded(provider));
    ImageRequest image;
    image.image = "host";
    auto prepared = wait_for((*provider)->prepare_image(image));
    REQUIRE(succeeded(prepared));
    CreateRequest request;
    request.token = "long";
    request.hostname = "long";
    request.image_id = prepared->id;
    auto created = wait_for((*provider)->create(request));
    REQUIRE(succeeded(created));
    REQUIRE(succeeded(wait_for((*provider)->start(created->id))));
    auto endpoint = wait_for((*provider)->endpoint(created->id));
    REQUIRE(succeeded(endpoint));
    CHECK(endpoint->unix_socket.native().size() > 108);
    CHECK(shell(endpoint->unix_socket, "echo far").text == "far\n");
    REQUIRE(succeeded(wait_for((*provider)->destroy(created->id))));
    CHECK(Leftovers(state).after().empty());
    provider->reset();
    pool.join();
    fs::remove_all(pattern);
}

TEST_CASE("without root privileges, and on overlayfs, it says what is needed") {
    std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const fs::path scratch = pattern;
    async::Pool pool(1);
    REQUIRE(::seteuid(65534) == 0);
    const auto refused = local::make_local_provider({scratch / "state", LocalFixture::guest_program(), ""}, pool);
    const auto checks = local::doctor({scratch / "state", LocalFixture::guest_program(), ""});
    REQUIRE(::seteuid(0) == 0);
    CHECK(refused.error().kind == ErrorClass::permission);
    CHECK(refused.error().code == "needs_root");
    CHECK(!refused.error().remedy.empty());
    CHECK(std::ranges::any_of(checks, [](const DoctorCheck& check) {
        return check.name == "privileges" && check.status == DoctorCheck::Status::missing;
    }));

    // In a process of its own, whose overlay goes with it.
    for (const char* each : {"lower", "upper", "work", "merged"}) fs::create_directory(scratch / each);
    const std::string options = "lowerdir=" + (scratch / "lower").string() + ",upperdir=" + (scratch / "upper").string() +
                                ",workdir=" + (scratch / "work").string();
    const std::string merged = (scratch / "merged").string();
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0)
            ::_exit(2);
        const auto state = local::StateDirectory::open(merged + "/state");
        ::_exit(state.has_error() && state.error().code == "state_on_overlay" ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);

    CHECK(local::make_local_provider({scratch / "state", scratch / "no-guest", ""}, pool).error().code == "guest_missing");
    CHECK(local::make_local_provider({scratch / "state", LocalFixture::guest_program(), "runsomething"}, pool).error().code ==
          "runtime_not_found");
    CHECK(local::make_local_provider({scratch / "state", LocalFixture::guest_program(), "/bin/false"}, pool).error().code ==
          "runtime_does_not_run");
    // A guest that is no guest is not taken for one.
    CHECK(local::make_local_provider({scratch / "state", LocalFixture::probe_program(), ""}, pool).error().code ==
          "runtime_does_not_run");
    CHECK(Leftovers(scratch / "state").after().empty());
    pool.join();
    fs::remove_all(scratch);
}

TEST_CASE("records survive writing and reading, and damaged ones are told") {
    local::SandboxRecord record;
    record.request.token = "a \"token\"\n";
    record.id = local::sandbox_id(record.request.token);
    record.request.image_id = "image";
    record.request.labels = {{"a", "b"}, {"", ""}};
    record.request.limits = {0.25, 1ULL << 40, 9, 5ULL << 30};
    record.request.egress = Egress::open;
    record.request.read_only_paths = {"/a", "/b c"};
    record.request.hostname = "h";
    const auto again = local::read_sandbox_record(local::write_sandbox_record(record));
    REQUIRE(succeeded(again));
    CHECK(again->id == record.id);
    CHECK(again->request.token == record.request.token);
    CHECK(again->request.labels == record.request.labels);
    CHECK(again->request.limits == record.request.limits);
    CHECK(again->request.egress == Egress::open);
    CHECK(again->request.read_only_paths == record.request.read_only_paths);
    for (const char* torn : {"", "{", "{\"format\":1,\"id\":"})
        CHECK(local::read_sandbox_record(torn).error().code == "sandbox_record_torn");
    for (const char* bad : {"[]", "{}", "{\"format\":2}", "null", "{\"format\":1,\"id\":7}"})
        CHECK(local::read_sandbox_record(bad).error().code == "sandbox_record_damaged");
    CHECK(local::sandbox_id("x").size() == 24);
    CHECK(local::sandbox_id("x") != local::sandbox_id("y"));
}

TEST_CASE("the compiled filter is kept, checked and sealed") {
    std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const fs::path cache = pattern;
    auto first = local::SeccompFilter::load(cache);
    REQUIRE(succeeded(first));
    fs::path stored;
    for (const auto& each : fs::directory_iterator(cache)) stored = each.path();
    const auto size = fs::file_size(stored);
    fs::resize_file(stored, size - 1);
    auto second = local::SeccompFilter::load(cache);
    REQUIRE(succeeded(second));
    CHECK(second->program() == first->program());
    CHECK(fs::file_size(stored) == size);
    {
        std::fstream file(stored, std::ios::in | std::ios::out | std::ios::binary);
        file.put('\7');
    }
    CHECK(local::SeccompFilter::load(cache)->program() == first->program());
    auto descriptor = first->open();
    REQUIRE(succeeded(descriptor));
    CHECK(::write(descriptor->get(), "x", 1) < 0);
    // Not even by way of /proc can it be changed.
    const local::FileHandle again(::open(("/proc/self/fd/" + std::to_string(descriptor->get())).c_str(), O_RDWR | O_CLOEXEC));
    CHECK((!again || ::write(again.get(), "x", 1) < 0));
    fs::remove_all(cache);
}

TEST_CASE("a sandbox whose record cannot be read is kept and told; one that was never acknowledged goes") {
    LocalFixture fixture;
    Provider& provider = fixture.provider();
    auto kept = wait_for(provider.create(fixture.request("kept")));
    auto torn = wait_for(provider.create(fixture.request("torn")));
    REQUIRE(succeeded(kept));
    REQUIRE(succeeded(torn));
    const auto record = [&](const std::string& id) { return fixture.state() / "sandboxes" / id / "sandbox.json"; };
    fs::resize_file(record(torn->id), 10);
    CHECK(wait_for(provider.list({}))->size() == 1);
    CHECK_FALSE(fs::exists(record(torn->id)));

    std::ifstream in(record(kept->id));
    std::string good;
    std::getline(in, good, '\0');
    std::ofstream(record(kept->id)) << "{\"format\":2}";
    const auto listed = wait_for(provider.list({}));
    REQUIRE_FALSE(listed.has_value());
    CHECK(listed.error().code == "sandbox_record_damaged");
    CHECK(listed.error().message.find(kept->id) != std::string::npos);
    CHECK_FALSE(listed.error().remedy.empty());
    std::ofstream(record(kept->id)) << good;
    CHECK(wait_for(provider.list({}))->size() == 1);
}

TEST_CASE("a state directory that others can write is refused") {
    std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    const fs::path state = fs::path(pattern) / "state";
    fs::create_directory(state);
    SUBCASE("its mode") {
        REQUIRE(::chmod(state.c_str(), 0777) == 0);
    }
    SUBCASE("its owner") {
        REQUIRE(::chown(state.c_str(), 65534, 65534) == 0);
    }
    SUBCASE("a link") {
        fs::rename(state, fs::path(pattern) / "elsewhere");
        fs::create_symlink("elsewhere", state);
    }
    const auto opened = local::StateDirectory::open(state);
    REQUIRE(opened.has_error());
    CHECK(opened.error().kind == ErrorClass::permission);
    CHECK(opened.error().code == "state_not_private");
    fs::remove_all(pattern);
}
