// SPDX-License-Identifier: Apache-2.0
#include "local/runtime/fixture.hpp"

#include "providers/local/program_path.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace sandboxkit::test {
namespace fs = std::filesystem;
namespace {

void report(Leftovers leftovers) {
    for (const auto& line : leftovers.after()) MESSAGE("left behind: " << line);
}

} // namespace

void report_error(const Error& error) {
    MESSAGE(error.code << ": " << error.message << "\n" << error.detail);
}

std::string missing(const std::vector<std::string>& programs) {
    for (const auto& each : programs)
        if (local::find_program(each).empty()) return each + " is not installed";
    return {};
}

int check_host() {
    std::string reason;
    if (::geteuid() != 0) reason = "root privileges are needed";
    if (reason.empty() && !missing({"runc"}).empty() && !missing({"crun"}).empty()) reason = "neither runc nor crun is installed";
    if (reason.empty()) return 0;
    std::printf("SKIPPED: %s\n", reason.c_str());
    return 77;
}

fs::path LocalFixture::guest_program() {
    return SANDBOXKIT_GUEST_PROGRAM;
}
fs::path LocalFixture::probe_program() {
    return SANDBOXKIT_PROBE_PROGRAM;
}

LocalFixture::LocalFixture() : pool_(std::make_unique<async::Pool>(4)) {
    std::string pattern = "/var/tmp/sandboxkit-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    state_ = fs::path(pattern) / "state";
    reopen();
}

LocalFixture::~LocalFixture() {
    if (provider_) {
        auto all = wait_for(provider_->list({}));
        if (all)
            for (const auto& each : *all) wait_for(provider_->destroy(each.id));
        report(leftovers());
    }
    provider_.reset();
    pool_->join();
    std::error_code ignored;
    fs::remove_all(state_.parent_path(), ignored);
}

void LocalFixture::reopen() {
    provider_.reset();
    auto made = local::make_local_provider({state_, guest_program(), ""}, *pool_);
    REQUIRE(succeeded(made));
    provider_ = *made;
}

std::string LocalFixture::image() {
    if (!image_.empty()) return image_;
    const fs::path tree = state_.parent_path() / "tree";
    fs::create_directories(tree);
    fs::copy_file(probe_program(), tree / "probe");
    fs::create_directory(tree / "locked");
    fs::copy_file(probe_program(), tree / "locked" / "file");
    ImageRequest request;
    request.image = "host";
    request.trees.push_back({tree, "/opt"});
    auto prepared = wait_for(provider_->prepare_image(request));
    REQUIRE(succeeded(prepared));
    image_ = prepared->id;
    return image_;
}

CreateRequest LocalFixture::request(const std::string& token, Egress egress) {
    CreateRequest request;
    request.token = token;
    request.image_id = image();
    request.hostname = "testbox";
    request.egress = egress;
    request.labels = {{"test", token}};
    request.limits = {1, 256ULL << 20, 64, {}};
    return request;
}

std::string LocalFixture::start(const CreateRequest& request) {
    auto created = wait_for(provider_->create(request));
    REQUIRE(succeeded(created));
    auto started = wait_for(provider_->start(created->id));
    REQUIRE(succeeded(started));
    return created->id;
}

fs::path LocalFixture::socket(const std::string& id) const {
    auto endpoint = wait_for(provider_->endpoint(id));
    REQUIRE(succeeded(endpoint));
    return endpoint->unix_socket;
}

} // namespace sandboxkit::test
