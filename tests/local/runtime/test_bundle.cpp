// SPDX-License-Identifier: Apache-2.0
// The OCI configuration as a document.
#include "providers/local/oci_bundle.hpp"

#include <doctest/doctest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>

using namespace sandboxkit;
using namespace sandboxkit::local;
namespace json = boost::json;

namespace {

json::object config_of(const BundleDescription& description) {
    return json::parse(oci_config(description)).as_object();
}

BundleDescription description() {
    BundleDescription result;
    result.root = "/root/of/it";
    result.hostname = "box";
    result.guest = "/usr/lib/guest";
    result.arguments = {"--listen-fd", "3"};
    result.cgroup_path = "/group";
    result.limits = {1.5, 100 << 20, 77, {}};
    result.open_files_hard = 5000;
    return result;
}

} // namespace

TEST_CASE("only limits that the host can hold are put in") {
    auto bundle = description();
    CHECK(config_of(bundle)["linux"].at("resources").as_object().empty());
    bundle.controls = {true, true, false, true, false};
    auto resources = config_of(bundle)["linux"].at("resources").as_object();
    CHECK(resources["cpu"].at("quota") == 150'000);
    CHECK(resources["cpu"].at("period") == 100'000);
    CHECK(resources["cpu"].at("shares") == 1536);
    CHECK(resources["memory"].as_object() == json::object{{"limit", 100 << 20}});
    CHECK(resources["pids"].at("limit") == 77);
    CHECK(!resources.contains("devices"));
    bundle.controls = {true, true, true, true, true};
    bundle.limits.cpus = 0.001;
    resources = config_of(bundle)["linux"].at("resources").as_object();
    CHECK(resources["cpu"].at("quota") == 1000); // the least that the kernel takes
    CHECK(resources["memory"].at("swap") == 100 << 20);
    CHECK(resources["devices"].as_array().front().at("allow") == false);
}

TEST_CASE("limits on open files are lowered, never raised") {
    auto bundle = description();
    auto limit = config_of(bundle)["process"].at("rlimits").as_array().front().as_object();
    CHECK(limit["hard"] == 5000);
    CHECK(limit["soft"] == 5000);
    bundle.open_files_hard = ~std::uint64_t{0};
    limit = config_of(bundle)["process"].at("rlimits").as_array().front().as_object();
    CHECK(limit["hard"] == 1'048'576);
    CHECK(limit["soft"] == 65'536);
}

TEST_CASE("the bundle isolates") {
    auto bundle = description();
    bundle.read_only_paths = {"/workspace/a \"b\""};
    auto config = config_of(bundle);
    CHECK(config["process"].at("noNewPrivileges") == true);
    for (const char* absent : {"CAP_NET_RAW", "CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SETFCAP"})
        for (const char* set : {"bounding", "effective", "permitted"})
            CHECK(std::ranges::count(config["process"].at("capabilities").at(set).as_array(), json::value(absent)) == 0);
    CHECK(config["linux"].at("namespaces").as_array().size() == 6);
    CHECK(config["linux"].at("readonlyPaths").as_array().back() == "/workspace/a \"b\"");
    CHECK(config["mounts"].as_array().back().at("destination") == guest_path_inside);
    const auto options = config["mounts"].as_array().back().at("options").as_array();
    CHECK(std::ranges::count(options, json::value("ro")) == 1);
}
