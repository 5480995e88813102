// SPDX-License-Identifier: Apache-2.0
// The process that uses the provider is killed at many moments of creating and starting a sandbox; the next one finds or
// removes everything.
#include "local/runtime/fixture.hpp"

#include "local/runtime/crash_child.hpp"
#include "providers/local/spawn.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sandboxkit;
using namespace sandboxkit::test;
namespace fs = std::filesystem;

namespace sandboxkit::test {

int crash_child(const std::string& state, const std::string& guest, const std::string& image, const std::string& token) {
    async::Pool pool(2);
    auto provider = local::make_local_provider({state, guest, ""}, pool);
    if (!provider) return 1;
    std::puts("begin");
    std::fflush(stdout);
    CreateRequest request;
    request.token = token;
    request.image_id = image;
    request.hostname = "crash";
    request.limits = {1, 128ULL << 20, 64, {}};
    auto created = wait_for((*provider)->create(request));
    if (!created) return 1;
    if (!wait_for((*provider)->start(created->id))) return 1;
    std::puts("end");
    std::fflush(stdout);
    if (!wait_for((*provider)->stop(created->id))) return 1;
    if (!wait_for((*provider)->destroy(created->id))) return 1;
    return 0;
}

} // namespace sandboxkit::test

TEST_CASE("killed at any moment, it leaves nothing that the next process does not find or remove") {
    LocalFixture fixture;
    const auto image = fixture.image();
    constexpr int moments = 16;
    for (int moment = 0; moment < moments; ++moment) {
        const std::string token = "crash " + std::to_string(moment);
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        local::SpawnPlan plan;
        plan.arguments = {fs::read_symlink("/proc/self/exe"), "--crash-child", fixture.state(),
                          LocalFixture::guest_program(),      image,           token};
        local::FileHandle null(::open("/dev/null", O_RDWR | O_CLOEXEC)), reader(ends[0]), writer(ends[1]);
        plan.descriptors = {null.get(), writer.get(), 2};
        auto child = local::spawn(plan);
        REQUIRE(child.has_value());
        writer.reset();
        char byte = 0;
        REQUIRE(::read(reader.get(), &byte, 1) == 1); // it begins
        // The moments differ in how long it may run on; wherever it is then, that is a place to die.
        pollfd ended{child->pidfd.get(), POLLIN, 0};
        ::poll(&ended, 1, 3 * moment * moment / 2);
        ::kill(child->pid, SIGKILL);
        local::wait_for_exit(child->pidfd, std::chrono::seconds(10));
        local::reap(*child);

        fixture.reopen();
        auto all = wait_for(fixture.provider().list({}));
        REQUIRE(succeeded(all));
        CHECK(all->size() <= 1);
        // Even moments take the sandbox up again, odd ones remove it.
        for (const auto& each : *all) {
            CHECK(each.token == token);
            if (moment % 2 == 0) {
                REQUIRE(succeeded(wait_for(fixture.provider().start(each.id))));
                CHECK(shell(fixture.socket(each.id), "echo up").text == "up\n");
            }
            REQUIRE(succeeded(wait_for(fixture.provider().destroy(each.id))));
        }
        const auto left = fixture.leftovers().after();
        CAPTURE(moment);
        INFO((left.empty() ? "" : left.front()));
        CHECK(left.empty());
    }
}

TEST_CASE("a container and a control group without a sandbox are removed, and a damaged record, too") {
    LocalFixture fixture;
    const auto id = fixture.start(fixture.request("orphan"));
    // As if its directory had been lost.
    fs::rename(fixture.state() / "sandboxes" / id, fixture.state().parent_path() / "lost");
    CHECK(!fixture.leftovers().now().empty());
    CHECK(wait_for(fixture.provider().list({}))->empty());
    const auto left = fixture.leftovers().after();
    INFO((left.empty() ? "" : left.front()));
    CHECK(left.empty());

    auto created = wait_for(fixture.provider().create(fixture.request("damaged")));
    REQUIRE(succeeded(created));
    fs::resize_file(fixture.state() / "sandboxes" / created->id / "sandbox.json", 5);
    CHECK(wait_for(fixture.provider().list({}))->empty());
    CHECK(fixture.leftovers().after().empty());
}
